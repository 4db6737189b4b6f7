"""Routes: a public model name, its services, and the policy that orders them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from tallylight.catalogue.families import usual_name
from tallylight.catalogue.services import Service
from tallylight.gateway.routing.presets import Preset, RoutingPolicy
from tallylight.model.ids import ServiceId

DEFAULT_MODEL = "sora-2"
"""The Videos API's model for a request that names none."""


class WhenInDoubt(StrEnum):
    """What happens to a create that may or may not have been accepted."""

    RECONCILE = "reconcile"  # search the upstream's list of jobs for a minute, then fail
    WAIT = "wait"  # search until the deadline, then fail
    PAY_TWICE = "pay_twice"  # try the next service at once


@dataclass(frozen=True, slots=True)
class SpendAtMost:
    """Search as with `reconcile`; then try the next service if that is not too likely to pay twice.

    Args:
        usd: What all second payments for one video may be expected to cost at most, in USD.
    """

    usd: Decimal


DoubtSetting = WhenInDoubt | SpendAtMost
"""What a route does about a create that may or may not have been accepted."""


class Substitute(StrEnum):
    """A field that a route may change where a service does not allow the requested value."""

    SECONDS = "seconds"
    SIZE = "size"


@dataclass(frozen=True, slots=True)
class Route:
    """A public model name and its services.

    Args:
        name: The value of `model` in callers' requests.
        services: The services, in the order of the configuration.
        policy: The policy that orders the services.
        explicit: The order of the configuration applies instead of the policy.
        weights: Relative shares of services that tie; 1 for services that are not listed.
        when_in_doubt: What happens to a create that may have been accepted.
        substitutes: Fields for which the nearest allowed value may replace the requested one.
        deadline: The time limit of a video, over all its attempts.
        hold: How long a video waits while no service is available, before it fails; zero refuses
            the create at once.
        attempts: The maximum number of attempts.
        content_travels: Content that one service rejected is submitted to the next.
        stall_factor: A job counts as stalled after this multiple of the service's p95 duration.
    """

    name: str
    services: tuple[ServiceId, ...]
    policy: RoutingPolicy = Preset.COMMERCIAL
    explicit: bool = False
    weights: Mapping[ServiceId, float] = field(default_factory=dict)
    when_in_doubt: DoubtSetting = WhenInDoubt.RECONCILE
    substitutes: frozenset[Substitute] = frozenset()
    deadline: timedelta = timedelta(minutes=30)
    hold: timedelta = timedelta(0)
    attempts: int = 4
    content_travels: bool = False
    stall_factor: float = 3.0


def default_routes(services: Iterable[Service]) -> Mapping[str, Route]:
    """Return the routes of a configuration that defines none.

    There is one route for each model, over all services of the model, and one for each service by
    its id. A model is identified by its name on the fact sheet, because upstreams may use
    different ids for it.
    """
    known = tuple(services)
    routes = {str(service.id): Route(service.id, (service.id,)) for service in known}
    by_model: dict[str, tuple[ServiceId, ...]] = {}
    for service in known:
        name = service.sheet.model
        by_model[name] = (*by_model.get(name, ()), service.id)
    models = {name: Route(name, ids) for name, ids in by_model.items()}
    return models | {name: route for name, route in routes.items() if name not in models}


def usual_routes(services: Iterable[Service]) -> Mapping[str, Route]:
    """Return the default routes, and one for each model by its usual name: "seedance-2.5".

    Providers have ids of their own for the same model, and some have one id for each kind of input.
    The usual name is that of the title on the fact sheets; its route has all services of the model,
    without further ids of what a provider already offers. An id that is the usual name itself but
    for its case, MiniMax-H3, means the same.
    """
    known = tuple(services)
    routes = dict(default_routes(known))
    for name, of_model in _by_usual_name(known).items():
        mains = {(each.upstream.id, each.model) for each in of_model}
        ids = tuple(
            each.id for each in of_model if (each.upstream.id, each.sheet.alias_of) not in mains
        )
        alike = {each.sheet.model for each in of_model if each.sheet.model.lower() == name}
        routes |= {each: Route(each, ids) for each in {name, *alike}}
    return routes


def _by_usual_name(services: Iterable[Service]) -> Mapping[str, list[Service]]:
    """Return services by the usual names of their models; a name is of one medium."""
    found: dict[str, list[Service]] = {}
    for each in services:
        name = usual_name(each.sheet.title)
        same = found.setdefault(name, [])
        if name and (not same or same[0].sheet.medium is each.sheet.medium):
            same.append(each)
    return {name: each for name, each in found.items() if each}
