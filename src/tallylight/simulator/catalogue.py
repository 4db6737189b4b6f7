"""The tallylight configuration that describes a running scenario."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal

from tallylight.simulator.protocols.registry import TWINS
from tallylight.simulator.scenario import Billing, Scenario, ScenarioService


def client_catalogue(
    scenario: Scenario,
    base_urls: Mapping[str, str],
    *,
    feed_urls: Mapping[str, str] | None = None,
    today: date | None = None,
) -> dict[str, object]:
    """Return the sections of a tallylight configuration that describe a scenario, as JSON values.

    Without `feed_urls` no feed is named. With `today`, all dates are shifted so that the scenario's
    first day falls on it.
    """
    shift = timedelta() if today is None else today - scenario.start.date()
    facts = scenario.catalogue
    return {
        "upstreams": {
            name: _upstream(scenario, name, base_urls[name], feed_urls or {})
            for name in scenario.upstreams
        },
        "services": {
            name: _service(service, facts.services.get(name, {}), scenario, shift)
            for name, service in scenario.services.items()
        },
        **{name: _to_json(section, shift) for name, section in facts.sections.items()},
    }


def _upstream(
    scenario: Scenario, name: str, base_url: str, feed_urls: Mapping[str, str]
) -> dict[str, object]:
    upstream = scenario.upstreams[name]
    services = scenario.services_at(name).values()
    document: dict[str, object] = {
        "provider": upstream.provider,
        "base_url": base_url,
        "protocol": upstream.protocol,
        "dialect": upstream.dialect,
        **TWINS[upstream.protocol].client_settings(upstream.keys[0], base_url),
        "bills": _billing_rule(services),
    }
    if upstream.feed is not None and upstream.feed in feed_urls:
        components = {one.component for one in services if one.component}
        document["feed"] = {
            "format": scenario.feeds[upstream.feed].format,
            "url": feed_urls[upstream.feed],
            # With several components the whole page is read.
            "component": components.pop() if len(components) == 1 else "",
        }
    return document


def _billing_rule(services: Iterable[ScenarioService]) -> str:
    # Failed jobs that are refunded cost as little as failed jobs that are never charged.
    keeps_failures = any(one.billing is Billing.KEEPS_FAILURES for one in services)
    return "acceptances" if keeps_failures else "deliveries"


def _service(
    service: ScenarioService, facts: Mapping[str, object], scenario: Scenario, shift: timedelta
) -> dict[str, object]:
    price: dict[str, object] = {service.price.unit: _rates(service.price.rates)}
    if service.price.silent:
        price["silent"] = _rates(service.price.silent)
    document: dict[str, object] = {
        "name": service.name,
        "upstream": service.upstream,
        "model": service.model,
        "access": service.access,
        "sheet": None,  # our fact sheets describe another day
        "medium": service.medium,
        "price": price,
        "as_of": (scenario.start.date() + shift).isoformat(),
    }
    if "modes" not in facts:  # which say more than the lists
        document["sizes"] = list(service.sizes)
        document |= {"lengths": sorted(service.lengths)} if service.lengths else {}
    return document | {key: _to_json(value, shift) for key, value in facts.items()}


def _rates(rates: Mapping[str, Decimal]) -> dict[str, str]:
    return {resolution: str(rate) for resolution, rate in rates.items()}


def _to_json(value: object, shift: timedelta) -> object:
    match value:
        case date():  # also a datetime
            return (value + shift).isoformat()
        case list() | tuple():
            return [_to_json(item, shift) for item in value]
        case dict():
            return {str(key): _to_json(item, shift) for key, item in value.items()}
        case _:
            return value
