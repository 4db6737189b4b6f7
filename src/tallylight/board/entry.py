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
from tallylight.verdicts.judge import advance_time, judge
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import FailureRecord, ServiceState

_REPLICATION_DELAY = timedelta(seconds=5)
_UNCONFIRMED_TTL = timedelta(minutes=2)


@dataclass(slots=True)
class ServiceEntry:
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
    state: ServiceState
    published: Verdict = field(init=False)
    open_incident: Incident | None = None
    latest: dict[Source, Evidence] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    confirmed: ServiceState = field(init=False)
    confirmed_cursor: int = 0
    unconfirmed: list[Evidence] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.confirmed = self.state
        self.publish()

    def publish(self) -> None:
        """Let others see what stands."""
        self.published = self.state.verdict

    def dump_state(self) -> str:
        """Return the standing of this moment, to be stored."""
        return snapshot.dump_state(self.state)

    def update_latest(self, evidence: Evidence) -> None:
        """Keep evidence as the newest of its source, unless it comes late."""
        before = self.latest.get(evidence.source)
        if before is None or evidence.at >= before.at:
            self.latest[evidence.source] = evidence

    def apply_confirmed(self, record: EvidenceRecord) -> bool:
        """Fold what the process that judges has stored; tell whether it is news here."""
        if record.recorded_at_us <= self.confirmed_cursor:
            return False
        piece = record.evidence
        self.confirmed_cursor = record.recorded_at_us
        self.confirmed = judge(
            _advance_to(self.confirmed, piece.at, self.policy), piece, self.policy
        )
        for own in self.unconfirmed:
            if (own.at, own.source) == (piece.at, piece.source):
                self.unconfirmed.remove(own)
                return False
        self.update_latest(piece)
        return True

    def apply_local(self, piece: Evidence) -> None:
        """Let count what was found here, until the process that judges has judged it."""
        self.unconfirmed.append(piece)
        self.update_latest(piece)

    def recompute(self, now: datetime) -> None:
        """Let stand what was told, with what is supposed."""
        oldest = now - _UNCONFIRMED_TTL
        self.unconfirmed = [piece for piece in self.unconfirmed if piece.at >= oldest]
        standing = self.confirmed
        for piece in self.unconfirmed:
            standing = judge(_advance_to(standing, piece.at, self.policy), piece, self.policy)
        # What was found by now may not have been told: silence counts later than at the judge's.
        self.state = _advance_to(standing, now - _REPLICATION_DELAY, self.policy)

    def load(self, stored: StateSnapshot) -> None:
        """Take up a standing that was stored, with the evidence that can be read from it.

        So a page that goes on saying what it said before the restart says nothing new.
        """
        self.state = self.confirmed = snapshot.load_state(stored.state)
        self.confirmed_cursor = stored.cursor
        self.publish()
        for evidence in _latest_evidence_in(self.state):
            self.update_latest(evidence)


def _advance_to(state: ServiceState, at: datetime, policy: Policy) -> ServiceState:
    """Return a standing after all that time alone changed up to a moment."""
    while (after := advance_time(state, at, policy)) is not state:
        state = after
    return state


def _latest_evidence_in(state: ServiceState) -> Iterator[Evidence]:
    delivery, feed = state.job_history.last_delivery, state.feed
    if delivery is not None:
        seconds = delivery.seconds
        latency = None if seconds is None else timedelta(seconds=seconds)
        yield Evidence(state.service, delivery.at, delivery.source, latency=latency)
    for layer in (state.api, state.jobs):
        if layer.is_failing and layer.last_failure is not None:
            answer = layer.last_failure
            yield Evidence(state.service, answer.at, answer.source, failure=_failure_of(answer))
    if not feed.is_readable:
        yield Evidence(state.service, state.at, Source.FEED, claimed_status=Status.UNKNOWN)
    elif feed.at is not None:
        yield Evidence(
            state.service,
            feed.at,
            Source.FEED,
            claimed_status=feed.claimed_status,
            until=feed.until,
            note=feed.note,
        )


def _failure_of(record: FailureRecord) -> Failure:
    return Failure(
        kind=record.kind,
        fault=Fault.UPSTREAM,  # a layer counts nothing else
        rule=record.rule,
        text=record.text,
        names_state=record.names_state,
        http_status=record.http_status,
    )
