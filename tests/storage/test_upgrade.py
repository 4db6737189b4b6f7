"""A database of revision 0002, with rows in every table that 0003 renames, reads back the same."""

import json
import zlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from tallylight.alerts.snapshot import dump_alert_state, load_alert_state
from tallylight.clock import VirtualClock
from tallylight.model.evidence import Evidence, Failure, FailureKind, Fault, Source
from tallylight.model.ids import AttemptId, IncidentId, ServiceId, VideoId
from tallylight.model.ledger import Purpose
from tallylight.model.order import Operation
from tallylight.model.status import Status
from tallylight.model.verdict import Reason, ReasonCode
from tallylight.model.video import CreateParams
from tallylight.model.wish import WishedMeasures
from tallylight.storage.database import Storage, open_storage
from tallylight.storage.engine import LockId, connect
from tallylight.verdicts.snapshot import dump_state, load_state

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOON_US = int(NOON.timestamp()) * 1_000_000
MINUTE_US = 60_000_000
FILM = ServiceId("film")
OLD_STATES = Path(__file__).parents[1] / "data" / "revision-0002"
STATE = (OLD_STATES / "service-state.json").read_text()
ALERTS = (OLD_STATES / "alert-state.json").read_text()

NOTIFIED = (
    "status",
    "since",
    "notified_status",
    "notified_at",
    "notified_statuses",
    "flapping_notified",
)

#: Values of a service state that a newer version computes or learns by itself.
LEARNED_ANEW = {"cleared_by_probe", "median_seconds"}

#: More rows than a page of the migration holds.
TRANSITIONS = 501

EVIDENCE = {
    "id": NOON_US,
    "service": FILM,
    "at_us": NOON_US,
    "source": "generation",
    "latency_us": 7,
    "failure_kind": "quota",
    "fault": "ours",
    "rule": "words:wallet-empty",
    "text": "balance 0",
    "named": True,
    "http_status": 402,
    "retry_after_us": 1_500_000,
    "says": None,
    "until_us": None,
    "note": "",
    "vantage": "tokyo",
}
CLAIM = {
    **dict.fromkeys(EVIDENCE),
    "id": NOON_US + 1,
    "service": FILM,
    "at_us": NOON_US,
    "source": "feed",
    "says": "maintenance",
    "until_us": NOON_US + MINUTE_US,
    "note": "Upgrade",
    "vantage": "",
}
OLD_REASONS = [
    ["door_closed", NOON_US, {"failed": 2, "rule": "words:gone"}],
    ["jobs_unwatched", NOON_US, {}],
]
VIDEO = {
    "id": "video_1",
    "key": "key_1",
    "model": "film",
    "prompt": "a paper boat",
    "seconds": 12,
    "size": "1280x720",
    "wish": json.dumps(
        {
            "operation": "extend",
            "source": "video_0",
            "stored": "references/x",
            "extras": {"stored": "the caller's own", "onto": 1},
            "pinned": FILM,
            "chosen": ["size"],
            "onto": 8,
        }
    ),
    "idempotency": "mine",
    "fingerprint": "f",
    "created_at_us": NOON_US,
    "deadline_us": NOON_US + MINUTE_US,
    "owner": "",
    "leased_until_us": NOON_US,
    "status": "queued",
    "progress": 0,
    "service": FILM,
    "attempts": 1,
    "cost_micro_usd": 400_000,
    "substituted": '{"size": "720x1280→1280x720", "seconds": "5→4"}',
    "error_code": "",
    "error_message": "",
    "asset": "",
}
ATTEMPT = {
    "id": "video_1/1",
    "service": FILM,
    "purpose": "traffic",
    "prompt": "",
    "seconds": 4,
    "size": "1280x720",
    "model": "film-1",
    "entry": "entry_1",
    "state": "failed",
    "intended_at_us": NOON_US,
    "ended_at_us": NOON_US,
    "job": "",
    "doubt": "cut off",
    "failure_kind": "invalid_request",
    "fault": "ours",
    "rule": "order:wordless",
    "text": "",
    "named": False,
    "video": "video_1",
    "number": 1,
}
LEDGER = {
    "id": "entry_1",
    "service": FILM,
    "purpose": "accident",
    "note": "sora-2",
    "state": "settled",
    "estimate_micro_usd": 150_000,
    "amount_micro_usd": 150_000,
    "at_us": NOON_US,
    "payer": "",
}
WEBHOOK = {
    "id": "msg_1",
    "endpoint": "studio",
    "video": "video_1",
    "body": "{}",
    "created_at_us": NOON_US,
    "due_at_us": NOON_US,
    "tries": 2,
    "answer": "HTTP 500",
}


