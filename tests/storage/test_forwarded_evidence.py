"""Evidence of followers reaches the leader, each piece once."""

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


def evidence_of(clock: VirtualClock, seconds: int = 0, failure: Failure | None = None) -> Evidence:
    took = None if failure else timedelta(seconds=80)
    at = clock.now() + timedelta(seconds=seconds)
    return Evidence(SORA, at, Source.TRAFFIC, failure=failure, latency=took)


async def consumed(history: Storage) -> list[Evidence]:
    """Return the evidence that the leader consumes."""
    found: list[Evidence] = []

    async def judge(piece: Evidence) -> None:
        found.append(piece)

    await history.forwarded_evidence.consume(judge)
    return found


async def test_forwarded_evidence_is_consumed_once_and_in_order(
    address: str, history: Storage, clock: VirtualClock
) -> None:
    pieces = [evidence_of(clock, second) for second in range(700)]
    pieces += [evidence_of(clock, 700, SUSPENDED)]

    async with open_storage(address, clock) as other:
        for piece in pieces:
            other.forwarded_evidence.forward(piece)

    assert await consumed(history) == pieces
    assert await consumed(history) == []


async def test_forwarded_evidence_is_not_evidence_until_it_is_judged(
    history: Storage, clock: VirtualClock
) -> None:
    history.forwarded_evidence.forward(evidence_of(clock))
    await history.forwarded_evidence.buffer.flush()

    assert await history.evidence(SORA) == ()


async def test_evidence_that_could_not_be_judged_is_consumed_again(
    history: Storage, clock: VirtualClock
) -> None:
    piece = evidence_of(clock)
    history.forwarded_evidence.forward(piece)
    await history.forwarded_evidence.buffer.flush()

    async def fail(_: Evidence) -> None:
        raise RuntimeError("a defect of ours")

    with pytest.raises(RuntimeError):
        await history.forwarded_evidence.consume(fail)

    assert await consumed(history) == [piece]
