"""The troubles of the chaos bench, each with what it needs and what it does."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from bench.chaos.interferences import (
    HeldCommits,
    HungPool,
    StopAfterIntent,
    StopInTransaction,
    UnheardCommits,
)
from bench.chaos.sqlite_files import backup, held_lock, restore
from bench.chaos.stage import DatabaseKind, Setup, Stage
from bench.chaos.world import BRIEF_FAULTS, FAILS, FAULTS

_FIRST_JOBS_END = 8.0
"""Seconds from the first create until the first jobs are about to end."""

_STALL = 25.0
_STOP = 45.0
_LONG_STOP = 150.0
_MOMENT = 60.0
"""Longest wait for the moment that a trouble strikes at."""

_HOUR = 3600
_BETWEEN_KILLS = (1.0, 6.0)


@dataclass(frozen=True, slots=True)
class Trouble:
    """One kind of trouble.

    Args:
        name: Its name on the command line.
        summary: What happens.
        strike: Makes it happen; returns when it is over.
        setup: What it needs.
    """

    name: str
    summary: str
    strike: Callable[[Stage], Awaitable[None]]
    setup: Setup


def kill_setup(kills: int, share: float, deadline: float, creates: int) -> Setup:
    """Return the setup of `kills`: creates are spread over as long as the gateway is killed."""
    spread = max(5.0, kills * (sum(_BETWEEN_KILLS) / 2 + 1))
    return Setup(
        creates=creates,
        spread=spread,
        burst=spread,
        deadline=deadline,
        job_seconds=0.5,
        job_limit=6.0,
        shares=dict.fromkeys(FAULTS, share),
    )


def kills(times: int) -> Callable[[Stage], Awaitable[None]]:
    """Return what kills the gateway so many times."""

    async def strike(stage: Stage) -> None:
        for _ in range(times):
            await stage.wait(stage.rng.uniform(*_BETWEEN_KILLS))
            await stage.gateways[0].kill()
            await stage.gateways[0].start()
        stage.notes.append(f"{times} kills")

    return strike


async def _sqlite_locked(stage: Stage) -> None:
    await stage.wait(_FIRST_JOBS_END)
    async with held_lock(stage.file):
        await stage.wait(_STALL)


async def _sqlite_frozen(stage: Stage) -> None:
    await stage.wait(_FIRST_JOBS_END)
    async with stage.disk.frozen():
        await stage.wait(_STALL)


async def _postgres_stopped(stage: Stage) -> None:
    await stage.wait(_FIRST_JOBS_END)
    await stage.cluster.stop_at_once()
    await stage.wait(_STALL)
    await stage.cluster.start()


async def _postmaster_killed(stage: Stage) -> None:
    await stage.wait(_FIRST_JOBS_END)
    await stage.cluster.kill_postmaster()
    await stage.wait(_STALL)
    await stage.cluster.start()


async def _commits_hang(stage: Stage) -> None:
    # A commit waits for a standby that does not exist; it lands when none is asked for any more.
    await stage.wait(_FIRST_JOBS_END)
    reload = "SELECT pg_reload_conf()"
    await stage.cluster.execute("ALTER SYSTEM SET synchronous_standby_names = 'absent'", reload)
    await stage.wait(_STALL)
    await stage.cluster.execute("ALTER SYSTEM RESET synchronous_standby_names", reload)


async def _commits_held(stage: Stage) -> None:
    await stage.wait(_FIRST_JOBS_END)
    held = stage.proxies[0].interference = HeldCommits()
    await stage.wait(_STALL)
    held.release()
    stage.notes.append(f"{held.count} commits held")


async def _commits_unheard(stage: Stage) -> None:
    await stage.wait(_FIRST_JOBS_END)
    unheard = stage.proxies[0].interference = UnheardCommits()
    await stage.wait(_STALL)
    unheard.release()
    stage.notes.append(f"{unheard.count} commits unheard")


async def _pool_hung(stage: Stage) -> None:
    await stage.wait(_FIRST_JOBS_END)
    hung = stage.proxies[0].interference = HungPool()
    await stage.wait(_STOP)
    hung.release()


async def _replica_stopped(stage: Stage) -> None:
    await stage.wait(_FIRST_JOBS_END)
    stage.gateways[0].suspend()
    await stage.wait(_STOP)
    stage.gateways[0].resume()


async def _stopped_in_transaction(stage: Stage) -> None:
    await stage.wait(_FIRST_JOBS_END)
    stop = stage.proxies[0].interference = StopInTransaction(stage.gateways[0].suspend)
    is_stopped = await stage.wait_until(stop.is_stopped.is_set, _MOMENT)
    await stage.wait(_STOP)
    stop.release()
    stage.gateways[0].resume()
    _note_moment(stage, is_stopped=is_stopped)


async def _stopped_before_send(stage: Stage) -> None:
    await stage.wait(_FIRST_JOBS_END)
    stop = stage.proxies[0].interference = StopAfterIntent(stage.gateways[0].suspend)
    is_stopped = await stage.wait_until(stop.is_stopped.is_set, _MOMENT)
    await stage.wait(_LONG_STOP)
    stage.gateways[0].resume()
    _note_moment(stage, is_stopped=is_stopped)


def _note_moment(stage: Stage, *, is_stopped: bool) -> None:
    if not is_stopped:
        raise RuntimeError("the moment to stop the process did not come")
    stage.notes.append("stopped at the moment")


async def _clock_of_one_server(stage: Stage) -> None:
    gateway, clock = stage.gateways[0], stage.clocks[0]
    for shift in stage.rng.sample((_HOUR, -_HOUR), 2):
        await stage.wait(_FIRST_JOBS_END)
        clock.step(shift)
        await stage.wait(stage.rng.uniform(0, 3))
        await gateway.kill()
        await gateway.start()
        await stage.wait(_FIRST_JOBS_END)
        clock.step(0)
        await stage.wait(stage.rng.uniform(0, 3))
        await gateway.kill()
        await gateway.start()


async def _clocks_of_replicas(stage: Stage) -> None:
    await stage.wait(_FIRST_JOBS_END)
    for clock, shift in zip(stage.clocks, stage.rng.sample((_HOUR, -_HOUR), 2), strict=True):
        clock.step(shift)
    await stage.wait(stage.rng.uniform(2, 8))
    victim = stage.rng.randrange(2)
    await stage.gateways[victim].kill()
    stage.clocks[victim].step(0)
    await stage.wait(_FIRST_JOBS_END)
    await stage.gateways[victim].start()
    await stage.wait(_FIRST_JOBS_END)
    stage.clocks[1 - victim].step(0)


async def _replica_without_service(stage: Stage) -> None:
    await stage.wait(_FIRST_JOBS_END)
    await stage.gateways[0].kill()
    await stage.wait(_STOP)
    await stage.gateways[0].start()


async def _partition(stage: Stage) -> None:
    await stage.wait(_FIRST_JOBS_END)
    stage.proxies[0].partition()
    await stage.wait(_STOP)
    stage.proxies[0].heal()


async def _copied_file(stage: Stage) -> None:
    await stage.wait(_FIRST_JOBS_END)
    copy = stage.folder / "copy.db"
    backup(stage.file, copy)
    second = stage.new_gateway("copy", f"sqlite:///{copy}", assets="copied-assets")
    async with aclosing(second):
        await second.start()
        await stage.wait(_LONG_STOP)


async def _restored_backup(stage: Stage) -> None:
    await stage.wait(_FIRST_JOBS_END)
    copy = stage.folder / "backup.db"
    backup(stage.file, copy)
    saved_at = time.time()  # noqa: TID251  # compared with the simulator's times
    await stage.wait(_FIRST_JOBS_END)
    await stage.gateways[0].kill()
    restore(copy, stage.file)
    stage.memory_gap = (saved_at, time.time())  # noqa: TID251  # as above
    await stage.gateways[0].start()


_SQLITE = Setup()
_TWO = Setup(database=DatabaseKind.POSTGRES, replicas=2)
_ONWARD = dict.fromkeys(BRIEF_FAULTS, 0.01) | {FAILS: 0.4}
"""Many jobs fail, so that many videos are to be sent on."""

_OTHERS: Sequence[Trouble] = (
    Trouble("sqlite-locked", "SQLite's lock held elsewhere for 25 s", _sqlite_locked, _SQLITE),
    Trouble(
        "sqlite-frozen",
        "SQLite's file system frozen for 25 s",
        _sqlite_frozen,
        Setup(database=DatabaseKind.SQLITE_ON_FREEZABLE_DISK),
    ),
    Trouble("postgres-stopped", "PostgreSQL stopped for 25 s", _postgres_stopped, _TWO),
    Trouble(
        "postmaster-killed", "PostgreSQL's postmaster killed, away 25 s", _postmaster_killed, _TWO
    ),
    Trouble("commits-hang", "all commits hang 25 s in PostgreSQL, then land", _commits_hang, _TWO),
    Trouble(
        "commits-held", "one replica's commits reach PostgreSQL 25 s late", _commits_held, _TWO
    ),
    Trouble(
        "commits-unheard", "one replica hears of its commits 25 s late", _commits_unheard, _TWO
    ),
    Trouble("pool-hung", "all connections hang 45 s but the heartbeat's", _pool_hung, _TWO),
    Trouble("replica-stopped", "SIGSTOP of a replica for 45 s", _replica_stopped, _TWO),
    Trouble(
        "stopped-in-transaction",
        "SIGSTOP inside a transaction for 45 s",
        _stopped_in_transaction,
        _TWO,
    ),
    Trouble(
        "stopped-before-send",
        "SIGSTOP between commit and send for 150 s",
        _stopped_before_send,
        replace(_TWO, deadline=400.0),
    ),
    Trouble(
        "clock-one-server",
        "the clock steps ±1 h, with kills, on SQLite",
        _clock_of_one_server,
        Setup(has_clocks=True),
    ),
    Trouble(
        "clock-replicas",
        "the clocks of two replicas step +1 h and -1 h, with a kill",
        _clocks_of_replicas,
        replace(_TWO, has_clocks=True),
    ),
    Trouble(
        "replica-without-service",
        "killed for 45 s beside a replica without half of the services",
        _replica_without_service,
        replace(_TWO, missing=("refunding", "relay")),
    ),
    Trouble("partition", "a replica cut off from PostgreSQL for 45 s", _partition, _TWO),
    Trouble(
        "copied-file",
        "a second server on a copy of the file",
        _copied_file,
        Setup(shares=_ONWARD, deadline=240.0),
    ),
    Trouble(
        "restored-backup",
        "killed, a backup of 8 s before put back",
        _restored_backup,
        Setup(shares=_ONWARD, deadline=120.0),
    ),
)


def all_troubles(kill: Trouble) -> Mapping[str, Trouble]:
    """Return all troubles by name, the kills first."""
    return {trouble.name: trouble for trouble in (kill, *_OTHERS)}
