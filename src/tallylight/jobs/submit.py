"""Sends one attempt exactly once and records what the upstream answered."""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from tallylight.catalogue.services import Service, Upstream
from tallylight.clock import Clock
from tallylight.jobs.journal import Journal
from tallylight.jobs.made import change_of_job, progress_of
from tallylight.jobs.outcome import JobObserver
from tallylight.jobs.tracked_video import TrackedVideo
from tallylight.model.attempt import Attempt, AttemptChange
from tallylight.model.attempt_state import AttemptEvent, AttemptState
from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.model.jobs import JobRef
from tallylight.model.order import Order
from tallylight.storage.engine import run_to_completion
from tallylight.upstreams.acceptance import InDoubt, Refused, Submission
from tallylight.upstreams.client import UpstreamClient
from tallylight.upstreams.messages import Request
from tallylight.upstreams.poll_state import requested_poll_delay
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.steps import Accepted, Known, Working
from tallylight.upstreams.time_limits import SendBudget

log = structlog.get_logger()

PROGRESS_WRITE_INTERVAL = timedelta(seconds=5)
"""Shortest time between two writes of a job's progress. Callers see only recorded progress: a
process that takes a video over continues from it, and progress never decreases."""

_UNSUPPORTED = Failure(kind=FailureKind.INVALID_REQUEST, fault=Fault.OURS, rule="order:unsupported")
"""Nothing was sent, since the dialect cannot express the order."""

_CANCELLED = Failure(
    kind=FailureKind.UNKNOWN,
    fault=Fault.OURS,
    rule="order:cancelled",
    text="this process ended before it sent the order",
)


@dataclass(frozen=True, slots=True)
class CreateTiming:
    """How long a create may take.

    Args:
        send_within: Time from the intent in which the first byte is sent, or nothing is sent at
            all. Who takes a video over waits for it before an absent job means anything.
        shortest_timeout: Shortest time limit of a create, whatever the limit of other calls: each
            create that times out is an attempt in doubt, which costs money. A protocol that holds
            its creates has a longer one of its own.
    """

    send_within: timedelta = timedelta(seconds=5)
    shortest_timeout: timedelta = timedelta(minutes=2)

    def answer_within(self, upstream: Upstream, left: timedelta) -> timedelta:
        """Return how long the response is awaited.

        Args:
            upstream: The upstream.
            left: Time until the video's deadline; looking for a job in doubt needs time, too.
        """
        longest = self.longest_create(upstream)
        if adapter_for(upstream).find is None:  # nothing can be looked for
            return max(upstream.timeout, min(longest, left))
        return longest if left >= 2 * longest else max(upstream.timeout, min(longest, left / 2))

    def longest_create(self, upstream: Upstream) -> timedelta:
        """Return how long the response is awaited if the video has time enough."""
        held = adapter_for(upstream).features.create_timeout
        return max(upstream.timeout, self.shortest_timeout if held is None else held)


@dataclass(slots=True)
class _Stream:
    """What was heard of a stream so far: whether work was seen, and when it was last written."""

    is_accepted: bool = False
    written_at: float = 0.0


