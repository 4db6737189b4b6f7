"""What came of doubts is counted from the attempts and their money, through an index."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import event, insert, select

from tallylight.model.attempt import Attempt, AttemptChange
from tallylight.model.attempt_state import AttemptEvent
from tallylight.model.doubt import DoubtRecord, DoubtResult
from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.model.ids import NO_KEY, AttemptId, ServiceId, VideoId
from tallylight.model.jobs import JobRef
from tallylight.model.ledger import EntryId, EntryState, LedgerEntry, Purpose
from tallylight.model.video import Video
from tallylight.storage.database import Storage
from tallylight.storage.engine import LockId
from tallylight.storage.tables import attempts_table
from tallylight.storage.transaction import NewAttempt, NewVideo, Write
from tests.builders import order_of

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
FILM = ServiceId("film")
CUT = Failure(FailureKind.UNKNOWN, Fault.UPSTREAM, "cut", "the connection broke")

E = AttemptEvent
HISTORIES = {
    "found": ((E.UNCLEAR, E.SHOWN), DoubtResult.ACCEPTED),
    "answered late": ((E.UNCLEAR, E.ACCEPTED), DoubtResult.ACCEPTED),
    "refused": ((E.UNCLEAR, E.REFUSED), DoubtResult.REFUSED),
    "absent": ((E.UNCLEAR, E.ABSENT), DoubtResult.REFUSED),
    "refused and accepted": ((E.UNCLEAR, E.REFUSED, E.ACCEPTED), DoubtResult.ACCEPTED),
    "unresolved": ((E.UNCLEAR, E.CLOSE), DoubtResult.UNRESOLVED),
    "found after its end": ((E.UNCLEAR, E.CLOSE, E.SHOWN), DoubtResult.ACCEPTED),
    "absent after its end": ((E.UNCLEAR, E.CLOSE, E.ABSENT), DoubtResult.REFUSED),
    "refused after its end": ((E.UNCLEAR, E.CLOSE, E.REFUSED), DoubtResult.REFUSED),
    "still looked for": ((E.UNCLEAR,), None),
    "never in doubt": ((E.REFUSED,), None),
    "lost": ((E.ACCEPTED, E.GONE, E.CLOSE), None),
}


async def record(storage: Storage, name: str, *events: AttemptEvent, at: datetime = NOON) -> None:
    """Record an attempt to which some events happened, one a minute."""
    id_, price = VideoId(name), Decimal("0.1")
    video = Video(
        id=id_,
        key=NO_KEY,
        model="film",
        prompt="a paper boat",
        seconds=4,
        size="1280x720",
        created_at=at,
        deadline=at + timedelta(hours=1),
    )
    attempt = Attempt(
        id=AttemptId(name),
        service=FILM,
        purpose=Purpose.TRAFFIC,
        order=order_of("", 4, "1280x720", model="film-1"),
        entry=EntryId(name),
        intended_at=at,
        video=id_,
        number=1,
    )
    reserved = EntryState.RESERVED
    entry = LedgerEntry(attempt.entry, FILM, Purpose.TRAFFIC, "", reserved, price, price, at)
    await storage.group_commit.write(
        Write(id_, new=NewVideo(name, video, NewAttempt(attempt, entry)))
    )
    jobs = {E.SHOWN: f"job {name}", E.ACCEPTED: f"job {name}"}
    for minute, each in enumerate(events, 1):
        change = AttemptChange(
            attempt.id,
            each,
            at + timedelta(minutes=minute),
            job=JobRef(jobs[each]) if each in jobs else None,
            failure=CUT,
        )
        await storage.group_commit.write(Write(id_, facts=(change,)))


@pytest.mark.parametrize("name", HISTORIES)
async def test_a_doubt_is_counted_by_what_came_of_it(history: Storage, name: str) -> None:
    events, result = HISTORIES[name]
    await record(history, name, *events)

    found = await history.attempts.doubts(NOON)

    expected = () if result is None else (DoubtRecord(FILM, "cut", result, 1),)
    assert found == expected


async def test_doubts_are_added_up_and_old_ones_left_out(history: Storage) -> None:
    for name in ("one", "two"):
        await record(history, name, E.UNCLEAR, E.REFUSED)
    await record(history, "old", E.UNCLEAR, E.REFUSED, at=NOON - timedelta(days=100))

    found = await history.attempts.doubts(NOON - timedelta(days=90))

    assert found == (DoubtRecord(FILM, "cut", DoubtResult.REFUSED, 2),)


async def test_only_what_may_still_be_found_out_is_looked_for(history: Storage) -> None:
    for name, (events, _) in HISTORIES.items():
        await record(history, name, *events)

    found = await history.attempts.unresolved_doubts(NOON, NOON + timedelta(minutes=10))
    later = await history.attempts.unresolved_doubts(NOON + timedelta(minutes=10), NOON)

    assert [each.id for each in found] == ["unresolved"]
    assert later == ()


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("found after its end", EntryState.SETTLED),
        ("absent after its end", EntryState.RELEASED),
        ("unresolved", EntryState.SETTLED),
    ],
)
async def test_what_is_heard_after_the_end_corrects_the_money(
    history: Storage, name: str, state: EntryState
) -> None:
    await record(history, name, *HISTORIES[name][0])

    (entry,) = await history.ledger.entries()

    assert entry.state is state


async def insert_many_attempts(storage: Storage) -> None:
    """Insert attempts that were never in doubt: PostgreSQL scans a table that is small."""
    await record(storage, "template", E.ACCEPTED)
    async with storage.connections.durable_transaction(LockId.ATTEMPT) as connection:
        row = (await connection.execute(select(attempts_table))).one()._asdict()
        rows = [row | {"id": f"copy{n}", "video": f"copy{n}"} for n in range(5000)]
        await connection.execute(insert(attempts_table), rows)
        await connection.exec_driver_sql("ANALYZE")


async def test_both_queries_use_the_index_of_doubts(history: Storage) -> None:
    await insert_many_attempts(history)
    sent: list[tuple[str, object]] = []
    engine = history.connections._engine.sync_engine

    @event.listens_for(engine, "before_cursor_execute")
    def _(_c: object, _cursor: object, statement: str, values: object, *_: object) -> None:
        if "doubt_rule !=" in statement and "EXPLAIN" not in statement:
            sent.append((statement, values))

    await history.attempts.doubts(NOON)
    await history.attempts.unresolved_doubts(NOON, NOON)

    is_sqlite = history.connections.file is not None
    async with history.connections.read_transaction() as connection:
        for statement, values in sent:
            explain = "EXPLAIN QUERY PLAN" if is_sqlite else "EXPLAIN"
            plan = await connection.exec_driver_sql(f"{explain} {statement}", values)  # type: ignore[arg-type]  # as they were sent
            assert "attempts_in_doubt" in "\n".join(map(str, plan))
    assert len(sent) == 2
