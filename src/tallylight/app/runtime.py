"""Opens all parts of a process in order, runs them side by side and closes them in reverse."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Never

import structlog

from tallylight.alerts.metrics import AlertMetrics
from tallylight.app.alert_dispatcher import AlertDispatcher, AlertSettings
from tallylight.app.cluster.leader_lock import LeaderLock
from tallylight.app.cluster.read_only_storage import ReadOnlyStorage
from tallylight.app.cluster.roles import ClusterRole
from tallylight.app.current_configuration import CurrentConfiguration
from tallylight.app.gateway_wiring import GatewayResources, GatewayWiring, wire_gateway
from tallylight.app.job_wiring import wire_jobs
from tallylight.app.logs import mask_in_logs
from tallylight.app.probing import Probing, make_probing
from tallylight.app.recommend import RouteRecommender, alternatives
from tallylight.board import Board, BoardStorage
from tallylight.clock import Clock
from tallylight.config.secrets import configured_secrets
from tallylight.config.settings import Configuration
from tallylight.errors import ClockCorrectedError, StorageError
from tallylight.gateway.assets.options import open_store
from tallylight.model.evidence import Evidence
from tallylight.probes.calendar import calendar_evidence
from tallylight.scheduler import every
from tallylight.storage.clock_trust import FIRST_RETENTION_DELAY
from tallylight.storage.database import Storage, open_storage
from tallylight.storage.host_clocks import HostClocks
from tallylight.storage.identity import IDENTITY_INTERVAL, IdentityGuard
from tallylight.storage.processes import Liveness, open_liveness
from tallylight.upstreams.transport import Transport

log = structlog.get_logger()

_TICK_INTERVAL = timedelta(seconds=5)
_SNAPSHOT_INTERVAL = timedelta(minutes=15)
_ROLLUP_INTERVAL = timedelta(minutes=5)
_RETENTION_INTERVAL = timedelta(hours=1)
_CLOCK_INTERVAL = timedelta(seconds=2)
_CALENDAR_INTERVAL = timedelta(hours=6)
_FORWARDED_EVIDENCE_INTERVAL = timedelta(seconds=2)

_LONGEST_WRITE_SECONDS = 5.0
"""A process whose writes wait for longer does not beat: another one takes its videos over."""

_LOCK_ATTEMPTS = 10
_LOCK_RETRY_DELAY = timedelta(milliseconds=50)


@dataclass(frozen=True, slots=True)
class Runtime:
    """The running parts of one process: board, probes, gateway, alerts and its cluster role."""

    current: CurrentConfiguration
    clock: Clock
    history: Storage
    board: Board
    probing: Probing
    gateway_wiring: GatewayWiring
    role: ClusterRole
    guard: IdentityGuard
    alert_metrics: AlertMetrics

    @property
    def configuration(self) -> Configuration:
        """Return the configuration in force."""
        return self.current.value

    @property
    def is_leader(self) -> bool:
        """Tell whether this process records verdicts; one process per database does."""
        return self.board.is_leader

    @property
    def is_monitoring(self) -> bool:
        """Tell whether the board is up to date: by own probes, or by the leader's evidence."""
        return self.probing.prober.is_running if self.is_leader else self.role.is_following

    async def run(self) -> None:
        """Lead or follow until cancelled, as the other processes of the database require.

        Raises:
            ClockCorrectedError: if the clock was set, so that everything has to be opened anew.
            ExceptionGroup: if a task fails, for example the one that stores evidence.
        """
        is_corrected = False
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._run_tasks(self.role.run(self._lead)), name="parts")
                tasks.create_task(self._watch_clock(), name="clock")
        except* ClockCorrectedError:
            is_corrected = True
        if is_corrected:
            raise ClockCorrectedError

    async def _watch_clock(self) -> Never:
        """Wait until the clock was set.

        Raises:
            ClockCorrectedError: then.
        """
        while True:
            await self.clock.sleep(_CLOCK_INTERVAL)
            try:
                is_due = await self.history.needs_reopening(is_leader=self.is_leader)
            except StorageError as error:
                log.debug("clock.not_compared", error=str(error))
            else:
                if is_due:
                    raise ClockCorrectedError

    async def run_embedded(self) -> None:
        """Follow, serve the gateway and learn from its videos until cancelled; send no probes."""
        await self._run_tasks(self.role.run_embedded(self._judge_once))

    async def lead_briefly(self) -> None:
        """Judge the evidence of embedded processes, unless a server leads, and stop leading."""
        await self.role.lead_briefly(self._judge_once)

    async def _judge_once(self) -> None:
        await self.judge_forwarded_evidence()
        await self.read_calendar()
        await self.board.save_snapshots()

    async def _run_tasks(self, role: Coroutine[object, object, None]) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.history.wait_for_buffer(), name="history")
            tasks.create_task(self.gateway_wiring.run(), name="gateway")
            tasks.create_task(
                every(IDENTITY_INTERVAL, self.guard.check, self.clock, name="identity"),
                name="identity",
            )
            tasks.create_task(role, name="role")

    async def _lead(self) -> None:
        """Do the work that one process does for all processes of the database."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.probing.run(), name="probing")
            for interval, action, name in (
                (_TICK_INTERVAL, self.board.advance_time, "time"),
                (_FORWARDED_EVIDENCE_INTERVAL, self.judge_forwarded_evidence, "forwarded_evidence"),
                (_SNAPSHOT_INTERVAL, self.board.save_snapshots, "snapshots"),
                (_ROLLUP_INTERVAL, self.history.update_rollups, "rollups"),
                (_CALENDAR_INTERVAL, self.read_calendar, "calendar"),
            ):
                tasks.create_task(every(interval, action, self.clock, name=name), name=name)
            retention = every(
                _RETENTION_INTERVAL,
                self._apply_retention,
                self.clock,
                name="retention",
                delay=FIRST_RETENTION_DELAY,
            )
            tasks.create_task(retention, name="retention")
            tasks.create_task(self._run_alerts(), name="alerts")

    async def apply_config(self, configuration: Configuration) -> None:
        """Put another configuration into force, as a whole or not at all.

        Raises:
            StorageError: if the history of new services cannot be read; the previous
                configuration then stays in force.
        """
        services = configuration.catalogue.services.values()
        # The board reads and writes the database, so it goes first: it is the only part that fails.
        mask_in_logs(configured_secrets(configuration))
        await self.board.apply_config(services, configuration.verdicts)
        self.current.replace(configuration)
        self.history.clock_trust.is_vouched = configuration.retention.trust_clock
        try:
            await self.read_calendar()
        except StorageError as error:  # the next scheduled reading makes up for it
            log.warning("calendar.unread", error=str(error))

    async def read_calendar(self) -> None:
        """Report lifecycle dates of fact sheets that the board does not know yet."""
        if not self.is_leader:
            return
        for service in self.board.services():
            state, _ = self.board.state(service.id)
            evidence = calendar_evidence(service, state.calendar, self.clock.now())
            if evidence is not None:
                await self.board.report(evidence)

    async def _run_alerts(self) -> Never:
        """Run an alert dispatcher for each configuration in turn."""
        while True:
            configuration = self.configuration
            dispatcher = AlertDispatcher(
                self.board,
                self.history,
                self.clock,
                self._alert_settings(configuration),
                self.alert_metrics,
            )
            async with asyncio.TaskGroup() as tasks:
                running = tasks.create_task(dispatcher.run(), name="alert_dispatcher")
                await self.current.wait_until_replaced(configuration)
                running.cancel()

    def _alert_settings(self, configuration: Configuration) -> AlertSettings:
        routes = configuration.routes
        recommender = RouteRecommender(self.board, self.gateway_wiring.candidates, lambda: routes)
        return AlertSettings(
            options=configuration.alerts,
            language=configuration.status.language,
            report=configuration.report,
            public_url=configuration.status.public_url,
            total_budget=configuration.catalogue.total_budget,
            alternatives=lambda services: alternatives(recommender, routes, services),
        )

    async def judge_forwarded_evidence(self) -> None:
        """Judge the evidence that followers have stored for the leader."""
        if self.is_leader:
            await self.history.forwarded_evidence.consume(self._apply_evidence)

    async def _apply_evidence(self, evidence: Evidence) -> None:
        if evidence.service in self.board:
            await self.board.apply(evidence)
        else:  # a follower is configured with a service that this process does not know
            self.history.add_evidence(evidence)

    async def _apply_retention(self) -> None:
        await self.history.apply_retention(self.configuration.retention)


@asynccontextmanager
async def open_runtime(
    configuration: Configuration,
    clock: Clock,
    *,
    is_embedded: bool = False,
    host_clocks: HostClocks | None = None,
) -> AsyncIterator[Runtime]:
    """Open the database, the connections, and the board as it was saved last.

    Args:
        configuration: The configuration to start with.
        clock: The source of time.
        is_embedded: Leave judging to other processes, except for moments: a library client does.
        host_clocks: What this process has heard from other hosts before; None for nothing.

    Raises:
        ConfigurationError: if the database's address is not usable.
        StorageError: if the database cannot be reached.
    """
    mask_in_logs(configured_secrets(configuration))
    async with (
        _open_history(configuration, clock, host_clocks) as history,
        Transport(history.clock, on_date=history.clock.host_clocks.observe) as transport,
        AsyncExitStack() as stack,
    ):
        clock = history.clock
        leader_lock = LeaderLock(history, history.connections.file)
        stack.push_async_callback(leader_lock.release)
        is_leader = not is_embedded and await _acquire_leader_lock(leader_lock, clock)
        board = _new_board(history, is_leader=is_leader)
        current = CurrentConfiguration(configuration)
        store = open_store(configuration.assets, configuration.database_url)
        guard = IdentityGuard(history.connections)
        stack.push_async_callback(guard.close)
        await guard.check()
        liveness = _open_liveness(history, guard)
        stack.push_async_callback(liveness.close)
        jobs = wire_jobs(board, history, transport, liveness, clock)
        may_delete = history.clock_trust.may_delete
        resources = GatewayResources(board, history, transport, store, clock, may_delete)
        wiring = wire_gateway(current, resources, jobs)
        runtime = Runtime(
            current=current,
            clock=clock,
            history=history,
            board=board,
            probing=make_probing(current, jobs),
            gateway_wiring=wiring,
            role=ClusterRole(leader_lock, board, history, clock),
            guard=guard,
            alert_metrics=AlertMetrics(wiring.metrics),
        )
        await runtime.apply_config(configuration)
        # Whoever may record a video is known as alive before that.
        await jobs.followers.register()
        await runtime.judge_forwarded_evidence()
        try:
            yield runtime
        finally:
            await _save(board, history)


async def _save(board: Board, history: Storage) -> None:
    await board.save_snapshots()
    if board.is_leader:  # a command hears of other clocks only by its own calls
        with suppress(StorageError):
            await history.set_future_aside()


@asynccontextmanager
async def _open_history(
    configuration: Configuration, clock: Clock, host_clocks: HostClocks | None
) -> AsyncIterator[Storage]:
    url, pool = configuration.database_url, configuration.database_pool
    async with open_storage(url, clock, pool, host_clocks) as history:
        history.clock_trust.is_vouched = configuration.retention.trust_clock
        yield history


def _new_board(history: Storage, *, is_leader: bool) -> Board:
    storage: BoardStorage = history if is_leader else ReadOnlyStorage(history)
    return Board(storage, history.clock, is_leader=is_leader)


def _open_liveness(history: Storage, guard: IdentityGuard) -> Liveness:
    return open_liveness(
        history.connections,
        history.clock,
        lambda: history.group_commit.oldest_wait < _LONGEST_WRITE_SECONDS,
        guard.check,
    )


async def _acquire_leader_lock(leader_lock: LeaderLock, clock: Clock) -> bool:
    """Try to become the leader; an embedded process may hold the lock for a moment."""
    for _ in range(_LOCK_ATTEMPTS):
        if await leader_lock.acquire():
            return True
        await clock.sleep(_LOCK_RETRY_DELAY)
    return await leader_lock.acquire()