class AttemptSubmitter:
    """Sends attempts and records whether services accepted them."""

    def __init__(
        self, client: UpstreamClient, journal: Journal, observer: JobObserver, clock: Clock
    ) -> None:
        self._client = client
        self._journal = journal
        self._observer = observer
        self._clock = clock

    async def submit(
        self, tracked: TrackedVideo, attempt: Attempt, service: Service, order: Order | Failure
    ) -> Known | None:
        """Send an attempt whose intent this process has recorded.

        Args:
            tracked: Its video.
            attempt: The attempt.
            service: The service.
            order: The order with its inputs, or why they could not be handed over.

        Returns:
            The job as the answer described it; None if it was refused or is in doubt.
        """
        if isinstance(order, Failure):
            return await self._record(tracked, attempt, service, Refused(order, was_sent=False))
        adapter = adapter_for(service.upstream)
        try:
            request = adapter.submit(order, attempt.id)
        except LookupError as error:
            # The table of capabilities should have excluded the service: it has a gap.
            failure = replace(_UNSUPPORTED, text=str(error))
            await self._record(tracked, attempt, service, Refused(failure, was_sent=False))
            return None
        is_begun = False

        def may_begin() -> bool:
            nonlocal is_begun
            is_begun = not tracked.is_released
            return is_begun

        budget = SendBudget(
            begun=tracked.intended_at[attempt.id],
            first_byte_within=attempt.send_within,
            answer_within=attempt.send_within + attempt.answer_within,
            may_begin=may_begin,
        )
        try:
            if adapter.reader is not None:
                return await self._stream(tracked, attempt, service, request, budget)
            result = await self._client.create(request, order, service.upstream, budget)
        except asyncio.CancelledError:
            if not is_begun:  # only this process knows that nothing was sent
                change = AttemptChange(
                    attempt.id, AttemptEvent.NOT_SENT, self._clock.now(), failure=_CANCELLED
                )
                await run_to_completion(self._journal.record(tracked, change))
            raise
        return await self._record(tracked, attempt, service, result)

    async def _record(
        self, tracked: TrackedVideo, attempt: Attempt, service: Service, result: Submission
    ) -> Known | None:
        """Record what became of a create; return the state of its job, None if it has none."""
        match result:
            case Accepted(job=job, step=step):
                tracked.first_poll_after = requested_poll_delay(step)
                await self._accepted(tracked, attempt, service, job, step)
                return step
            case Refused(failure=failure, was_sent=was_sent):
                event = AttemptEvent.REFUSED if was_sent else AttemptEvent.NOT_SENT
                await self._refused(tracked, attempt, event, failure)
            case InDoubt(failure=failure):
                await self._in_doubt(tracked, attempt, failure)
        return None

    async def _accepted(
        self, tracked: TrackedVideo, attempt: Attempt, service: Service, job: JobRef, step: Known
    ) -> None:
        now = self._clock.now()
        change = change_of_job(AttemptEvent.ACCEPTED, attempt, service, step, now, job=job)
        await self._journal.record(tracked, change)
        tracked.resolve()
        if isinstance(step, Working):
            await self._observer.report_accepted(tracked.attempt(attempt.id))

    async def _refused(
        self, tracked: TrackedVideo, attempt: Attempt, event: AttemptEvent, failure: Failure
    ) -> None:
        change = AttemptChange(attempt.id, event, self._clock.now(), failure=failure)
        await self._journal.record(tracked, change)
        log.info("attempt.refused", service=attempt.service, video=attempt.video, rule=failure.rule)
        await self._observer.report_refused(attempt, failure)

    async def _in_doubt(self, tracked: TrackedVideo, attempt: Attempt, failure: Failure) -> None:
        change = AttemptChange(attempt.id, AttemptEvent.UNCLEAR, self._clock.now(), failure=failure)
        await self._journal.record(tracked, change)
        log.warning(
            "attempt.in_doubt", service=attempt.service, attempt=attempt.id, rule=failure.rule
        )
        tracked.resolve()
        await self._observer.report_in_doubt(attempt, failure)

    async def _stream(
        self,
        tracked: TrackedVideo,
        attempt: Attempt,
        service: Service,
        request: Request,
        budget: SendBudget,
    ) -> Known | None:
        left = max(tracked.video.deadline - self._clock.now(), timedelta())
        upstream = replace(service.upstream, job_timeout=min(service.upstream.job_timeout, left))
        heard = _Stream()
        async with self._client.stream(request, upstream, budget) as stream:
            async for step in stream:
                seen = Accepted(stream.job, step)
                await self._note_progress(tracked, attempt, service, seen, heard)
            result = stream.result(attempt.order)
        state = tracked.attempt(attempt.id).state
        if state is AttemptState.INTENDED:
            return await self._record(tracked, attempt, service, result)
        # A stream that was lost stops no job that was accepted: it may continue and be billed.
        return result.step if isinstance(result, Accepted) else None

    async def _note_progress(
        self,
        tracked: TrackedVideo,
        attempt: Attempt,
        service: Service,
        seen: Accepted,
        heard: _Stream,
    ) -> None:
        """Record progress of a stream. A refusal is streamed, too: only progress proves a job."""
        now, progress = self._clock.monotonic(), progress_of(seen.step)
        if not heard.is_accepted:
            if progress.percent is not None:
                heard.is_accepted, heard.written_at = True, now
                await self._accepted(tracked, attempt, service, seen.job, seen.step)
        elif now - heard.written_at >= PROGRESS_WRITE_INTERVAL.total_seconds():
            heard.written_at = now
            change = AttemptChange(
                attempt.id, AttemptEvent.WORKING, self._clock.now(), progress=progress
            )
            await self._journal.record(tracked, change)
