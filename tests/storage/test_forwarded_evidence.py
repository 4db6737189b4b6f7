"""What processes that do not judge have seen reaches the one that does, each piece once."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from tallylight.clock import VirtualClock
from tallylight.model.evidence import Evidence, Failure, FailureKind, Fault, Source
from tallylight.model.ids import ServiceId
from tallylight.storage.database import Storage, open_storage

SORA = ServiceId("sora-2-official")
SUSPENDED = Failure(
    FailureKind.SUSPENDED, Fault.UPSTREAM, "code:paused", "paused", names_state=True
)

Judge = Callable[[Evidence], object]


def seen(clock: VirtualClock, seconds: int = 0, failure: Failure | None = None) -> Evidence:
    took = None if failure else timedelta(seconds=80)
    at = clock.now() + timedelta(seconds=seconds)
    return Evidence(SORA, at, Source.TRAFFIC, failure=failure, latency=took)


async def heard(history: Storage) -> list[Evidence]:
    """Return what reaches the one that judges."""
    found: list[Evidence] = []

    async def judge(piece: Evidence) -> None:
        found.append(piece)

    await history.forwarded_evidence.consume(judge)
    return found


async def test_what_one_process_tells_another_hears_in_order_and_once(
    address: str, history: Storage, clock: VirtualClock
) -> None:
    pieces = [seen(clock, second) for second in range(700)]
    pieces += [seen(clock, 700, SUSPENDED)]

    async with open_storage(address, clock) as other:
        for piece in pieces:
            other.forwarded_evidence.forward(piece)

    assert await heard(history) == pieces
    assert await heard(history) == []


async def test_what_is_heard_is_no_evidence_before_it_is_judged(
    history: Storage, clock: VirtualClock
) -> None:
    history.forwarded_evidence.forward(seen(clock))
    await history.forwarded_evidence.buffer.flush()

    assert await history.evidence(SORA) == ()


async def test_what_could_not_be_judged_is_heard_again(
    history: Storage, clock: VirtualClock
) -> None:
    piece = seen(clock)
    history.forwarded_evidence.forward(piece)
    await history.forwarded_evidence.buffer.flush()

    async def fail(_: Evidence) -> None:
        raise RuntimeError("a defect of ours")

    with pytest.raises(RuntimeError):
        await history.forwarded_evidence.consume(fail)

    assert await heard(history) == [piece]
