"""The prober sends planned probes on time, in virtual time, whatever fails around it."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.board import Board
from tallylight.catalogue.services import ProbeIntervals, Service, Upstream
from tallylight.clock import VirtualClock
from tallylight.documents.secret import Secret
from tallylight.errors import BudgetError, StorageError
from tallylight.model.evidence import Depth, Evidence, Failure, FailureKind, Fault, Source
from tallylight.model.ids import NO_KEY, ServiceId, VideoId
from tallylight.model.jobs import JobRef
from tallylight.model.money import ANY_RESOLUTION, Budget, Price, PriceUnit
from tallylight.model.status import Status
from tallylight.model.verdict import Block, Incident
from tallylight.model.video import Video, VideoKind
from tallylight.probes.paid_probes import ProbeHistory
from tallylight.probes.plan import ProbeTiming
from tallylight.probes.probe_state import ProbeState
from tallylight.probes.prober import Prober
from tallylight.probes.timers import Timers
from tallylight.storage.evidence import EvidenceRecord
from tallylight.storage.state_snapshots import StateSnapshot
from tallylight.storage.transition_record import TransitionRecord
from tallylight.upstreams.messages import Phase, Reply, Request
from tallylight.verdicts.options import PolicyOptions
from tests.builders import order_of, service_named

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
STEADY = ProbeTiming(jitter=0.0)


class EmptyBoardStorage:
    """Board storage that stores nothing."""

    kept: tuple[Evidence, ...] = ()

    def add_evidence(self, piece: Evidence) -> None:
        pass

    async def record_transitions(self, records: Callable[[], Sequence[TransitionRecord]]) -> None:
        records()

    async def save_snapshots(self, snapshot: Callable[[], Mapping[ServiceId, str]]) -> None:
        pass

    async def snapshots(self) -> Mapping[ServiceId, StateSnapshot]:
        return {}

    async def replay(
        self, _: Collection[ServiceId], __: Mapping[ServiceId, int], ___: datetime
    ) -> AsyncIterator[EvidenceRecord]:
        for number, piece in enumerate(self.kept, start=1):
            yield EvidenceRecord(number, piece)

    async def evidence_after(self, _: int) -> Sequence[EvidenceRecord]:
        return ()

    async def latest_cursor(self) -> int:
        return 0

    async def had_jobs(self, _: Collection[ServiceId], __: datetime, ___: timedelta) -> bool:
        return False

    async def open_incidents(self) -> Sequence[Incident]:
        return ()


@dataclass
class FakeUpstreams:
    """Responds at once as each test wants, and records the time of each request."""

    clock: VirtualClock
    requests: dict[str, list[tuple[Phase, datetime]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    status: dict[str, int | None] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    delays: dict[str, timedelta] = field(default_factory=dict)

    async def send(self, request: Request, upstream: Upstream) -> Reply:
        name = str(upstream.id)
        self.requests[name].append((request.phase, self.clock.now()))
        if name in self.broken:
            raise ZeroDivisionError("a defect of ours")
        await self.clock.sleep(self.delays.get(name, timedelta()))
        status = self.status.get(name, 200)
        if status is None:
            error = "ConnectionRefusedError: refused"
            return Reply(request.phase, None, {}, "", error=error, was_sent=False)
        body = '{"object": "list", "data": [{"id": "sora-2"}]}' if status == 200 else "set_faults"
        return Reply(request.phase, status, {}, body, first_byte_seconds=0.1)

    def times(self, name: str, phase: Phase) -> list[timedelta]:
        return [at - NOON for requests, at in self.requests[name] if requests is phase]


@dataclass
class FakePaidProbes:
    """Paid probes that deliver, refuse or fail as a test wants."""

    clock: VirtualClock
    board: Board | None = None
    sent: list[tuple[ServiceId, datetime]] = field(default_factory=list)
    budget: bool = True
    is_unavailable: bool = False
    duration: timedelta = MINUTE
    histories: dict[ServiceId, ProbeHistory] = field(default_factory=dict)
    charged: list[tuple[ServiceId, Depth]] = field(default_factory=list)
    total_budget: Budget = field(default_factory=Budget)

    async def start(self, service: Service) -> Video:
        if self.is_unavailable:
            raise StorageError("database: away")
        if not self.budget:
            raise BudgetError("per_day total", Decimal(1), Decimal(1), Decimal("0.4"))
        self.sent.append((service.id, self.clock.now()))
        return probe_of(service, self.clock.now())

    async def result(self, probe: Video) -> Evidence:
        await self.clock.sleep(self.duration)
        done = Evidence(
            ServiceId(probe.model), self.clock.now(), Source.GENERATION, latency=self.duration
        )
        assert self.board is not None
        await self.board.report(done)
        return done

    async def load_histories(self) -> Mapping[ServiceId, ProbeHistory]:
        if self.is_unavailable:
            raise StorageError("database: away")
        return self.histories

    async def record_unexpected_charge(self, service: Service, depth: Depth, _: JobRef) -> None:
        self.charged.append((service.id, depth))


def probe_of(service: Service, at: datetime) -> Video:
    return Video(
        id=VideoId("one"),
        key=NO_KEY,
        model=service.id,
        prompt="a boat",
        seconds=4,
        size="1280x720",
        created_at=at,
        deadline=at + HOUR,
        kind=VideoKind.PROBE,
    )


def service_of(name: str, intervals: ProbeIntervals) -> Service:
    service = service_named(name, provider=name)
    price = Price(PriceUnit.PER_CALL, {ANY_RESOLUTION: Decimal("0.4")})
    return replace(
        service,
        sheet=replace(service.sheet, price=price),
        probe_intervals=intervals,
        probe_order=order_of("a boat", 4, "1280x720"),
    )


REACH = ProbeIntervals(reach=MINUTE, credentials=None, generation=None)


@dataclass
class ProberSetup:
    clock: VirtualClock
    upstreams: FakeUpstreams
    paid_probes: FakePaidProbes
    board: Board
    prober: Prober

    async def apply_config(self, *services: Service) -> None:
        await self.board.apply_config(services, PolicyOptions())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.prober.run())
        try:
            yield
            assert not task.done(), task.exception()
        finally:
            task.cancel()
            await asyncio.wait([task])


@pytest.fixture
def env() -> ProberSetup:
    clock = VirtualClock(NOON)
    upstreams, board = FakeUpstreams(clock), Board(EmptyBoardStorage(), clock)
    paid_probes = FakePaidProbes(clock, board)
    prober = Prober(board, upstreams, paid_probes, clock, lambda: STEADY)
    return ProberSetup(clock, upstreams, paid_probes, board, prober)


def close_to(times: Sequence[timedelta], *seconds: float) -> bool:
    pairs = zip(times, seconds, strict=True)
    return all(abs(at.total_seconds() - wanted) <= 1 for at, wanted in pairs)


async def test_every_service_is_probed_at_its_interval(env: ProberSetup) -> None:
    await env.apply_config(
        service_of("a", REACH), service_of("b", replace(REACH, reach=2 * MINUTE))
    )

    async with env.running():
        await env.clock.advance(4 * MINUTE + 5 * SECOND)

    assert close_to(env.upstreams.times("a", Phase.REACH), 0, 60, 120, 180, 240)
    assert close_to(env.upstreams.times("b", Phase.REACH), 0, 120, 240)


async def test_a_bad_result_is_probed_again_after_10_20_and_5_seconds(env: ProberSetup) -> None:
    await env.apply_config(service_of("a", REACH))
    env.upstreams.status["a"] = 503

    async with env.running():
        await env.clock.advance(2 * MINUTE)

    assert close_to(env.upstreams.times("a", Phase.REACH), 0, 10, 30, 35, 95)
    assert env.board.verdict(ServiceId("a")).status is Status.SUSPENDED


async def test_a_thousand_services_are_all_probed_within_one_interval(env: ProberSetup) -> None:
    await env.apply_config(*(service_of(f"s{n}", REACH) for n in range(1000)))

    async with env.running():
        await env.clock.advance(MINUTE)

    requests = [env.upstreams.times(f"s{n}", Phase.REACH) for n in range(1000)]
    assert all(len(times) >= 1 for times in requests)
    first = sorted(times[0] for times in requests)
    assert first[500] - first[0] >= 20 * SECOND  # spread, not sent at once


async def test_undecided_jobs_are_probed_again_after_five_minutes_and_then_rarely(
    env: ProberSetup,
) -> None:
    await env.apply_config(service_of("a", ProbeIntervals(MINUTE, None, 3 * HOUR)))

    async with env.running():
        await env.clock.advance(2 * HOUR)

    times = [at - NOON for _, at in env.paid_probes.sent]
    assert close_to(times[:2], 0, 300)
    assert len(times) <= 3


async def test_live_traffic_postpones_paid_probes(env: ProberSetup) -> None:
    name = ServiceId("a")
    await env.apply_config(service_of(name, ProbeIntervals(MINUTE, None, HOUR)))
    env.paid_probes.histories[name] = ProbeHistory(last_intended_at=NOON - timedelta(minutes=30))
    for _ in range(6):
        traffic = Evidence(name, env.clock.now(), Source.TRAFFIC, latency=MINUTE)
        await env.board.report(traffic)
        await env.clock.advance(SECOND)

    async with env.running():
        for _ in range(12):
            await env.clock.advance(10 * MINUTE)
            traffic = Evidence(name, env.clock.now(), Source.TRAFFIC, latency=MINUTE)
            await env.board.report(traffic)
        while_busy = len(env.paid_probes.sent)
        await env.clock.advance(2 * HOUR)

    assert while_busy == 0
    assert len(env.paid_probes.sent) >= 1


async def test_a_withheld_generation_is_shown_and_tried_again_later(
    env: ProberSetup,
) -> None:
    await env.apply_config(service_of("a", ProbeIntervals(MINUTE, None, 3 * HOUR)))
    env.paid_probes.budget = False

    async with env.running():
        await env.clock.advance(MINUTE)
        shown = env.prober.withheld_reasons()
        env.paid_probes.budget = True
        await env.clock.advance(5 * MINUTE)

    assert "per_day total" in shown[ServiceId("a")]
    assert close_to([at - NOON for _, at in env.paid_probes.sent], 300)
    assert env.prober.withheld_reasons() == {}


async def test_an_unavailable_database_is_not_queried_four_times_a_second(
    env: ProberSetup, capsys: pytest.CaptureFixture[str]
) -> None:
    await env.apply_config(service_of("a", ProbeIntervals(MINUTE, None, 3 * HOUR)))
    async with env.running():
        await env.clock.advance(2 * MINUTE)
        sent = len(env.paid_probes.sent)
        env.paid_probes.is_unavailable = True
        capsys.readouterr()
        await env.clock.advance(10 * MINUTE)
        complaints = capsys.readouterr().out.count("probe.failed")
        env.paid_probes.is_unavailable = False
        await env.clock.advance(10 * MINUTE)

    assert 1 <= complaints <= 3
    assert len(env.paid_probes.sent) > sent
    assert len(env.upstreams.times("a", Phase.REACH)) >= 20


async def test_an_internal_error_in_one_probe_does_not_stop_the_others(
    env: ProberSetup, capsys: pytest.CaptureFixture[str]
) -> None:
    await env.apply_config(service_of("a", REACH), service_of("b", REACH))
    env.upstreams.broken.add("a")

    async with env.running():
        await env.clock.advance(4 * MINUTE + 5 * SECOND)

    assert len(env.upstreams.times("b", Phase.REACH)) == 5
    assert len(env.upstreams.times("a", Phase.REACH)) == 5
    assert "a defect of ours" in capsys.readouterr().out


async def test_a_reload_adds_removes_and_changes_services(env: ProberSetup) -> None:
    await env.apply_config(service_of("a", REACH), service_of("b", replace(REACH, reach=HOUR)))
    async with env.running():
        await env.clock.advance(MINUTE + 5 * SECOND)
        await env.apply_config(service_of("b", REACH), service_of("c", REACH))
        await env.clock.advance(2 * MINUTE)

    assert len(env.upstreams.times("a", Phase.REACH)) == 2
    assert close_to(env.upstreams.times("b", Phase.REACH), 0, 65, 125)
    assert len(env.upstreams.times("c", Phase.REACH)) == 2


async def test_removing_a_service_during_its_probe_does_not_affect_others(
    env: ProberSetup,
) -> None:
    await env.apply_config(service_of("a", REACH), service_of("b", REACH))
    env.upstreams.delays["a"] = 10 * SECOND

    async with env.running():
        await env.clock.advance(5 * SECOND)
        task = asyncio.create_task(env.apply_config(service_of("b", REACH)))
        await env.clock.advance(3 * MINUTE)
        await task

    assert len(env.upstreams.times("b", Phase.REACH)) == 4
    assert env.prober.planned_probes(ServiceId("a")) == ()


async def test_a_hanging_service_is_not_probed_twice_at_once(env: ProberSetup) -> None:
    await env.apply_config(service_of("a", REACH))
    env.upstreams.delays["a"] = 5 * MINUTE

    async with env.running():
        await env.clock.advance(4 * MINUTE)

    assert len(env.upstreams.times("a", Phase.REACH)) == 1


async def test_a_retired_service_gets_only_a_credentials_probe(env: ProberSetup) -> None:
    name = ServiceId("a")
    await env.apply_config(service_of(name, ProbeIntervals(MINUTE, 10 * MINUTE, 3 * HOUR)))
    gone = Evidence(name, NOON, Source.CALENDAR, claimed_status=Status.RETIRED, until=NOON - HOUR)
    await env.board.report(gone)

    async with env.running():
        await env.clock.advance(HOUR)
        (next_one,) = env.prober.planned_probes(name)

    assert env.paid_probes.sent == []
    assert env.upstreams.times("a", Phase.REACH) == []
    assert len(env.upstreams.times("a", Phase.PROBE)) == 1
    assert next_one.depth is Depth.CREDENTIALS
    assert next_one.at - NOON >= 24 * HOUR


async def test_overdue_probes_are_spread_over_the_first_round_after_a_long_downtime(
    env: ProberSetup,
) -> None:
    names = [ServiceId(f"s{n}") for n in range(600)]
    await env.apply_config(
        *(service_of(name, ProbeIntervals(MINUTE, None, HOUR)) for name in names)
    )
    env.paid_probes.histories = {
        name: ProbeHistory(last_intended_at=NOON - 9 * HOUR) for name in names
    }

    async with env.running():
        await env.clock.advance(30 * SECOND)
        halfway = len(env.paid_probes.sent)

    assert 250 <= halfway <= 450


async def test_a_billed_depth_stays_disabled_after_a_restart(env: ProberSetup) -> None:
    service = service_of("a", ProbeIntervals(MINUTE, 10 * MINUTE, 3 * HOUR))
    await env.apply_config(service)
    env.paid_probes.histories[service.id] = ProbeHistory(
        NOON - MINUTE, frozenset({Depth.CREDENTIALS})
    )

    async with env.running():
        await env.clock.advance(HOUR)

    assert env.upstreams.times("a", Phase.PROBE) == []


async def test_a_refused_key_that_only_a_create_finds_is_tried_again(env: ProberSetup) -> None:
    name = ServiceId("a")
    await env.apply_config(service_of(name, ProbeIntervals(MINUTE, 10 * MINUTE, HOUR)))
    refused = Failure(FailureKind.AUTH, Fault.OURS, "code:group", http_status=403)
    await env.board.report(Evidence(name, NOON, Source.GENERATION, failure=refused))
    assert env.board.verdict(name).blocked is Block.AUTH

    async with env.running():
        await env.clock.advance(2 * HOUR)

    assert env.paid_probes.sent
    assert env.board.verdict(name).blocked is None


def with_key(service: Service, key: str) -> Service:
    return replace(service, upstream=replace(service.upstream, key=Secret(key)))


async def test_a_replaced_key_is_checked_within_seconds_and_clears_the_block(
    env: ProberSetup,
) -> None:
    name = ServiceId("a")
    service = service_of(name, ProbeIntervals(None, HOUR, None))
    await env.apply_config(with_key(service, "old"))
    env.upstreams.status["a"] = 401

    async with env.running():
        await env.clock.advance(10 * MINUTE)
        refused = env.board.verdict(name).blocked
        env.upstreams.status["a"] = 200
        await env.apply_config(with_key(service, "new"))
        await env.clock.advance(6 * SECOND)
        cleared = env.board.verdict(name).blocked
        await env.clock.advance(50 * MINUTE)

    assert (refused, cleared) == (Block.AUTH, None)
    assert len(env.upstreams.times("a", Phase.PROBE)) == 2


async def test_a_credentials_probe_that_began_with_the_old_key_does_not_block_the_new_one(
    env: ProberSetup,
) -> None:
    name = ServiceId("a")
    service = service_of(name, ProbeIntervals(None, HOUR, None))
    await env.apply_config(with_key(service, "old"))
    env.upstreams.status["a"], env.upstreams.delays["a"] = 401, 20 * SECOND

    async with env.running():
        await env.clock.advance(10 * SECOND)
        await env.apply_config(with_key(service, "new"))
        await env.clock.advance(15 * SECOND)
        answered = env.board.latest_evidence(name, Source.CREDENTIALS)
        blocked = env.board.verdict(name).blocked
        await env.clock.advance(30 * SECOND)

    assert answered is not None
    assert not answered.is_good
    assert blocked is None
    assert env.board.verdict(name).blocked is Block.AUTH  # the new key is refused as well


def test_the_first_order_waits_for_the_first_check_of_the_key_and_no_later_one() -> None:
    state = ProbeState(NOON, in_progress={Depth.REACH, Depth.CREDENTIALS})
    at_first = state.may_probe(Depth.GENERATION)
    state.record_finished(Depth.CREDENTIALS)
    then = state.may_probe(Depth.GENERATION)
    state.in_progress.add(Depth.CREDENTIALS)

    assert (at_first, then, state.may_probe(Depth.GENERATION)) == (False, True, True)


async def test_a_refused_key_is_tried_by_paid_probes_if_credentials_probes_fall_silent(
    env: ProberSetup,
) -> None:
    name = ServiceId("a")
    await env.apply_config(service_of(name, ProbeIntervals(None, 10 * MINUTE, HOUR)))
    env.upstreams.status["a"] = 401

    async with env.running():
        await env.clock.advance(20 * MINUTE)
        at_first = len(env.paid_probes.sent)
        await env.clock.advance(2 * HOUR)
        while_refused = len(env.paid_probes.sent)
        env.upstreams.status["a"] = None
        await env.clock.advance(HOUR)

    assert while_refused == at_first
    assert len(env.paid_probes.sent) > while_refused
    assert env.board.verdict(name).blocked is None


@given(
    st.lists(
        st.tuples(st.sampled_from("abcde"), st.integers(-50, 500), st.booleans()),
        max_size=300,
    )
)
def test_timers_never_pile_up_and_none_is_missed(
    steps: list[tuple[str, int, bool]],
) -> None:
    calls, now = Timers(), NOON
    wanted: dict[ServiceId, datetime] = {}

    for name, seconds, is_due in steps:
        id_, at = ServiceId(name), now + timedelta(seconds=seconds)
        calls.schedule(id_, at)
        wanted[id_] = min(at, wanted.get(id_, at))
        if is_due:
            now += 20 * SECOND
            due = set(calls.due(now))
            assert due == {name for name, moment in wanted.items() if moment <= now}
            wanted = {name: moment for name, moment in wanted.items() if moment > now}
        assert len(calls) <= 2 * len(wanted) + 65
