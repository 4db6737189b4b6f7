"""A scenario of one service and its status page, for the tests of feeds."""

from collections.abc import Mapping, Sequence

from tallylight.simulator.scenario import Scenario


def one_page(
    format_: str,
    *,
    start: str = "2026-01-28T09:00:00Z",
    faults: Sequence[Mapping[str, object]] = (),
    maintenances: Sequence[Mapping[str, object]] = (),
) -> Scenario:
    """Return a scenario whose page shows the service's component and one more."""
    seller = {
        "provider": "s",
        "protocol": "openai_videos",
        "dialect": "openai",
        "keys": ["k"],
        "feed": "page",
    }
    video = {
        "name": "Video",
        "upstream": "seller",
        "model": "v",
        "access": "official",
        "price": {"unit": "per_call", "rates": {"*": "0.10"}},
        "lengths": [4],
        "sizes": ["1280x720"],
        "component": "Video API",
    }
    shown = {
        "format": format_,
        "title": "Page",
        "components": ["Website"],
        "faults": list(faults),
        "maintenances": list(maintenances),
    }
    return Scenario.model_validate(
        {
            "title": "One page",
            "start": start,
            "upstreams": {"seller": seller},
            "services": {"video": video},
            "feeds": {"page": shown},
        }
    )
