"""`history` and `recommend` of the monitor return what the commands print."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tallylight import AsyncMonitor, Monitor
from tallylight.board import Board
from tallylight.clock import SystemClock, VirtualClock
from tallylight.config.settings import Configuration
from tallylight.model.evidence import Evidence, Failure, FailureKind, Fault, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.storage.database import open_storage
from tallylight.verdicts.options import PolicyOptions
from tests.builders import service_named

CONFIGURATION = """\
upstreams: {{u: {{provider: saygm, base_url: "https://u.example"}}}}
services: {{film: {{upstream: u, model: minimax/h3}}}}
routes: {{boats: {{services: [film]}}}}
database: {{url: "sqlite:///{}/history.db"}}
"""
FILM, OLD = ServiceId("film"), ServiceId("old-film")
PAUSED = Failure(FailureKind.SUSPENDED, Fault.UPSTREAM, "code:paused", "paused", names_state=True)


@pytest.fixture
async def configuration(load: Callable[..., Configuration], tmp_path: Path) -> Configuration:
    """Return a configuration whose service was down for an hour; another one was removed."""
    clock = VirtualClock(SystemClock().now() - timedelta(hours=3))
    async with open_storage(f"sqlite:///{tmp_path}/history.db", clock) as history:
        board = Board(history, clock)
        await board.apply_config([service_named(FILM), service_named(OLD)], PolicyOptions())
        for failure in (None, PAUSED, PAUSED, None, None):
            for id_ in (FILM, OLD):
                done = failure if id_ == FILM else failure or PAUSED
                await board.report(Evidence(id_, clock.now(), Source.GENERATION, failure=done))
            await clock.advance(timedelta(minutes=30))
        await board.apply_config([service_named(FILM)], PolicyOptions())
    return load(CONFIGURATION.format(tmp_path))


async def test_the_history_has_statuses_and_incidents_oldest_first(
    configuration: Configuration,
) -> None:
    async with AsyncMonitor(configuration) as monitor:
        history = await monitor.history(FILM, days=1)
        uptime = await monitor.uptime(FILM, hours=24)
        nothing_yet = await monitor.history(FILM, days=1 / 24 / 60)

    statuses = [each.status for each in history.intervals]
    assert statuses[:3] == [Status.OPERATIONAL, Status.SUSPENDED, Status.OPERATIONAL]
    (incident,) = history.incidents
    assert (incident.worst, incident.ended_at is None) == (Status.SUSPENDED, False)
    assert (history.service, history.removed_at) == (FILM, None)
    assert (history.availability.outages, uptime.outages) == (1, 1)
    assert nothing_yet.incidents == ()


async def test_the_history_of_a_removed_service_ends_with_its_removal(
    configuration: Configuration,
) -> None:
    async with AsyncMonitor(configuration) as monitor:
        history = await monitor.history(OLD, days=1)
        with pytest.raises(KeyError, match=r"No such service: old-flim\. Did you mean old-film"):
            await monitor.history("old-flim")

    assert history.removed_at is not None
    assert history.intervals[-1].end == history.removed_at
    assert history.incidents[-1].ended_at == history.removed_at


async def test_it_recommends_as_the_command_does(configuration: Configuration) -> None:
    async with AsyncMonitor(configuration, language="zh-TW") as monitor:
        found = await monitor.recommend("cheapest", seconds=6, model="boats")

    verdicts = [each.verdict for each in found.ranked]
    verdicts += [each.verdict for each in found.excluded]
    assert [each.service for each in verdicts] == [FILM]
    assert str(verdicts[0]).startswith("film 目前為「")
    assert (found.query.policy, found.query.seconds) == ("cheapest", 6)


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ({"purpose": "cheapst"}, LookupError, "No such policy: cheapst. Did you mean cheapest?"),
        ({"model": "boat"}, LookupError, "No such model: boat. Did you mean boats?"),
        ({"size": "big"}, ValueError, "big is not a size"),
    ],
)
def test_a_recommendation_for_nothing_is_refused(
    configuration: Configuration, words: dict[str, str], error: type[Exception], message: str
) -> None:
    with Monitor(configuration) as monitor, pytest.raises(error) as refused:
        monitor.recommend(**words)  # type: ignore[arg-type]

    assert message in str(refused.value)
