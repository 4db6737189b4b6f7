"""Looks once more for the jobs of attempts that ended without an answer.

What is found changes no video: it corrects the money, and what is learned about doubts. A job that
the list shows was accepted. One that is absent was not, and its money is released, only if the
operator says that the list shows all jobs (`lists_all_jobs`): the same promise under which a video
under way is sent on.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from tallylight.catalogue.services import LISTED_AFTER, Service
from tallylight.clock import Clock
from tallylight.jobs.journal import Journal
from tallylight.jobs.outcome import UNRESOLVED_DOUBT
from tallylight.jobs.search import JobSearch
from tallylight.jobs.tracked_video import TrackedVideo
from tallylight.model.attempt import Attempt, AttemptChange
from tallylight.model.attempt_state import AttemptEvent
from tallylight.model.ids import ServiceId
from tallylight.scheduler import every
from tallylight.storage.database import Storage
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.steps import Listed

if TYPE_CHECKING:
    from tallylight.model.ids import AttemptId

log = structlog.get_logger()

_INTERVAL = timedelta(minutes=5)

_AFTER_END = timedelta(minutes=10)
"""Time from the end of an attempt until it is looked for: whatever kept the list from being read or
complete should be over."""

_FOR = timedelta(days=1)
"""How long after its end an attempt is looked for."""

_AGAIN_AFTER = timedelta(hours=1)
"""Time until it is looked for again if the list could not tell."""

_BATCH_SIZE = 20
"""How many attempts one round looks for."""


class DoubtAftercare:
    """Looks for the jobs of unresolved attempts after the end of their videos.

    Each process with a gateway does so by itself: to read a list costs nothing, and a fact that is
    recorded twice changes nothing.

    Args:
        storage: The attempts and their videos.
        journal: Records what was found.
        search: Reads lists of jobs.
        find_service: Returns a service, None if it is not configured here.
        clock: The time.
    """

    def __init__(
        self,
        storage: Storage,
        journal: Journal,
        search: JobSearch,
        find_service: Callable[[ServiceId], Service | None],
        clock: Clock,
    ) -> None:
        self._storage = storage
        self._journal = journal
        self._search = search
        self._find_service = find_service
        self._clock = clock
        self._due_at: dict[AttemptId, float] = {}

    async def run(self) -> None:
        """Look for jobs at intervals until cancelled."""
        await every(_INTERVAL, self.look, self._clock, name="doubts")

    async def look(self) -> None:
        """Look for the jobs of some attempts that are due."""
        now = self._clock.now()
        found = await self._storage.attempts.unresolved_doubts(now - _FOR, now - _AFTER_END)
        self._due_at = {each.id: self._due_at.get(each.id, float("-inf")) for each in found}
        due = [each for each in found if self._due_at[each.id] <= self._clock.boottime()]
        for attempt in due[:_BATCH_SIZE]:
            is_answered = await self._look_for(attempt)
            pause = _FOR if is_answered else _AGAIN_AFTER
            self._due_at[attempt.id] = self._clock.boottime() + pause.total_seconds()

    async def _look_for(self, attempt: Attempt) -> bool:
        """Look for the job of an attempt; tell whether there is nothing more to find out."""
        service = self._find_service(attempt.service)
        record = await self._storage.videos.record(attempt.video)
        if service is None or record is None or record.video.deleted_at is not None:
            return True  # the prompt of a deleted video is gone
        if adapter_for(service.upstream).find is None:
            return True
        tracked = TrackedVideo(record, self._clock.boottime())
        found = await self._search.search(tracked, attempt, service)
        if isinstance(found, Listed):
            log.info("attempt.found_late", service=service.id, attempt=attempt.id, job=found.job.id)
            return True
        if found is not None:
            return False
        if service.upstream.lists_all_jobs and self._is_listed_by_now(attempt):
            absent = AttemptChange(
                attempt.id, AttemptEvent.ABSENT, self._clock.now(), failure=UNRESOLVED_DOUBT
            )
            await self._journal.record(tracked, absent)
            log.info("attempt.absent_late", service=service.id, attempt=attempt.id)
        return True

    def _is_listed_by_now(self, attempt: Attempt) -> bool:
        """Tell whether a complete list would show the job, had it been accepted."""
        latest = attempt.intended_at + attempt.send_within + attempt.answer_within + LISTED_AFTER
        return self._clock.now() >= latest + _AFTER_END
