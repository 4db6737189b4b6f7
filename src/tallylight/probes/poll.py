"""Polls an accepted job to its end, and searches for a job that may have been accepted."""

from dataclasses import replace
from datetime import datetime, timedelta

from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.model.attempt import Attempt
from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.probes.settlement import ProbeOutcome
from tallylight.probes.verify import DeliveryVerifier
from tallylight.upstreams.messages import Job
from tallylight.upstreams.poll_state import (
    MAX_POLL_INTERVAL,
    MIN_POLL_INTERVAL,
    PollState,
    as_upstream_fault,
    next_poll_delay,
)
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.transport import Transport

_SEARCHES = (timedelta(), timedelta(seconds=10), timedelta(seconds=30), timedelta(seconds=60))
"""Pauses before each search of the upstream's list; a job may appear there late."""


class ProbePoller:
    """Polls the jobs of generation probes."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock
        self._delivery = DeliveryVerifier(transport, clock)

    async def poll_to_end(
        self, service: Service, attempt: Attempt, job: Job | None, seen_at: datetime | None
    ) -> ProbeOutcome:
        """Poll an accepted job until it has ended or has exceeded the time limit of jobs.

        Args:
            service: The service.
            attempt: The submission.
            job: The job when it was last read; None after a restart.
            seen_at: When this process last saw the job running; None if it never did.
        """
        if job is not None and job.state.is_terminal:
            return await self.outcome_of(service, attempt, job, seen_at)
        adapter = adapter_for(service.upstream)
        began = attempt.accepted_at or attempt.intended_at
        poll_state = PollState(seen_at)
        pause = timedelta() if job is None else MIN_POLL_INTERVAL
        while True:
            await self._clock.sleep(pause)
            reply = await self._transport.send(adapter.poll(attempt.job), service.upstream)
            answer, now = adapter.read_job(reply), self._clock.now()
            if isinstance(answer, Failure):
                # A failed poll says nothing about the job, which is paid for: continue.
                poll_state.record_failure(answer, reply, now)
                if poll_state.is_lost(now):
                    return ProbeOutcome(replace(as_upstream_fault(answer), rule="job:lost"))
            elif answer.state.is_terminal:
                return await self.outcome_of(service, attempt, answer, poll_state.last_seen_at)
            else:
                poll_state.record_progress(now)
            waited, limit = now - began, service.upstream.job_timeout
            if waited >= limit:
                return ProbeOutcome(_given_up(poll_state, waited))
            pause = min(next_poll_delay(reply, poll_state.last_failure, waited), limit - waited)

    async def outcome_of(
        self, service: Service, attempt: Attempt, job: Job, seen_at: datetime | None
    ) -> ProbeOutcome:
        """Return the outcome of a job that has ended; its video is downloaded and inspected.

        The latency is known only if the job was seen running shortly before. After a restart, the
        job may have been finished for a long time.
        """
        if job.failure is not None:
            return ProbeOutcome(job.failure, is_proven_not_billed=True)
        is_timed = seen_at is not None and self._clock.now() - seen_at <= 2 * MAX_POLL_INTERVAL
        arrival = await self._delivery.verify(service, attempt.order, job)
        if arrival.failure is not None:
            return ProbeOutcome(arrival.failure)
        return ProbeOutcome(
            None, latency=arrival.arrived_at - attempt.intended_at if is_timed else None
        )

    async def find_job(self, service: Service, attempt: Attempt) -> Job | None:
        """Return the job of an attempt in doubt; None if the upstream's list does not show it."""
        adapter = adapter_for(service.upstream)
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


def _given_up(poll_state: PollState, waited: timedelta) -> Failure:
    if poll_state.last_failure is not None:
        return as_upstream_fault(poll_state.last_failure)  # not even its state could be read
    return Failure(
        kind=FailureKind.DEGRADED,
        fault=Fault.UPSTREAM,
        rule="job:stalled",
        text=f"accepted, and no video after {round(waited.total_seconds())} s",
    )
