"""Group commit: each write in full, once only, and beside others, on either database."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import psycopg
import pytest
from sqlalchemy import event, text

from tallylight.clock import VirtualClock
from tallylight.errors import BudgetError, LockTimeoutError, UnwritableError
from tallylight.model.attempt_state import AttemptEvent, AttemptState
from tallylight.model.ids import AttemptId, KeyId, ServiceId, VideoId
from tallylight.model.ledger import ALL_TRAFFIC, EntryState, Purpose, SpendingLimit, payer_scope
from tallylight.model.money import Budget
from tallylight.model.order import Input, Operation
from tallylight.model.outbox import OutboxMessage
from tallylight.model.video import CreateParams, Video, VideoStatus
from tallylight.model.wish import WishedMeasures
from tallylight.storage.database import Storage, open_storage
from tallylight.storage.engine import LockId
from tallylight.storage.transaction import (
    NewVideo,
    Write,
    WriteOutcome,
    Written,
    write_group,
)
from tests.builders import BROKEN, NOON, SERVICE, VIDEO, attempt_of
from tests.storage.writes import (
    change,
    completed,
    created,
    creation,
    decision,
    fact,
    failed,
    new_attempt,
    recorded,
    video_of,
)

KEY = VIDEO.key
WRITTEN, OUTDATED, TAKEN = WriteOutcome.WRITTEN, WriteOutcome.OUTDATED, WriteOutcome.TAKEN


async def write_all(storage: Storage, *writes: Write) -> list[Written]:
    """Write in one group."""
    return list(await asyncio.gather(*map(storage.group_commit.write, writes)))


async def outcomes(storage: Storage, *writes: Write) -> list[WriteOutcome]:
    """Write in one group and return what became of each."""
    return [written.outcome for written in await write_all(storage, *writes)]


def limit_of(**windows: Decimal) -> SpendingLimit:
    return SpendingLimit(Budget(**windows), payer_scope(KEY), "of this key")


def shown(video: Video, job: str, *services: ServiceId) -> Write:
    write = fact(video, AttemptEvent.SHOWN, job=job)
    return replace(write, listing=services or (SERVICE.id,))


async def test_a_video_reads_back_as_it_was_written(history: Storage) -> None:
    params = CreateParams(
        operation=Operation.REMIX,
        source=VideoId("video_before"),
        measures=WishedMeasures(size="1280x720", audio=False, negative="rain", seed=7),
        inputs=(Input(media_type="image/png", name="boat.png"),),
        input_asset="references/x",
        characters=("char_1",),
        extras={"seed": 7, "meta": {"a": "1"}},
        pinned_service=SERVICE.id,
        policy="production",
    )
    video = video_of(params=params, idempotency_key="mine")

    record = await created(history, video)

    assert record.video == replace(video, attempts=1, cost=Decimal("0.4"))
    assert await history.videos.record(video.id) == record
    attempt, entry = attempt_of(video)
    assert await history.attempts.for_video(video.id) == (attempt,)
    assert await history.ledger.by_ids([entry.id]) == {entry.id: entry}


async def test_many_writers_share_transactions_and_each_is_written(history: Storage) -> None:
    videos = [video_of() for _ in range(300)]

    found = await outcomes(history, *map(creation, videos))

    assert set(found) == {WRITTEN}
    listed = await history.videos.list_page(KEY, after=None, limit=300, order="asc")
    assert {video.id for video in listed} == {video.id for video in videos}


async def test_one_idempotency_key_makes_one_video(history: Storage) -> None:
    videos = [video_of(idempotency_key="same") for _ in range(5)]

    found = await outcomes(history, *map(creation, videos))
    later = await outcomes(history, creation(video_of(idempotency_key="same")))

    assert sorted(found) == [TAKEN] * 4 + [WRITTEN]
    assert later == [TAKEN]
    assert len(await history.ledger.entries()) == 1
    stored = await history.videos.by_idempotency_key(KEY, "same")
    assert stored is not None
    assert stored.id == videos[found.index(WRITTEN)].id


async def test_a_refused_video_leaves_its_idempotency_key_free(history: Storage) -> None:
    dear, cheap = (video_of(idempotency_key="same") for _ in range(2))
    limit = limit_of(per_day=Decimal(1))

    found = await outcomes(history, creation(dear, limit, usd="9"), creation(cheap, limit))

    assert found == [WriteOutcome.REFUSED, WRITTEN]
    stored = await history.videos.by_idempotency_key(KEY, "same")
    assert stored is not None
    assert stored.id == cheap.id


async def test_a_repetition_is_told_of_its_key_before_its_price(history: Storage) -> None:
    limit = limit_of(per_day=Decimal("0.5"))
    await recorded(history, creation(video_of(idempotency_key="same"), limit))

    assert await outcomes(history, creation(video_of(idempotency_key="same"), limit)) == [TAKEN]


async def test_only_one_of_two_decisions_from_one_version_is_written(history: Storage) -> None:
    video = (await created(history, video_of())).video
    rival = new_attempt(video, 2)
    rival = rival._replace(attempt=replace(rival.attempt, id=AttemptId("rival")))

    found = await outcomes(
        history, decision(video, new=new_attempt(video, 2)), decision(video, new=rival)
    )

    assert found == [WRITTEN, OUTDATED]
    assert len(await history.attempts.for_video(video.id)) == 2
    assert len(await history.ledger.entries()) == 2


async def test_a_job_is_claimed_by_one_attempt_only(history: Storage) -> None:
    first, second = (video_of() for _ in range(2))
    for video in (first, second):
        await created(history, video)
    services = (SERVICE.id, ServiceId("sora-2-twin"))

    in_one_group = await outcomes(
        history, shown(first, "job", *services), shown(second, "job", *services)
    )
    later = await outcomes(history, shown(second, "job", *services))
    again = await outcomes(history, shown(first, "job", *services))

    assert (in_one_group, later, again) == ([WRITTEN, TAKEN], [TAKEN], [WRITTEN])
    jobs = [(await history.attempts.for_video(each.id))[0].job_id for each in (first, second)]
    assert jobs == ["job", ""]


async def test_two_writers_cannot_both_take_the_remainder_of_a_limit(history: Storage) -> None:
    limit = limit_of(per_day=Decimal(1))

    found = await write_all(history, *(creation(video_of(), limit) for _ in range(4)))

    refusals = [each.refusal for each in found if each.outcome is WriteOutcome.REFUSED]
    assert len(refusals) == 2
    assert "per_day of this key" in str(refusals[0])
    assert len(await history.videos.list_page(KEY, after=None, limit=9, order="asc")) == 2
    assert len(await history.ledger.entries()) == 2


async def test_another_payer_and_probes_do_not_count_against_a_limit(history: Storage) -> None:
    limit = limit_of(per_day=Decimal("0.5"))
    await created(history, video_of(key=KeyId("key_2")))
    await history.ledger.charge(SERVICE.id, Purpose.PROBE, Decimal(9), at=NOON, note="")

    assert await outcomes(history, creation(video_of(), limit)) == [WRITTEN]


async def test_a_limit_of_all_videos_counts_every_payer(history: Storage) -> None:
    limit = SpendingLimit(Budget(per_day=Decimal("0.5")), ALL_TRAFFIC, "of all")
    await created(history, video_of(key=KeyId("key_2")))

    assert await outcomes(history, creation(video_of(), limit)) == [WriteOutcome.REFUSED]


async def test_what_a_decision_releases_may_be_spent_by_it(history: Storage) -> None:
    limit = limit_of(per_day=Decimal("0.5"))
    video = (await recorded(history, creation(video_of(), limit))).video
    refused = change(video, AttemptEvent.REFUSED)

    record = await recorded(history, decision(video, refused, new=new_attempt(video, 2, limit)))

    assert record.video.cost == Decimal("0.4")
    assert await outcomes(history, creation(video_of(), limit, usd="0.2")) == [WriteOutcome.REFUSED]
    assert await outcomes(history, creation(video_of(), limit, usd="0.1")) == [WRITTEN]


async def test_a_refused_decision_keeps_its_facts_and_nothing_else(history: Storage) -> None:
    limit = limit_of(per_day=Decimal("0.5"))
    video = (await recorded(history, creation(video_of(), limit))).video
    dear = decision(
        replace(video, progress=50),
        change(video, AttemptEvent.CLOSE),
        new=new_attempt(video, 2, limit, usd="9"),
        facts=(change(video, AttemptEvent.REFUSED),),
    )

    (written,) = await write_all(history, dear)

    assert written.outcome is WriteOutcome.REFUSED
    assert isinstance(written.refusal, BudgetError)
    record = await history.videos.record(video.id)
    assert record == written.record
    assert record is not None
    assert (record.video.progress, record.video.revision) == (0, video.revision + 1)
    assert [each.state for each in record.attempts] == [AttemptState.REFUSED]
    assert [each.state for each in record.entries.values()] == [EntryState.RELEASED]
    # The released money may be spent.
    assert await outcomes(history, creation(video_of(), limit, usd="0.5")) == [WRITTEN]


async def test_what_facts_say_of_a_video_survives_the_decision_beside_them(
    history: Storage,
) -> None:
    video = (await created(history, video_of())).video
    accepted = change(video, AttemptEvent.ACCEPTED, job="job")

    record = await recorded(history, decision(replace(video, progress=7), facts=(accepted,)))

    assert (record.video.progress, record.video.service) == (7, SERVICE.id)
    assert await history.videos.record(video.id) == record


async def test_the_revision_rises_once_with_each_write_that_changes_something(
    history: Storage,
) -> None:
    video = (await created(history, video_of())).video
    accepted = fact(video, AttemptEvent.ACCEPTED, job="job")

    revisions = [
        (await recorded(history, write)).video.revision
        for write in (
            accepted,
            accepted,  # says nothing new
            Write(video.id),
            replace(
                accepted,
                facts=(
                    change(video, AttemptEvent.WORKING),
                    change(video, AttemptEvent.DONE),
                ),
            ),
            fact(video, AttemptEvent.REFUSED, number=9),  # of no attempt
        )
    ]

    assert revisions == [2, 2, 2, 3, 3]


async def test_a_version_that_its_writer_knows_is_not_read_again(history: Storage) -> None:
    known = await created(history, video_of())
    read: list[str] = []

    def listen(_1: object, _2: object, statement: str, *_3: object) -> None:
        read.append(statement)

    engine = history.connections._thread_engine
    event.listen(engine, "before_cursor_execute", listen)
    (written,) = await write_all(history, Write(known.video.id, known=known))

    assert written == Written(WRITTEN, known)
    assert len([each for each in read if each.startswith("SELECT")]) == 1


CHANGES: Mapping[str, Callable[[Storage, Video], Awaitable[object]]] = {
    "a fact": lambda storage, video: recorded(
        storage, fact(video, AttemptEvent.ACCEPTED, job="job")
    ),
    "a take-over": lambda storage, video: storage.videos.claim_again("me", [video.id]),
    "a deletion": lambda storage, video: storage.videos.delete(video.id, NOON),
    "expired content": lambda storage, video: storage.videos.clear_assets([video.id]),
}


@pytest.mark.parametrize("name", CHANGES)
async def test_a_version_that_its_writer_knows_and_that_has_changed_is_read_anew(
    history: Storage, name: str
) -> None:
    known = await created(history, video_of(asset="stored"))
    await CHANGES[name](history, known.video)

    (written,) = await write_all(history, Write(known.video.id, known=known))

    assert written.record != known
    assert written.record == await history.videos.record(known.video.id)


async def test_several_writes_of_one_video_share_a_group(history: Storage) -> None:
    video = video_of()

    found = await outcomes(
        history,
        creation(video),
        fact(video, AttemptEvent.ACCEPTED, job="job"),
        decision(video),  # made before the fact was heard
        fact(video, AttemptEvent.DONE),
    )

    assert found == [WRITTEN, WRITTEN, OUTDATED, WRITTEN]
    record = await history.videos.record(video.id)
    assert record is not None
    assert record.video.revision == 3
    assert (record.video.service, record.attempts[0].job_id) == (SERVICE.id, "job")
    assert record.attempts[0].state is AttemptState.RENDERED


async def test_rows_with_and_without_values_share_a_statement(history: Storage) -> None:
    plain, told, open_ = [(await created(history, video_of())).video for _ in range(3)]
    refused = change(told, AttemptEvent.REFUSED, failure=BROKEN)

    await write_all(
        history,
        fact(plain, AttemptEvent.REFUSED),
        Write(told.id, facts=(refused,)),
        fact(open_, AttemptEvent.ACCEPTED, job="job"),
    )

    stored = [(await history.attempts.for_video(each.id))[0] for each in (plain, told, open_)]
    assert [each.failure for each in stored] == [None, BROKEN, None]
    assert [each.ended_at for each in stored] == [NOON, NOON, None]
    assert [each.job_id for each in stored] == ["", "", "job"]


async def test_an_end_never_changes_and_later_facts_correct_the_money(history: Storage) -> None:
    video = (await created(history, video_of())).video
    doubt = fact(video, AttemptEvent.UNCLEAR)
    video = (await recorded(history, doubt)).video
    over = await recorded(history, decision(failed(video), change(video, AttemptEvent.CLOSE)))

    found = await outcomes(history, decision(completed(over.video)))
    late = await recorded(history, fact(video, AttemptEvent.NOT_SENT))

    assert found == [WriteOutcome.LOST]
    assert (late.video.status, late.video.ended_at) == (VideoStatus.FAILED, NOON)
    assert late.video.cost == 0
    assert late.attempts == over.attempts
    assert await history.videos.record(video.id) == late


async def test_pages_follow_one_another_in_both_directions(history: Storage) -> None:
    for second in range(7):
        await created(history, video_of(created_at=NOON + timedelta(seconds=second // 2)))

    for order in ("asc", "desc"):
        seen: list[VideoId] = []
        after = None
        while True:
            found = await history.videos.list_page(KEY, after=after, limit=3, order=order)
            seen += [video.id for video in found[:3]]
            if len(found) <= 3:
                break
            after = found[2]
        assert len(seen) == len(set(seen)) == 7

    assert await history.videos.list_page(KeyId("x"), after=None, limit=3, order="asc") == ()


async def test_a_deleted_video_is_not_found_and_its_cost_and_key_are_kept(
    history: Storage,
) -> None:
    video = video_of(idempotency_key="again")
    await created(history, video)

    assert await history.videos.delete(video.id, NOON)

    assert await history.videos.get(video.id) is None
    found = await history.videos.by_idempotency_key(KEY, "again")
    assert found is not None
    assert (found.id, found.video) == (video.id, None)
    assert not await history.videos.delete(video.id, NOON)
    assert len(await history.ledger.entries()) == 1
    assert await outcomes(history, creation(video_of(idempotency_key="again"))) == [TAKEN]


async def test_the_key_of_a_request_that_all_refused_may_be_used_again(history: Storage) -> None:
    video = (await created(history, video_of(idempotency_key="again", prompt="a secret"))).video
    refused = change(video, AttemptEvent.REFUSED)

    ended = decision(replace(failed(video), deleted_at=NOON), refused)
    record = await recorded(history, ended)

    assert record.video.deleted_at == NOON
    assert await history.videos.get(video.id) is None
    stored = await history.videos.record(video.id)
    assert stored is not None
    assert (stored.video.prompt, stored.video.cost) == ("", Decimal(0))
    assert await outcomes(history, replace(ended, is_repeated=True)) == [WRITTEN]
    assert await outcomes(history, creation(video_of(idempotency_key="again"))) == [WRITTEN]


async def test_writes_survive_the_process(address: str, clock: VirtualClock) -> None:
    async with open_storage(address, clock) as history:
        record = await created(history, video_of())

    async with open_storage(address, clock) as history:
        assert await history.videos.record(record.video.id) == record


async def test_a_write_that_cannot_be_written_fails_alone(history: Storage) -> None:
    with pytest.raises(UnwritableError):
        await history.group_commit.write(creation(video_of(created_at="yesterday")))

    assert await outcomes(history, creation(video_of())) == [WRITTEN]


@pytest.mark.parametrize(
    "broken",
    [{"prompt": "caf\udce9"}, {"created_at": "yesterday"}, {"seconds": 2**80}],
    ids=["text", "time", "number"],
)
async def test_a_defective_write_fails_no_other_of_its_group(
    history: Storage, broken: dict[str, object]
) -> None:
    videos = [video_of(), video_of(**broken), video_of()]
    limit = limit_of(per_day=Decimal("0.8"))

    told = await asyncio.gather(
        *(history.group_commit.write(creation(video, limit)) for video in videos),
        return_exceptions=True,
    )

    assert [isinstance(each, UnwritableError) for each in told] == [False, True, False]
    found = [await history.videos.get(video.id) is not None for video in videos]
    assert found == [True, False, True]
    # The defective one reserved nothing, and the others did so once.
    assert await outcomes(history, creation(video_of(), limit, usd="0.01")) == [
        WriteOutcome.REFUSED
    ]


async def test_a_webhook_is_written_with_the_decision_that_it_reports(history: Storage) -> None:
    video = (await created(history, video_of())).video
    message = OutboxMessage("msg_1", "shop", video.id, "{}", NOON)
    end = decision(failed(video), messages=[message])
    other = OutboxMessage("msg_2", "shop", video.id, "{}", NOON)

    await outcomes(history, end, replace(end, is_repeated=True))
    await outcomes(history, decision(failed(video), messages=[other]))

    claimed = await history.outbox.claim("shop", NOON, NOON + timedelta(minutes=1), 9)
    assert [each.id for each in claimed] == ["msg_1"]


async def test_waiting_writes_are_cancelled_when_the_storage_closes(
    address: str, clock: VirtualClock
) -> None:
    async with open_storage(address, clock) as history:
        writes = [
            asyncio.create_task(history.group_commit.write(creation(video_of()))) for _ in range(3)
        ]
        await asyncio.wait(writes, timeout=0)

    done = await asyncio.gather(*writes, return_exceptions=True)

    assert len(done) == 3


def bar(video: Video) -> Write:
    """Return the deleted video that is recorded in place of one whose commit is uncertain."""
    mark = replace(failed(video), deleted_at=NOON, prompt="")
    return Write(video.id, new=NewVideo("bar", mark), is_repeated=True)


async def test_a_repeated_create_is_written_once(history: Storage) -> None:
    video = video_of(idempotency_key="k")
    limit = limit_of(per_day=Decimal("0.5"))
    create = creation(video, limit)

    first, again = await write_all(history, create, replace(create, is_repeated=True))
    (later,) = await write_all(history, replace(create, is_repeated=True))

    assert first.outcome is again.outcome is later.outcome is WRITTEN
    assert later.record == first.record
    assert len(await history.ledger.entries()) == 1


async def test_a_repeated_create_may_be_the_first_that_is_written(history: Storage) -> None:
    video = video_of(idempotency_key="k")
    create = replace(creation(video), is_repeated=True)

    record = await recorded(history, create)

    assert await history.videos.record(video.id) == record
    assert [each.number for each in record.attempts] == [1]


async def test_a_repeated_create_that_is_refused_leaves_nothing(history: Storage) -> None:
    video = video_of(idempotency_key="k")
    await created(history, video_of(idempotency_key="taken"))
    dear = creation(video, limit_of(per_day=Decimal("0.5")), usd="9")
    taken = creation(video_of(idempotency_key="taken"))

    found = await outcomes(
        history, replace(dear, is_repeated=True), replace(taken, is_repeated=True)
    )

    assert found == [WriteOutcome.REFUSED, TAKEN]
    assert await history.videos.record(video.id) is None
    assert await history.videos.by_idempotency_key(KEY, "k") is None
    assert len(await history.ledger.entries()) == 1


async def test_a_barred_create_fails_for_good_and_leaves_its_key_free(history: Storage) -> None:
    video, other = video_of(idempotency_key="k"), video_of()
    await outcomes(history, bar(video))

    told = await asyncio.gather(
        history.group_commit.write(creation(video)),
        history.group_commit.write(creation(other)),
        return_exceptions=True,
    )

    assert isinstance(told[0], UnwritableError)
    assert isinstance(told[1], Written)
    assert await history.videos.get(video.id) is None
    unfinished = await history.attempts.unfinished(Purpose.TRAFFIC)
    assert [each.video for each in unfinished] == [other.id]
    assert len(await history.ledger.entries()) == 1
    assert await outcomes(history, creation(video_of(idempotency_key="k"))) == [WRITTEN]


async def test_a_bar_finds_the_video_that_was_committed(history: Storage) -> None:
    video = video_of(idempotency_key="k")
    record = await created(history, video)

    assert await recorded(history, bar(video)) == record


class TestOnPostgres:
    """What needs two transactions at a time."""

    @pytest.fixture
    def address(self, new_postgres: Callable[[str | None], str]) -> str:
        return new_postgres(None)

    async def test_a_create_that_waits_for_a_bar_fails_for_good(self, history: Storage) -> None:
        video = video_of(idempotency_key="k")
        async with history.connections.durable_transaction(LockId.KEY) as connection:
            await connection.run_sync(write_group, [bar(video)])
            late = asyncio.create_task(history.group_commit.write(creation(video)))
            await until_locked(history)

        with pytest.raises(UnwritableError):
            await late
        assert await history.ledger.entries() == ()
        assert await outcomes(history, creation(video_of(idempotency_key="k"))) == [WRITTEN]

    @pytest.mark.parametrize("lands", [True, False])
    async def test_a_bar_waits_for_the_create_whose_commit_hangs(
        self, history: Storage, *, lands: bool
    ) -> None:
        video = video_of(idempotency_key="k")
        async with history.connections.durable_transaction(LockId.KEY) as connection:
            await connection.run_sync(write_group, [creation(video)])
            told = asyncio.create_task(history.group_commit.write(bar(video)))
            await until_locked(history)
            if not lands:
                await connection.rollback()

        written = await told

        assert written.outcome is WRITTEN
        assert written.record is not None
        assert (written.record.video.deleted_at is None) == lands
        assert len(written.record.attempts) == lands

    async def test_a_locked_video_fails_no_other_write(
        self, history: Storage, address: str
    ) -> None:
        locked, free = [(await created(history, video_of())).video for _ in range(2)]
        async with await psycopg.AsyncConnection.connect(address) as other:
            await other.execute("SELECT 1 FROM videos WHERE id = %s FOR UPDATE", [locked.id])
            told = await asyncio.gather(
                *(
                    history.group_commit.write(fact(each, AttemptEvent.ACCEPTED, job="j"))
                    for each in (locked, free)
                ),
                return_exceptions=True,
            )

        assert isinstance(told[0], LockTimeoutError)
        assert isinstance(told[1], Written)


async def until_locked(history: Storage) -> None:
    """Return once a statement waits for a row of another transaction."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(20):
        while True:
            async with history.connections.read_transaction() as connection:
                if await connection.scalar(waiting):
                    return
