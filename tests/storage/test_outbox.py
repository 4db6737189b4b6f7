import asyncio
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from tallylight.clock import VirtualClock
from tallylight.model.ids import KeyId, ServiceId
from tallylight.model.outbox import OutboxMessage
from tallylight.storage.characters import CharacterRow
from tallylight.storage.database import Storage, open_storage
from tallylight.storage.options import RetentionOptions
from tests.storage.writes import store_messages

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def notice(number: int, endpoint: str = "billing", at: datetime = NOON) -> OutboxMessage:
    return OutboxMessage(f"msg_{number}", endpoint, f"video_{number}", f'{{"n":{number}}}', at)


async def rows(history: Storage) -> list[tuple[object, ...]]:
    async with history.outbox._connections.read_transaction() as connection:
        query = text(
            "SELECT id, due_at_us IS NULL, attempt_number, response FROM outbox ORDER BY id"
        )
        return [(row[0], bool(row[1]), row[2], row[3]) for row in await connection.execute(query)]


async def test_a_due_webhook_is_claimed_once(history: Storage) -> None:
    await store_messages(history, notice(1), notice(2, "audit"))

    (claimed,) = await history.outbox.claim("billing", NOON, NOON + MINUTE, 10)

    assert (claimed.id, claimed.body, claimed.attempt_number) == ("msg_1", '{"n":1}', 1)
    assert claimed.created_at == NOON
    assert await history.outbox.claim("billing", NOON + MINUTE / 2, NOON + MINUTE, 10) == ()


async def test_an_abandoned_claim_is_claimed_again(history: Storage) -> None:
    await store_messages(history, notice(1))
    await history.outbox.claim("billing", NOON, NOON + MINUTE, 10)

    (again,) = await history.outbox.claim("billing", NOON + MINUTE, NOON + 2 * MINUTE, 10)

    assert (again.id, again.attempt_number) == ("msg_1", 2)


async def test_two_processes_never_claim_the_same(address: str) -> None:
    clock = VirtualClock(NOON)
    async with open_storage(address, clock) as one, open_storage(address, clock) as two:
        await store_messages(one, *map(notice, range(100)))

        claims = await asyncio.gather(
            *(
                history.outbox.claim("billing", NOON, NOON + MINUTE, 7)
                for _ in range(10)
                for history in (one, two)
            )
        )

    ids = [each.id for claim in claims for each in claim]
    assert len(ids) == len(set(ids)) == 100


async def test_a_delivered_webhook_is_never_due_again(history: Storage) -> None:
    await store_messages(history, notice(1))
    (claimed,) = await history.outbox.claim("billing", NOON, NOON + MINUTE, 10)

    await history.outbox.mark_delivered(claimed, NOON, "204")
    await history.outbox.reschedule(claimed, NOON, "a late word")

    assert await history.outbox.claim("billing", NOON + 9 * MINUTE, NOON + 10 * MINUTE, 9) == ()
    assert await rows(history) == [("msg_1", True, 1, "204")]


async def test_a_process_that_lost_its_claim_changes_nothing(history: Storage) -> None:
    await store_messages(history, notice(1))
    (slow,) = await history.outbox.claim("billing", NOON, NOON + MINUTE, 10)
    await history.outbox.claim("billing", NOON + MINUTE, NOON + 2 * MINUTE, 10)

    await history.outbox.give_up(slow, "500")
    await history.outbox.reschedule(slow, NOON, "500")

    assert await rows(history) == [("msg_1", False, 2, "")]
    assert await history.outbox.claim("billing", NOON + MINUTE, NOON + 9 * MINUTE, 10) == ()


async def test_a_delivery_counts_even_after_a_lost_claim(history: Storage) -> None:
    await store_messages(history, notice(1))
    (slow,) = await history.outbox.claim("billing", NOON, NOON + MINUTE, 10)
    await history.outbox.claim("billing", NOON + MINUTE, NOON + 2 * MINUTE, 10)

    await history.outbox.mark_delivered(slow, NOON + MINUTE, "200")

    assert await rows(history) == [("msg_1", True, 2, "200")]


async def test_webhooks_that_are_too_old_are_given_up_at_every_endpoint(history: Storage) -> None:
    old = notice(1, "removed", NOON - timedelta(hours=80))
    await store_messages(history, old, notice(2, "removed"))

    await history.outbox.give_up_older_than(NOON - timedelta(hours=72), "too old")

    assert await rows(history) == [("msg_1", True, 0, "too old"), ("msg_2", False, 0, "")]


async def test_old_webhooks_are_deleted_unless_they_are_due(
    history: Storage, clock: VirtualClock
) -> None:
    await store_messages(history, *map(notice, range(5)))
    claimed = await history.outbox.claim("billing", NOON, NOON + MINUTE, 4)
    for each in claimed[:2]:
        await history.outbox.mark_delivered(each, NOON, "200")
    await history.outbox.give_up(claimed[2], "500")

    await clock.advance(timedelta(days=30))
    await history.apply_retention(RetentionOptions())
    before = len(await rows(history))
    await clock.advance(MINUTE)
    await history.apply_retention(RetentionOptions())

    assert before == 5
    assert len(await rows(history)) == 2
    assert not any(is_over for _, is_over, _, _ in await rows(history))


async def test_a_message_that_exists_does_not_fail_its_group(history: Storage) -> None:
    await store_messages(history, notice(1))
    (claimed,) = await history.outbox.claim("billing", NOON, NOON + MINUTE, 10)
    await history.outbox.mark_delivered(claimed, NOON, "200")

    await asyncio.gather(
        store_messages(history, notice(1, at=NOON + MINUTE), notice(2)),
        store_messages(history, notice(3), notice(2)),
    )

    assert [row[0] for row in await rows(history)] == ["msg_1", "msg_2", "msg_3"]
    assert (await rows(history))[0] == ("msg_1", True, 1, "200")


async def test_a_character_reads_back_as_it_was_written(history: Storage) -> None:
    row = CharacterRow("char_1", KeyId("key_1"), "犬", ServiceId("sora"), "ch_up", NOON)

    await history.characters.add(row)

    assert await history.characters.get("char_1") == row
    assert await history.characters.get("char_2") is None