def transition(number: int) -> dict[str, object]:
    reasons = json.dumps(OLD_REASONS)
    row: dict[str, object] = {"service": FILM, "id": number}
    row |= dict.fromkeys(("at_us", "recorded_at_us"), NOON_US + number)
    for side, status in (("before", "operational"), ("after", "suspended")):
        row |= {f"{side}_status": status, f"{side}_since_us": NOON_US, f"{side}_confidence": 0.75}
        row |= {f"{side}_blocked": None, f"{side}_reasons": reasons}
    return row


ROWS: dict[str, list[dict[str, object]]] = {
    "evidence": [EVIDENCE, CLAIM],
    "hearsay": [EVIDENCE, CLAIM],
    "standings": [
        {"service": FILM, "standing": zlib.compress(STATE.encode()), "folded": NOON_US + 1}
    ],
    "transitions": [transition(number) for number in range(TRANSITIONS)],
    "incidents": [{"id": "film-1", "service": FILM, "started_at_us": NOON_US, "worst": "degraded"}],
    "incident_updates": [
        {
            "incident": "film-1",
            "number": 0,
            "at_us": NOON_US,
            "status": "degraded",
            "reasons": json.dumps(OLD_REASONS),
        }
    ],
    "videos": [VIDEO],
    "attempts": [ATTEMPT],
    "ledger": [LEDGER],
    "outbox": [WEBHOOK],
    "marks": [
        {"name": "judge", "value": 7},
        {"name": "days", "value": NOON_US},
        {"name": "rollups", "value": NOON_US + 1},
        {"name": "gateway_keys", "value": 3},
    ],
    "memos": [{"name": "alerts", "text": ALERTS}, {"name": "another", "text": "no JSON"}],
}


def make_revision_0002(connection: Connection) -> None:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "tallylight.storage:migrations")
    command.upgrade(config, "0002")
    for table, rows in ROWS.items():
        names = ", ".join(rows[0])
        values = ", ".join(f":{name}" for name in rows[0])
        insert = text(f"INSERT INTO {table} ({names}) VALUES ({values})")  # noqa: S608
        connection.execute(insert, rows)


@pytest.fixture
async def upgraded(empty_address: str, clock: VirtualClock) -> AsyncIterator[Storage]:
    connections = connect(empty_address)
    async with connections.durable_transaction(LockId.MIGRATION) as connection:
        await connection.run_sync(make_revision_0002)
    await connections.close()
    async with open_storage(empty_address, clock) as history:
        yield history


async def test_evidence_and_forwarded_evidence_read_back_the_same(upgraded: Storage) -> None:
    failure = Failure(
        FailureKind.QUOTA,
        Fault.OURS,
        "words:balance-empty",
        text="balance 0",
        names_state=True,
        http_status=402,
        retry_after=timedelta(seconds=1.5),
    )
    stored = [
        Evidence(
            FILM,
            NOON,
            Source.GENERATION,
            failure=failure,
            latency=timedelta(microseconds=7),
            vantage="tokyo",
        ),
        Evidence(
            FILM,
            NOON,
            Source.FEED,
            claimed_status=Status.MAINTENANCE,
            until=NOON + timedelta(minutes=1),
            note="Upgrade",
        ),
    ]
    forwarded: list[Evidence] = []

    async def apply(piece: Evidence) -> None:
        forwarded.append(piece)

    await upgraded.forwarded_evidence.consume(apply)

    assert [record.evidence for record in await upgraded.evidence_after(0)] == stored
    assert forwarded == stored


async def test_no_value_of_a_service_state_is_lost(upgraded: Storage) -> None:
    ((service, snapshot),) = (await upgraded.snapshots()).items()

    assert (service, snapshot.cursor) == (FILM, NOON_US + 1)
    # Reading ignores unknown keys, so what is written back shows what was read.
    found = json.loads(dump_state(load_state(snapshot.state)))
    assert set(lost_values(json.loads(snapshot.state), found)) == LEARNED_ANEW
    assert leaves(json.loads(snapshot.state)) == leaves(json.loads(STATE))


