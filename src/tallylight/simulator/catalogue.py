"""What a client's catalogue should know of a scenario, with the simulator's addresses filled in."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta

from tallylight.simulator.scenario import Billing, Scenario, ScenarioService


def client_catalogue(
    scenario: Scenario,
    base_urls: Mapping[str, str],
    *,
    feed_urls: Mapping[str, str] | None = None,
    today: date | None = None,
) -> dict[str, object]:
    """Return the sections of a tallylight configuration that describe the scenario's world.

    Args:
        scenario: The world.
        base_urls: The address of each upstream (`World.base_urls`).
        feed_urls: The root of each status page (`World.feed_urls`); without them no feed is named.
        today: If given, all dates are moved so that the scenario's first day falls on it.

    Returns:
        JSON scalars, lists and mappings: `upstreams`, `services` and whatever the scenario adds.
    """
    move = timedelta() if today is None else today - scenario.start.date()
    facts = scenario.catalogue
    return {
        "upstreams": {
            name: _upstream(scenario, name, base_urls[name], feed_urls or {})
            for name in scenario.upstreams
        },
        "services": {
            name: _service(service, facts.services.get(name, {}), scenario, move)
            for name, service in scenario.services.items()
        },
        **{name: _to_json(section, move) for name, section in facts.sections.items()},
    }


def _upstream(
    scenario: Scenario, name: str, base_url: str, feed_urls: Mapping[str, str]
) -> dict[str, object]:
    part = scenario.upstreams[name]
    sold = scenario.services_at(name).values()
    described: dict[str, object] = {
        "provider": part.provider,
        "base_url": base_url,
        "protocol": part.protocol,
        "dialect": part.dialect,
        "key": part.keys[0].key,
        "bills": _billing_rule(sold),
    }
    if part.feed is not None and part.feed in feed_urls:
        named = {one.component for one in sold if one.component}
        described["feed"] = {
            "format": scenario.feeds[part.feed].format,
            "url": feed_urls[part.feed],
            # Several components of one upstream: the page is read as a whole.
            "component": named.pop() if len(named) == 1 else "",
        }
    return described


def _billing_rule(services: Iterable[ScenarioService]) -> str:
    # Failed jobs that are refunded cost as little as failed jobs that are never charged.
    keeps_failures = any(one.billing is Billing.KEEPS_FAILURES for one in services)
    return "acceptances" if keeps_failures else "deliveries"


def _service(
    service: ScenarioService, facts: Mapping[str, object], scenario: Scenario, shift: timedelta
) -> dict[str, object]:
    rates = {resolution: str(rate) for resolution, rate in service.price.rates.items()}
    described: dict[str, object] = {
        "name": service.name,
        "upstream": service.upstream,
        "model": service.model,
        "access": service.access,
        "sheet": None,  # the facts of the scenario's day, not those of ours
        "medium": service.medium,
        "sizes": list(service.sizes),
        "price": {service.price.unit: rates},
        "as_of": (scenario.start.date() + shift).isoformat(),
    }
    if service.lengths:
        described["lengths"] = sorted(service.lengths)
    return described | {key: _to_json(value, shift) for key, value in facts.items()}


def _to_json(value: object, shift: timedelta) -> object:
    match value:
        case datetime():
            return (value + shift).isoformat()
        case date():
            return (value + shift).isoformat()
        case list() | tuple():
            return [_to_json(item, shift) for item in value]
        case dict():
            return {str(key): _to_json(item, shift) for key, item in value.items()}
        case _:
            return value
