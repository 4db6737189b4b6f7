"""Properties of the order that hold for all services."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallylight.catalogue.modes import short_modes
from tallylight.catalogue.services import BillingBasis, Service
from tallylight.gateway.routing.ordering import rank
from tallylight.gateway.routing.presets import POLICY_WEIGHTS, Preset, RoutingPolicy
from tallylight.gateway.routing.ranking import Candidate
from tallylight.gateway.routing.routes import Route, Substitute
from tallylight.model.ids import ServiceId
from tallylight.model.status import Access, Status
from tallylight.model.verdict import Block
from tallylight.model.wish import Wish
from tests.builders import priced_service, wish_of

MakeCandidate = Callable[..., Candidate]
CandidateLists = st.SearchStrategy[list[Candidate]]

FEW = settings(max_examples=50)
DRAWS = st.none() | st.floats(0, 1, exclude_max=True)
POLICIES = st.sampled_from(list(POLICY_WEIGHTS))
LENGTHS = st.lists(st.sampled_from([4, 5, 6, 8, 10, 12, 15]), unique=True).map(sorted).map(tuple)
SIZES = st.lists(
    st.sampled_from(["1280x720", "720x1280", "1920x1080", "1024x1792"]), unique=True
).map(tuple)


@cache
def _service(  # noqa: PLR0913  # hypothesis draws them
    name: str,
    *,
    access: Access,
    price: str | None,
    lengths: tuple[int, ...],
    sizes: tuple[str, ...],
    bills: BillingBasis,
) -> Service:
    service = priced_service(name, price, access, bills)
    return replace(service, sheet=replace(service.sheet, modes=short_modes(lengths, sizes)))


@pytest.fixture(scope="session")
def candidate_lists(make_candidate: MakeCandidate) -> CandidateLists:
    """Return a strategy for the candidates of up to six services."""

    def one(number: int) -> st.SearchStrategy[Candidate]:
        services = st.builds(
            _service,
            st.just(f"s{number}"),
            access=st.sampled_from(Access),
            price=st.none() | st.sampled_from(["0", "0.05", "0.10", "0.1001", "0.50"]),
            lengths=LENGTHS,
            sizes=SIZES,
            bills=st.sampled_from(BillingBasis),
        )
        return services.flatmap(
            lambda service: st.builds(
                make_candidate,
                st.just(service),
                status=st.sampled_from(Status),
                blocked=st.sampled_from([None, None, Block.AUTH, Block.QUOTA]),
                delivery=st.sampled_from([0.0, 0.05, 0.4, 0.9, 0.95, 0.951, 1.0]),
                seconds=st.sampled_from([20.0, 60.0, 61.0, 300.0]),
                traffic_share=st.sampled_from([1.0, 1.0, 0.5, 0.02, 0.0]),
                wait=st.sampled_from([None, None, timedelta(seconds=9)]),
                is_trial=st.booleans(),
            )
        )

    everything = [one(number) for number in range(6)]
    return st.integers(1, 6).flatmap(lambda n: st.tuples(*everything[:n]).map(list))


ROUTES = st.builds(
    lambda ids, substitutes, policy, explicit: Route(
        "r", tuple(map(ServiceId, ids)), policy, explicit, substitutes=substitutes
    ),
    st.permutations([f"s{n}" for n in range(6)]).map(lambda ids: ids[:5]),
    st.frozensets(st.sampled_from(Substitute)),
    POLICIES,
    st.booleans(),
)
WISHES = st.builds(
    wish_of,
    st.just("a kite"),
    st.sampled_from([4, 8, 9, 11]),
    st.sampled_from(["1280x720", "720x1280", "1792x1024"]),
)
TRIED = st.frozensets(st.sampled_from([ServiceId(f"s{n}") for n in range(6)]), max_size=3)


@FEW
@given(data=st.data(), route=ROUTES, wish=WISHES, tried=TRIED, draw=DRAWS)
def test_each_service_of_the_route_is_ranked_or_excluded_with_a_reason(  # noqa: PLR0913, PLR0917  # hypothesis gives them
    candidate_lists: CandidateLists,
    data: st.DataObject,
    route: Route,
    wish: Wish,
    tried: frozenset[ServiceId],
    draw: float | None,
) -> None:
    candidates = data.draw(candidate_lists)

    found = rank(wish, route, candidates, tried=tried, draw=draw)

    ranked = [choice.service.id for choice in found.choices]
    out = [exclusion.service for exclusion in found.excluded]
    asked = {each.service.id for each in candidates} & set(route.services)
    assert sorted([*ranked, *out]) == sorted(asked)
    assert not tried & set(ranked)
    assert all(exclusion.message for exclusion in found.excluded)


@FEW
@given(data=st.data(), route=ROUTES, wish=WISHES, draw=DRAWS)
def test_no_unusable_service_is_ranked(
    candidate_lists: CandidateLists,
    data: st.DataObject,
    route: Route,
    wish: Wish,
    draw: float | None,
) -> None:
    candidates = {each.service.id: each for each in data.draw(candidate_lists)}

    found = rank(wish, route, list(candidates.values()), is_limited=True, draw=draw)

    for choice in found.choices:
        each = candidates[choice.service.id]
        assert each.verdict.status is not Status.RETIRED
        assert each.wait is None
        assert each.service.access not in POLICY_WEIGHTS[route.policy].excluded_access
        assert choice.is_priced or each.service.access is Access.SELF_HOSTED
        if not each.is_trial:
            assert each.verdict.blocked is None
            assert each.verdict.status not in {Status.SUSPENDED, Status.MAINTENANCE}


@FEW
@given(data=st.data(), route=ROUTES, wish=WISHES, draw=DRAWS)
def test_values_are_substituted_only_if_the_route_allows_it(
    candidate_lists: CandidateLists,
    data: st.DataObject,
    route: Route,
    wish: Wish,
    draw: float | None,
) -> None:
    candidates = data.draw(candidate_lists)

    found = rank(wish, route, candidates, draw=draw)

    for choice in found.choices:
        sheet, asked = choice.service.sheet, choice.order
        assert not sheet.lengths or asked.seconds in sheet.lengths
        assert not sheet.sizes or asked.size in sheet.sizes
        changed = {
            name
            for name in ("seconds", "size")
            if getattr(asked, name) != getattr(wish.measures, name)
        }
        assert changed <= set(route.substitutes)


@FEW
@given(data=st.data(), route=ROUTES, wish=WISHES, draw=DRAWS)
def test_the_order_of_the_candidates_does_not_matter(
    candidate_lists: CandidateLists,
    data: st.DataObject,
    route: Route,
    wish: Wish,
    draw: float | None,
) -> None:
    candidates = data.draw(candidate_lists)
    shuffled = data.draw(st.permutations(candidates))

    assert rank(wish, route, candidates, draw=draw) == rank(wish, route, shuffled, draw=draw)


@FEW
@given(data=st.data(), route=ROUTES, wish=WISHES, draw=DRAWS)
def test_the_order_in_which_a_route_names_its_services_matters_only_where_it_is_explicit(
    candidate_lists: CandidateLists,
    data: st.DataObject,
    route: Route,
    wish: Wish,
    draw: float | None,
) -> None:
    candidates = data.draw(candidate_lists)
    route = replace(route, explicit=False)
    turned = replace(route, services=route.services[::-1])

    assert rank(wish, route, candidates, draw=draw) == rank(wish, turned, candidates, draw=draw)


@FEW
@given(data=st.data(), policy=POLICIES, draw=DRAWS, cheaper=st.integers(0, 5))
def test_a_cheaper_service_that_is_otherwise_equal_never_ranks_below(  # noqa: PLR0913, PLR0917  # hypothesis gives them
    candidate_lists: CandidateLists,
    make_candidate: MakeCandidate,
    data: st.DataObject,
    policy: RoutingPolicy,
    draw: float | None,
    cheaper: int,
) -> None:
    bills, delivery = (
        data.draw(st.sampled_from(BillingBasis)),
        data.draw(st.sampled_from([0.4, 0.95])),
    )
    pair = [
        make_candidate(priced_service(name, price, bills=bills), delivery=delivery)
        for name, price in (
            (f"t{cheaper}", "0.1000"),
            (f"t{5 - cheaper}x", data.draw(st.sampled_from(["0.1001", "0.11", "3"]))),
        )
    ]
    others = data.draw(candidate_lists)
    everything = [*pair, *others]
    route = Route("r", tuple(each.service.id for each in everything), policy)

    found = rank(wish_of("a kite", 4, "1280x720"), route, everything, draw=draw)

    ranked = [choice.service.id for choice in found.choices]
    assert ranked.index(pair[0].service.id) < ranked.index(pair[1].service.id)


@FEW
@given(data=st.data(), wish=WISHES, draw=DRAWS)
def test_an_explicit_order_is_kept_among_services_that_are_trusted(
    candidate_lists: CandidateLists,
    data: st.DataObject,
    wish: Wish,
    draw: float | None,
) -> None:
    candidates = [replace(each, traffic_share=1.0) for each in data.draw(candidate_lists)]
    names = data.draw(st.permutations([each.service.id for each in candidates]))
    route = Route("r", tuple(names), Preset.BUDGET, explicit=True)

    found = rank(wish, route, candidates, draw=draw)

    ranked = [choice.service.id for choice in found.choices]
    assert ranked == [name for name in names if name in ranked]


@pytest.mark.parametrize(
    "weights", [(1.0, 1.0, 1.0), (3.0, 1.0, 0.5), (1.0, 0.0, 2.0), (0.0, 0.0, 1.0)]
)
def test_ties_share_the_requests_by_their_weights(
    make_candidate: MakeCandidate, weights: Sequence[float]
) -> None:
    candidates = [
        make_candidate(priced_service(name, price), delivery=delivery)
        for name, price, delivery in (
            ("a", "0.100", 0.950),
            ("b", "0.101", 0.955),
            ("c", "0.100", 0.950),
        )
    ]
    route = Route(
        "r",
        tuple(each.service.id for each in candidates),
        Preset.BUDGET,
        weights={e.service.id: w for e, w in zip(candidates, weights, strict=True)},
    )
    wish = wish_of("a kite", 4, "1280x720")
    draws = 3000

    firsts, seconds = Counter[str](), Counter[str]()
    for number in range(draws):
        choices = rank(wish, route, candidates, draw=(number + 0.5) / draws).choices
        firsts[choices[0].service.id] += 1
        if choices[0].service.id == "c":
            seconds[choices[1].service.id] += 1

    for name, weight in zip("abc", weights, strict=True):
        assert firsts[name] / draws == pytest.approx(weight / sum(weights), abs=0.002)
    a, b, _ = weights
    if a + b:
        assert seconds["a"] / seconds.total() == pytest.approx(a / (a + b), abs=0.01)


@pytest.mark.parametrize("traffic_share", [0.02, 0.1, 0.4])
def test_a_recovering_service_is_the_first_choice_of_its_share_of_requests(
    make_candidate: MakeCandidate, traffic_share: float
) -> None:
    weak = make_candidate(priced_service("b", "0.01"), traffic_share=traffic_share)
    also = make_candidate(priced_service("c", "0.02"), traffic_share=traffic_share)
    candidates = [make_candidate(priced_service()), weak, also]
    route = Route("r", tuple(each.service.id for each in candidates), Preset.BUDGET)
    draws = 4000

    firsts = Counter[str](
        rank(wish_of("p", 4, "1280x720"), route, candidates, draw=(n + 0.5) / draws)
        .choices[0]
        .service.id
        for n in range(draws)
    )

    assert firsts["b"] / draws == pytest.approx(traffic_share, abs=0.002)
    assert firsts["c"] / draws == pytest.approx(traffic_share * (1 - traffic_share), abs=0.002)