async def test_what_was_notified_is_still_known(upgraded: Storage) -> None:
    state = await upgraded.component_state("alerts")

    assert state is not None
    stored = json.loads(state)
    found = json.loads(dump_alert_state(load_alert_state(state)))
    for id_, alert in stored["service_alerts"].items():
        kept = found["service_alerts"][id_]
        assert {name: kept[name] for name in NOTIFIED} == {name: alert[name] for name in NOTIFIED}
    assert found["shutdowns_notified"] == stored["shutdowns_notified"]
    assert found["network_notified"] == stored["network_notified"]
    assert leaves(json.loads(state)) == leaves(json.loads(ALERTS))
    assert await upgraded.component_state("another") == "no JSON"


async def test_reasons_of_transitions_and_incidents_read_back_the_same(upgraded: Storage) -> None:
    reasons = (
        Reason(ReasonCode.API_DOWN, NOON, {"failed": 2, "rule": "words:retired"}),
        Reason(ReasonCode.NO_RECENT_JOBS, NOON),
    )

    transitions = await upgraded.transitions(FILM, NOON, NOON + timedelta(minutes=1))
    incident = await upgraded.incident(IncidentId("film-1"))

    assert len(transitions) == TRANSITIONS
    assert {each.before.status for each in transitions} == {Status.OPERATIONAL}
    assert all(each.before.reasons == each.after.reasons == reasons for each in transitions)
    assert incident is not None
    assert [update.reasons for update in incident.updates] == [reasons]


async def test_videos_attempts_and_money_read_back_the_same(upgraded: Storage) -> None:
    video = await upgraded.videos.get(VideoId("video_1"))
    attempt = await upgraded.attempts.get(AttemptId("video_1/1"))
    (entry,) = await upgraded.ledger.entries()

    assert video is not None
    assert video.params == CreateParams(
        operation=Operation.EXTEND,
        measures=WishedMeasures(seconds=5),
        source=VideoId("video_0"),
        input_asset="references/x",
        extras={"stored": "the caller's own", "onto": 1},
        pinned_service=FILM,
        base_seconds=8,
    )
    assert (video.cost, video.seconds, video.size) == (Decimal("0.4"), 13, "720x1280")
    assert (video.told_seconds, video.told_size) == (12, "1280x720")
    assert video.substitutions == {"seconds": "13→12"}  # the size was a default
    assert attempt is not None
    assert attempt.doubt_reason == "cut off"
    assert attempt.failure == Failure(
        FailureKind.INVALID_REQUEST, Fault.OURS, "order:unsupported", names_state=False
    )
    assert (entry.purpose, entry.amount) == (Purpose.UNEXPECTED_CHARGE, Decimal("0.15"))


async def test_webhooks_continue_with_their_next_attempt(upgraded: Storage) -> None:
    (delivery,) = await upgraded.outbox.claim("studio", NOON, NOON + timedelta(minutes=1), 10)

    async with upgraded.connections.read_transaction() as connection:
        response = await connection.scalar(text("SELECT response FROM outbox"))

    assert (delivery.id, delivery.attempt_number, response) == ("msg_1", 3, "HTTP 500")


async def test_cursors_keep_their_positions(upgraded: Storage) -> None:
    async with upgraded.connections.read_transaction() as connection:
        rows = (await connection.execute(text("SELECT name, value FROM cursors"))).all()

    assert {name: value for name, value in rows} == {  # noqa: C416  # rows, for mypy
        "leader_epoch": 7,
        "day_status": NOON_US,
        "rollups": NOON_US + 1,
        "gateway_keys": 3,
    }


def lost_values(old: object, new: object, name: str = "") -> Iterator[str]:
    """Yield the names of the old values that the new document has not; it may have more."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key, value in old.items():
            yield from lost_values(value, new.get(key), key) if key in new else (key,)
    elif isinstance(old, list) and isinstance(new, list) and len(old) <= len(new):
        for value, found in zip(old, new, strict=False):
            yield from lost_values(value, found, name)
    elif old != new:
        yield name


def leaves(value: object) -> int:
    """Return the number of scalars in a JSON value."""
    if isinstance(value, dict):
        return sum(leaves(each) for each in value.values())
    if isinstance(value, list):
        return sum(leaves(each) for each in value)
    return 1
