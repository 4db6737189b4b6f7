"""What was learned of a service outlives a restart, and is told in words and for machines."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from tallylight.app import summary
from tallylight.app.cluster.read_only_storage import open_read_only
from tallylight.board import Board
from tallylight.clock import VirtualClock
from tallylight.config.settings import Configuration
from tallylight.i18n import Language, translator
from tallylight.model.evidence import Evidence, Failure, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.storage.database import open_storage
from tallylight.verdicts.learned import (
    LearnedFalseAlarmRate,
    LearnedFeedTrust,
    LearnedFigures,
    learned_figures,
)
from tests.builders import BROKEN

SORA = ServiceId("sora")
START = datetime(2026, 11, 1, tzinfo=UTC)

Live = Callable[..., Awaitable[LearnedFigures]]


@pytest.fixture
def configuration(load: Callable[..., Configuration], tmp_path: object) -> Configuration:
    """Return a configuration of one service with a database of its own."""
    return load(f"""
        upstreams:
          lab: {{provider: lab, base_url: "http://127.0.0.1:1/v1", protocol: openai_videos}}
        services:
          sora:
            upstream: lab
            model: sora-2
            access: official
            price: {{per_call: 0.10}}
            lengths: [4]
            sizes: [1280x720]
            probes: {{generation: 3h}}
            budget: {{per_day: 1.00}}
        database: {{url: "sqlite:///{tmp_path}/history.db"}}
        """)


@pytest.fixture
def clock() -> VirtualClock:
    """Return the clock of the house."""
    return VirtualClock(START)


@pytest.fixture
def live(configuration: Configuration, clock: VirtualClock) -> Live:
    """Return what watches a noisy service for some hundred jobs, and tells what was learned."""

    async def live(*, is_killed: bool = False) -> LearnedFigures:
        async with open_storage(configuration.database_url, clock) as history:
            board = Board(history, clock)
            services = configuration.catalogue.services.values()
            await board.apply_config(services, configuration.verdicts)
            for n in range(300):
                await clock.advance(timedelta(hours=1))
                await board.report(_job(clock.now(), BROKEN if n % 8 == 5 else None))
                await board.advance_time()
            await _outage_with_a_late_page(board, clock)
            if not is_killed:
                await board.save_snapshots()
            return learned_figures(*board.state(SORA))

    return live


def _job(at: datetime, failure: Failure | None) -> Evidence:
    return Evidence(SORA, at, Source.GENERATION, failure, timedelta(seconds=74))


async def _outage_with_a_late_page(board: Board, clock: VirtualClock) -> None:
    for _ in range(10):
        await clock.advance(timedelta(minutes=2))
        await board.report(_job(clock.now(), BROKEN))
    await clock.advance(timedelta(minutes=12))
    says = board.verdict(SORA).status
    assert says is not Status.OPERATIONAL
    await board.report(Evidence(SORA, clock.now(), Source.FEED, claimed_status=says))


@pytest.mark.parametrize("is_killed", [False, True], ids=["closed", "killed"])
async def test_what_was_learned_is_the_same_after_a_restart(
    live: Live, configuration: Configuration, clock: VirtualClock, *, is_killed: bool
) -> None:
    before = await live(is_killed=is_killed)

    async with open_read_only(configuration, clock) as (board, _):
        after = learned_figures(*board.state(SORA))

    assert after == before
    assert before.jobs.is_learned
    assert before.feed_lag is not None
    assert before.median_job == pytest.approx(timedelta(seconds=74), abs=timedelta(seconds=4))


def test_it_is_told_in_sentences() -> None:
    found = LearnedFigures(
        api=LearnedFalseAlarmRate(0.05, 1, 30, is_learned=False),
        jobs=LearnedFalseAlarmRate(0.128, 36, 384, is_learned=True),
        feed_trust=LearnedFeedTrust(0.625, 0.25, 4, 0, 0, 0),
        feed_lag=timedelta(minutes=18),
        median_job=None,
    )

    said = list(summary.learned_lines(found, translator(Language.EN)))

    assert [line.replace("\N{NARROW NO-BREAK SPACE}", " ") for line in said] == [
        "Background failure rate of free checks: 5% (default; 1 of 30 so far)",
        "Background failure rate of jobs: 12.8%, learned from 36 of 384",
        "Official status page reports an outage after: 18 min",
        (
            "Official status page: right 4 times and wrong 0 times when it reported trouble; "
            "believed to 62.5%"
        ),
        "Median job time: not known yet",
    ]


def test_it_is_told_to_machines() -> None:
    nothing = LearnedFalseAlarmRate(0.03, 0, 0, is_learned=False)

    trust = LearnedFeedTrust(0.5, 0.25, 3, 0, 1, 1)
    figures = LearnedFigures(nothing, nothing, trust, timedelta(minutes=2), None)

    told = summary.learned_json(figures)

    assert told == {
        "api_noise": {"share": 0.03, "bad": 0, "of": 0, "is_learned": False},
        "job_noise": {"share": 0.03, "bad": 0, "of": 0, "is_learned": False},
        "feed_trust": {
            "red": 0.5,
            "green": 0.25,
            "agreed": 3,
            "denied": 0,
            "green_agreed": 1,
            "green_denied": 1,
        },
        "feed_lag_s": 120.0,
        "usual_job_s": None,
    }
