"""Follows a job that was paid for to its end, and looks for one that may have been."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.history.attempts import Attempt
from tallylight.probes.delivery import Delivery, theirs
from tallylight.probes.settling import Ending
from tallylight.terms import Failure, FailureKind, Fault
from tallylight.upstreams.protocols.registry import protocol
from tallylight.upstreams.transport import Transport
from tallylight.upstreams.wire import Job, JobState, Reply

_SOONEST_POLL, _LATEST_POLL = timedelta(seconds=1), timedelta(seconds=10)

_LONGEST_PAUSE = timedelta(minutes=1)
"""How long an upstream may ask us to wait between two polls."""

_LOST_POLLS, _LOST_AFTER = 3, timedelta(minutes=1)
"""So many answers in a row that there is no such job, over so long, and it is lost. Some upstreams
know a job only seconds after they have accepted it."""

_SEARCHES = (timedelta(), timedelta(seconds=10), timedelta(seconds=30), timedelta(seconds=60))
"""When to look for a job in doubt in the upstream's list; a job may show there a little late."""

_ENDED = frozenset({JobState.COMPLETED, JobState.FAILED})
_GONE = frozenset({404, 410})


@dataclass(slots=True)
class _Course:
    """How a job's polls have gone.

    Args:
        seen_at: When the job was last seen under way, None if it never was by this process.
        trouble: Why the last poll told nothing of the job, None if it did.
        missing: Answers in a row that there is no such job.
        missing_since: When the first of them came.
    """

    seen_at: datetime | None
    trouble: Failure | None = None
    missing: int = 0
    missing_since: datetime | None = None

    def see(self, at: datetime) -> None:
        """Take in that the job is under way."""
        self.seen_at, self.trouble, self.missing, self.missing_since = at, None, 0, None

    def miss(self, trouble: Failure, at: datetime) -> None:
        """Take in an answer that says nothing of the job, or that there is none."""
        self.trouble = trouble
        is_gone = trouble.http_status in _GONE
        self.missing = self.missing + 1 if is_gone else 0
        self.missing_since = (self.missing_since or at) if is_gone else None

    def is_lost(self, at: datetime) -> bool:
        """Tell whether the upstream keeps saying that it knows of no such job."""
        since = self.missing_since
        return self.missing >= _LOST_POLLS and since is not None and at - since >= _LOST_AFTER


class Following:
    """Asks upstreams how their jobs stand."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock
        self._delivery = Delivery(transport, clock)

    async def to_its_end(
        self, service: Service, attempt: Attempt, job: Job | None, seen_at: datetime | None
    ) -> Ending:
        """Poll an accepted job until it has ended, or has taken longer than jobs may.

        Args:
            service: Whose.
            attempt: The submission.
            job: As it was last seen; None if nobody has looked since a restart.
            seen_at: When this process saw it under way; None if it did not.
        """
        if job is not None and job.state in _ENDED:
            return await self.ended(service, attempt, job, seen_at)
        adapter = protocol(service.upstream)
        began = attempt.accepted_at or attempt.intended_at
        course = _Course(seen_at)
        pause = timedelta() if job is None else _SOONEST_POLL
        while True:
            await self._clock.sleep(pause)
            reply = await self._transport.send(adapter.poll(attempt.job), service.upstream)
            answer, now = adapter.read_job(reply), self._clock.now()
            if isinstance(answer, Failure):
                # It says nothing of the job, which is paid for: ask on.
                course.miss(answer, now)
                if course.is_lost(now):
                    return Ending(replace(theirs(answer), rule="job:lost"))
            elif answer.state in _ENDED:
                return await self.ended(service, attempt, answer, course.seen_at)
            else:
                course.see(now)
            waited, limit = now - began, service.upstream.job_timeout
            if waited >= limit:
                return Ending(_given_up(course, waited))
            pause = min(_pause(reply, course.trouble, waited), limit - waited)

    async def ended(
        self, service: Service, attempt: Attempt, job: Job, seen_at: datetime | None
    ) -> Ending:
        """Return how a job that is over ended: its video is fetched and looked at.

        A time is told only if the job was seen under way shortly before: nobody knows how long
        one lay finished that was found so after a restart.
        """
        if job.failure is not None:
            return Ending(job.failure, is_free=True)
        is_timed = seen_at is not None and self._clock.now() - seen_at <= 2 * _LATEST_POLL
        arrival = await self._delivery.check(service, attempt.order, job)
        if arrival.failure is not None:
            return Ending(arrival.failure)
        return Ending(None, latency=arrival.at - attempt.intended_at if is_timed else None)

    async def find(self, service: Service, attempt: Attempt) -> Job | None:
        """Look for the job of an attempt in doubt; None if the upstream's list does not show it."""
        adapter = protocol(service.upstream)
        request = adapter.listing()
        if request is None:
            return None
        for pause in _SEARCHES:
            await self._clock.sleep(pause)
            jobs = adapter.read_listing(await self._transport.send(request, service.upstream))
            if isinstance(jobs, Failure):
                continue
            mine = next((job for job in jobs if attempt.id[:8] in job.prompt), None)
            if mine is not None:
                return mine
        return None


def _pause(reply: Reply, trouble: Failure | None, waited: timedelta) -> timedelta:
    """Return how long to wait before the next poll: as the upstream wishes, else ever longer."""
    usual = min(max(waited / 10, _SOONEST_POLL), _LATEST_POLL)
    wished = reply.headers.get("openai-poll-after-ms", "")
    if trouble is not None and trouble.retry_after is not None:
        return min(max(trouble.retry_after, usual), _LONGEST_PAUSE)
    if trouble is None and wished.isdecimal():
        asked = timedelta(milliseconds=min(int(wished[:9]), 60_000))
        return max(asked, _SOONEST_POLL)
    return usual


def _given_up(course: _Course, waited: timedelta) -> Failure:
    if course.trouble is not None:
        return theirs(course.trouble)  # not even how it stands could be learned
    return Failure(
        kind=FailureKind.DEGRADED,
        fault=Fault.UPSTREAM,
        rule="job:stalled",
        text=f"accepted, and no video after {round(waited.total_seconds())} s",
    )
