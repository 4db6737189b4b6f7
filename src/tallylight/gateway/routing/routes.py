"""Routes: a public model name, the services that can serve it, and how it chooses among them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from tallylight.catalogue.services import Medium, Service
from tallylight.gateway.routing.presets import Preset, RoutingPolicy
from tallylight.model.ids import ServiceId

DEFAULT_MODEL = "sora-2"
"""What the Videos API takes where no model is named."""


class WhenInDoubt(StrEnum):
    """What becomes of a create of which nobody knows whether it was accepted."""

    RECONCILE = "reconcile"  # look for the job for a minute where the protocol lets us, then fail
    WAIT = "wait"  # go on looking until the deadline, then fail
    PAY_TWICE = "pay_twice"  # go on at once with the next service


class Substitute(StrEnum):
    """What a route may change in a request that a service cannot serve as it stands."""

    SECONDS = "seconds"
    SIZE = "size"


@dataclass(frozen=True, slots=True)
class Route:
    """A public model name and what stands behind it.

    Args:
        name: What callers write as `model`.
        services: Who can serve it, in the order in which they are written.
        policy: How they are ordered.
        explicit: As they are written, rather than by the policy.
        weights: Shares of services that are equals; 1 for those that are not named.
        when_in_doubt: What becomes of a create that may have been accepted.
        substitutes: Fields whose nearest allowed value may stand in for the one asked for.
        deadline: How long a video may take over all its attempts.
        hold: For how long a video is held whose services all refuse for the moment, before it
            fails; zero refuses it at once.
        attempts: How often it is submitted at most.
        content_travels: Whether content that one service refused is offered to the next.
        stall_factor: A job counts as stalled after so many times the service's own p95.
    """

    name: str
    services: tuple[ServiceId, ...]
    policy: RoutingPolicy = Preset.COMMERCIAL
    explicit: bool = False
    weights: Mapping[ServiceId, float] = field(default_factory=dict)
    when_in_doubt: WhenInDoubt = WhenInDoubt.RECONCILE
    substitutes: frozenset[Substitute] = frozenset()
    deadline: timedelta = timedelta(minutes=30)
    hold: timedelta = timedelta(0)
    attempts: int = 4
    content_travels: bool = False
    stall_factor: float = 3.0


def default_routes(services: Iterable[Service]) -> Mapping[str, Route]:
    """Return the routes of a configuration that writes none.

    One for each model over all services of it, by the model's name on its fact sheet, so that two
    upstreams that call it differently meet; and one for each service by its id, which pins it.
    """
    videos = [service for service in services if service.sheet.medium is Medium.VIDEO]
    routes = {str(service.id): Route(service.id, (service.id,)) for service in videos}
    of_model: dict[str, tuple[ServiceId, ...]] = {}
    for service in videos:
        name = service.sheet.model
        of_model[name] = (*of_model.get(name, ()), service.id)
    models = {name: Route(name, ids) for name, ids in of_model.items()}
    return models | {name: route for name, route in routes.items() if name not in models}
