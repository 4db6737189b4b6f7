"""`when_in_doubt: {spend_at_most: …}` sends a video on only where little is risked."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from structlog.testing import capture_logs

from tallylight.model.attempt import Attempt, AttemptChange
from tallylight.model.attempt_state import AttemptEvent, AttemptState
from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.model.ids import NO_KEY, AttemptId, ServiceId, VideoId
from tallylight.model.ledger import EntryId, EntryState, LedgerEntry, Purpose
from tallylight.model.video import Video, VideoStatus
from tallylight.storage.transaction import NewAttempt, NewVideo, Write
from tests.builders import order_of

from .conftest import RunningGateway, Start

UNRESOLVED, DELIVERED = AttemptState.UNRESOLVED, AttemptState.DELIVERED
CUT = {"kind": "reset", "accepts": True}
UNREADABLE_LIST = {
    "kind": "refuse",
    "http_status": 502,
    "body": "<html></html>",
    "doors": ["list"],
}
RULE = "exception:connection"  # of a connection that is reset


def spending(usd: str, *services: str) -> dict[str, object]:
    route = {"services": services or ("c", "a"), "explicit": True}
    return route | {"when_in_doubt": {"spend_at_most": usd}}


async def record_refused_doubts(gateway: RunningGateway, service: str, count: int) -> None:
    """Record doubts that came to nothing, as of other videos."""
    now = gateway.clock.now()
    failure = Failure(FailureKind.UNKNOWN, Fault.UPSTREAM, RULE)
    for number in range(count):
        video = Video(
            id=VideoId(f"earlier{number}"),
            key=NO_KEY,
            model="boats",
            prompt="an earlier boat",
            seconds=4,
            size="1280x720",
            created_at=now,
            deadline=now + timedelta(minutes=5),
            status=VideoStatus.FAILED,
            ended_at=now,
        )
        attempt = Attempt(
            id=AttemptId(f"{video.id}.1"),
            service=ServiceId(service),
            purpose=Purpose.TRAFFIC,
            order=order_of("", 4, "1280x720", model="sora-2"),
            entry=EntryId(f"{video.id}.1"),
            intended_at=now,
            video=video.id,
            number=1,
        )
        price = Decimal("0.1")
        entry = LedgerEntry(
            attempt.entry,
            attempt.service,
            Purpose.TRAFFIC,
            "",
            EntryState.RESERVED,
            price,
            price,
            now,
        )
        new = NewVideo(video.id, video, NewAttempt(attempt, entry))
        facts = (
            AttemptChange(attempt.id, AttemptEvent.UNCLEAR, now, failure=failure),
            AttemptChange(attempt.id, AttemptEvent.REFUSED, now, failure=failure),
        )
        await gateway.storage.group_commit.write(Write(video.id, new=new))
        await gateway.storage.group_commit.write(Write(video.id, facts=facts))


async def entries(gateway: RunningGateway, services: Iterable[str]) -> list[LedgerEntry]:
    found = {str(each.service): each for each in await gateway.storage.ledger.entries()}
    return [found[service] for service in services]


async def test_without_experience_the_price_has_to_be_below_the_limit(start: Start) -> None:
    gateway = await start(route=spending("0.10"))
    gateway.set_faults("c", CUT)

    with capture_logs() as logs:
        video = await gateway.until_ended(await gateway.create())

    assert await gateway.attempt_states(video) == [("c", UNRESOLVED), ("a", DELIVERED)]
    (risked,) = [each for each in logs if each["event"] == "video.risked"]
    assert (risked["p"], risked["price"], risked["rule"]) == (1.0, "0.1", RULE)
    first, second = await entries(gateway, "ca")
    assert (first.state, first.amount) == (EntryState.SETTLED, Decimal("0.3"))
    assert "risks 0.100000 USD, 100.0% of 0.1 USD" in second.note


async def test_a_price_above_the_limit_ends_the_video(start: Start) -> None:
    gateway = await start(route=spending("0.09"))
    gateway.set_faults("c", CUT)

    video = await gateway.until_ended(await gateway.create())

    assert await gateway.attempt_states(video) == [("c", UNRESOLVED)]
    assert video.error is not None
    assert video.error.code == "outcome_unknown"
    assert gateway.create_count("a") == 0


async def test_doubts_that_came_to_nothing_let_a_video_go_on(start: Start) -> None:
    gateway = await start(route=spending("0.03"))
    await record_refused_doubts(gateway, "c", 20)  # at most 20.7 % are accepted, with this one
    gateway.set_faults("c", CUT)

    video = await gateway.until_ended(await gateway.create())

    assert await gateway.attempt_states(video) == [("c", UNRESOLVED), ("a", DELIVERED)]


async def test_the_limit_bounds_the_sum_over_all_attempts(start: Start) -> None:
    gateway = await start(route=spending("0.25", "c", "a", "b"))
    gateway.set_faults("c", CUT)
    gateway.set_faults("a", CUT, UNREADABLE_LIST)

    video = await gateway.until_ended(await gateway.create())

    assert await gateway.attempt_states(video) == [("c", UNRESOLVED), ("a", UNRESOLVED)]
    assert gateway.create_count("b") == 0  # 0.10 were risked before, and 0.20 would be added


async def test_a_cheaper_service_is_asked_where_the_first_choice_is_too_expensive(
    start: Start,
) -> None:
    gateway = await start(route=spending("0.10", "c", "b", "a"))
    gateway.set_faults("c", CUT)

    video = await gateway.until_ended(await gateway.create())

    assert await gateway.attempt_states(video) == [("c", UNRESOLVED), ("a", DELIVERED)]


async def test_a_job_that_is_found_is_not_risked_again(start: Start) -> None:
    gateway = await start(route=spending("10", "a", "b"))
    gateway.set_faults("a", CUT)

    video = await gateway.until_ended(await gateway.create())

    assert await gateway.attempt_states(video) == [("a", DELIVERED)]


async def test_a_service_without_a_known_price_is_never_risked(start: Start) -> None:
    gateway = await start(route=spending("10"))
    services = [
        replace(each, sheet=replace(each.sheet, price=None)) if each.id == "a" else each
        for each in gateway.board.services()
    ]
    await gateway.board.apply_config(services, gateway.configuration.verdicts)
    gateway.set_faults("c", CUT)

    video = await gateway.until_ended(await gateway.create())

    assert await gateway.attempt_states(video) == [("c", UNRESOLVED)]


@pytest.mark.parametrize("accepts", [True, False])
async def test_what_came_of_an_unresolved_attempt_is_found_out_after_the_end(
    start: Start, *, accepts: bool
) -> None:
    gateway = await start(
        route=spending("0.01", "a"), upstreams={"first": {"lists_all_jobs": True}}
    )
    gateway.set_faults("a", {"kind": "reset", "accepts": accepts}, UNREADABLE_LIST)
    video = await gateway.until_ended(await gateway.create())
    assert await gateway.attempt_states(video) == [("a", UNRESOLVED)]
    gateway.set_faults("a")

    while not (learned := await gateway.storage.attempts.doubts(video.created_at)) or (
        learned[0].result == "unresolved"
    ):
        await gateway.clock.sleep(timedelta(seconds=30))

    (entry,) = await entries(gateway, "a")
    (attempt,) = await gateway.attempts(video)
    assert attempt.state is UNRESOLVED
    assert learned[0].result == ("accepted" if accepts else "refused")
    assert entry.state is (EntryState.SETTLED if accepts else EntryState.RELEASED)
    assert bool(attempt.job_id) is accepts
