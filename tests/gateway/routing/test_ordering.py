"""The order of services: presets, preferences, trust and exclusions."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tallylight.catalogue.modes import short_modes
from tallylight.catalogue.services import BillingBasis
from tallylight.gateway.routing.ordering import rank
from tallylight.gateway.routing.presets import Preference, Preset, RoutingPolicy, policy_named
from tallylight.gateway.routing.ranking import Candidate, Ranking, RankingReason
from tallylight.gateway.routing.routes import Route
from tallylight.model.evidence import FailureKind
from tallylight.model.ids import ServiceId
from tallylight.model.order import Input
from tallylight.model.status import Access, Status
from tests.builders import price_per_second, priced_service, wish_of

MakeCandidate = Callable[..., Candidate]
Make = Callable[..., Candidate]

ORDER = wish_of("a kite", 4, "1280x720")


@pytest.fixture
def make(make_candidate: MakeCandidate) -> Make:
    """Return a function that makes the candidate of a service."""

    def make(
        name: str, price: str | None = "0.10", access: str = "official", **more: object
    ) -> Candidate:
        kind = Access(access)
        bills = BillingBasis(str(more.pop("bills", "acceptances")))
        return make_candidate(priced_service(name, price, kind, bills), **more)

    return make


def ranked_ids(
    candidates: list[Candidate], policy: RoutingPolicy = Preset.COMMERCIAL, **more: object
) -> list[str]:
    return [choice.service.id for choice in ranking(candidates, policy, **more).choices]


def ranking(
    candidates: list[Candidate], policy: RoutingPolicy = Preset.COMMERCIAL, **more: object
) -> Ranking:
    route = Route("r", tuple(each.service.id for each in candidates), policy)
    return rank(ORDER, route, candidates, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Preset.PRODUCTION, ["sure", "slow"]),
        (Preset.COMMERCIAL, ["sure", "slow", "cheap"]),
        (Preset.DEVELOPMENT, ["cheap", "slow", "sure"]),
        (Preset.PERSONAL, ["cheap", "slow", "sure"]),
        (Preset.HIGH_VOLUME, ["cheap", "slow", "sure"]),
        (Preset.BUDGET, ["cheap", "slow", "sure"]),
        (Preference.OFFICIAL, ["sure", "slow", "cheap"]),
        (Preference.REVERSE, ["cheap", "slow", "sure"]),
        (Preference.CHEAPEST, ["cheap", "slow", "sure"]),
        (Preference.FASTEST, ["sure", "cheap", "slow"]),
        (Preference.MOST_RELIABLE, ["sure", "slow", "cheap"]),
    ],
)
def test_each_policy_has_its_own_order(
    make: Make, policy: RoutingPolicy, expected: list[str]
) -> None:
    candidates = [
        make("sure", "0.50", delivery=0.99, seconds=60),
        make("slow", "0.20", delivery=0.95, seconds=600),
        make("cheap", "0.03", "reverse", delivery=0.85, seconds=180),
    ]

    assert ranked_ids(candidates, policy) == expected


def test_a_price_is_divided_by_the_success_rate(make: Make) -> None:
    sure, cheap = make("sure", "0.10", delivery=0.9), make("cheap", "0.06", delivery=0.5)

    found = ranking([sure, cheap], Preference.CHEAPEST)

    assert [choice.service.id for choice in found.choices] == ["sure", "cheap"]
    assert found.choices[0].expected_cost == Decimal("0.444444")
    assert found.choices[1].expected_seconds == pytest.approx(180)
    assert found.delivery == pytest.approx(0.95)


def test_an_upstream_that_bills_deliveries_charges_nothing_for_a_failure(make: Make) -> None:
    sure = make("sure", "0.10", delivery=0.9)
    refunds = make("refunds", "0.06", delivery=0.5, bills="deliveries")

    found = ranking([sure, refunds], Preference.CHEAPEST)

    assert [choice.service.id for choice in found.choices] == ["refunds", "sure"]
    assert found.choices[0].expected_cost == found.choices[0].cost == Decimal("0.24")


@pytest.mark.parametrize(
    ("facts", "note"),
    [
        ({"status": Status.RETIRED}, "is retired"),
        ({"status": Status.RETIRED, "is_trial": True}, "is retired"),
        ({"status": Status.SUSPENDED}, "is suspended"),
        ({"status": Status.MAINTENANCE}, "is under maintenance"),
        ({"blocked": FailureKind.QUOTA}, "is blocked until its operator resolves the cause"),
        ({"wait": timedelta(seconds=9)}, "asked for no requests for another 9 s"),
        ({"access": "reverse"}, "is reverse, which the policy excludes"),
        ({"price": None}, "has no known price, and a spending limit applies"),
    ],
)
def test_an_unusable_service_is_excluded_with_the_reason(
    make: Make, facts: dict[str, object], note: str
) -> None:
    bad = make("bad", **facts)

    found = ranking([make("good"), bad], Preset.PRODUCTION, is_limited=True)

    assert [choice.service.id for choice in found.choices] == ["good"]
    assert [(each.service, each.message) for each in found.excluded] == [("bad", note)]
    assert found.retry_after == bad.wait


def test_a_mismatch_names_the_field_and_the_allowed_values(make_candidate: MakeCandidate) -> None:
    service = priced_service("long")
    long = make_candidate(
        replace(service, sheet=replace(service.sheet, modes=short_modes((10, 15), ())))
    )

    found = ranking([long])

    assert found.excluded[0].message == "cannot serve seconds 4; it takes 10, 15"


def test_a_tried_service_is_not_tried_again(make: Make) -> None:
    candidates = [make("a"), make("b", "0.20")]

    assert ranked_ids(candidates, tried={ServiceId("a")}) == ["b"]


def test_a_pinned_request_goes_only_to_its_service(make: Make) -> None:
    candidates = [make("a"), make("b", "0.20", "reverse")]

    found = ranking(candidates, Preset.PRODUCTION, pinned=ServiceId("b"))

    assert [choice.service.id for choice in found.choices] == ["b"]
    assert found.excluded == ()


def test_unknown_services_come_after_known_ones_of_their_access(make: Make) -> None:
    candidates = [
        make("new", "0.01", status=Status.UNKNOWN, traffic_share=0.1),
        make("known", "0.50"),
        make("gray", "0.01", "reverse"),
    ]

    found = ranking(candidates)

    assert [choice.service.id for choice in found.choices] == ["known", "new", "gray"]
    assert found.choices[1].reasons == (RankingReason.PREFERRED, RankingReason.UNKNOWN)


def test_if_all_services_are_unknown_the_best_of_them_is_first(make: Make) -> None:
    candidates = [
        make(name, price, status=Status.UNKNOWN, traffic_share=0.1)
        for name, price in (("a", "0.50"), ("b", "0.01"))
    ]

    assert ranked_ids(candidates, Preset.BUDGET, draw=0.05) == ["b", "a"]


def test_failures_in_traffic_make_a_service_the_last_resort(make: Make) -> None:
    candidates = [make("failing", "0.01", traffic_share=0.0), make("gray", "0.50", "reverse")]

    found = ranking(candidates)

    assert [choice.service.id for choice in found.choices] == ["gray", "failing"]
    assert RankingReason.FAILING in found.choices[1].reasons


def test_an_explicit_order_is_changed_only_by_failures(make: Make) -> None:
    candidates = [
        make("failing", traffic_share=0.0),
        make("new", "0.90", status=Status.UNKNOWN, traffic_share=0.1),
        make("cheap", "0.01"),
    ]
    names = tuple(each.service.id for each in candidates)
    route = Route("r", names, Preset.BUDGET, explicit=True)

    found = rank(ORDER, route, candidates, draw=0.99)

    assert [choice.service.id for choice in found.choices] == ["new", "cheap", "failing"]
    assert found.choices[1].reasons == (RankingReason.EXPLICIT,)


def test_a_caller_s_policy_replaces_the_route_s(make: Make) -> None:
    candidates = [make("sure", "0.50"), make("cheap", "0.01", "reverse")]
    names = tuple(each.service.id for each in candidates)
    route = Route("r", names, Preference.OFFICIAL, explicit=True)

    found = rank(ORDER, route, candidates, policy=policy_named("cheapest"))

    assert [choice.service.id for choice in found.choices] == ["cheap", "sure"]


def test_a_service_that_bills_each_picture_gets_no_picture_that_is_not_reckoned(
    make: Make, make_candidate: MakeCandidate
) -> None:
    service = priced_service("billing")
    price = replace(price_per_second("0.10"), per_input_image=Decimal("0.04"))
    billing = replace(service, sheet=replace(service.sheet, price=price))
    candidates = [make_candidate(billing), make("other")]
    route = Route("r", tuple(each.service.id for each in candidates))
    pictured = replace(ORDER, extras={"metadata": {"last_frame": "https://a.example/b.png"}})

    found = rank(pictured, route, candidates)

    assert [choice.service.id for choice in found.choices] == ["other"]
    assert [(each.service, each.param) for each in found.excluded] == [
        ("billing", "metadata.last_frame")
    ]
    assert len(rank(ORDER, route, candidates).choices) == 2


def test_an_unpriced_service_is_ranked_at_the_highest_price(
    make: Make, make_candidate: MakeCandidate
) -> None:
    unpriced = make_candidate(priced_service("unpriced", None), delivery=0.96)
    candidates = [unpriced, make("dear", "0.50", delivery=0.95), make("cheap", "0.10")]

    found = ranking(candidates, Preference.CHEAPEST)

    assert [choice.service.id for choice in found.choices] == ["cheap", "unpriced", "dear"]
    assert [choice.is_priced for choice in found.choices] == [True, False, True]
    assert found.choices[1].cost == 0


def test_a_self_hosted_service_needs_no_price_under_a_spending_limit(make: Make) -> None:
    own = make("own", price=None, access="self_hosted")

    found = ranking([own], is_limited=True)

    assert [choice.service.id for choice in found.choices] == ["own"]


@pytest.mark.parametrize("is_limited", [False, True])
def test_a_measure_goes_to_no_service_whose_price_it_could_change(
    make: Make, *, is_limited: bool
) -> None:
    order = replace(ORDER, extras={"metadata": {"duration": 15}})
    services = [make("own", price=None, access="self_hosted"), make("priced")]
    route = Route("r", tuple(each.service.id for each in services))

    found = rank(order, route, services, is_limited=is_limited)

    assert [choice.service.id for choice in found.choices] == ["own"]
    (excluded,) = found.excluded
    assert (excluded.service, excluded.param) == ("priced", "metadata.duration")
    assert excluded.message == (
        "has a price that 'metadata.duration' could change; send 'seconds' in its place"
    )


def test_a_flag_in_the_prompt_is_named_as_such(make: Make) -> None:
    order = replace(ORDER, prompt="a kite --dur 15")

    found = rank(order, Route("r", (ServiceId("a"),)), [make("a")])

    assert found.excluded[0].message == (
        "has a price that '--dur' in 'prompt' could change; send 'seconds' in its place"
    )


def test_a_service_below_the_minimum_success_rate_is_ranked_last(make: Make) -> None:
    candidates = [make("half", "0.01", delivery=0.5), make("dear", "2.00", delivery=0.9)]

    found = ranking(candidates, Preset.PRODUCTION)

    assert [choice.service.id for choice in found.choices] == ["dear", "half"]
    assert found.choices[1].reasons == (RankingReason.UNRELIABLE,)


def test_texts_and_inputs_are_passed_on_whole(make: Make) -> None:
    wish = replace(ORDER, inputs=(Input(url="https://a.example/b.png"),), extras={"x": 1})
    route = Route("r", (ServiceId("a"),))

    (choice,) = rank(wish, route, [make("a")]).choices

    assert (choice.order.prompt, choice.order.inputs) == (wish.prompt, wish.inputs)
    assert choice.order.extras is wish.extras


def test_a_policy_is_found_by_its_name() -> None:
    assert policy_named("high_volume") is Preset.HIGH_VOLUME
    with pytest.raises(ValueError, match=r"No such policy: fast\. Did you mean fastest"):
        policy_named("fast")
