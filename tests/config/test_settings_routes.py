"""The routes of a configuration, and what is wrong with them."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from tallylight.config.settings import Configuration
from tallylight.gateway.routing.presets import Preference, Preset
from tallylight.gateway.routing.routes import SpendAtMost, Substitute, WhenInDoubt

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
        "painter": ("pictures",),
        "pictures": ("pictures",),
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


def test_a_limit_of_what_a_doubt_may_cost_is_read_exactly(load: Load) -> None:
    text = "routes:\n  a: {services: [official], when_in_doubt: {spend_at_most: 0.05}}\n"

    found = load(f"{HOUSE}{text}").routes["a"]

    assert found.when_in_doubt == SpendAtMost(Decimal("0.05"))


def test_an_upstream_whose_doubts_nothing_resolves_is_worth_a_remark(load: Load) -> None:
    house = HOUSE.replace("relay.example/v1}", "relay.example/v1, dialect: new_api}")
    routes = "routes:\n  a: {services: [official, reverse]}\n  b: {services: [official]}\n"
    decided = "routes:\n  a: {services: [reverse], when_in_doubt: wait}\n"
    refusing = house.replace("new_api}", "new_api, refuses_with_500: true}")

    found = load(f"{house}{routes}")

    (remark,) = found.remarks
    assert str(remark) == (
        "tallylight.yaml:3: upstreams.relay: has no list of jobs (dialect new_api): a create that "
        "is answered with a 500, a page or nothing stays in doubt, and its video fails. Set "
        "`when_in_doubt` of a, or `refuses_with_500` here"
    )
    assert found.warnings == load(f"{house}{decided}").remarks == load(refusing).remarks == ()
    assert load(HOUSE).remarks == ()
    assert [each.key for each in load(house).remarks] == ["upstreams.relay"]


def test_what_lists_all_jobs_promises_is_noted(load: Load) -> None:
    (note,) = load(
        HOUSE.replace("maker.example/v1}", "maker.example/v1, lists_all_jobs: true}")
    ).notes

    assert str(note) == (
        "tallylight.yaml:2: upstreams.maker.lists_all_jobs: promises that a create that was sent "
        "shows in the list at the latest 60 s after its time limit; a video whose job is accepted "
        "or listed later is paid twice"
    )


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
            "tallylight.yaml:9: routes.a.services: is empty; a route needs at least one service",
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
                "tallylight.yaml:9: routes.a: sets more than one order; keep policy, prefer "
                "or explicit"
            ),
        ),
        (
            "  a: {services: [official, pictures]}",
            (
                "tallylight.yaml:9: routes.a.services.1: 'pictures' makes images; the services "
                "before it do not"
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
            "  a: {services: [official], when_in_doubt: pay_twic}",
            (
                "tallylight.yaml:9: routes.a.when_in_doubt: 'pay_twic' is not allowed. Did you "
                "mean pay_twice? Allowed: reconcile, wait, pay_twice, {spend_at_most: USD}"
            ),
        ),
        (
            "  a: {services: [official], when_in_doubt: {spend_at_most: some}}",
            (
                "tallylight.yaml:9: routes.a.when_in_doubt.spend_at_most: 'some' is not an amount; "
                "write US dollars as in 0.10"
            ),
        ),
        (
            "  a: {services: [official], when_in_doubt: {spend_at_most: 1, spend: 2}}",
            (
                "tallylight.yaml:9: routes.a.when_in_doubt.spend: is not a known key. Allowed: "
                "spend_at_most"
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
