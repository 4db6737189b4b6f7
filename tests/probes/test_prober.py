"""The prober keeps its appointments, in virtual time, whatever breaks around it."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.board import Board
from tallylight.catalogue.services import (
    FactSheet,
    Medium,
    ProbeIntervals,
    Service,
    ShutdownPrecision,
    Upstream,
)
from tallylight.clock import VirtualClock
from tallylight.errors import BudgetError, StorageError
from tallylight.model.attempt import Attempt
from tallylight.model.evidence import Depth, Evidence, Failure, FailureKind, Fault, Source
from tallylight.model.ids import AttemptId, ProviderId, ServiceId, UpstreamId
from tallylight.model.ledger import EntryId, Purpose
from tallylight.model.money import Budget, Price, PriceUnit
from tallylight.model.order import Order
from tallylight.model.status import Access, Status
from tallylight.model.verdict import Incident
from tallylight.probes.paid_probes import ProbeHistory
from tallylight.probes.plan import ProbeTiming
from tallylight.probes.prober import Prober
from tallylight.probes.timers import Timers
from tallylight.storage.evidence import EvidenceRecord
from tallylight.storage.state_snapshots import StateSnapshot
from tallylight.storage.transition_record import TransitionRecord
from tallylight.upstreams.messages import Job, Phase, Reply, Request
from tallylight.verdicts.options import PolicyOptions

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
STEADY = ProbeTiming(jitter=0.0)


class NoArchive:
    """A history that keeps nothing."""

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

    async def open_incidents(self) -> Sequence[Incident]:
        return ()


@dataclass
class Upstreams:
    """Answers at once, as each test wants, and remembers when it was asked."""

    clock: VirtualClock
    asked: dict[str, list[tuple[Phase, datetime]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    status: dict[str, int | None] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    waits: dict[str, timedelta] = field(default_factory=dict)

    async def send(self, request: Request, upstream: Upstream) -> Reply:
        name = str(upstream.id)
        self.asked[name].append((request.phase, self.clock.now()))
        if name in self.broken:
            raise ZeroDivisionError("a defect of ours")
        await self.clock.sleep(self.waits.get(name, timedelta()))
        status = self.status.get(name, 200)
        if status is None:
            error = "ConnectionRefusedError: refused"
            return Reply(request.phase, None, {}, "", error=error, was_sent=False)
        body = '{"object": "list", "data": [{"id": "sora-2"}]}' if status == 200 else "trouble"
        return Reply(request.phase, status, {}, body, first_byte_seconds=0.1)

    def times(self, name: str, phase: Phase) -> list[timedelta]:
        return [at - NOON for asked, at in self.asked[name] if asked is phase]


@dataclass
class Till:
    """Paid probes that deliver, refuse or break as a test wants."""

    clock: VirtualClock
    board: Board | None = None
    placed: list[tuple[ServiceId, datetime]] = field(default_factory=list)
    budget: bool = True
    is_away: bool = False
    takes: timedelta = MINUTE
    memory: dict[ServiceId, ProbeHistory] = field(default_factory=dict)
    booked: list[tuple[ServiceId, Depth]] = field(default_factory=list)
    left: tuple[Attempt, ...] = ()
    total_budget: Budget = field(default_factory=Budget)

    async def prepare(self, service: Service) -> Attempt:
        if self.is_away:
            raise StorageError("database: away")
        if not self.budget:
            raise BudgetError("per_day total", Decimal(1), Decimal(1), Decimal("0.4"))
        self.placed.append((service.id, self.clock.now()))
        return attempt_of(service, self.clock.now())

    async def run(self, service: Service, _: Attempt) -> Evidence:
        await self.clock.sleep(self.takes)
        done = Evidence(service.id, self.clock.now(), Source.GENERATION, latency=self.takes)
        assert self.board is not None
        await self.board.report(done)
        return done

    async def open_attempts(self) -> tuple[Attempt, ...]:
        return self.left

    async def resume(self, attempt: Attempt) -> Evidence:
        await self.clock.sleep(self.takes)
        return Evidence(attempt.service, self.clock.now(), Source.GENERATION)

    async def load_histories(self) -> Mapping[ServiceId, ProbeHistory]:
        if self.is_away:
            raise StorageError("database: away")
        return self.memory

    async def record_unexpected_charge(self, service: Service, depth: Depth, _: Job) -> None:
        self.booked.append((service.id, depth))


def attempt_of(service: Service, at: datetime) -> Attempt:
    return Attempt(
        id=AttemptId("one"),
        service=service.id,
        purpose=Purpose.PROBE,
        order=Order("a boat", 4, "1280x720"),
        model=service.model,
        entry=EntryId("one"),
        intended_at=at,
    )


def service_of(name: str, pace: ProbeIntervals) -> Service:
    return Service(
        id=ServiceId(name),
        name=name,
        upstream=Upstream(
            id=UpstreamId(name),
            provider=ProviderId(name),
            base_url="http://127.0.0.1/v1",
            protocol="openai_videos",
            dialect="openai",
            key=None,
        ),
        model="sora-2",
        access=Access.OFFICIAL,
        sheet=FactSheet(
            provider=ProviderId(name),
            model="sora-2",
            title=name,
            medium=Medium.VIDEO,
            access=Access.OFFICIAL,
            protocol="openai_videos",
            lengths=(4,),
            sizes=("1280x720",),
            price=Price(PriceUnit.PER_CALL, {"*": Decimal("0.4")}),
            announced_at=None,
            shutdown_at=None,
            shutdown_precision=ShutdownPrecision.EXACT,
            replacement="",
            notes="",
            sources=(),
            as_of=date(2026, 1, 1),
        ),
        probe_intervals=pace,
        budget=Budget(),
        probe_order=Order("a boat", 4, "1280x720"),
    )


REACH = ProbeIntervals(reach=MINUTE, credentials=None, generation=None)


@dataclass
class Watchtower:
    clock: VirtualClock
    upstreams: Upstreams
    till: Till
    board: Board
    prober: Prober

    async def seat(self, *services: Service) -> None:
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
def tower() -> Watchtower:
    clock = VirtualClock(NOON)
    upstreams, board = Upstreams(clock), Board(NoArchive(), clock)
    till = Till(clock, board)
    prober = Prober(board, upstreams, till, clock, lambda: STEADY)
    return Watchtower(clock, upstreams, till, board, prober)


def close_to(times: Sequence[timedelta], *seconds: float) -> bool:
    pairs = zip(times, seconds, strict=True)
    return all(abs(at.total_seconds() - wanted) <= 1 for at, wanted in pairs)


async def test_every_service_is_reached_at_its_pace(tower: Watchtower) -> None:
    await tower.seat(service_of("a", REACH), service_of("b", replace(REACH, reach=2 * MINUTE)))

    async with tower.running():
        await tower.clock.advance(4 * MINUTE + 5 * SECOND)

    assert close_to(tower.upstreams.times("a", Phase.REACH), 0, 60, 120, 180, 240)
    assert close_to(tower.upstreams.times("b", Phase.REACH), 0, 120, 240)


async def test_a_bad_result_is_looked_at_again_after_10_20_and_5_seconds(tower: Watchtower) -> None:
    await tower.seat(service_of("a", REACH))
    tower.upstreams.status["a"] = 503

    async with tower.running():
        await tower.clock.advance(2 * MINUTE)

    assert close_to(tower.upstreams.times("a", Phase.REACH), 0, 10, 30, 35, 95)
    assert tower.board.verdict(ServiceId("a")).status is Status.SUSPENDED


async def test_a_thousand_services_are_all_reached_within_one_interval(tower: Watchtower) -> None:
    await tower.seat(*(service_of(f"s{n}", REACH) for n in range(1000)))

    async with tower.running():
        await tower.clock.advance(MINUTE)

    asked = [tower.upstreams.times(f"s{n}", Phase.REACH) for n in range(1000)]
    assert all(len(times) >= 1 for times in asked)
    first = sorted(times[0] for times in asked)
    assert first[500] - first[0] >= 20 * SECOND  # in no rush, either


async def test_jobs_in_doubt_are_probed_again_after_five_minutes_and_then_rarely(
    tower: Watchtower,
) -> None:
    await tower.seat(service_of("a", ProbeIntervals(MINUTE, None, 3 * HOUR)))

    async with tower.running():
        await tower.clock.advance(2 * HOUR)

    times = [at - NOON for _, at in tower.till.placed]
    assert close_to(times[:2], 0, 300)
    assert len(times) <= 3


async def test_live_traffic_puts_paid_probes_off(tower: Watchtower) -> None:
    name = ServiceId("a")
    await tower.seat(service_of(name, ProbeIntervals(MINUTE, None, HOUR)))
    tower.till.memory[name] = ProbeHistory(last_intended_at=NOON - timedelta(minutes=30))
    for _ in range(6):
        traffic = Evidence(name, tower.clock.now(), Source.TRAFFIC, latency=MINUTE)
        await tower.board.report(traffic)
        await tower.clock.advance(SECOND)

    async with tower.running():
        for _ in range(12):
            await tower.clock.advance(10 * MINUTE)
            traffic = Evidence(name, tower.clock.now(), Source.TRAFFIC, latency=MINUTE)
            await tower.board.report(traffic)
        while_busy = len(tower.till.placed)
        await tower.clock.advance(2 * HOUR)

    assert while_busy == 0
    assert len(tower.till.placed) >= 1


async def test_what_a_budget_withholds_is_asked_for_again_later_and_shown(
    tower: Watchtower,
) -> None:
    await tower.seat(service_of("a", ProbeIntervals(MINUTE, None, 3 * HOUR)))
    tower.till.budget = False

    async with tower.running():
        await tower.clock.advance(MINUTE)
        shown = tower.prober.withheld_reasons()
        tower.till.budget = True
        await tower.clock.advance(5 * MINUTE)

    assert "per_day total" in shown[ServiceId("a")]
    assert close_to([at - NOON for _, at in tower.till.placed], 300)
    assert tower.prober.withheld_reasons() == {}


async def test_a_database_that_is_away_is_not_asked_four_times_a_second(
    tower: Watchtower, capsys: pytest.CaptureFixture[str]
) -> None:
    await tower.seat(service_of("a", ProbeIntervals(MINUTE, None, 3 * HOUR)))
    async with tower.running():
        await tower.clock.advance(2 * MINUTE)
        placed = len(tower.till.placed)
        tower.till.is_away = True
        capsys.readouterr()
        await tower.clock.advance(10 * MINUTE)
        complaints = capsys.readouterr().out.count("probe.failed")
        tower.till.is_away = False
        await tower.clock.advance(10 * MINUTE)

    assert 1 <= complaints <= 3
    assert len(tower.till.placed) > placed
    assert len(tower.upstreams.times("a", Phase.REACH)) >= 20


async def test_one_defect_does_not_end_the_other_probes(
    tower: Watchtower, capsys: pytest.CaptureFixture[str]
) -> None:
    await tower.seat(service_of("a", REACH), service_of("b", REACH))
    tower.upstreams.broken.add("a")

    async with tower.running():
        await tower.clock.advance(4 * MINUTE + 5 * SECOND)

    assert len(tower.upstreams.times("b", Phase.REACH)) == 5
    assert len(tower.upstreams.times("a", Phase.REACH)) == 5
    assert "a defect of ours" in capsys.readouterr().out


async def test_services_come_go_and_change_their_pace_at_a_reload(tower: Watchtower) -> None:
    await tower.seat(service_of("a", REACH), service_of("b", replace(REACH, reach=HOUR)))
    async with tower.running():
        await tower.clock.advance(MINUTE + 5 * SECOND)
        await tower.seat(service_of("b", REACH), service_of("c", REACH))
        await tower.clock.advance(2 * MINUTE)

    assert len(tower.upstreams.times("a", Phase.REACH)) == 2
    assert close_to(tower.upstreams.times("b", Phase.REACH), 0, 65, 125)
    assert len(tower.upstreams.times("c", Phase.REACH)) == 2


async def test_a_service_that_goes_under_a_probe_takes_nobody_with_it(tower: Watchtower) -> None:
    await tower.seat(service_of("a", REACH), service_of("b", REACH))
    tower.upstreams.waits["a"] = 10 * SECOND

    async with tower.running():
        await tower.clock.advance(5 * SECOND)
        task = asyncio.create_task(tower.seat(service_of("b", REACH)))
        await tower.clock.advance(3 * MINUTE)
        await task

    assert len(tower.upstreams.times("b", Phase.REACH)) == 4
    assert tower.prober.planned_probes(ServiceId("a")) == ()


async def test_a_hanging_service_is_not_asked_twice_at_once(tower: Watchtower) -> None:
    await tower.seat(service_of("a", REACH))
    tower.upstreams.waits["a"] = 5 * MINUTE

    async with tower.running():
        await tower.clock.advance(4 * MINUTE)

    assert len(tower.upstreams.times("a", Phase.REACH)) == 1


async def test_a_retired_service_is_left_alone(tower: Watchtower) -> None:
    name = ServiceId("a")
    await tower.seat(service_of(name, ProbeIntervals(MINUTE, 10 * MINUTE, 3 * HOUR)))
    gone = Evidence(name, NOON, Source.CALENDAR, claimed_status=Status.RETIRED, until=NOON - HOUR)
    await tower.board.report(gone)

    async with tower.running():
        await tower.clock.advance(HOUR)
        (next_one,) = tower.prober.planned_probes(name)

    assert tower.till.placed == []
    assert tower.upstreams.times("a", Phase.REACH) == []
    assert len(tower.upstreams.times("a", Phase.PROBE)) == 1
    assert next_one.depth is Depth.CREDENTIALS
    assert next_one.at - NOON >= 24 * HOUR


async def test_what_is_overdue_after_a_long_stop_is_spread_over_the_opening_round(
    tower: Watchtower,
) -> None:
    names = [ServiceId(f"s{n}") for n in range(600)]
    await tower.seat(*(service_of(name, ProbeIntervals(MINUTE, None, HOUR)) for name in names))
    tower.till.memory = {name: ProbeHistory(last_intended_at=NOON - 9 * HOUR) for name in names}

    async with tower.running():
        await tower.clock.advance(30 * SECOND)
        halfway = len(tower.till.placed)

    assert 250 <= halfway <= 450


async def test_a_depth_that_cost_money_stays_off_where_a_job_is_resumed(tower: Watchtower) -> None:
    service = service_of("a", ProbeIntervals(MINUTE, 10 * MINUTE, 3 * HOUR))
    await tower.seat(service)
    tower.till.memory[service.id] = ProbeHistory(NOON - MINUTE, frozenset({Depth.CREDENTIALS}))
    tower.till.left = (attempt_of(service, NOON - MINUTE),)

    async with tower.running():
        await tower.clock.advance(HOUR)

    assert tower.upstreams.times("a", Phase.PROBE) == []


async def test_a_refused_key_that_only_a_create_finds_is_tried_again(tower: Watchtower) -> None:
    name = ServiceId("a")
    await tower.seat(service_of(name, ProbeIntervals(MINUTE, 10 * MINUTE, HOUR)))
    refused = Failure(FailureKind.AUTH, Fault.OURS, "code:group", http_status=403)
    await tower.board.report(Evidence(name, NOON, Source.GENERATION, failure=refused))
    assert tower.board.verdict(name).blocked is FailureKind.AUTH

    async with tower.running():
        await tower.clock.advance(2 * HOUR)

    assert tower.till.placed
    assert tower.board.verdict(name).blocked is None


@given(
    st.lists(
        st.tuples(st.sampled_from("abcde"), st.integers(-50, 500), st.booleans()),
        max_size=300,
    )
)
def test_calls_never_pile_up_and_none_is_missed(
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
