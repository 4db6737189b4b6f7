"""The routes of a configuration, and what is wrong with them."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from tallylight.config.settings import Configuration
from tallylight.gateway.routing.presets import Preference, Preset
from tallylight.gateway.routing.routes import Substitute, WhenInDoubt

Load = Callable[..., Configuration]
Complain = Callable[..., list[str]]

HOUSE = """\
upstreams:
  maker: {provider: openai, base_url: https://maker.example/v1}
  relay: {provider: relay, base_url: https://relay.example/v1}
services:
  official: {upstream: maker, model: sora-2}
  reverse: {upstream: relay, model: sora_video2, sheet: openai/sora-2, access: reverse}
  pictures: {upstream: relay, model: painter, medium: image, access: reverse}
"""


def test_without_routes_each_model_is_one_and_each_service_can_be_pinned(load: Load) -> None:
    found = load(HOUSE).routes

    assert {name: route.services for name, route in found.items()} == {
        "sora-2": ("official", "reverse"),
        "official": ("official",),
        "reverse": ("reverse",),
    }


def test_a_service_named_as_its_model_leaves_the_name_to_the_model(load: Load) -> None:
    found = load(HOUSE.replace("  official:", "  sora-2:")).routes

    assert found["sora-2"].services == ("sora-2", "reverse")


def test_a_route_is_read_as_it_is_written(load: Load) -> None:
    found = load(
        f"{HOUSE}"
        "routes:\n"
        "  Sora/best:\n"
        "    services: [reverse, official]\n"
        "    prefer: fastest\n"
        "    weights: {reverse: 2.5}\n"
        "    when_in_doubt: pay_twice\n"
        "    substitutes: [size]\n"
        "    deadline: 1h\n"
        "    attempts: 2\n"
        "    content_travels: true\n"
        "    stall_factor: 4\n"
        "  plain: {services: [official]}\n"
        "  strict: {services: [official, reverse], explicit: true}\n"
    ).routes

    best = found["Sora/best"]
    assert list(found) == ["Sora/best", "plain", "strict"]
    assert (best.services, best.policy) == (("reverse", "official"), Preference.FASTEST)
    assert best.weights == {"reverse": 2.5}
    assert best.when_in_doubt is WhenInDoubt.PAY_TWICE
    assert best.substitutes == {Substitute.SIZE}
    assert (best.deadline, best.attempts) == (timedelta(hours=1), 2)
    assert (best.content_travels, best.stall_factor) == (True, 4.0)
    assert found["plain"].policy is Preset.COMMERCIAL
    assert found["strict"].explicit


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (
            "  a: {services: [oficial]}",
            (
                "tallylight.yaml:9: routes.a.services.0: No such service: oficial. "
                "Did you mean official?"
            ),
        ),
        (
            "  a: {services: []}",
            "tallylight.yaml:9: routes.a.services: names nobody; a route needs a service",
        ),
        (
            "  a: {services: [official, reverse,\n      official]}",
            "tallylight.yaml:10: routes.a.services.2: 'official' is listed twice",
        ),
        (
            "  a: {services: [official]}\n  a: {services: [reverse]}",
            "tallylight.yaml:10: routes.a: is repeated; first in line 9",
        ),
        (
            "  a:\n    services: [official]\n    policy: prodction",
            (
                "tallylight.yaml:11: routes.a.policy: 'prodction' is not allowed. Did you mean "
                "production? Allowed: production, commercial, development, personal, "
                "high_volume, budget"
            ),
        ),
        (
            "  a: {services: [official], policy: budget, prefer: fastest}",
            (
                "tallylight.yaml:9: routes.a: says its order more than once; keep policy, prefer "
                "or explicit"
            ),
        ),
        (
            "  a: {services: [pictures]}",
            (
                "tallylight.yaml:9: routes.a.services.0: 'pictures' makes images; a route needs "
                "services that make videos"
            ),
        ),
        (
            "  a: {services: [official], weights: {reverse: 2}}",
            (
                "tallylight.yaml:9: routes.a.weights.reverse: No such service of this route: "
                "reverse. Known: official."
            ),
        ),
        (
            "  a: {services: [official], substitutes: [prompt]}",
            (
                "tallylight.yaml:9: routes.a.substitutes.0: 'prompt' is not allowed. Allowed: "
                "seconds, size"
            ),
        ),
    ],
)
def test_what_is_wrong_with_a_route_is_told_with_its_line(
    complain: Complain, written: str, told: str
) -> None:
    assert complain(f"{HOUSE}routes:\n{written}\n") == [told]
