"""The paid probe: a video that tallylight orders for itself, from one service.

The job engine takes it to its end, across restarts, like a caller's video. What is decided here is
what a probe costs at most, when it has failed, and what evidence its end is.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import uuid4

import structlog

from tallylight.board import Board
from tallylight.catalogue.orders import probe_cost
from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.jobs.engine import Patience
from tallylight.jobs.outcome import AttemptResult, Ending
from tallylight.jobs.parts import JobParts
from tallylight.jobs.tracked_video import TrackedVideo
from tallylight.model.attempt import Attempt
from tallylight.model.evidence import Depth, Evidence, Source
from tallylight.model.ids import NO_KEY, AttemptId, ServiceId, VideoId
from tallylight.model.ledger import (
    ALL_PROBES,
    EntryId,
    EntryState,
    LedgerEntry,
    Purpose,
    SpendingLimit,
    probe_scope,
)
from tallylight.model.money import Budget
from tallylight.model.video import Video, VideoKind
from tallylight.probes.settlement import ProbeSettlement
from tallylight.storage.database import Storage
from tallylight.storage.transaction import NewAttempt
from tallylight.upstreams.messages import Job

log = structlog.get_logger()

_REMOTE_POLL_INTERVAL = timedelta(seconds=1)
"""Interval for asking whether a probe has ended, which another process may follow."""

_TIME_TO_SETTLE = timedelta(minutes=10)
"""Time after the limit of a job in which a probe in doubt is looked for and its video fetched."""


@dataclass(frozen=True, slots=True)
class ProbeHistory:
    """The stored history of a service's paid probes.

    Args:
        last_intended_at: When the newest was sent; None if none was.
        disabled_depths: Depths of free probes that once started a job.
    """

    last_intended_at: datetime | None = None
    disabled_depths: frozenset[Depth] = frozenset()


class PaidProbeRunner:
    """Sends generation probes and follows them to their ends.

    Args:
        board: The services, and the receiver of evidence.
        storage: The history of probes and their costs.
        jobs: The job engine.
        settlement: Ends probes.
        clock: The time.
        total_budget: Returns the budget of all probes together.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # the parts that a probe needs
        self,
        board: Board,
        storage: Storage,
        jobs: JobParts,
        settlement: ProbeSettlement,
        clock: Clock,
        total_budget: Callable[[], Budget],
    ) -> None:
        self._board = board
        self._storage = storage
        self._jobs = jobs
        self._settlement = settlement
        self._clock = clock
        self._total_budget = total_budget
        self._prepared: dict[VideoId, TrackedVideo] = {}
        self._results: dict[VideoId, asyncio.Future[Evidence]] = {}

    @property
    def total_budget(self) -> Budget:
        """Return the spending limit of all probes together."""
        return self._total_budget()

    async def prepare(self, service: Service) -> Attempt:
        """Reserve the money for a video and store the attempt; nothing is sent yet.

        Raises:
            BudgetError: if the cost could exceed a budget.
            ValueError: if the service has no order or no price.
            StorageError: if the database is unavailable.
        """
        began = self._clock.boottime()
        video = self._new_video(service)
        record = await self._jobs.journal.create(video, self._new_attempt(video, service))
        if record is None:
            raise ValueError("a probe has no idempotency key that another one could have")
        tracked = TrackedVideo(record, began, is_resolved=True)
        attempt = record.attempts[0]
        tracked.intended_at[attempt.id] = began
        self._prepared[video.id] = tracked
        return attempt

    async def run(self, service: Service, attempt: Attempt) -> Evidence:
        """Send a prepared attempt, once, and return its final evidence."""
        tracked = self._prepared.pop(attempt.video)
        result = self._results[attempt.video] = asyncio.get_running_loop().create_future()
        self._jobs.followers.start(tracked, self._send(tracked, service, attempt))
        return await self._await_result(attempt, result)

    async def open_attempts(self) -> tuple[Attempt, ...]:
        """Return the attempts of services on the board that are not finished."""
        found = await self._storage.attempts.unfinished(Purpose.PROBE)
        return tuple(attempt for attempt in found if attempt.service in self._board)

    async def resume(self, attempt: Attempt) -> Evidence:
        """Return the evidence of an unfinished attempt once a process has finished it."""
        log.info("probe.resumed", service=attempt.service, attempt=attempt.id, state=attempt.state)
        return await self._await_result(attempt, None)

    async def follow(self, tracked: TrackedVideo) -> None:
        """Take a probe to its end; the order of a stored attempt is never sent again."""
        await self._follow(tracked, None)

    async def load_histories(self) -> Mapping[ServiceId, ProbeHistory]:
        """Return the history of the paid probes of all services."""
        placed = await self._storage.attempts.last_intended(Purpose.PROBE)
        billed = await self._storage.ledger.unexpected_charges()
        return {
            id_: ProbeHistory(placed.get(id_), frozenset(map(Depth, billed.get(id_, ()))))
            for id_ in placed.keys() | billed.keys()
        }

    async def record_unexpected_charge(self, service: Service, depth: Depth, job: Job) -> None:
        """Record the cost of a free probe that started a job."""
        await self._settlement.record_unexpected_charge(service, depth, job)

    def _new_video(self, service: Service) -> Video:
        order = service.probe_order
        if order is None or probe_cost(service) is None:
            raise ValueError(f"{service.id} has no price, so its generation cannot be budgeted")
        now, name = self._clock.now(), uuid4().hex
        create = self._jobs.timing.shortest_timeout
        longest = create + service.upstream.job_timeout + _TIME_TO_SETTLE
        return Video(
            id=VideoId(f"probe_{name}"),
            key=NO_KEY,
            model=service.id,
            # The name in the prompt identifies the job in a list of jobs.
            prompt=f"{order.prompt} (take {name[:8]})",
            seconds=order.seconds,
            size=order.size,
            created_at=now,
            deadline=now + longest,
            kind=VideoKind.PROBE,
            owner=self._jobs.followers.owner,
        )

    def _new_attempt(self, video: Video, service: Service) -> NewAttempt:
        cost, order, now = probe_cost(service), service.probe_order, self._clock.now()
        if cost is None or order is None:
            raise ValueError(f"{service.id} has no price, so its generation cannot be budgeted")
        name, timing = f"{video.id}.1", self._jobs.timing
        entry = LedgerEntry(
            id=EntryId(name),
            service=service.id,
            purpose=Purpose.PROBE,
            note="generation probe",
            state=EntryState.RESERVED,
            estimate=cost,
            amount=cost,
            at=now,
        )
        attempt = Attempt(
            id=AttemptId(name),
            service=service.id,
            purpose=Purpose.PROBE,
            order=replace(order, prompt=video.prompt),
            model=service.model,
            entry=entry.id,
            intended_at=now,
            video=video.id,
            number=1,
            send_within=timing.send_within,
            answer_within=timing.answer_within(service.upstream, video.deadline - now),
        )
        limits = (
            SpendingLimit(service.budget, probe_scope(service.id), f"of {service.id}"),
            SpendingLimit(self.total_budget, ALL_PROBES, "total"),
        )
        return NewAttempt(attempt, entry, limits)

    async def _send(self, tracked: TrackedVideo, service: Service, attempt: Attempt) -> None:
        tracked.is_sending = True
        try:
            job = await self._jobs.engine.submit(tracked, attempt, service, attempt.order)
        finally:
            tracked.is_sending = False
            tracked.notify()
        await self._follow(tracked, job)

    async def _follow(self, tracked: TrackedVideo, job: Job | None) -> None:
        while not tracked.is_over:
            attempt = tracked.attempts[0]
            if attempt.service not in self._board:
                outcome = await self._leave(tracked)
                if outcome is None:
                    return
            else:
                service = self._board.service(attempt.service)
                outcome = await self._jobs.engine.run(
                    tracked, attempt, service, self._patience_with(service), job
                )
            job = None
            evidence = await self._settlement.settle(
                tracked, tracked.attempts[0], self._board_service(attempt), outcome
            )
            if evidence is not None:
                self._announce(tracked.video.id, evidence)

    def _board_service(self, attempt: Attempt) -> Service | None:
        return self._board.service(attempt.service) if attempt.service in self._board else None

    async def _leave(self, tracked: TrackedVideo) -> AttemptResult | None:
        """Leave a probe to a process that has its service; end it at its deadline."""
        if self._clock.now() < tracked.video.deadline:
            await self._jobs.journal.hand_over(tracked)
            return None
        return AttemptResult(Ending.EXPIRED)

    @staticmethod
    def _patience_with(service: Service) -> Patience:
        return Patience(stall_after=service.upstream.job_timeout)

    def _announce(self, id_: VideoId, evidence: Evidence) -> None:
        result = self._results.pop(id_, None)
        if result is not None and not result.done():
            result.set_result(evidence)

    async def _await_result(
        self, attempt: Attempt, result: asyncio.Future[Evidence] | None
    ) -> Evidence:
        """Return the evidence of a probe, whichever process finishes it."""
        while True:
            if result is not None and result.done():
                return result.result()
            if self._jobs.followers.tracked(attempt.video) is None:
                record = await self._storage.videos.record(attempt.video)
                if record is not None and record.video.is_terminal:
                    self._results.pop(attempt.video, None)
                    return evidence_of(record.attempts[0])
            await self._clock.sleep(_REMOTE_POLL_INTERVAL)


def evidence_of(attempt: Attempt) -> Evidence:
    """Return the evidence of a probe that has ended, as it is stored."""
    is_timed = attempt.failure is None and attempt.rendered_at is not None
    return Evidence(
        service=attempt.service,
        at=attempt.ended_at or attempt.intended_at,
        source=Source.GENERATION,
        failure=attempt.failure,
        latency=attempt.rendered_at - attempt.intended_at
        if is_timed and attempt.rendered_at
        else None,
    )
