"""A video that this process follows: its last known version, with notification of changes."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

from tallylight.model.attempt import Attempt
from tallylight.model.attempt_state import AttemptState
from tallylight.model.evidence import Failure
from tallylight.model.ids import AttemptId, ServiceId
from tallylight.model.video import Video, VideoRecord
from tallylight.upstreams.classify.transport_errors import OWN_PROCESS_RULE

_MOST_DELAYED = 3
"""How often this process is too late for a service until the service counts as tried."""


@dataclass(slots=True)
class TrackedVideo:
    """One video that this process follows.

    Args:
        record: The video with its attempts, as last read or written.
        followed_since: Boottime seconds at which this process began to follow it.
        intended_at: Boottime seconds before the intent of each attempt that this process sends.
        is_answered: The create has returned the video.
        is_resolved: The create can be answered: accepted, in doubt, failed or waiting.
        is_ending: The end of the video is being recorded, as one that no response told yet.
        first_poll_after: Delay that the upstream requested before the first poll, if any.
        is_released: This process decides nothing more about it; another one does, or will.
        is_sending: An attempt is being recorded and sent; interrupted, it would be in doubt.
        round_start: Index of the round's first attempt; earlier refusals are retried.
        rounds: How often all services refused and a new round began.
        overdue: Attempts whose jobs were reported as overdue.
        kept: Stalled attempts that cannot be given up.
        polled_at: Monotonic seconds of the last poll of each attempt that was given up.
    """

    record: VideoRecord
    followed_since: float
    intended_at: dict[AttemptId, float] = field(default_factory=dict)
    is_answered: bool = False
    is_resolved: bool = False
    is_ending: bool = False
    first_poll_after: timedelta | None = None
    is_released: bool = False
    is_sending: bool = False
    round_start: int = 0
    rounds: int = 0
    overdue: set[AttemptId] = field(default_factory=set)
    kept: set[AttemptId] = field(default_factory=set)
    polled_at: dict[AttemptId, float] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def video(self) -> Video:
        """Return the video."""
        return self.record.video

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Return all attempts, oldest first."""
        return self.record.attempts

    @property
    def is_over(self) -> bool:
        """Tell whether this process has nothing left to do for it."""
        return self.video.is_terminal or self.is_released

    @property
    def current(self) -> Attempt | None:
        """Return the newest attempt, if it is open and not given up."""
        newest = self.attempts[-1] if self.attempts else None
        if newest is None or not newest.is_open or newest.state is AttemptState.GIVEN_UP:
            return None
        return newest

    @property
    def given_up_attempts(self) -> tuple[Attempt, ...]:
        """Return the open attempts that another one replaces; they may still deliver."""
        current = self.current
        return tuple(each for each in self.record.open_attempts if each is not current)

    @property
    def refusals(self) -> tuple[tuple[ServiceId, Failure], ...]:
        """Return why attempts ended without a video, by service, oldest first."""
        return tuple((a.service, a.failure) for a in self.attempts if a.failure is not None)

    @property
    def tried_services(self) -> frozenset[ServiceId]:
        """Return the services that get no attempt now: they refused in this round, or accepted.

        What this process was too late to send says nothing of the service, which is tried again.
        """
        tried = [
            attempt
            for index, attempt in enumerate(self.attempts)
            if index >= self.round_start or attempt.state is not AttemptState.REFUSED
        ]
        delayed = Counter(each.service for each in tried if _is_own_delay(each))
        return frozenset(
            each.service
            for each in tried
            if not _is_own_delay(each) or delayed[each.service] >= _MOST_DELAYED
        )

    def attempt(self, id_: AttemptId) -> Attempt:
        """Return an attempt as last known."""
        return next(each for each in self.attempts if each.id == id_)

    def absence_counts_after(self, attempt: Attempt) -> float:
        """Return the boottime seconds from which no answer to an attempt can arrive any more.

        A process that did not send the attempt counts its whole time from its own take-over.
        """
        began = self.intended_at.get(attempt.id, self.followed_since)
        return began + (attempt.send_within + attempt.answer_within).total_seconds()

    def apply(self, record: VideoRecord) -> None:
        """Apply a newer version, and wake the waiting tasks."""
        self.record = record
        self.notify()

    def resolve(self) -> None:
        """Mark the create as answerable, and wake the waiting tasks."""
        self.is_resolved = True
        self.notify()

    def release(self) -> None:
        """Decide nothing more about it."""
        self.is_released = True
        self.notify()

    def notify(self) -> None:
        """Wake the tasks that wait for a change."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_for_change(self) -> None:
        """Return after the next change."""
        await self._changed.wait()


def _is_own_delay(attempt: Attempt) -> bool:
    failure = attempt.failure
    is_refused = attempt.state is AttemptState.REFUSED
    return is_refused and failure is not None and failure.rule == OWN_PROCESS_RULE
