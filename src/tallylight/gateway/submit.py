"""Sends one attempt exactly once and records its outcome."""

from dataclasses import replace
from datetime import timedelta

import structlog

from tallylight.catalogue.services import Service, Upstream
from tallylight.clock import Clock
from tallylight.gateway.outcomes import OutcomeReporter
from tallylight.gateway.store import VideoStore
from tallylight.gateway.tracked_video import TrackedVideo, with_progress
from tallylight.model.attempt import Attempt, AttemptState
from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.model.ids import ServiceId, UpstreamId
from tallylight.model.order import Order
from tallylight.model.video import Video, VideoStatus
from tallylight.upstreams.acceptance import Acceptance, acceptance, acceptance_of_stream
from tallylight.upstreams.messages import Job, JobState, Reply, Request
from tallylight.upstreams.poll_state import requested_poll_delay
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.transport import Transport

log = structlog.get_logger()

SUBMIT_TIMEOUT = timedelta(minutes=2)
"""Shortest timeout of a create, whatever the limit of other calls: each create that times out is
an attempt in doubt, which costs money."""

PROGRESS_WRITE_INTERVAL = timedelta(seconds=5)
"""Shortest time between two writes of a job's progress. Callers see only recorded progress: a
process that takes a video over continues from it, and progress never decreases."""

_STATUSES = {
    JobState.QUEUED: VideoStatus.QUEUED,
    JobState.IN_PROGRESS: VideoStatus.IN_PROGRESS,
    JobState.COMPLETED: VideoStatus.IN_PROGRESS,  # a video is completed once it is downloaded
    JobState.FAILED: VideoStatus.QUEUED,
}

_NO_JOB_ID = Failure(
    kind=FailureKind.DEGRADED,
    fault=Fault.UPSTREAM,
    rule="job:no_id",
    text="accepted without a job id, so the job cannot be polled",
)

_UNSUPPORTED = Failure(kind=FailureKind.INVALID_REQUEST, fault=Fault.OURS, rule="order:unsupported")
"""Nothing was sent, since the dialect cannot express the order."""


