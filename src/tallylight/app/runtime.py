"""All rooms wired together: opened in order, run side by side, closed in reverse."""

import asyncio
from collections.abc import AsyncIterator, Collection, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Never

import structlog

from tallylight.app.alert_dispatcher import AlertDispatcher
from tallylight.app.cluster.leader_lock import LeaderLock
from tallylight.app.cluster.read_only_storage import ReadOnlyStorage
from tallylight.app.cluster.roles import ClusterRole
from tallylight.app.gateway_wiring import GatewayWiring, wire_gateway
from tallylight.board import Board, BoardStorage
from tallylight.clock import Clock
from tallylight.config.settings import Configuration
from tallylight.gateway.assets.options import open_store
from tallylight.model.evidence import Depth, Evidence
from tallylight.model.ids import ServiceId
from tallylight.probes import check_round
from tallylight.probes.calendar import calendar_evidence
from tallylight.probes.feeds import FeedPoller
from tallylight.probes.paid_probes import PaidProbeRunner
from tallylight.probes.plan import ProbeTiming
from tallylight.probes.prober import Prober
from tallylight.scheduler import every
from tallylight.storage.database import Storage, open_storage
from tallylight.upstreams.transport import Transport

log = structlog.get_logger()

_TICK_INTERVAL = timedelta(seconds=5)
_SNAPSHOT_INTERVAL = timedelta(minutes=15)
_ROLLUP_INTERVAL = timedelta(minutes=5)
_RETENTION_INTERVAL = timedelta(hours=1)
_CALENDAR_INTERVAL = timedelta(hours=6)
_FORWARDED_EVIDENCE_INTERVAL = timedelta(seconds=2)

_LOCK_ATTEMPTS = 10
_LOCK_RETRY_DELAY = timedelta(milliseconds=50)


@dataclass(slots=True)
class Runtime:
    """The house at work.

    Args:
        configuration: What the operator decided; replaced as a whole by `adopt`.
    """

    configuration: Configuration
    clock: Clock
    history: Storage
    board: Board
    paid_probes: PaidProbeRunner
    prober: Prober
    feed_poller: FeedPoller
    gateway_wiring: GatewayWiring
    role: ClusterRole
    leader_lock: LeaderLock
    _config_changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_leader(self) -> bool:
        """Tell whether this process's verdicts are recorded; of several, one's are."""
        return self.board.is_leader

    @property
    def is_monitoring(self) -> bool:
        """Tell whether the probes run here, or what another process finds arrives."""
        return self.prober.is_running if self.is_leader else self.role.is_following

    async def run(self) -> None:
        """Watch until cancelled, or stand by while another process of the same database does.

        Raises:
            ExceptionGroup: if a task fails, among them the history's own that stores what is found.
        """
        await self._run_tasks(self.role.run(self._lead))

    async def run_embedded(self) -> None:
        """Follow videos and learn from them as a guest, until cancelled; nothing is probed."""
        await self._run_tasks(self.role.run_embedded(self.lead_briefly))

    async def lead_briefly(self) -> None:
        """Judge what guests have seen, if nobody else does, and leave the place at once.

        A guest that kept it would keep servers from probing.
        """
        await self.history.forwarded_evidence.buffer.flush()
        if not await self.leader_lock.acquire():
            return
        try:
            await self.board.change_role(self.history, is_leader=True)
            await self.judge_forwarded_evidence()
            await self.read_calendar()
            await self.board.save_snapshots()
        finally:
            try:
                await self.board.change_role(ReadOnlyStorage(self.history), is_leader=False)
                await self.history.forward_buffered()
            finally:
                await self.leader_lock.release()

    async def _run_tasks(self, role: Coroutine[object, object, None]) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.history.wait_for_buffer(), name="history")
            tasks.create_task(self.gateway_wiring.run(), name="gateway")
            tasks.create_task(role, name="role")

    async def _lead(self) -> None:
        """Do all that one process does for all."""
        clock = self.clock
        self.prober.reset()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.prober.run(), name="prober")
            tasks.create_task(self.feed_poller.run(), name="feeds")
            for interval, action, name in (
                (_TICK_INTERVAL, self.board.advance_time, "time"),
                (_FORWARDED_EVIDENCE_INTERVAL, self.judge_forwarded_evidence, "hearsay"),
                (_SNAPSHOT_INTERVAL, self.board.save_snapshots, "standings"),
                (_ROLLUP_INTERVAL, self.history.update_rollups, "rollups"),
                (_RETENTION_INTERVAL, self._apply_retention, "retention"),
                (_CALENDAR_INTERVAL, self.read_calendar, "calendar"),
            ):
                tasks.create_task(every(interval, action, clock, name=name), name=name)
            tasks.create_task(self._run_alerts(), name="alerts")

    async def apply_config(self, configuration: Configuration) -> None:
        """Take a new configuration in place of the standing one."""
        services = configuration.catalogue.services.values()
        await self.board.apply_config(services, configuration.verdicts)
        self.configuration = configuration
        self._config_changed.set()
        self.paid_probes.total_budget = configuration.catalogue.total_budget
        self.prober.timing = probe_timing(configuration)
        self.gateway_wiring.apply_config(configuration)
        await self.read_calendar()

    async def read_calendar(self) -> None:
        """Report the lifecycle dates of all fact sheets, as far as they are new."""
        if not self.is_leader:
            return
        for service in self.board.services():
            standing, _ = self.board.state(service.id)
            evidence = calendar_evidence(service, standing.calendar, self.clock.now())
            if evidence is not None:
                await self.board.report(evidence)

    async def check(
        self, services: Collection[ServiceId], depth: Depth
    ) -> Mapping[ServiceId, check_round.CheckResult]:
        """Probe services now, all at the same time; return what was found."""
        async with asyncio.TaskGroup() as tasks:
            rounds = {
                id_: tasks.create_task(
                    check_round.check_service(
                        self.prober, self.board.service(id_), depth, self.clock
                    )
                )
                for id_ in services
            }
        return {id_: task.result() for id_, task in rounds.items()}

    async def _run_alerts(self) -> Never:
        """Run the desk of alerts, a new one for each configuration."""
        while True:
            self._config_changed.clear()
            configuration = self.configuration
            desk = AlertDispatcher(
                self.board,
                self.history,
                self.clock,
                configuration.alerts,
                configuration.status.language,
            )
            async with asyncio.TaskGroup() as tasks:
                telling = tasks.create_task(desk.run(), name="desk")
                await self._config_changed.wait()
                telling.cancel()

    async def judge_forwarded_evidence(self) -> None:
        """Judge what processes that do not judge have seen."""
        if self.is_leader:
            await self.history.forwarded_evidence.consume(self._apply_evidence)

    async def _apply_evidence(self, evidence: Evidence) -> None:
        if evidence.service in self.board:
            await self.board.apply(evidence)
        else:  # another process has a service that this one has not
            self.history.add_evidence(evidence)

    async def _apply_retention(self) -> None:
        await self.history.apply_retention(self.configuration.retention)


