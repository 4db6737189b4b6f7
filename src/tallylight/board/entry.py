"""What the board keeps of one service, and what a restart gives back of it."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tallylight.catalogue.services import Service
from tallylight.model.evidence import Evidence, Failure, Fault, Source
from tallylight.model.status import Status
from tallylight.model.verdict import Incident, Verdict
from tallylight.storage.evidence import EvidenceRecord
from tallylight.storage.state_snapshots import StateSnapshot
from tallylight.verdicts import snapshot
from tallylight.verdicts.judge import judge, pass_time
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import Answer, Standing

_TOLD_WITHIN = timedelta(seconds=5)
_SUPPOSED_FOR = timedelta(minutes=2)


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
        told: Where another process judges: what its evidence alone comes to, up to `folded`.
        folded: The id of the last evidence in `told`.
        supposed: What was found here, and has not come back from the process that judges.
    """

    service: Service
    policy: Policy
    standing: Standing
    shown: Verdict = field(init=False)
    incident: Incident | None = None
    newest: dict[Source, Evidence] = field(default_factory=dict)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    told: Standing = field(init=False)
    folded: int = 0
    supposed: list[Evidence] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.told = self.standing
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

    def learn(self, noted: EvidenceRecord) -> bool:
        """Fold what the process that judges has stored; tell whether it is news here."""
        if noted.recorded_at_us <= self.folded:
            return False
        piece = noted.evidence
        self.folded = noted.recorded_at_us
        self.told = judge(_passed(self.told, piece.at, self.policy), piece, self.policy)
        for own in self.supposed:
            if (own.at, own.source) == (piece.at, piece.source):
                self.supposed.remove(own)
                return False
        self.hear(piece)
        return True

    def suppose(self, piece: Evidence) -> None:
        """Let count what was found here, until the process that judges has judged it."""
        self.supposed.append(piece)
        self.hear(piece)

    def stand(self, now: datetime) -> None:
        """Let stand what was told, with what is supposed."""
        oldest = now - _SUPPOSED_FOR
        self.supposed = [piece for piece in self.supposed if piece.at >= oldest]
        standing = self.told
        for piece in self.supposed:
            standing = judge(_passed(standing, piece.at, self.policy), piece, self.policy)
        # What was found by now may not have been told: silence counts later than at the judge's.
        self.standing = _passed(standing, now - _TOLD_WITHIN, self.policy)

    def recall(self, stored: StateSnapshot) -> None:
        """Take up a standing that was stored, with the evidence that can be read from it.

        So a page that goes on saying what it said before the restart says nothing new.
        """
        self.standing = self.told = snapshot.load(stored.state)
        self.folded = stored.cursor
        self.show()
        for evidence in _remembered(self.standing):
            self.hear(evidence)


def _passed(standing: Standing, at: datetime, policy: Policy) -> Standing:
    """Return a standing after all that time alone changed up to a moment."""
    while (after := pass_time(standing, at, policy)) is not standing:
        standing = after
    return standing


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
        yield Evidence(standing.service, standing.at, Source.FEED, claimed_status=Status.UNKNOWN)
    elif feed.at is not None:
        yield Evidence(
            standing.service,
            feed.at,
            Source.FEED,
            claimed_status=feed.says,
            until=feed.until,
            note=feed.note,
        )


def _failure_of(answer: Answer) -> Failure:
    return Failure(
        kind=answer.kind,
        fault=Fault.UPSTREAM,  # a layer counts nothing else
        rule=answer.rule,
        text=answer.text,
        names_state=answer.named,
        http_status=answer.http_status,
    )
