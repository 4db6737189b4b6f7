"""The state of a video that this process follows, with notification of its changes."""

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
        video: The video as its caller sees it.
        route: The route that selects its services.
        attempts: All attempts, oldest first.
        entries: The ledger entries of the attempts.
        refusals: Failures by service that this process has seen, newest last.
        is_answered: The create has returned the video.
        is_resolved: The create can be answered: accepted, in doubt, failed or waiting.
        first_poll_after: Delay that the upstream requested before the first poll, if any.
        is_released: This process sends nothing more for it; another follows it, or will.
        is_sending: An attempt is being recorded and sent; interrupted, it would be in doubt.
        round_start: Index of the round's first attempt; earlier refusals are retried.
        rounds: How often all services refused and a new round began.
        pending_writes: Ended attempts that are recorded together with the next write.
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
        """Return the newest attempt, if it is open and not given up."""
        newest = self.attempts[-1] if self.attempts else None
        is_on = newest is not None and newest.is_open and newest.given_up_at is None
        return newest if is_on else None

    @property
    def open_attempts(self) -> tuple[Attempt, ...]:
        """Return the attempts that have not ended."""
        return tuple(attempt for attempt in self.attempts if attempt.is_open)

    @property
    def given_up_attempts(self) -> tuple[Attempt, ...]:
        """Return the open attempts that were given up; they may still deliver."""
        return tuple(attempt for attempt in self.open_attempts if attempt.given_up_at is not None)

    @property
    def tried_services(self) -> frozenset[ServiceId]:
        """Return the services that get no attempt now: they refused in this round, or accepted."""
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
        """Return the number of attempts that were or may have been accepted."""
        return sum(attempt.state is not AttemptState.REFUSED for attempt in self.attempts)

    @property
    def cost(self) -> Decimal:
        """Return the known cost of all attempts, in USD."""
        return sum((entry.amount for entry in self.entries.values()), Decimal(0))

    def add_attempt(self, video: Video, attempt: Attempt, entry: LedgerEntry) -> None:
        """Add a recorded attempt."""
        self.attempts.append(attempt)
        self.entries[entry.id] = entry
        self.video = video

    def end_attempt(self, attempt: Attempt, entry: LedgerEntry) -> None:
        """Apply the end of an attempt before it is recorded."""
        self._merge((attempt,), (entry,))
        self.pending_writes.append((attempt, entry))

    def apply(
        self,
        video: Video | None = None,
        attempts: tuple[Attempt, ...] = (),
        entries: tuple[LedgerEntry, ...] = (),
    ) -> None:
        """Apply changes, and wake the waiting tasks."""
        self._merge(attempts, entries)
        if video is not None:
            self.video = video
        self.notify()

    def _merge(self, attempts: tuple[Attempt, ...], entries: tuple[LedgerEntry, ...]) -> None:
        newer = {attempt.id: attempt for attempt in attempts}
        self.attempts = [newer.get(each.id, each) for each in self.attempts]
        self.entries.update({entry.id: entry for entry in entries})

    def resolve(self) -> None:
        """Mark the create as answerable, and wake the waiting tasks."""
        self.is_resolved = True
        self.notify()

    def notify(self) -> None:
        """Wake the tasks that wait for a change."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_for_change(self) -> None:
        """Return after the next change."""
        await self._changed.wait()


def with_progress(  # the fields that a poll may change
    video: Video,
    status: VideoStatus,
    progress: int | None,
    *,
    service: ServiceId | None = None,
    started_at: datetime | None = None,
) -> Video:
    """Return a video with newer progress; for its caller neither status nor progress goes back.

    Args:
        video: The video before.
        status: Status of its job.
        progress: Progress of its job in percent, if known.
        service: Service that works on it; None keeps the present one.
        started_at: When work started; None keeps the present time.
    """
    further = _ORDER[max(_ORDER.index(status), _ORDER.index(video.status))]
    # Only a downloaded video has a progress of 100.
    reached = max(video.progress, min(progress or 0, 99))
    current_service, start = service or video.service, started_at or video.started_at
    before = (video.status, video.progress, video.service, video.started_at)
    if (further, reached, current_service, start) == before:
        return video
    return replace(
        video, status=further, progress=reached, service=current_service, started_at=start
    )
