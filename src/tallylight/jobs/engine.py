"""The engine: takes one attempt from its intent to its end, whatever it is for.

The line is: submit, look for it while it is in doubt, poll, and tell how it ended. The engine
records facts; it decides only that an attempt without a living sender is treated as in doubt.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import chain, repeat

from tallylight.catalogue.services import LISTED_AFTER, Service
from tallylight.clock import Clock
from tallylight.jobs.journal import Journal
from tallylight.jobs.made import change_of_job, finished_job
from tallylight.jobs.outcome import (
    INTERRUPTED,
    LOST_JOB,
    UNRESOLVED_DOUBT,
    AttemptResult,
    Ending,
    JobObserver,
    stalled_failure,
)
from tallylight.jobs.search import JobSearch
from tallylight.jobs.submit import PROGRESS_WRITE_INTERVAL, AttemptSubmitter
from tallylight.jobs.tracked_video import TrackedVideo
from tallylight.model.attempt import Attempt, AttemptChange
from tallylight.model.attempt_state import AttemptEvent, AttemptState
from tallylight.model.evidence import Failure
from tallylight.model.ids import AttemptId
from tallylight.model.jobs import JobRef
from tallylight.model.order import Order
from tallylight.upstreams.client import UpstreamClient
from tallylight.upstreams.failures import as_upstream_fault
from tallylight.upstreams.poll_state import (
    MAX_POLL_INTERVAL,
    MIN_POLL_INTERVAL,
    PollState,
    next_poll_delay,
)
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.steps import Done, Failed, Known, Listed, Missing, Step, Trouble, Working

_SEARCH_PAUSES = tuple(timedelta(seconds=s) for s in (0, 2, 5, 10, 20, 30))
_MAX_SEARCH_PAUSE = _SEARCH_PAUSES[-1]

SEARCH_TIME = sum(_SEARCH_PAUSES, timedelta())
"""How long a job in doubt is searched by default: a list may show it late."""

MISSING_PATIENCE = timedelta(minutes=5)
"""How long a job that its upstream no longer knows is asked for: relays forget for a while, for
example when they restart."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the engine works on an attempt before it asks what to do.

    Args:
        stall_after: Time from acceptance; None to wait until the video's deadline.
        search_for: How long a job in doubt is searched at least, if its upstream lists its jobs.
            A list that shows all jobs is searched until it can tell.
        overdue_after: Age from which a running job is reported as overdue; None for never.
        first_poll_after: Time from acceptance to the first poll, unless the upstream tells it.
    """

    stall_after: timedelta | None = None
    search_for: timedelta = SEARCH_TIME
    first_poll_after: timedelta = MIN_POLL_INTERVAL
    overdue_after: timedelta | None = None


async def _nothing_else(_: TrackedVideo) -> None:
    """Do nothing between polls."""


Between = Callable[[TrackedVideo], Awaitable[None]]
"""What is called between polls and searches."""


@dataclass(slots=True)
class _Run:
    """The work on one attempt: its video, its service as last configured, and how long to wait."""

    tracked: TrackedVideo
    id: AttemptId
    service: Service
    patience: Patience
    between: Between

    @property
    def attempt(self) -> Attempt:
        """Return the attempt as last known."""
        return self.tracked.attempt(self.id)


@dataclass(slots=True)
class _Polling:
    """The state of polling one job.

    Args:
        began: Monotonic seconds of its acceptance.
        state: Results of the polls so far.
        written_at: Monotonic seconds at which its progress was last recorded.
        missing_since: Monotonic seconds since which its upstream denies it, None if it does not.
    """

    began: float
    state: PollState
    written_at: float
    missing_since: float | None = None


class JobEngine:
    """Drives attempts; the same for callers' videos and for probes."""

    def __init__(  # noqa: PLR0913, PLR0917  # its collaborators
        self,
        client: UpstreamClient,
        journal: Journal,
        submitter: AttemptSubmitter,
        search: JobSearch,
        current_service: Callable[[Service], Service],
        observer: JobObserver,
        clock: Clock,
    ) -> None:
        self._client = client
        self._journal = journal
        self._submitter = submitter
        self._search = search
        self._current_service = current_service
        self._observer = observer
        self._clock = clock

    async def prepare(self, order: Order, service: Service) -> Order | Failure:
        """Hand the inputs of an order over, where its create only names them.

        It happens before the intent is recorded: a crash meanwhile has sent nothing that is paid.
        """
        return await self._client.upload_inputs(order, service.upstream)

    async def submit(
        self, tracked: TrackedVideo, attempt: Attempt, service: Service, order: Order | Failure
    ) -> Known | None:
        """Send an attempt whose intent was recorded; return the state of its job, if it has one."""
        return await self._submitter.submit(tracked, attempt, service, order)

    async def run(  # noqa: PLR0913, PLR0917  # what a run needs
        self,
        tracked: TrackedVideo,
        attempt: Attempt,
        service: Service,
        patience: Patience,
        step: Known | None = None,
        between: Between = _nothing_else,
    ) -> AttemptResult:
        """Work on an attempt that was sent, until it ends or its owner has to decide.

        Args:
            tracked: Its video.
            attempt: The attempt.
            service: Its service.
            patience: How long to wait.
            step: The state of its job as last read; None after a take-over.
            between: Called between polls and searches.
        """
        run = _Run(tracked, attempt.id, service, patience, between)
        while not tracked.is_over:
            match run.attempt.state:
                case AttemptState.INTENDED:
                    await self._await_answer(run)
                case AttemptState.IN_DOUBT:
                    outcome = await self._look(run)
                    if isinstance(outcome, AttemptResult):
                        return outcome
                    step = outcome
                case AttemptState.REFUSED:
                    return AttemptResult(Ending.REFUSED, failure=run.attempt.failure)
                case _ if not run.attempt.is_open:
                    return AttemptResult(Ending.OVER, failure=run.attempt.failure)
                case _:  # accepted, in whichever phase
                    if step is None and adapter_for(service.upstream).poll is None:
                        return _after_lost_answer(run.attempt)
                    return await self._poll_to_end(run, step)
        return AttemptResult(Ending.OVER)

    async def read(self, attempt: Attempt, service: Service) -> Step:
        """Poll the job of an attempt once."""
        return await self._client.poll(attempt.job or JobRef(""), service.upstream)

    async def cancel(
        self, tracked: TrackedVideo, attempt: Attempt, service: Service, failure: Failure
    ) -> bool:
        """Cancel a job whose cancellation was decided and recorded; tell whether it is cancelled.

        Args:
            tracked: Its video.
            attempt: The attempt.
            service: Its service.
            failure: Why it is cancelled.
        """
        is_cancelled = attempt.job is not None and await self._client.cancel(
            attempt.job, service.upstream
        )
        event = AttemptEvent.CANCELLED if is_cancelled else AttemptEvent.NOT_CANCELLED
        change = AttemptChange(attempt.id, event, self._clock.now())
        if is_cancelled:
            change = replace(change, failure=failure)
        await self._journal.record(tracked, change)
        return is_cancelled

    def waited(self, attempt: Attempt) -> float:
        """Return the seconds since an attempt was accepted."""
        began = attempt.accepted_at or attempt.intended_at
        return (self._clock.now() - began).total_seconds()

    async def _await_answer(self, run: _Run) -> None:
        """Wait for an attempt that another process was sending, and then leave it in doubt.

        That process may be cut off or stopped and still receive the response. Its job may show in
        the upstream's list before that; its absence means nothing yet.
        """
        tracked, attempt = run.tracked, run.attempt
        until = tracked.absence_counts_after(attempt)
        for pause in _search_pauses():
            if await self._is_changed(run, attempt):
                return
            if isinstance(await self._search.search(tracked, attempt, run.service), Listed):
                return
            left = until - self._clock.boottime()
            if left <= 0 or self._time_left(tracked) <= timedelta():
                break
            await run.between(tracked)
            await self._clock.sleep(min(pause, timedelta(seconds=left)))
        now = self._clock.now()
        change = AttemptChange(attempt.id, AttemptEvent.LEAVE, now, failure=INTERRUPTED)
        await self._journal.decide(tracked, tracked.video, change)

    async def _is_changed(self, run: _Run, attempt: Attempt) -> bool:
        """Read the video anew; tell whether another process has recorded a fact about it."""
        await self._journal.refresh(run.tracked)
        return run.tracked.is_over or run.attempt.state is not attempt.state

    async def _look(self, run: _Run) -> Known | AttemptResult | None:
        """Search for the job of an attempt in doubt; None if its state changed meanwhile."""
        tracked, attempt, began = run.tracked, run.attempt, self._clock.boottime()
        absent_after = tracked.absence_counts_after(attempt) + LISTED_AFTER.total_seconds()
        for pause in _search_pauses():
            await self._clock.sleep(min(pause, self._time_left(tracked)))
            if await self._is_changed(run, attempt):
                return None
            # A reload may have changed its key.
            service = run.service = self._current_service(run.service)
            now = self._clock.boottime()
            # At least once, even after the deadline: a paid job may be done meanwhile.
            found = await self._search.search(tracked, attempt, service)
            if isinstance(found, Listed):
                return found.step
            lists_all = service.upstream.lists_all_jobs
            if found is None and lists_all and now >= absent_after:
                change = AttemptChange(
                    attempt.id, AttemptEvent.ABSENT, self._clock.now(), failure=UNRESOLVED_DOUBT
                )
                await self._journal.record(tracked, change)
                return None
            is_listed = adapter_for(service.upstream).find is not None
            until = began + run.patience.search_for.total_seconds()
            if lists_all:
                until = max(until, absent_after)
            if not is_listed or now >= until or self._time_left(tracked) <= timedelta():
                break
            await run.between(tracked)
        return AttemptResult(Ending.UNRESOLVED, failure=UNRESOLVED_DOUBT)

    def _time_left(self, tracked: TrackedVideo) -> timedelta:
        return max(tracked.video.deadline - self._clock.now(), timedelta())

    async def _poll_to_end(self, run: _Run, step: Known | None) -> AttemptResult:
        """Poll a job until it ends, stalls, is lost, or the deadline passes."""
        if isinstance(step, Done | Failed):
            return _ended(step, is_timed=True)
        tracked = run.tracked
        polling = self._new_polling(run.attempt, is_seen=step is not None)
        pause = timedelta()
        if step is not None:
            pause = tracked.first_poll_after or run.patience.first_poll_after
        while True:
            await self._clock.sleep(pause)
            run.service = self._current_service(run.service)  # a reload may have changed its key
            found = await self.read(run.attempt, run.service)
            if isinstance(found, Done | Failed):
                return _ended(found, is_timed=self._is_fresh(polling))
            await self._note(run, polling, found)
            if isinstance(found, Working):
                await self._report_overdue(run)
            await run.between(tracked)
            if tracked.is_over or not run.attempt.is_open:
                return AttemptResult(Ending.OVER)
            outcome = self._verdict(run, polling)
            if outcome is not None:
                return outcome
            waited = timedelta(seconds=self._clock.monotonic() - polling.began)
            pause = min(next_poll_delay(found, waited), self._time_left(tracked))

    def _is_fresh(self, polling: _Polling) -> bool:
        """Tell whether the job was seen running shortly before now."""
        seen_at = polling.state.last_seen_at
        return seen_at is not None and self._clock.now() - seen_at <= 2 * MAX_POLL_INTERVAL

    def _new_polling(self, attempt: Attempt, *, is_seen: bool) -> _Polling:
        now, monotonic = self._clock.now(), self._clock.monotonic()
        began = monotonic - max(self.waited(attempt), 0.0)
        return _Polling(began, PollState(now if is_seen else None), monotonic)

    async def _note(self, run: _Run, polling: _Polling, step: Working | Missing | Trouble) -> None:
        """Record what a poll said: progress, or that the upstream no longer knows the job."""
        now, at, attempt = self._clock.now(), self._clock.monotonic(), run.attempt
        if not isinstance(step, Working):
            # A failed poll says nothing about the job, which is paid for: continue.
            polling.state.record_failure(step, now)
            if polling.missing_since is None and polling.state.is_lost(now):
                polling.missing_since = at
                lost = replace(as_upstream_fault(step.failure), rule=LOST_JOB)
                change = AttemptChange(attempt.id, AttemptEvent.GONE, now, failure=lost)
                await self._journal.record(run.tracked, change)
            return
        polling.state.record_progress(now)
        polling.missing_since = None
        is_new = attempt.state is AttemptState.MISSING or (
            step.is_started and attempt.started_at is None
        )
        if is_new or at - polling.written_at >= PROGRESS_WRITE_INTERVAL.total_seconds():
            polling.written_at = at
            change = change_of_job(AttemptEvent.WORKING, attempt, run.service, step, now)
            await self._journal.record(run.tracked, change)

    async def _report_overdue(self, run: _Run) -> None:
        """Report once that a job still runs at an age at which it should have ended."""
        limit, attempt, reported = run.patience.overdue_after, run.attempt, run.tracked.overdue
        if limit is None or attempt.id in reported:
            return
        if self._clock.now() - attempt.intended_at >= limit:
            reported.add(attempt.id)
            await self._observer.report_overdue(attempt)

    def _verdict(self, run: _Run, polling: _Polling) -> AttemptResult | None:
        """Return the outcome if the time is over."""
        now = self._clock.monotonic()
        waited, failure = now - polling.began, polling.state.last_failure
        told = None if failure is None else as_upstream_fault(failure)
        is_expired = self._time_left(run.tracked) <= timedelta()
        since = polling.missing_since
        if since is not None and (is_expired or now - since >= MISSING_PATIENCE.total_seconds()):
            return AttemptResult(Ending.UNRESOLVED, failure=told and replace(told, rule=LOST_JOB))
        if is_expired:
            return AttemptResult(Ending.EXPIRED, failure=told or stalled_failure(waited))
        limit = run.patience.stall_after
        if limit is not None and waited >= limit.total_seconds():
            return AttemptResult(Ending.STALLED, failure=told or stalled_failure(waited))
        return None


def _search_pauses() -> Iterator[timedelta]:
    return chain(_SEARCH_PAUSES, repeat(_MAX_SEARCH_PAUSE))


def _after_lost_answer(attempt: Attempt) -> AttemptResult:
    """Return how a job ended that cannot be asked for: the answer to its create was lost."""
    if attempt.rendered_at is not None:
        return _ended(finished_job(attempt), is_timed=False)
    # It may continue, and be billed.
    return AttemptResult(Ending.UNRESOLVED, failure=UNRESOLVED_DOUBT)


def _ended(step: Done | Failed, *, is_timed: bool) -> AttemptResult:
    if isinstance(step, Failed):
        return AttemptResult(Ending.FAILED, step, step.failure)
    return AttemptResult(Ending.DONE, step, is_timed=is_timed)
