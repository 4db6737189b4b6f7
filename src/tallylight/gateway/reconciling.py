"""Finds out what became of an attempt in doubt; it is never sent again.

Callers' words cannot be marked, so a job is recognised by what was asked for: the same prompt and
model, made since, and belonging to no other attempt. Two attempts that asked for the same are
interchangeable, as long as no job is given to both.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.gateway.live import Live
from tallylight.gateway.routes import WhenInDoubt
from tallylight.gateway.submitting import Submitting
from tallylight.history.attempts import Attempt
from tallylight.history.database import History
from tallylight.terms import Failure, FailureKind, Fault, ServiceId
from tallylight.upstreams.protocols.registry import protocol
from tallylight.upstreams.transport import Transport
from tallylight.upstreams.wire import Job

_SEARCHES = tuple(timedelta(seconds=s) for s in (0, 2, 5, 10, 20, 30))
_LATER = timedelta(seconds=30)
_SKEW = timedelta(seconds=30)
"""How far an upstream's clock may be behind ours."""

_SHOWN_AFTER = timedelta(seconds=60)
"""When a list that shows every job shows it at the latest (`lists_all_jobs`); `_SEARCHES` go on a
little longer."""

_PAGES = 40
"""So far back is a list read at most: 2,000 jobs made since."""

_ENDLESS = Failure(FailureKind.UNKNOWN, Fault.UPSTREAM, "list:endless", "its list has no end")
"""What was not found proves nothing where there is more that was not read."""


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
        if protocol(service.upstream).listing() is None:
            return True
        began = self._clock.now()  # a create that timed out was on its way until now
        for pause in self._pauses(live):
            left = live.video.deadline - self._clock.now()
            await self._clock.sleep(min(pause, max(left, timedelta())))
            now = self._clock.now()
            # Once at least: a job that is paid for and done is no worse for our having been away.
            found = await self._search(live, attempt, service)
            if isinstance(found, Job):
                return found
            is_late = now - began >= _SHOWN_AFTER
            if found is None and is_late and service.upstream.lists_all_jobs:
                return False
            if now >= live.video.deadline:
                break
        return True

    def _pauses(self, live: Live) -> Sequence[timedelta]:
        if live.route.when_in_doubt is WhenInDoubt.PAY_TWICE:
            return _SEARCHES[:1]
        if live.route.when_in_doubt is WhenInDoubt.RECONCILE:
            return _SEARCHES
        left = max(live.video.deadline - self._clock.now(), timedelta())
        return (*_SEARCHES, *(_LATER for _ in range(left // _LATER)))

    async def _search(self, live: Live, attempt: Attempt, service: Service) -> Job | Failure | None:
        """Return the attempt's job, None if a list that was read to its end does not show it."""
        after = ""
        for _ in range(_PAGES):
            jobs = await self._page(service, after)
            if isinstance(jobs, Failure):
                return jobs
            mine = await self._mine(live, attempt, [j for j in jobs if _is_alike(j, live, attempt)])
            if mine is not None or not jobs or _is_before(jobs[-1], attempt):
                return mine
            if jobs[-1].id == after:
                break  # it turns no pages
            after = jobs[-1].id
        return _ENDLESS

    async def _page(self, service: Service, after: str) -> Sequence[Job] | Failure:
        adapter = protocol(service.upstream)
        request = adapter.listing(after)
        if request is None:
            return ()
        return adapter.read_listing(await self._transport.send(request, service.upstream))

    async def _mine(self, live: Live, attempt: Attempt, alike: Sequence[Job]) -> Job | None:
        if not alike:
            return None
        async with self._turns[attempt.service]:  # or two could take one job
            taken = await self._history.attempts.claimed(attempt.service, [job.id for job in alike])
            if taken:  # perhaps by ourselves: the answer came while another process looked
                own = await self._history.attempts.one(attempt.id)
                taken -= {own.job} if own is not None else set()
            mine = next((job for job in alike if job.id not in taken), None)
            if mine is not None:
                await self._submitting.accept(live, attempt, mine)
            return mine


def _is_alike(job: Job, live: Live, attempt: Attempt) -> bool:
    is_same_model = not job.model or job.model.startswith(attempt.model)
    is_same = is_same_model and bool(job.id) and job.prompt == live.video.prompt
    return is_same and not _is_before(job, attempt)


def _is_before(job: Job, attempt: Attempt) -> bool:
    return job.created_at is not None and job.created_at < attempt.intended_at - _SKEW
