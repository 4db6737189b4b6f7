"""Every statement uses an index of the tables that grow, on both databases.

All public methods of the storage run once on a filled database. The database then explains each
statement that they have sent.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from types import FunctionType

import pytest
from sqlalchemy import event

from tallylight.clock import VirtualClock
from tallylight.model.attempt_state import AttemptEvent
from tallylight.model.evidence import Evidence, Source
from tallylight.model.gateway_key import GatewayKey
from tallylight.model.ids import AttemptId, IncidentId, KeyId, ServiceId, VideoId
from tallylight.model.ledger import EntryId, Purpose, SpendingLimit, payer_scope
from tallylight.model.money import Budget
from tallylight.model.outbox import OutboxDelivery
from tallylight.model.status import Status
from tallylight.model.verdict import Incident, Transition, Verdict
from tallylight.storage.adoption import adopt_database, pending_adoption
from tallylight.storage.attempts import Attempts
from tallylight.storage.characters import CharacterRow, Characters
from tallylight.storage.clock_trust import FIRST_RETENTION_DELAY
from tallylight.storage.database import Storage, open_storage
from tallylight.storage.forwarded_evidence import ForwardedEvidence
from tallylight.storage.gateway_keys import GatewayKeys
from tallylight.storage.identity import IdentityGuard
from tallylight.storage.leader_epoch import LeaderEpoch
from tallylight.storage.ledger import Ledger
from tallylight.storage.options import RetentionOptions
from tallylight.storage.outbox import Outbox
from tallylight.storage.processes import open_liveness
from tallylight.storage.transition_record import RetractedTransitions, TransitionRecord
from tallylight.storage.videos import Videos
from tests.builders import NOON
from tests.storage.explain import SentStatement, full_scans, unused_indexes
from tests.storage.filled import GROWING, fill
from tests.storage.writes import (
    change,
    created,
    creation,
    decision,
    fact,
    failed,
    new_attempt,
    store_messages,
    video_of,
)

#: Statements that may read a table whole, by their beginning, each with the reason.
ALLOWED: Mapping[str, str] = {}

FILM, KEY, ONE = ServiceId("s1"), KeyId("k1"), VideoId("video_7")
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
DELIVERY = OutboxDelivery("msg_100", "shop", "{}", NOON, 1)
GATEWAY_KEY = GatewayKey(KEY, "film", "digest", "1111", NOON)
INCIDENT = Incident(IncidentId("i"), FILM, NOON, None, Status.SUSPENDED, ())
EVIDENCE = Evidence(FILM, NOON, Source.REACH)
PARTS = (
    Storage,
    Ledger,
    Attempts,
    Videos,
    Characters,
    GatewayKeys,
    Outbox,
    ForwardedEvidence,
    LeaderEpoch,
)
#: They send nothing, end with the process, or are part of other calls.
NOT_CALLED = {
    "Storage.add_evidence",
    "Storage.claim_leadership",
    "Storage.wait_for_buffer",
    "ForwardedEvidence.forward",
    "LeaderEpoch.check",
}

Call = Callable[[Storage], Awaitable[object]]


async def all_of(pages: AsyncIterator[object]) -> list[object]:
    return [page async for page in pages]


async def nothing(*_: object) -> None:
    pass


def record() -> TransitionRecord:
    before, after = (
        Verdict(FILM, status, NOON, 1.0, ()) for status in (Status.OPERATIONAL, Status.SUSPENDED)
    )
    transition = Transition(FILM, NOON, NOON, before, after)
    retracted = RetractedTransitions(NOON, 2, IncidentId("i_8"))
    return TransitionRecord(FILM, transition, "{}", INCIDENT, retracted)


CALLS: Mapping[str, Call] = {
    "Storage.snapshots": lambda s: s.snapshots(),
    "Storage.removed_services": lambda s: s.removed_services([FILM]),
    "Storage.needs_reopening": lambda s: s.needs_reopening(is_leader=True),
    "Storage.set_future_aside": lambda s: s.set_future_aside(),
    "Storage.replay": lambda s: all_of(s.replay([FILM], {FILM: 5}, NOON - DAY)),
    "Storage.evidence_after": lambda s: s.evidence_after(5),
    "Storage.latest_cursor": lambda s: s.latest_cursor(),
    "Storage.evidence": lambda s: asyncio.gather(
        s.evidence(), s.evidence(FILM), s.evidence(FILM, start=NOON - DAY, end=NOON)
    ),
    "Storage.transitions": lambda s: asyncio.gather(
        s.transitions(FILM, NOON - DAY, NOON), s.transitions(None, NOON - DAY, NOON)
    ),
    "Storage.retracted": lambda s: s.retracted([(FILM, NOON - HOUR)]),
    "Storage.status_intervals": lambda s: s.status_intervals([FILM], NOON - DAY, NOON),
    "Storage.job_totals": lambda s: s.job_totals([FILM], NOON - 30 * DAY, NOON),
    "Storage.status_seconds": lambda s: s.status_seconds([FILM], NOON - 90 * DAY, NOON),
    "Storage.incidents": lambda s: asyncio.gather(
        s.incidents(), s.incidents(FILM), s.incidents(start=NOON - DAY)
    ),
    "Storage.had_jobs": lambda s: s.had_jobs([FILM], NOON, HOUR),
    "Storage.open_incidents": lambda s: s.open_incidents(),
    "Storage.incident": lambda s: s.incident(IncidentId("i_7")),
    "Storage.statuses_before": lambda s: s.statuses_before([INCIDENT]),
    "Storage.evidence_pages": lambda s: all_of(s.evidence_pages(NOON - HOUR, NOON)),
    "Storage.component_state": lambda s: s.component_state("alerts"),
    "Storage.save_component_state": lambda s: s.save_component_state("alerts", "{}"),
    "Storage.flush": lambda s: s.flush(),
    "Storage.record_transitions": lambda s: s.record_transitions(lambda: [record()]),
    "Storage.save_snapshots": lambda s: s.save_snapshots(lambda: {FILM: "{}"}),
    "Storage.forward_buffered": lambda s: s.forward_buffered(),
    "Storage.check_writable": lambda s: s.check_writable(),
    "Storage.update_rollups": lambda s: s.update_rollups(),
    "Storage.apply_retention": lambda s: s.apply_retention(
        RetentionOptions(videos=30 * DAY, ledger=31 * DAY)
    ),
    "Ledger.charge": lambda s: s.ledger.charge(FILM, Purpose.PROBE, Decimal(1), at=NOON, note=""),
    "Ledger.spent_by_service": lambda s: s.ledger.spent_by_service(HOUR, NOON),
    "Ledger.totals": lambda s: s.ledger.totals(HOUR, NOON),
    "Ledger.entries": lambda s: asyncio.gather(s.ledger.entries(), s.ledger.entries(end=NOON)),
    "Ledger.by_ids": lambda s: s.ledger.by_ids([EntryId("video_7.1")]),
    "Ledger.unexpected_charges": lambda s: s.ledger.unexpected_charges(),
    "Attempts.get": lambda s: s.attempts.get(AttemptId("video_7.1")),
    "Attempts.unfinished": lambda s: s.attempts.unfinished(Purpose.PROBE),
    "Attempts.for_video": lambda s: s.attempts.for_video(ONE),
    "Attempts.delivered": lambda s: s.attempts.delivered(ONE),
    "Attempts.jobs_of_other_attempts": lambda s: s.attempts.jobs_of_other_attempts(
        [FILM], ["job_1"], AttemptId("video_7.1")
    ),
    "Attempts.unanswered_since": lambda s: s.attempts.unanswered_since(
        [FILM], "a boat", NOON - HOUR, AttemptId("video_7.1")
    ),
    "Attempts.had_jobs": lambda s: s.attempts.had_jobs([FILM], NOON, HOUR),
    "Attempts.last_intended": lambda s: s.attempts.last_intended(Purpose.PROBE),
    "Attempts.doubts": lambda s: s.attempts.doubts(NOON - DAY),
    "Attempts.unresolved_doubts": lambda s: s.attempts.unresolved_doubts(NOON - DAY, NOON),
    "Videos.open_probes": lambda s: s.videos.open_probes(),
    "Videos.get": lambda s: s.videos.get(ONE),
    "Videos.get_including_deleted": lambda s: s.videos.get_including_deleted(ONE),
    "Videos.by_idempotency_key": lambda s: s.videos.by_idempotency_key(KEY, "idempotency_key_1"),
    "Videos.by_fingerprint": lambda s: s.videos.by_fingerprint(KEY, "f", NOON - HOUR),
    "Videos.list_page": lambda s: _list_pages(s.videos),
    "Videos.claim_orphans": lambda s: s.videos.claim_orphans("me", [FILM], NOON),
    "Videos.claim_again": lambda s: s.videos.claim_again("me", [ONE]),
    "Videos.owned_by": lambda s: s.videos.owned_by("me"),
    "Videos.record": lambda s: s.videos.record(ONE),
    "Videos.delete": lambda s: s.videos.delete(ONE, NOON),
    "Videos.with_expired_assets": lambda s: s.videos.with_expired_assets(NOON),
    "Videos.without_content": lambda s: s.videos.without_content("p1", NOON - DAY, NOON),
    "Videos.add_content": lambda s: s.videos.add_content(ONE, "videos/1", NOON),
    "Videos.clear_assets": lambda s: s.videos.clear_assets([ONE]),
    "Characters.add": lambda s: s.characters.add(CharacterRow("c", KEY, "犬", FILM, "up", NOON)),
    "Characters.get": lambda s: s.characters.get("c"),
    "GatewayKeys.add": lambda s: s.keys.add(GATEWAY_KEY),
    "GatewayKeys.revoke": lambda s: s.keys.revoke(KEY, NOON),
    "GatewayKeys.list_all": lambda s: s.keys.list_all(),
    "GatewayKeys.active_keys": lambda s: s.keys.active_keys(None),
    "Outbox.claim": lambda s: s.outbox.claim("shop", NOON, NOON + HOUR, 10),
    "Outbox.mark_delivered": lambda s: s.outbox.mark_delivered(DELIVERY, NOON, "204"),
    "Outbox.reschedule": lambda s: s.outbox.reschedule(DELIVERY, NOON, "500"),
    "Outbox.give_up": lambda s: s.outbox.give_up(DELIVERY, "500"),
    "Outbox.release": lambda s: s.outbox.release("alert:", NOON),
    "Outbox.give_up_others": lambda s: s.outbox.give_up_others("alert:", ["alert:team"], "gone"),
    "Outbox.fates": lambda s: s.outbox.fates(["msg_1", "msg_2"]),
    "Outbox.backlog": lambda s: s.outbox.backlog("alert:"),
    "Outbox.give_up_older_than": lambda s: s.outbox.give_up_older_than(NOON - DAY, "old"),
    "ForwardedEvidence.consume": lambda s: s.forwarded_evidence.consume(nothing),
    "LeaderEpoch.claim": lambda s: s.leader_epoch.claim(),
    "LeaderEpoch.is_current": lambda s: s.leader_epoch.is_current(),
}


async def _list_pages(videos: Videos) -> None:
    after = await videos.get_including_deleted(VideoId("video_9"))
    for key in (KEY, None):
        await videos.list_page(key, after=None, limit=20, order="desc")
        await videos.list_page(key, after=after, limit=20, order="asc")
        await videos.list_page(key, after=after, limit=20, order="desc")


async def write_videos(storage: Storage) -> None:
    """Write videos in all ways of the group commit."""
    limit = SpendingLimit(Budget(per_hour=Decimal(9), per_month=Decimal(9)), payer_scope(KEY), "x")
    create = creation(video_of(key=KEY, idempotency_key="i"), limit)
    await storage.group_commit.write(create)
    await storage.group_commit.write(replace(create, is_repeated=True))
    video = (await created(storage, video_of())).video
    shown = fact(video, AttemptEvent.SHOWN, job="job")
    await storage.group_commit.write(replace(shown, listing=(FILM,)))
    second = decision(
        replace(video, revision=2), change(video, AttemptEvent.LEAVE), new=new_attempt(video, 2)
    )
    await storage.group_commit.write(second)
    await storage.group_commit.write(decision(failed(replace(video, revision=3))))
    withdrawn = (await created(storage, video_of(idempotency_key="w"))).video
    await storage.group_commit.write(decision(replace(failed(withdrawn), deleted_at=NOON)))
    for usd in ("9", "0.1"):  # refused, then taken
        again = creation(video_of(key=KEY, idempotency_key="j"), limit, usd=usd)
        await storage.group_commit.write(replace(again, is_repeated=True))


async def watch_processes(storage: Storage) -> None:
    """Enter a process, and look for others and for the place of the database."""
    guard = IdentityGuard(storage.connections)
    liveness = open_liveness(storage.connections, storage.clock, lambda: True, guard.check)
    await liveness.register([FILM])
    await liveness.beat()
    await liveness.close()
    await guard.check()
    await pending_adoption(storage.connections, 10)
    await adopt_database(storage.connections)


@pytest.fixture
async def filled(address: str, clock: VirtualClock) -> AsyncIterator[Storage]:
    async with open_storage(address, clock) as history:
        await fill(history)
        yield history


@pytest.fixture
def sent(filled: Storage) -> Iterator[dict[str, SentStatement]]:
    """Return the statements that are sent from now on, by their text."""
    found: dict[str, SentStatement] = {}

    def listen(*told: object) -> None:
        _, _, statement, parameters, _, is_many = told
        one = parameters[0] if is_many and isinstance(parameters, list | tuple) else parameters
        found.setdefault(str(statement), SentStatement(str(statement), one))

    engines = (filled.connections._engine.sync_engine, filled.connections._thread_engine)
    for engine in engines:
        event.listen(engine, "before_cursor_execute", listen)
    yield found
    for engine in engines:
        event.remove(engine, "before_cursor_execute", listen)


def test_every_public_method_is_called() -> None:
    methods = {
        f"{part.__name__}.{name}"
        for part in PARTS
        for name, _ in inspect.getmembers(part, lambda each: isinstance(each, FunctionType))
        if not name.startswith("_")
    }

    assert methods == CALLS.keys() | NOT_CALLED


async def test_no_statement_reads_a_growing_table_whole(
    filled: Storage, address: str, clock: VirtualClock, sent: dict[str, SentStatement]
) -> None:
    await clock.advance(FIRST_RETENTION_DELAY)
    filled.add_evidence(EVIDENCE)
    filled.forwarded_evidence.forward(EVIDENCE)
    await write_videos(filled)
    await store_messages(filled)
    await watch_processes(filled)
    for call in CALLS.values():
        await call(filled)

    found = full_scans(address, list(sent.values()), GROWING)

    assert {
        statement: scans
        for statement, scans in found.items()
        if not statement.startswith(tuple(ALLOWED))
    } == {}
    if address.startswith("sqlite"):
        path = address.removeprefix("sqlite:///")
        assert unused_indexes(path, sent.values()) == set()


@pytest.mark.usefixtures("filled")
async def test_a_statement_without_an_index_is_found(address: str) -> None:
    statements = [
        SentStatement("SELECT * FROM videos WHERE prompt = 'x'", ()),
        SentStatement("SELECT * FROM videos WHERE prompt = 'x' LIMIT 1", ()),
        SentStatement("DELETE FROM ledger WHERE note = 'x'", ()),
        SentStatement("SELECT * FROM attempts ORDER BY video, number", ()),
        SentStatement("SELECT * FROM attempts WHERE video = 'x'", ()),
    ]

    found = full_scans(address, statements, GROWING)

    assert list(found) == [each.text for each in statements[:4]]