class AttemptSubmitter:
    """Sends attempts and records whether services accepted them."""

    def __init__(
        self, transport: Transport, store: VideoStore, reporter: OutcomeReporter, clock: Clock
    ) -> None:
        self._transport = transport
        self._store = store
        self._reporter = reporter
        self._clock = clock
        self._create_upstreams: dict[UpstreamId, tuple[Upstream, Upstream]] = {}

    async def submit(
        self, tracked: TrackedVideo, attempt: Attempt, service: Service, order: Order
    ) -> Job | None:
        """Send a recorded attempt.

        Returns:
            The job as the response described it; None if it was refused or is in doubt.
        """
        adapter = adapter_for(service.upstream)
        try:
            request = adapter.create(order, attempt.model)
        except LookupError as error:
            # `routing.capability` should have excluded the service: its table has a gap.
            self._refused(tracked, attempt, replace(_UNSUPPORTED, text=str(error)))
            return None
        if adapter.streams:
            return await self._stream(tracked, attempt, service, request)
        left = tracked.video.deadline - self._clock.now()
        reply = await self._transport.send(
            request, self._with_create_timeout(service.upstream, left)
        )
        return await self._answered(tracked, attempt, service, reply, adapter.read_job(reply))

    def _with_create_timeout(self, upstream: Upstream, left: timedelta) -> Upstream:
        """Return the upstream with a longer timeout for creates, within the time that is left."""
        if left < 2 * SUBMIT_TIMEOUT:  # reconciliation needs time, too
            return replace(upstream, timeout=max(upstream.timeout, left / 2))
        known = self._create_upstreams.get(upstream.id)
        if known is None or known[0] is not upstream:
            patient = replace(upstream, timeout=max(upstream.timeout, SUBMIT_TIMEOUT))
            known = self._create_upstreams[upstream.id] = (upstream, patient)
        return known[1]

    async def record_acceptance(self, tracked: TrackedVideo, attempt: Attempt, job: Job) -> Attempt:
        """Record that the upstream accepted an attempt."""
        video, accepted = self._accepted(tracked, attempt, job)
        await self._store.record(tracked, video=video, attempts=(accepted,))
        self._publish_accepted(tracked, accepted, job)
        return accepted

    async def claim_job(
        self, tracked: TrackedVideo, attempt: Attempt, job: Job, services: tuple[ServiceId, ...]
    ) -> bool:
        """Record acceptance by a job that was found in the list of some services' jobs.

        Returns:
            False if the job belongs to another attempt.
        """
        video, accepted = self._accepted(tracked, attempt, job)
        if not await self._store.claim_job(tracked, video, accepted, services):
            return False
        self._publish_accepted(tracked, accepted, job)
        return True

    def _accepted(self, tracked: TrackedVideo, attempt: Attempt, job: Job) -> tuple[Video, Attempt]:
        now = self._clock.now()
        is_working = job.state in {JobState.IN_PROGRESS, JobState.COMPLETED}
        accepted = replace(
            attempt,
            state=AttemptState.ACCEPTED,
            job=job.id,
            accepted_at=now,
            started_at=now if is_working else None,
        )
        before = tracked.video
        video = with_progress(
            before,
            _STATUSES[job.state],
            job.progress,
            service=attempt.service,
            started_at=before.started_at or accepted.started_at,
        )
        return video, accepted

    def _publish_accepted(self, tracked: TrackedVideo, accepted: Attempt, job: Job) -> None:
        tracked.resolve()
        if not job.state.is_terminal:
            self._reporter.report_accepted(accepted.service)

    async def mark_in_doubt(
        self, tracked: TrackedVideo, attempt: Attempt, failure: Failure
    ) -> None:
        """Record that it is unknown whether an attempt was accepted."""
        await self._store.mark_in_doubt(tracked, attempt, failure.text or failure.rule)
        log.warning(
            "attempt.in_doubt", service=attempt.service, attempt=attempt.id, rule=failure.rule
        )
        tracked.resolve()
        self._reporter.report_in_doubt(attempt, failure)

    async def _answered(
        self,
        tracked: TrackedVideo,
        attempt: Attempt,
        service: Service,
        reply: Reply,
        outcome: Job | Failure,
    ) -> Job | None:
        if isinstance(outcome, Failure):
            result = acceptance(
                reply,
                outcome,
                refuses_with_500=service.upstream.refuses_with_500,
                is_proven_not_billed=adapter_for(service.upstream).proves_not_billed(reply),
            )
            if result is Acceptance.REFUSED:
                self._refused(tracked, attempt, outcome)
            else:
                await self.mark_in_doubt(tracked, attempt, outcome)
            return None
        if not outcome.id and not outcome.state.is_terminal:
            await self.mark_in_doubt(tracked, attempt, _NO_JOB_ID)
            return None
        tracked.first_poll_after = requested_poll_delay(reply)
        await self.record_acceptance(tracked, attempt, outcome)
        return outcome

    def _refused(self, tracked: TrackedVideo, attempt: Attempt, failure: Failure) -> None:
        tracked.refusals.append((attempt.service, failure))
        self._store.mark_refused(tracked, attempt, failure)
        log.info("attempt.refused", service=attempt.service, video=attempt.video, rule=failure.rule)
        self._reporter.report_refused(attempt, failure)

    async def _stream(
        self, tracked: TrackedVideo, attempt: Attempt, service: Service, request: Request
    ) -> Job | None:
        adapter = adapter_for(service.upstream)
        reader = adapter.open_stream()
        accepted: Attempt | None = None
        left = max(tracked.video.deadline - self._clock.now(), timedelta())
        upstream = replace(service.upstream, job_timeout=min(service.upstream.job_timeout, left))
        async with self._transport.stream(request, upstream) as answer:
            began = answer.is_open  # False again once the stream has broken off
            written_at = self._clock.now()
            if began:
                async for chunk in answer:
                    job = reader.feed(chunk)
                    if job is None:
                        continue
                    if job.state.is_terminal:
                        break
                    # Refusals are streamed, too: only progress proves that there is a job.
                    if accepted is None and job.progress is not None:
                        accepted = await self.record_acceptance(tracked, attempt, job)
                    elif (
                        accepted is not None
                        and self._clock.now() - written_at >= PROGRESS_WRITE_INTERVAL
                    ):
                        written_at = self._clock.now()
                        video = with_progress(tracked.video, _STATUSES[job.state], job.progress)
                        await self._store.record(tracked, video=video)
        if not began:
            outcome = adapter.read_job(answer.reply)
            return await self._answered(tracked, attempt, service, answer.reply, outcome)
        error = answer.reply.error
        return await self._streamed(tracked, accepted or attempt, reader.end(error), error)

    async def _streamed(
        self, tracked: TrackedVideo, attempt: Attempt, job: Job, error: str
    ) -> Job | None:
        """Record how a stream ended."""
        result = acceptance_of_stream(job, error)
        if result is Acceptance.IN_DOUBT and attempt.state is AttemptState.ACCEPTED:
            return None  # a lost stream stops no job: it may continue and be billed
        if attempt.state is AttemptState.INTENDED:
            if job.failure is not None and result is Acceptance.REFUSED:
                self._refused(tracked, attempt, job.failure)
                return None
            if job.failure is not None and result is Acceptance.IN_DOUBT:
                await self.mark_in_doubt(tracked, attempt, job.failure)
                return None
            await self.record_acceptance(tracked, attempt, job)
        return job
