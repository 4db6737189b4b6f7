"""What the board keeps of one service, and what a restart gives back of it."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from tallylight.catalogue.services import Service
from tallylight.terms import Evidence, Failure, Fault, Incident, Source, Status, Verdict
from tallylight.verdicts import snapshot
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.standing import Answer, Standing


@dataclass(slots=True)
class Seat:
    """One service on the board.

    Args:
        service: As the configuration has it.
        policy: What it is judged by.
        standing: What the judge remembers.
        shown: The verdict that others see: none before its transition is in the history.
        incident: The one that is open.
        newest: The newest evidence of each source.
        turn: Held while evidence is judged and recorded, or two reports would judge one past.
    """

    service: Service
    policy: Policy
    standing: Standing
    shown: Verdict = field(init=False)
    incident: Incident | None = None
    newest: dict[Source, Evidence] = field(default_factory=dict)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.show()

    def show(self) -> None:
        """Let others see what stands."""
        self.shown = self.standing.verdict

    def dump(self) -> str:
        """Return the standing of this moment, to be stored."""
        return snapshot.dump(self.standing)

    def hear(self, evidence: Evidence) -> None:
        """Keep evidence as the newest of its source, unless it comes late."""
        before = self.newest.get(evidence.source)
        if before is None or evidence.at >= before.at:
            self.newest[evidence.source] = evidence

    def recall(self, text: str) -> None:
        """Take up a standing that was stored, with the evidence that can be read from it.

        So a page that goes on saying what it said before the restart says nothing new.
        """
        self.standing = snapshot.load(text)
        self.show()
        for evidence in _remembered(self.standing):
            self.hear(evidence)


def _remembered(standing: Standing) -> Iterator[Evidence]:
    delivery, feed = standing.record.delivery, standing.feed
    if delivery is not None:
        seconds = delivery.seconds
        latency = None if seconds is None else timedelta(seconds=seconds)
        yield Evidence(standing.service, delivery.at, delivery.source, latency=latency)
    for layer in (standing.door, standing.jobs):
        if layer.is_failing and layer.answer is not None:
            answer = layer.answer
            yield Evidence(standing.service, answer.at, answer.source, failure=_failure_of(answer))
    if not feed.is_readable:
        yield Evidence(standing.service, standing.at, Source.FEED, says=Status.UNKNOWN)
    elif feed.at is not None:
        yield Evidence(
            standing.service, feed.at, Source.FEED, says=feed.says, until=feed.until, note=feed.note
        )


def _failure_of(answer: Answer) -> Failure:
    return Failure(
        kind=answer.kind,
        fault=Fault.UPSTREAM,  # a layer counts nothing else
        rule=answer.rule,
        text=answer.text,
        named=answer.named,
        http_status=answer.http_status,
    )
