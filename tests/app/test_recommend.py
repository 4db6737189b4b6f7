"""What is recommended is what the gateway would do, and every code of it has its words."""

import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tallylight.app.cluster.read_only_storage import ReadOnlyStorage
from tallylight.app.recommend import RouteRecommender, board_recommender
from tallylight.board import Board
from tallylight.clock import VirtualClock
from tallylight.config.settings import Configuration
from tallylight.gateway.routing.presets import POLICY_WEIGHTS, RoutingPolicy
from tallylight.gateway.routing.ranking import ExclusionReason, RankingReason
from tallylight.i18n import Language, translator
from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.status.recommendation import ExcludedService, RecommendationQuery
from tallylight.status.views.recommendation import (
    exclusion_sentence,
    policy_description,
    policy_label,
    ranking_sentence,
)
from tallylight.storage.database import open_storage
from tests.builders import BROKEN

Load = Callable[..., Configuration]

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ENGLISH = translator(Language.EN)
ROUTING = (Path(__file__).parents[2] / "docs" / "routing.md").read_text(encoding="utf-8")

HOUSE = """\
upstreams:
  maker: {provider: maker, base_url: https://maker.example/v1}
  relay: {provider: relay, base_url: https://relay.example/v1, bills: deliveries}
services:
  official: {upstream: maker, model: film, access: official, lengths: [4, 8], sizes: [720p],
    price: {per_second: {"*": 0.10}}}
  reverse: {upstream: relay, model: film, access: reverse, lengths: [10, 15], sizes: [720p],
    price: {per_call: 0.15}}
  pictures: {upstream: relay, model: painter, access: reverse, medium: image}
routes:
  film: {services: [reverse, official], explicit: true}
  cheap: {services: [reverse, official], prefer: cheapest}
"""


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOON)


@pytest.fixture
async def board(load: Load, clock: VirtualClock, tmp_path: Path) -> AsyncIterator[Board]:
    configuration = load(HOUSE)
    async with open_storage(f"sqlite:///{tmp_path}/history.db", clock) as history:
        board = Board(ReadOnlyStorage(history), clock)
        await board.apply_config(configuration.catalogue.services.values(), configuration.verdicts)
        yield board


@pytest.fixture
def recommender(board: Board, clock: VirtualClock, load: Load) -> RouteRecommender:
    configuration = load(HOUSE)
    return board_recommender(board, clock, lambda: configuration)


async def test_all_services_that_make_videos_are_compared(recommender: RouteRecommender) -> None:
    found = recommender.recommend(RecommendationQuery())

    assert found.query.policy == "commercial"
    assert [each.service.id for each in found.ranked] == ["official", "reverse"]
    assert [(each.seconds, each.cost) for each in found.ranked] == [
        (4, Decimal("0.40")),
        (10, Decimal("0.15")),
    ]
    assert found.excluded == ()


async def test_what_a_service_cannot_do_leaves_it_out(recommender: RouteRecommender) -> None:
    found = recommender.recommend(RecommendationQuery("cheapest", 8, "1280x720"))

    assert [each.service.id for each in found.ranked] == ["official"]
    assert [(each.service.id, each.param, each.allowed) for each in found.excluded] == [
        ("reverse", "seconds", "10, 15")
    ]


async def test_a_model_is_compared_in_its_own_order(recommender: RouteRecommender) -> None:
    written = recommender.recommend(RecommendationQuery(model="film"))
    cheap = recommender.recommend(RecommendationQuery(model="cheap"))
    named = recommender.recommend(RecommendationQuery("official", model="film"))

    assert (written.query.policy, cheap.query.policy) == ("", "cheapest")
    assert [each.service.id for each in written.ranked] == ["reverse", "official"]
    assert [each.service.id for each in named.ranked] == ["official", "reverse"]
    assert recommender.models() == ["film", "cheap"]