@asynccontextmanager
async def open_runtime(
    configuration: Configuration, clock: Clock, *, is_embedded: bool = False
) -> AsyncIterator[Runtime]:
    """Open the house: the database, the connections, the board as it was left.

    Args:
        configuration: What the operator decided.
        clock: When it is.
        is_guest: It leaves the judging to others, but for moments.

    Raises:
        ConfigurationError: if the database's address is not usable.
        StorageError: if the database cannot be reached.
    """
    async with (
        open_storage(configuration.database_url, clock) as history,
        Transport(clock) as transport,
        AsyncExitStack() as stack,
    ):
        bench = LeaderLock(history, _sqlite_file(configuration.database_url))
        stack.push_async_callback(bench.release)
        is_judge = not is_embedded and await _acquire_leader_lock(bench, clock)
        archive: BoardStorage = history if is_judge else ReadOnlyStorage(history)
        board = Board(archive, clock, is_leader=is_judge)
        generations = PaidProbeRunner(
            board, history, transport, clock, configuration.catalogue.total_budget
        )
        runtime = Runtime(
            configuration=configuration,
            clock=clock,
            history=history,
            board=board,
            paid_probes=generations,
            prober=Prober(board, transport, generations, clock, probe_timing(configuration)),
            feed_poller=FeedPoller(board, transport, clock),
            gateway_wiring=wire_gateway(
                configuration,
                board,
                history,
                transport,
                open_store(configuration.assets, configuration.database_url),
                clock,
            ),
            role=ClusterRole(bench, board, history, clock),
            leader_lock=bench,
        )
        await runtime.apply_config(configuration)
        await runtime.judge_forwarded_evidence()
        try:
            yield runtime
        finally:
            await board.save_snapshots()


async def _acquire_leader_lock(leader_lock: LeaderLock, clock: Clock) -> bool:
    """Try to become the one that judges; a guest may have the place for a moment."""
    for _ in range(_LOCK_ATTEMPTS):
        if await leader_lock.acquire():
            return True
        await clock.sleep(_LOCK_RETRY_DELAY)
    return await leader_lock.acquire()


def probe_timing(configuration: Configuration) -> ProbeTiming:
    """Return what holds for all probes."""
    options = configuration.probes
    return ProbeTiming(retry_delays=options.retry, undecided_interval=options.in_doubt_pace)


def _sqlite_file(database_url: str) -> Path | None:
    scheme, _, path = database_url.partition(":///")
    return Path(path) if scheme == "sqlite" else None
