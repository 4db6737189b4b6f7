"""Finds out what became of an attempt in doubt; it is never sent again.

Callers' words cannot be marked, so a job is recognised by what was asked for: the same prompt and
model, made since, and belonging to no other attempt. Two attempts that asked for the same are
interchangeable, as long as no job is given to both.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.gateway.live import Live
from tallylight.gateway.routes import WhenInDoubt
from tallylight.gateway.submitting import Submitting
from tallylight.history.attempts import Attempt
from tallylight.history.database import History
from tallylight.terms import Failure, ServiceId
from tallylight.upstreams.protocols.registry import protocol
from tallylight.upstreams.transport import Transport
from tallylight.upstreams.wire import Job

_SEARCHES = tuple(timedelta(seconds=s) for s in (0, 2, 5, 10, 20, 30))
_LATER = timedelta(seconds=30)
_SKEW = timedelta(seconds=30)
"""How far an upstream's clock may be behind ours."""

_SHOWN_AFTER = timedelta(seconds=60)
"""When a list that shows every job shows it at the latest (`lists_all_jobs`)."""


class Reconciling:
    """Looks for jobs in upstreams' lists."""

    def __init__(
        self, history: History, transport: Transport, submitting: Submitting, clock: Clock
    ) -> None:
        self._history = history
        self._transport = transport
        self._submitting = submitting
        self._clock = clock
        self._turns: defaultdict[ServiceId, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def resolve(self, live: Live, attempt: Attempt, service: Service) -> Job | bool:
        """Look for the job of an attempt, and write it down as accepted if it is found.

        Returns:
            The job; False where it is certain that there is none; True where nobody can know.
        """
        request = protocol(service.upstream).listing()
        if request is None:
            return True
        is_proven_absent = False
        for pause in self._pauses(live):
            await self._clock.sleep(pause)
            now = self._clock.now()
            if now >= live.video.deadline:
                break
            found = await self._search(live, attempt, service)
            if isinstance(found, Job):
                return found
            is_late = now - attempt.intended_at >= _SHOWN_AFTER
            is_proven_absent = found is None and is_late and service.upstream.lists_all_jobs
            if is_proven_absent:
                return False
        return True

    def _pauses(self, live: Live) -> Sequence[timedelta]:
        if live.route.when_in_doubt is WhenInDoubt.PAY_TWICE:
            return _SEARCHES[:1]
        if live.route.when_in_doubt is WhenInDoubt.RECONCILE:
            return _SEARCHES
        left = max(live.video.deadline - self._clock.now(), timedelta())
        return (*_SEARCHES, *(_LATER for _ in range(left // _LATER)))

    async def _search(self, live: Live, attempt: Attempt, service: Service) -> Job | Failure | None:
        adapter = protocol(service.upstream)
        request = adapter.listing()
        if request is None:
            return None
        async with self._turns[attempt.service]:  # or two could take one job
            jobs = adapter.read_listing(await self._transport.send(request, service.upstream))
            if isinstance(jobs, Failure):
                return jobs
            alike = [job for job in jobs if _is_alike(job, live, attempt)]
            taken = await self._history.attempts.claimed(attempt.service, [job.id for job in alike])
            mine = next((job for job in alike if job.id not in taken), None)
            if mine is not None:
                await self._submitting.accept(live, attempt, mine)
            return mine


def _is_alike(job: Job, live: Live, attempt: Attempt) -> bool:
    since: datetime = attempt.intended_at - _SKEW
    is_new = job.created_at is None or job.created_at >= since
    is_same_model = not job.model or job.model.startswith(attempt.model)
    return is_new and is_same_model and bool(job.id) and job.prompt == live.video.prompt
