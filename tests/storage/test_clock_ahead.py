"""What a clock wrote that was ahead does not outlive its correction, and deletes nothing."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy import text
from structlog.testing import capture_logs

from tallylight.clock import VirtualClock
from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import IncidentId, ServiceId
from tallylight.model.ledger import Purpose
from tallylight.model.status import Status
from tallylight.model.verdict import Incident, Transition, Verdict
from tallylight.storage.clock_ahead import clip_moments, has_future_evidence, set_future_aside
from tallylight.storage.database import Storage, open_storage
from tallylight.storage.transition_record import TransitionRecord
from tests.builders import NOON

FILM = ServiceId("s1")
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


async def observed(storage: Storage, at: datetime) -> None:
    storage.add_evidence(Evidence(FILM, at, Source.REACH))
    await storage.flush()


async def suspended(storage: Storage, at: datetime) -> None:
    """Record an outage that begins at a time."""
    before, after = (
        Verdict(FILM, status, at, 1.0, ()) for status in (Status.OPERATIONAL, Status.SUSPENDED)
    )
    incident = Incident(IncidentId("i"), FILM, at, None, Status.SUSPENDED, ())
    state = json.dumps({"at": at.isoformat(), "feed": {"until": (at + DAY).isoformat()}})
    record = TransitionRecord(FILM, Transition(FILM, at, at, before, after), state, incident)
    await storage.record_transitions(lambda: [record])


async def evidence_count(storage: Storage) -> int:
    async with storage.connections.read_transaction() as connection:
        return int(await connection.scalar(text("SELECT count(*) FROM evidence")) or 0)


async def test_what_a_clock_wrote_that_was_ahead_is_set_aside_or_clipped_once(
    address: str,
) -> None:
    async with open_storage(address, VirtualClock(NOON - HOUR)) as storage:
        await observed(storage, NOON - HOUR)
    async with open_storage(address, VirtualClock(NOON + 2 * DAY)) as storage:
        ahead = NOON + 2 * DAY
        await observed(storage, ahead)
        await suspended(storage, ahead)
        await storage.update_rollups()
        await storage.ledger.charge(FILM, Purpose.PROBE, Decimal(3), at=ahead, note="")

    async with open_storage(address, VirtualClock(NOON)) as storage:
        with capture_logs() as logs:
            assert await set_future_aside(storage.connections, NOON, is_believed=True)
            assert not await set_future_aside(storage.connections, NOON, is_believed=True)
        await observed(storage, NOON)

        assert [log["event"] for log in logs] == ["clock.was_ahead"]
        assert [piece.at for piece in await storage.evidence(FILM)] == [NOON, NOON - HOUR]
        incident = await storage.incident(IncidentId("i"))
        assert incident is not None
        assert incident.started_at == NOON
        state = json.loads((await storage.snapshots())[FILM].state)
        assert datetime.fromisoformat(state["at"]) == NOON
        assert datetime.fromisoformat(state["feed"]["until"]) == NOON + 3 * DAY
        spent = await storage.ledger.spent_by_service(HOUR, NOON + 59 * timedelta(minutes=1))
        assert spent[FILM] == Decimal(3)
        assert not (await storage.ledger.spent_by_service(HOUR, NOON + 2 * DAY)).get(FILM)
        intervals = await storage.status_intervals([FILM], NOON - HOUR, NOON + HOUR)
        newest = intervals[FILM][-1]
        assert (newest.status, newest.start) == (Status.SUSPENDED, NOON)
        await storage.update_rollups()


async def test_far_ahead_of_a_clock_that_nobody_confirms_all_stays_as_it_is(address: str) -> None:
    async with open_storage(address, VirtualClock(NOON + 400 * DAY)) as storage:
        await observed(storage, NOON + 400 * DAY)

        with capture_logs() as logs:
            assert not await set_future_aside(storage.connections, NOON, is_believed=False)
        kept = await evidence_count(storage)
        assert await has_future_evidence(storage.connections, NOON)
        assert await set_future_aside(storage.connections, NOON, is_believed=True)

        assert [log["event"] for log in logs] == ["clock.rows_ahead"]
        assert (kept, await evidence_count(storage)) == (1, 0)
        assert not await has_future_evidence(storage.connections, NOON)


async def test_a_clock_of_the_year_1970_touches_no_row(address: str) -> None:
    async with open_storage(address, VirtualClock(NOON)) as storage:
        await observed(storage, NOON)

        assert not await set_future_aside(
            storage.connections, datetime(1970, 1, 2, tzinfo=UTC), is_believed=True
        )

        assert await evidence_count(storage) == 1


def test_planned_times_are_not_clipped() -> None:
    later = (NOON + HOUR).isoformat()
    state = {"until": later, "at": later, "rows": [["note", later], ["2026-11", None]], "n": 5}

    assert clip_moments(state, NOON) == {
        "until": later,
        "at": NOON.isoformat(),
        "rows": [["note", NOON.isoformat()], ["2026-11", None]],
        "n": 5,
    }
