"""Reconciles an attempt in doubt with the upstream's list of jobs; it is never sent again.

A prompt cannot carry a marker, so a job is recognised by its order: the same prompt, model, length
and size, created since, and claimed by no other attempt. Two attempts in doubt with equal orders
are interchangeable as long as each job is claimed once. A create that still waits for its response
is not in doubt: a job that may belong to it is not claimed until it has one.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from tallylight.board import Board
from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.gateway.routing.routes import WhenInDoubt
from tallylight.gateway.submit import SUBMIT_TIMEOUT, AttemptSubmitter
from tallylight.gateway.tracked_video import TrackedVideo
from tallylight.model.attempt import Attempt
from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.model.order import Operation
from tallylight.storage.database import Storage
from tallylight.upstreams.messages import Job
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.transport import Transport

_SEARCHES = tuple(timedelta(seconds=s) for s in (0, 2, 5, 10, 20, 30))
_LATE_SEARCH_PAUSE = timedelta(seconds=30)
_SKEW = timedelta(seconds=30)
"""Allowed lag of an upstream's clock."""

_LISTED_AFTER = timedelta(seconds=60)
"""Longest delay until a complete list shows a job (`lists_all_jobs`); `_SEARCHES` last a little
longer."""

_PAGES = 40
"""Most pages read of a list: 2,000 jobs."""

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


class AttemptReconciler:
    """Searches upstreams' lists for the jobs of attempts in doubt."""

    def __init__(
        self,
        board: Board,
        storage: Storage,
        transport: Transport,
        submitter: AttemptSubmitter,
        clock: Clock,
    ) -> None:
        self._board = board
        self._storage = storage
        self._transport = transport
        self._submitter = submitter
        self._clock = clock

    async def reconcile(
        self, tracked: TrackedVideo, attempt: Attempt, service: Service
    ) -> Job | bool:
        """Search for the job of an attempt, and record its acceptance if it is found.

        Returns:
            The job; False if there certainly is none; True if that cannot be known.
        """
        began = self._clock.now()  # a create that timed out may have arrived just now
        for pause in self._pauses(tracked):
            left = tracked.video.deadline - self._clock.now()
            await self._clock.sleep(min(pause, max(left, timedelta())))
            now = self._clock.now()
            service = self._board.current_service(service)  # a reload may have changed its key
            if adapter_for(service.upstream).listing() is None:
                return True
            # At least once, even after the deadline: a paid job may be done meanwhile.
            found = await self._search(tracked, attempt, service)
            if isinstance(found, Job):
                return found
            is_late = now - began >= _LISTED_AFTER
            if found is None and is_late and service.upstream.lists_all_jobs:
                return False
            if now >= tracked.video.deadline:
                break
        return True

    def _pauses(self, tracked: TrackedVideo) -> Sequence[timedelta]:
        if tracked.route.when_in_doubt is WhenInDoubt.PAY_TWICE:
            return _SEARCHES[:1]
        if tracked.route.when_in_doubt is WhenInDoubt.RECONCILE:
            return _SEARCHES
        left = max(tracked.video.deadline - self._clock.now(), timedelta())
        return (*_SEARCHES, *(_LATE_SEARCH_PAUSE for _ in range(left // _LATE_SEARCH_PAUSE)))

    async def _search(
        self, tracked: TrackedVideo, attempt: Attempt, service: Service
    ) -> Job | Failure | None:
        """Return the attempt's job, None if it is not in a completely read list."""
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
            return ()
        return adapter.read_listing(await self._transport.send(request, service.upstream))

    async def _claim_one(
        self, tracked: TrackedVideo, attempt: Attempt, service: Service, candidates: Sequence[Job]
    ) -> Job | Failure | None:
        """Claim one of the jobs with the attempt's prompt and model."""
        upstream = service.upstream
        here = {each.id for each in self._board.services() if each.upstream.id == upstream.id}
        services = tuple(here | {service.id})  # a reload may have removed it from the board
        attempts = self._storage.attempts
        since = self._clock.now() - max(SUBMIT_TIMEOUT, upstream.timeout)
        pending = await attempts.unanswered_since(services, tracked.video.prompt, since, attempt.id)
        taken = await attempts.jobs_of_other_attempts(
            services, [job.id for job in candidates], attempt.id
        )
        free = [job for job in candidates if job.id not in taken]
        for job in free:
            is_ours = _has_ordered_measures(job, tracked, attempt) and not _may_belong_to_pending(
                job, pending
            )
            if is_ours and await self._submitter.claim_job(tracked, attempt, job, services):
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
