"""The paid probe: a video that tallylight orders for itself, from one service.

A probe is a video of its own kind. The job engine takes it to its end, across restarts, like a
caller's video. What is decided here is when a probe is sent and when it has failed.

The leader records a probe together with its attempt, and sends it. Any other process records the
order alone; a process that follows videos takes it over and sends it.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import uuid4

import structlog

from tallylight.board import Board
from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.errors import BudgetError, ProbeUnfinishedError, ProbeWithheldError
from tallylight.jobs.engine import Patience
from tallylight.jobs.outcome import AttemptResult, Ending
from tallylight.jobs.parts import JobParts
from tallylight.jobs.tracked_video import TrackedVideo
from tallylight.model.evidence import Depth, Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.model.jobs import JobRef
from tallylight.model.ledger import Purpose
from tallylight.model.money import Budget
from tallylight.model.video import Video, VideoRecord
from tallylight.probes.probe_orders import (
    SEND_ORDER_WITHIN,
    ProbeOrder,
    new_probe,
    probe_attempt,
    probe_order_of,
)
from tallylight.probes.settlement import ProbeSettlement, evidence_of
from tallylight.storage.database import Storage
from tallylight.storage.transaction import NewAttempt
from tallylight.upstreams.steps import Known
from tallylight.verdicts.overdue import overdue_after

log = structlog.get_logger()

_REMOTE_POLL_INTERVAL = timedelta(seconds=1)
"""How often a process asks whether a probe has ended that another process follows."""

_MARGIN = timedelta(seconds=30)
"""Time after a limit in which the process that follows a probe records that it is over."""

_UNSENT = ProbeWithheldError(
    "no running server took the order within "
    f"{SEND_ORDER_WITHIN.total_seconds():.0f} s; check that one runs and has this service"
)

_BARRED = ProbeWithheldError("the database was copied, restored or promoted after the order")


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
        self._start_locks: defaultdict[ServiceId, asyncio.Lock] = defaultdict(asyncio.Lock)

    @property
    def total_budget(self) -> Budget:
        """Return the spending limit of all probes together."""
        return self._total_budget()

    async def start(self, service: Service) -> Video:
        """Order a video from a service, unless one is under way; return it.

        A probe that is overdue is followed on, and no longer waited for.

        Raises:
            BudgetError: if the cost could exceed a budget; nothing is recorded.
            ProbeWithheldError: if the service has no price, or this process is shutting down.
            StorageError: if the database is unavailable; nothing is sent.
        """
        async with self._start_locks[service.id]:  # or two calls could find none under way
            for probe in await self.open_probes():
                if probe.model == service.id and not self._is_overdue(probe):
                    return probe
            wanted = probe_order_of(service)
            if self._board.is_leader:
                return await self._start_own(wanted)
            video = self._new_video(wanted, owner="")
            await self._jobs.journal.create(video, None)
            return video

    async def open_probes(self) -> tuple[Video, ...]:
        """Return the probes of services on the board that have not ended, oldest first."""
        found = await self._storage.videos.open_probes()
        return tuple(video for video in found if self._service(video) is not None)

    async def result(self, probe: Video) -> Evidence:
        """Return the evidence of a probe once it has ended, whichever process follows it.

        Raises:
            ProbeWithheldError: if it was not sent.
            ProbeUnfinishedError: if no process has ended it in time.
            StorageError: if the database is unavailable.
        """
        try:
            record = await self._wait_for_end(probe)
        except asyncio.CancelledError:
            await self._withdraw(probe)
            raise
        if not record.attempts:
            raise ProbeWithheldError(
                "" if record.video.error is None else record.video.error.message
            )
        await self._board.catch_up()
        attempt = record.attempts[0]
        if attempt.service in self._board:
            newest = self._board.latest_evidence(attempt.service, Source.GENERATION)
            if newest is not None and newest.at == record.video.ended_at:
                return newest
        return evidence_of(attempt)

    async def follow(self, tracked: TrackedVideo) -> None:
        """Take a probe to its end; a stored attempt is never sent again."""
        step = None
        while not tracked.is_over and not tracked.attempts:
            step = await self._send_order(tracked)
        await self._follow(tracked, step)

    async def load_histories(self) -> Mapping[ServiceId, ProbeHistory]:
        """Return the history of the paid probes of all services."""
        placed = await self._storage.attempts.last_intended(Purpose.PROBE)
        billed = await self._storage.ledger.unexpected_charges()
        return {
            id_: ProbeHistory(placed.get(id_), frozenset(map(Depth, billed.get(id_, ()))))
            for id_ in placed.keys() | billed.keys()
        }

    async def record_unexpected_charge(self, service: Service, depth: Depth, job: JobRef) -> None:
        """Record the cost of a free probe that started a job."""
        await self._settlement.record_unexpected_charge(service, depth, job)

    async def _start_own(self, wanted: ProbeOrder) -> Video:
        """Record a probe with its attempt, and begin to send it."""
        if self._jobs.followers.is_closing:
            raise ProbeWithheldError("this process is shutting down")
        began = self._clock.boottime()
        video = self._new_video(wanted, owner=self._jobs.followers.owner)
        new = self._new_attempt(wanted, video)
        # A probe has no idempotency key, so it is recorded as it is.
        await self._jobs.journal.create(video, new)
        record = VideoRecord(video, (new.attempt,), {new.entry.id: new.entry})
        tracked = TrackedVideo(record, began, is_resolved=True)
        tracked.intended_at[new.attempt.id] = began
        self._jobs.followers.start(tracked, self._send(tracked, wanted.service))
        return video

    def _new_video(self, wanted: ProbeOrder, owner: str) -> Video:
        return new_probe(wanted, uuid4().hex, owner, self._clock.now(), self._jobs.timing)

    def _new_attempt(self, wanted: ProbeOrder, video: Video) -> NewAttempt:
        now = self._clock.now()
        return probe_attempt(wanted, video, self.total_budget, now, self._jobs.timing)

    async def _send_order(self, tracked: TrackedVideo) -> Known | None:
        """Record and send the attempt of an order that no process has sent yet."""
        video, began = tracked.video, self._clock.boottime()
        service = self._service(video)
        if service is None:
            await self._leave(tracked)
            return None
        if video.is_barred:
            await self._settlement.withhold(tracked, _BARRED)
            return None
        if self._clock.now() >= video.created_at + SEND_ORDER_WITHIN:
            await self._settlement.withhold(tracked, _UNSENT)
            return None
        try:
            new = self._new_attempt(probe_order_of(service), video)
            if not await self._jobs.journal.decide(tracked, video, new_attempt=new):
                return None
        except (BudgetError, ProbeWithheldError) as error:
            await self._settlement.withhold(tracked, error)
            return None
        tracked.intended_at[new.attempt.id] = began
        return await self._submit(tracked, service)

    async def _send(self, tracked: TrackedVideo, service: Service) -> None:
        """Send the attempt that was recorded with a probe, and follow it."""
        await self._follow(tracked, await self._submit(tracked, service))

    async def _submit(self, tracked: TrackedVideo, service: Service) -> Known | None:
        attempt = tracked.attempts[0]
        # The row has no prompt of its own: the order is that of the video.
        order = replace(attempt.order, prompt=tracked.video.prompt)
        tracked.is_sending = True
        try:
            return await self._jobs.engine.submit(tracked, attempt, service, order)
        finally:
            tracked.is_sending = False
            tracked.notify()

    async def _follow(self, tracked: TrackedVideo, step: Known | None) -> None:
        while not tracked.is_over:
            service = self._service(tracked.video)
            if service is None:
                await self._leave(tracked)
                continue
            outcome = await self._jobs.engine.run(
                tracked, tracked.attempts[0], service, self._patience(service), step
            )
            step = None
            await self._settlement.settle(tracked, service, outcome)

    def _patience(self, service: Service) -> Patience:
        state, policy = self._board.state(service.id)
        limit = service.upstream.job_timeout
        return Patience(limit, overdue_after=overdue_after(state.job_history, policy, limit))

    def _is_overdue(self, probe: Video) -> bool:
        tracked = self._jobs.followers.tracked(probe.id)
        return tracked is not None and bool(tracked.overdue)

    def _service(self, video: Video) -> Service | None:
        return self._board.find_service(ServiceId(video.model))

    async def _leave(self, tracked: TrackedVideo) -> None:
        """Leave a probe to a process that has its service; end it at its deadline."""
        if self._clock.now() < tracked.video.deadline:
            await self._jobs.journal.hand_over(tracked)
        elif tracked.attempts:
            await self._settlement.close(tracked, AttemptResult(Ending.EXPIRED))
        else:
            await self._settlement.withhold(tracked, _UNSENT)

    async def _wait_for_end(self, probe: Video) -> VideoRecord:
        while True:
            tracked = self._jobs.followers.tracked(probe.id)
            if tracked is not None:
                await tracked.wait_for_change()
                continue
            record = await self._storage.videos.record(probe.id) or VideoRecord(probe)
            if record.video.is_terminal:
                return record
            now = self._clock.now()
            if not record.attempts and now >= probe.created_at + SEND_ORDER_WITHIN + _MARGIN:
                await self._withdraw(probe)
            if now >= probe.deadline + _MARGIN:
                raise ProbeUnfinishedError(_unfinished_text(probe))
            await self._clock.sleep(_REMOTE_POLL_INTERVAL)

    async def _withdraw(self, probe: Video) -> None:
        """End an order that no process has taken; one that was taken stays as it is."""
        if not probe.owner:
            tracked = TrackedVideo(VideoRecord(probe), self._clock.boottime())
            await self._settlement.withhold(tracked, _UNSENT)


def _unfinished_text(probe: Video) -> str:
    limit = (probe.deadline - probe.created_at).total_seconds()
    return (
        f"no process has ended the generation probe {probe.id} within its time limit of "
        f"{limit:.0f} s; it counts as paid, and the next server to run ends it"
    )
