"""Searches upstreams' lists for the jobs of attempts in doubt; an attempt is never sent again.

A prompt cannot carry a marker, so a job is recognised by its order: the same prompt, model, length
and size, created since, and claimed by no other attempt. Two attempts in doubt with equal orders
are interchangeable as long as each job is claimed once. A create that still waits for its response
is not in doubt: a job that may belong to it is not claimed until it has one.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.jobs.journal import Journal
from tallylight.jobs.made import change_of_job
from tallylight.jobs.tracked_video import TrackedVideo
from tallylight.model.attempt import Attempt
from tallylight.model.attempt_state import AttemptEvent
from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.model.ids import ServiceId, UpstreamId
from tallylight.model.order import Operation
from tallylight.storage.attempts import Attempts
from tallylight.upstreams.messages import Job
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.transport import Transport

_SKEW = timedelta(seconds=30)
"""Allowed lag of an upstream's clock."""

_PAGES = 40
"""Most pages read of a list: 2,000 jobs."""

_NO_LIST = Failure(FailureKind.UNKNOWN, Fault.UPSTREAM, "list:none", "it lists no jobs")

_NO_END = Failure(FailureKind.UNKNOWN, Fault.UPSTREAM, "list:no_end", "its list has no end")
"""A job that was not found may be on a page that was not read."""

_AMBIGUOUS = Failure(
    FailureKind.UNKNOWN,
    Fault.UPSTREAM,
    "list:ambiguous",
    "it shows a job that may belong to another attempt",
)
"""The job can neither be claimed nor ruled out."""

_SNAPSHOT = re.compile(r"-20\d\d-?\d\d-?\d\d")
"""Suffix of a dated model name, for an order without a date."""

ServicesOf = Callable[[UpstreamId], frozenset[ServiceId]]
"""Returns the services at an upstream, whose jobs one list shows."""


class JobSearch:
    """Looks for the job of an attempt in its upstream's list."""

    def __init__(
        self,
        attempts: Attempts,
        transport: Transport,
        journal: Journal,
        services_of: ServicesOf,
        clock: Clock,
    ) -> None:
        self._attempts = attempts
        self._transport = transport
        self._journal = journal
        self._services_of = services_of
        self._clock = clock

    async def search(
        self, tracked: TrackedVideo, attempt: Attempt, service: Service
    ) -> Job | Failure | None:
        """Look once, and record the acceptance if the job is found.

        Returns:
            The job; None if a list that was read to its end does not show it; a failure if that
            cannot be told.
        """
        after, ambiguous = "", None
        for _ in range(_PAGES):
            jobs = await self._page(service, after)
            if isinstance(jobs, Failure):
                return jobs
            candidates = [job for job in jobs if _is_candidate(job, tracked, attempt)]
            claimed = (
                await self._claim_one(tracked, attempt, service, candidates) if candidates else None
            )
            if isinstance(claimed, Job):
                return claimed
            ambiguous = ambiguous or claimed
            if not jobs or _is_before(jobs[-1], attempt):
                return ambiguous
            if jobs[-1].id == after:
                break  # the list ignores the cursor
            after = jobs[-1].id
        return _NO_END

    async def _page(self, service: Service, after: str) -> Sequence[Job] | Failure:
        adapter = adapter_for(service.upstream)
        request = adapter.listing(after)
        if request is None:
            return _NO_LIST
        return adapter.read_listing(await self._transport.send(request, service.upstream))

    async def _claim_one(
        self, tracked: TrackedVideo, attempt: Attempt, service: Service, candidates: Sequence[Job]
    ) -> Job | Failure | None:
        """Claim one of the jobs with the attempt's prompt and model."""
        # A reload may have removed the service itself.
        services = self._services_of(service.upstream.id) | {service.id}
        since = self._clock.now() - attempt.send_within - attempt.answer_within
        pending = await self._attempts.unanswered_since(
            services, tracked.video.prompt, since, attempt.id
        )
        taken = await self._attempts.jobs_of_other_attempts(
            services, [job.id for job in candidates], attempt.id
        )
        free = [job for job in candidates if job.id not in taken]
        for job in free:
            is_ours = _has_ordered_measures(job, tracked, attempt) and not _may_belong_to_pending(
                job, pending
            )
            change = change_of_job(AttemptEvent.SHOWN, attempt, service, job, self._clock.now())
            if is_ours and await self._journal.record(tracked, change, listing=services):
                return job
        return _AMBIGUOUS if free else None


def _is_candidate(job: Job, tracked: TrackedVideo, attempt: Attempt) -> bool:
    is_same = _is_model(job.model, attempt.model) and job.prompt == tracked.video.prompt
    return is_same and bool(job.id) and not _is_before(job, attempt)


def _is_model(listed: str, ordered: str) -> bool:
    is_dated = listed.startswith(ordered) and _SNAPSHOT.fullmatch(listed, len(ordered)) is not None
    return is_dated or listed in {"", ordered}


def _has_ordered_measures(job: Job, tracked: TrackedVideo, attempt: Attempt) -> bool:
    """Tell whether a job has the ordered length and size, as far as the list shows them."""
    if tracked.video.params.operation is not Operation.CREATE:
        return True  # its measures are those of the source, which are not ordered
    seconds = str(attempt.order.seconds)
    is_length = job.seconds in {"", seconds, f"{seconds}.0"}
    return is_length and job.size in {"", attempt.order.size}


def _may_belong_to_pending(job: Job, pending: Iterable[datetime]) -> bool:
    """Tell whether a create sent before the job was created still waits for its response."""
    made_at = job.created_at
    return any(made_at is None or sent_at <= made_at + _SKEW for sent_at in pending)


def _is_before(job: Job, attempt: Attempt) -> bool:
    return job.created_at is not None and job.created_at < attempt.intended_at - _SKEW