@pytest.mark.parametrize(
    "wanted", [RecommendationQuery("nonsense"), RecommendationQuery(model="nonsense")]
)
async def test_what_there_is_not_is_named(
    recommender: RouteRecommender, wanted: RecommendationQuery
) -> None:
    with pytest.raises(LookupError, match=r"nonsense. Known: "):
        recommender.recommend(wanted)


async def test_what_was_seen_of_a_service_moves_its_price_of_a_delivered_video(
    recommender: RouteRecommender, board: Board, clock: VirtualClock
) -> None:
    for number in range(40):
        await clock.advance(timedelta(seconds=40))
        failure = BROKEN if number % 3 == 1 else None
        latency = None if failure else timedelta(seconds=60)
        for_it = Evidence(
            ServiceId("official"), clock.now(), Source.TRAFFIC, failure, latency=latency
        )
        await board.report(for_it)

    (best, *_) = recommender.recommend(RecommendationQuery("official")).ranked

    assert best.service.id == "official"
    assert 0.4 < best.success_probability < 0.8
    assert best.expected_cost is not None
    assert best.expected_cost == pytest.approx(Decimal("0.40") / Decimal(best.success_probability))
    assert best.expected_time == timedelta(seconds=60) / best.success_probability


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("code", RankingReason)
def test_every_reason_of_a_place_has_a_sentence(code: RankingReason, language: Language) -> None:
    assert ranking_sentence(code.value, translator(language))


_OF_A_REQUEST = {ExclusionReason.TRIED, ExclusionReason.BUDGET, ExclusionReason.UNPRICED}
"""Reasons that depend on one caller's request: a recommendation has none."""


@pytest.mark.parametrize("bar", sorted(set(ExclusionReason) - _OF_A_REQUEST))
async def test_every_reason_to_leave_a_service_out_has_a_sentence(
    board: Board, bar: ExclusionReason
) -> None:
    id_ = ServiceId("official")
    asked = {ExclusionReason.BLOCKED: "auth", ExclusionReason.POLICY: "reverse"}.get(bar, "")
    out = ExcludedService(board.service(id_), board.verdict(id_), bar.value, requested=asked)

    assert exclusion_sentence(out, ENGLISH)


@pytest.mark.parametrize("policy", [*POLICY_WEIGHTS, ""])
def test_every_policy_has_a_name_and_a_meaning(policy: str) -> None:
    assert policy_label(policy, ENGLISH)
    assert policy_description(policy, ENGLISH)


@pytest.mark.parametrize("policy", POLICY_WEIGHTS)
def test_the_figures_that_a_reader_is_told_are_those_that_count(policy: RoutingPolicy) -> None:
    weighing, told = POLICY_WEIGHTS[policy], policy_description(policy.value, ENGLISH)
    figures = [float(figure) for figure in re.findall(r"\$([0-9.]*[0-9])", told)]

    if weighing.per_usd and weighing.per_hour:
        assert figures == [each for each in (weighing.per_hour, weighing.per_failure) if each]
    assert ("Reverse services are excluded" in told) is bool(weighing.excluded_access)
    assert ("below 80%" in told) is (weighing.min_delivery == 0.8)


@pytest.mark.parametrize("policy", POLICY_WEIGHTS)
def test_the_figures_of_the_documentation_are_those_that_count(policy: RoutingPolicy) -> None:
    row = re.search(rf"^\| `{policy.value}` \| ((?:\$|only).*)\|$", ROUTING, re.MULTILINE)
    assert row is not None
    hour, failure, *_, least, within = (each.strip() for each in row[1].split("|"))
    weighing = POLICY_WEIGHTS[policy]

    if weighing.per_usd:
        assert float(hour.removeprefix("$")) == weighing.per_hour
        assert float(failure.removeprefix("$")) == weighing.per_failure
    assert float(least.removesuffix(" %") or 0) == pytest.approx(100 * weighing.min_delivery)
    assert float(within.removesuffix(" %")) == pytest.approx(100 * weighing.tie_tolerance)
