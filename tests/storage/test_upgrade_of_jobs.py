"""A database of revision 0003 keeps its videos, probes, keys and money under one job engine."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from tallylight.clock import VirtualClock
from tallylight.model.attempt_state import AttemptState
from tallylight.model.ids import KeyId, ServiceId, VideoId
from tallylight.model.ledger import ALL_PROBES, ALL_TRAFFIC, Purpose, SpendingLimit, payer_scope
from tallylight.model.money import Budget
from tallylight.model.video import VideoKind, VideoRecord, VideoStatus
from tallylight.storage.database import Storage, open_storage
from tallylight.storage.engine import LockId, connect
from tallylight.storage.transaction import WriteOutcome
from tests.storage.writes import creation, decision, enter, failed, recorded, video_of

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOON_US = int(NOON.timestamp()) * 1_000_000
HOUR_US = 3600 * 1_000_000
FILM = ServiceId("film")

VIDEO: Mapping[str, object] = {
    "id": "",
    "key": "key_1",
    "model": "film",
    "prompt": "a paper boat",
    "seconds": 8,
    "size": "1280x720",
    "params": "{}",
    "idempotency_key": "",
    "fingerprint": "f",
    "created_at_us": NOON_US,
    "deadline_us": NOON_US + HOUR_US,
    "owner": "gone",
    "leased_until_us": NOON_US,
    "status": "queued",
    "progress": 0,
    "service": "",
    "attempts": 1,
    "cost_micro_usd": 400_000,
    "substitutions": "{}",
    "error_code": "",
    "error_message": "",
    "ended_at_us": None,
    "asset": "",
    "deleted_at_us": None,
}
ATTEMPT: Mapping[str, object] = {
    "id": "",
    "service": FILM,
    "purpose": "traffic",
    "prompt": "",
    "seconds": 8,
    "size": "1280x720",
    "model": "film-1",
    "entry": "",
    "state": "accepted",
    "intended_at_us": NOON_US,
    "given_up_at_us": None,
    "ended_at_us": None,
    "job": "job",
    "doubt": "",
    "failure_kind": None,
    "fault": None,
    "rule": None,
    "text": None,
    "names_state": None,
    "video": "",
    "number": 1,
}
ENTRY: Mapping[str, object] = {
    "id": "",
    "service": FILM,
    "purpose": "traffic",
    "note": "",
    "state": "reserved",
    "estimate_micro_usd": 400_000,
    "amount_micro_usd": 400_000,
    "at_us": NOON_US,
    "payer": "key_1",
}


def under_way(name: str, **changes: object) -> tuple[dict[str, object], ...]:
    """Return the rows of a video under way with one attempt: video, attempt, entry."""
    attempt = {**ATTEMPT, "id": f"{name}/1", "video": name, "entry": f"{name}/e", **changes}
    video = {**VIDEO, "id": name, "idempotency_key": f"key of {name}"}
    return video, attempt, {**ENTRY, "id": f"{name}/e"}


def probe(name: str, state: str, **changes: object) -> tuple[dict[str, object], ...]:
    """Return the rows of a paid probe: attempt, entry."""
    attempt = {**ATTEMPT, "id": name, "purpose": "probe", "prompt": "a kite", "number": 0}
    attempt |= {"entry": f"{name}/e", "state": state, **changes}
    amount = 0 if state == "refused" else 150_000
    entry = {**ENTRY, "id": f"{name}/e", "purpose": "probe", "payer": ""}
    return attempt, {**entry, "amount_micro_usd": amount}


ENDED = {"ended_at_us": NOON_US + HOUR_US}
FAILURE = {"failure_kind": "unknown", "fault": "upstream", "text": "no answer"}
VIDEOS = [
    under_way("video_a"),
    under_way("video_given_up", given_up_at_us=NOON_US, job="slow"),
    under_way(
        "video_z", state="failed", rule="doubt:unresolved", names_state=False, **ENDED, **FAILURE
    ),
]
PROBES = [
    probe("p_open", "accepted"),
    probe("p_done", "delivered", **ENDED),
    probe("p_refused", "refused", rule="status:429", names_state=False, **ENDED, **FAILURE),
]


def make_revision_0003(connection: Connection) -> None:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "tallylight.storage:migrations")
    command.upgrade(config, "0003")
    over = {**VIDEOS[2][0], "status": "failed", **ENDED}
    old = {**ENTRY, "id": "old", "at_us": NOON_US - 40 * HOUR_US, "payer": "key_2"}
    rows = {
        "videos": [VIDEOS[0][0], VIDEOS[1][0], over],
        "attempts": [each[1] for each in VIDEOS] + [each[0] for each in PROBES],
        "ledger": [each[2] for each in VIDEOS] + [each[1] for each in PROBES] + [old],
    }
    for table, values in rows.items():
        for row in values:
            names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
            connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), row)  # noqa: S608


@pytest.fixture
async def upgraded(empty_address: str, clock: VirtualClock) -> AsyncIterator[Storage]:
    connections = connect(empty_address)
    async with connections.durable_transaction(LockId.MIGRATION) as connection:
        await connection.run_sync(make_revision_0003)
    await connections.close()
    async with open_storage(empty_address, clock) as history:
        yield history


async def record_of(storage: Storage, id_: str) -> VideoRecord:
    record = await storage.videos.record(VideoId(id_))
    assert record is not None
    return record


async def test_what_was_under_way_is_taken_over_by_a_process_that_can_ask_it(
    upgraded: Storage,
) -> None:
    await enter(upgraded, "me")
    assert await upgraded.videos.claim_orphans("me", (), NOON) == ()

    taken = await upgraded.videos.claim_orphans("me", [FILM], NOON)

    found = {each.video.id: each for each in taken}
    assert sorted(found) == ["probe_p_open", "video_a", "video_given_up"]
    states = {id_: [each.state for each in found[id_].attempts] for id_ in found}
    assert states == {
        VideoId("video_a"): [AttemptState.ACCEPTED],
        VideoId("video_given_up"): [AttemptState.GIVEN_UP],
        VideoId("probe_p_open"): [AttemptState.ACCEPTED],
    }
    assert {each.video.owner for each in taken} == {"me"}
    for each in taken:
        await recorded(upgraded, decision(failed(each.video)))


async def test_a_paid_probe_is_a_video_of_its_own_kind(upgraded: Storage) -> None:
    found = {
        name: await record_of(upgraded, f"probe_{name}")
        for name in ("p_open", "p_done", "p_refused")
    }

    assert {each.video.kind for each in found.values()} == {VideoKind.PROBE}
    assert {each.video.prompt for each in found.values()} == {"a kite"}
    ends = {name: (each.video.status, each.video.is_terminal) for name, each in found.items()}
    assert ends == {
        "p_open": (VideoStatus.QUEUED, False),
        "p_done": (VideoStatus.COMPLETED, True),
        "p_refused": (VideoStatus.FAILED, True),
    }
    costs = {name: (each.video.cost, each.cost) for name, each in found.items()}
    assert costs["p_done"] == (Decimal("0.15"), Decimal("0.15"))
    assert costs["p_refused"] == (Decimal(0), Decimal(0))
    assert await upgraded.videos.get(VideoId("probe_p_open")) is None  # no caller's video
    unfinished = await upgraded.attempts.unfinished(Purpose.PROBE)
    assert [each.id for each in unfinished] == ["p_open"]


async def test_an_unresolved_doubt_has_its_own_state(upgraded: Storage) -> None:
    record = await record_of(upgraded, "video_z")

    assert [each.state for each in record.attempts] == [AttemptState.UNRESOLVED]


async def test_idempotency_keys_are_known_as_long_as_their_videos(upgraded: Storage) -> None:
    for name in ("video_a", "video_z"):
        found = await upgraded.videos.by_idempotency_key(KeyId("key_1"), f"key of {name}")
        assert found is not None
        assert (found.id, found.fingerprint) == (name, "f")
    again = video_of(key=KeyId("key_1"), idempotency_key="key of video_a")

    assert (await upgraded.group_commit.write(creation(again))).outcome is WriteOutcome.TAKEN


@pytest.mark.parametrize(
    ("scope", "window", "spent"),
    [
        (ALL_TRAFFIC, "per_hour", "1.2"),
        (ALL_TRAFFIC, "per_day", "1.2"),
        (ALL_TRAFFIC, "per_month", "1.6"),
        (payer_scope(KeyId("key_1")), "per_month", "1.2"),
        (payer_scope(KeyId("key_2")), "per_month", "0.4"),
        (ALL_PROBES, "per_hour", "0.3"),
        ("probe:film", "per_month", "0.3"),
    ],
)
async def test_what_was_spent_counts_against_limits(
    upgraded: Storage, scope: str, window: str, spent: str
) -> None:
    limit = SpendingLimit(Budget(**{window: Decimal(spent)}), scope, "of it")

    written = await upgraded.group_commit.write(creation(video_of(), limit, usd="0.000001"))

    assert written.refusal is not None
    assert written.refusal.spent == Decimal(spent)
