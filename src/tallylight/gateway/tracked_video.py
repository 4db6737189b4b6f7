"""A video under way in this process: what stands of it, and who waits for it to change."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from tallylight.gateway.errors import TRANSIENT_KINDS
from tallylight.gateway.routing.routes import Route
from tallylight.model.attempt import Attempt, AttemptState
from tallylight.model.evidence import Failure
from tallylight.model.ids import ServiceId
from tallylight.model.ledger import EntryId, LedgerEntry
from tallylight.model.video import Video, VideoStatus

_ORDER = (VideoStatus.QUEUED, VideoStatus.IN_PROGRESS)


@dataclass(slots=True)
class TrackedVideo:
    """One video that this process follows.

    Args:
        video: As its callers see it.
        route: By which services for it are chosen.
        attempts: All submissions so far, in their order.
        entries: The money of each.
        refusals: Why services did not make it, the newest last; those of this process.
        is_answered: The caller of its create was given it.
        is_settled: Its first attempt has led to something that a caller can be told.
        first_look: When the upstream wants to be asked first, None if it did not say.
        rounds: How often all services had refused, and were asked again.
        is_let_go: This process sends nothing more for it; another follows it, or will.
        is_sending: An attempt is being written down and sent: cut off, it would be a doubt.
        round_from: Services that refused before this attempt may be asked again.
        unwritten: What attempts have come to, to be written with what follows from it.
    """

    video: Video
    route: Route
    attempts: list[Attempt] = field(default_factory=list)
    entries: dict[EntryId, LedgerEntry] = field(default_factory=dict)
    refusals: list[tuple[ServiceId, Failure]] = field(default_factory=list)
    is_answered: bool = False
    is_resolved: bool = False
    first_poll_after: timedelta | None = None
    is_released: bool = False
    is_sending: bool = False
    round_start: int = 0
    rounds: int = 0
    pending_writes: list[tuple[Attempt, LedgerEntry]] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def current(self) -> Attempt | None:
        """Return the newest attempt, if it is open and nobody has given it up."""
        newest = self.attempts[-1] if self.attempts else None
        is_on = newest is not None and newest.is_open and newest.given_up_at is None
        return newest if is_on else None

    @property
    def open_attempts(self) -> tuple[Attempt, ...]:
        """Return the attempts that have not come to an end."""
        return tuple(attempt for attempt in self.attempts if attempt.is_open)

    @property
    def given_up_attempts(self) -> tuple[Attempt, ...]:
        """Return the attempts that nobody counts on, though they may still deliver."""
        return tuple(attempt for attempt in self.open_attempts if attempt.given_up_at is not None)

    @property
    def tried_services(self) -> frozenset[ServiceId]:
        """Return the services that are not to be asked, because they were."""
        return frozenset(
            attempt.service
            for number, attempt in enumerate(self.attempts)
            if number >= self.round_start or attempt.state is not AttemptState.REFUSED
        )

    @property
    def refused_for_now(self) -> frozenset[ServiceId]:
        """Return the services that refused in this round, and may accept in the next one."""
        accepted = {
            attempt.service
            for attempt in self.attempts
            if attempt.state is not AttemptState.REFUSED
        }
        refused = {
            attempt.service
            for attempt in self.attempts[self.round_start :]
            if attempt.failure is not None and attempt.failure.kind in TRANSIENT_KINDS
        }
        return frozenset(refused - accepted)

    @property
    def paid_attempts(self) -> int:
        """Return how many attempts were accepted, or may have been."""
        return sum(attempt.state is not AttemptState.REFUSED for attempt in self.attempts)

    @property
    def cost(self) -> Decimal:
        """Return what all attempts cost together, as far as it is known, in USD."""
        return sum((entry.amount for entry in self.entries.values()), Decimal(0))

    def add_attempt(self, video: Video, attempt: Attempt, entry: LedgerEntry) -> None:
        """Take in an attempt that was written down."""
        self.attempts.append(attempt)
        self.entries[entry.id] = entry
        self.video = video

    def end_attempt(self, attempt: Attempt, entry: LedgerEntry) -> None:
        """Take in what an attempt has come to, before it is written."""
        self._know((attempt,), (entry,))
        self.pending_writes.append((attempt, entry))

    def apply(
        self,
        video: Video | None = None,
        attempts: tuple[Attempt, ...] = (),
        entries: tuple[LedgerEntry, ...] = (),
    ) -> None:
        """Take in what changed, and wake who waits for it."""
        self._know(attempts, entries)
        if video is not None:
            self.video = video
        self.notify()

    def _know(self, attempts: tuple[Attempt, ...], entries: tuple[LedgerEntry, ...]) -> None:
        newer = {attempt.id: attempt for attempt in attempts}
        self.attempts = [newer.get(each.id, each) for each in self.attempts]
        self.entries.update({entry.id: entry for entry in entries})

    def resolve(self) -> None:
        """Say that a caller can be told what became of the request."""
        self.is_resolved = True
        self.notify()

    def notify(self) -> None:
        """Wake whoever waits for a change."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_for_change(self) -> None:
        """Return when something has changed."""
        await self._changed.wait()


def with_progress(  # what a poll may change
    video: Video,
    status: VideoStatus,
    progress: int | None,
    *,
    service: ServiceId | None = None,
    started_at: datetime | None = None,
) -> Video:
    """Return a video brought forward: towards its caller nothing ever runs backwards.

    Args:
        video: As it stood.
        status: Where its job stands.
        progress: How far that is, if anybody knows.
        service: Who works on it; None for whoever did.
        started_at: When work on it began; None for when it did.
    """
    further = _ORDER[max(_ORDER.index(status), _ORDER.index(video.status))]
    # A hundred is said only of a video that is there.
    reached = max(video.progress, min(progress or 0, 99))
    worker, start = service or video.service, started_at or video.started_at
    stands = (video.status, video.progress, video.service, video.started_at)
    if (further, reached, worker, start) == stands:
        return video
    return replace(video, status=further, progress=reached, service=worker, started_at=start)
