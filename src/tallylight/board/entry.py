"""One service on the board: its state, its published verdict, and how a restart restores both."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tallylight.board.without_misses import StateWithoutMisses
from tallylight.catalogue.services import Service
from tallylight.model.evidence import Evidence, Failure, Fault, Source
from tallylight.model.status import Status
from tallylight.model.verdict import Incident, Verdict
from tallylight.storage.evidence import EvidenceRecord
from tallylight.storage.state_snapshots import StateSnapshot
from tallylight.verdicts import snapshot
from tallylight.verdicts.blocking import KeyPeriod, has_other_key, with_period
from tallylight.verdicts.judge import advance_to, held, judge
from tallylight.verdicts.layer_state import FailureRecord
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import ServiceState

_REPLICATION_DELAY = timedelta(seconds=5)
_UNCONFIRMED_TTL = timedelta(minutes=2)


@dataclass(slots=True)
class ServiceEntry:
    """One service on the board.

    Args:
        policy: The figures that it is judged by.
        published: The verdict that other parts of the process see. A leader publishes a verdict
            after it has recorded the transition to it.
        lock: Held while evidence is judged and recorded; without it two reports could both be
            applied to the same former state.
        key_period: Since when this process has used its present key.
        confirmed: On a follower: the state from the leader's evidence alone.
        confirmed_cursor: The id of the last evidence in `confirmed`.
        unconfirmed: On a follower: local evidence that the leader has not stored yet.
        without_misses: On a leader: the state without the missing answers that counted last.
    """

    service: Service
    policy: Policy
    state: ServiceState
    published: Verdict = field(init=False)
    open_incident: Incident | None = None
    key_period: KeyPeriod = field(init=False)
    latest: dict[Source, Evidence] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    confirmed: ServiceState = field(init=False)
    confirmed_cursor: int = 0
    unconfirmed: list[Evidence] = field(default_factory=list)
    without_misses: StateWithoutMisses | None = None
    _known: tuple[Service, datetime | None, Service] | None = None

    @property
    def known_service(self) -> Service:
        """Return the service with the shutdown date that its API tells, if it tells one."""
        told = self.state.calendar.told_shutdown_at
        if told is None:
            return self.service
        if self._known is None or self._known[0] is not self.service or self._known[1] != told:
            sheet = self.service.sheet.with_told_shutdown(told.date())
            self._known = (self.service, told, replace(self.service, sheet=sheet))
        return self._known[2]

    def __post_init__(self) -> None:
        self.confirmed = self.state
        self.key_period = KeyPeriod(self.state.at)
        self.publish()

    def publish(self) -> None:
        """Publish the verdict of the current state."""
        self.published = self.state.verdict

    def apply_config(self, service: Service, policy: Policy, now: datetime) -> None:
        """Replace the service and the policy, and begin a period if the key is another one."""
        if has_other_key(self.service.upstream, service.upstream):
            self.apply_key_period(KeyPeriod(now, is_first=False))
        self.service, self.policy = service, policy

    def apply_key_period(self, period: KeyPeriod) -> None:
        """Set the period of the present key."""
        self.key_period = period
        self.without_misses = None
        self.state = with_period(self.state, period)
        self.confirmed = with_period(self.confirmed, period)

    def hold(self, now: datetime) -> None:
        """Hold time for the free checks of a process that starts now, if there are any."""
        intervals = self.service.probe_intervals
        if intervals.reach is not None or intervals.credentials is not None:
            self.state = held(self.state, now, self.policy)
            self.confirmed = held(self.confirmed, now, self.policy)

    def dump_state(self) -> str:
        """Return the current state as JSON."""
        return snapshot.dump_state(self.state)

    def update_latest(self, evidence: Evidence) -> None:
        """Keep evidence as the newest of its source, unless newer evidence is there already."""
        before = self.latest.get(evidence.source)
        if before is None or evidence.at >= before.at:
            self.latest[evidence.source] = evidence

    def apply_confirmed(self, record: EvidenceRecord) -> bool:
        """Apply evidence that the leader has stored; tell whether it is new to this process."""
        if record.recorded_at_us <= self.confirmed_cursor:
            return False
        piece = record.evidence
        self.confirmed_cursor = record.recorded_at_us
        self.confirmed = judge(
            advance_to(self.confirmed, piece.at, self.policy), piece, self.policy
        )
        for own in self.unconfirmed:
            if (own.at, own.source) == (piece.at, piece.source):
                self.unconfirmed.remove(own)
                return False
        self.update_latest(piece)
        return True

    def apply_local(self, piece: Evidence) -> None:
        """Apply local evidence until the leader has stored it, or for two minutes."""
        self.unconfirmed.append(piece)
        self.update_latest(piece)

    def recompute(self, now: datetime) -> None:
        """Recompute the state from confirmed evidence plus local, unconfirmed evidence."""
        oldest = now - _UNCONFIRMED_TTL
        self.unconfirmed = [piece for piece in self.unconfirmed if piece.at >= oldest]
        state = self.confirmed
        for piece in self.unconfirmed:
            state = judge(advance_to(state, piece.at, self.policy), piece, self.policy)
        # The leader's newest evidence may still be on its way, so time runs a little late here.
        self.state = advance_to(state, now - _REPLICATION_DELAY, self.policy)

    def load(self, stored: StateSnapshot) -> bool:
        """Restore a stored state, and the newest evidence as far as the state contains it.

        Thus a status page that repeats after a restart what it said before reports nothing new.

        Returns:
            False if the snapshot cannot be read; nothing has changed then.
        """
        try:
            state = snapshot.load_state(stored.state)
        except ValueError:
            return False
        self.state = self.confirmed = state
        self.confirmed_cursor = stored.cursor
        self.publish()
        for evidence in _latest_evidence_in(self.state):
            self.update_latest(evidence)
        return True


def _latest_evidence_in(state: ServiceState) -> Iterator[Evidence]:
    delivery, feed = state.job_history.last_delivery, state.feed
    if delivery is not None:
        seconds = delivery.seconds
        latency = None if seconds is None else timedelta(seconds=seconds)
        yield Evidence(state.service, delivery.at, delivery.source, latency=latency)
    for layer in (state.api, state.jobs):
        if layer.is_failing and layer.last_failure is not None:
            record = layer.last_failure
            yield Evidence(state.service, record.at, record.source, failure=_failure_of(record))
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
        fault=Fault.UPSTREAM,  # layers count no other faults
        rule=record.rule,
        text=record.text,
        names_state=record.names_state,
        http_status=record.http_status,
    )
