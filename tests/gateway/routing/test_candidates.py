"""What is expected of a service, from its state on the board and the newest jobs."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tallylight.catalogue.services import ProbeIntervals, Service
from tallylight.clock import VirtualClock
from tallylight.gateway.routing.candidates import DEFAULT_JOB_SECONDS, Candidates
from tallylight.gateway.routing.circuit_breaker import CLOSED_BREAKER, CircuitBreaker
from tallylight.gateway.routing.ranking import Candidate
from tallylight.model.evidence import Evidence, Failure, FailureKind, Fault, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Access, Status
from tallylight.model.verdict import Block, Verdict
from tallylight.verdicts.blocking import KeyPeriod
from tallylight.verdicts.judge import advance_time, initial_state, judge
from tallylight.verdicts.policy import DEFAULT_MTBF_AND_MTTR, REVERSE_LIKELIHOODS, Policy
from tallylight.verdicts.state import ServiceState
from tests.builders import BROKEN, priced_service

EMPTY = Failure(FailureKind.QUOTA, Fault.OURS, "status:402", http_status=402)
LOCKED = Failure(FailureKind.AUTH, Fault.OURS, "status:401", http_status=401)
A = ServiceId("a")


class FakeBoard:
    """A board of one service that judges like the real one and stores nothing."""

    def __init__(self, service: Service, clock: VirtualClock) -> None:
        mtbf, mttr = DEFAULT_MTBF_AND_MTTR[service.access]
        is_reverse = service.access is Access.REVERSE
        usual = Policy(access=service.access, mtbf=mtbf, mttr=mttr)
        self._policy = (
            Policy(access=service.access, mtbf=mtbf, mttr=mttr, likelihoods=REVERSE_LIKELIHOODS)
            if is_reverse
            else usual
        )
        self._service, self._clock = service, clock
        self._state = initial_state(service.id, clock.now())
        self._key_period = KeyPeriod(clock.now())

    def __contains__(self, id_: ServiceId) -> bool:
        return id_ == self._service.id

    def service(self, id_: ServiceId) -> Service:
        assert id_ in self
        return self._service

    def verdict(self, _: ServiceId) -> Verdict:
        self._state = advance_time(self._state, self._clock.now(), self._policy)
        return self._state.verdict

    def state(self, _: ServiceId) -> tuple[ServiceState, Policy]:
        return self._state, self._policy

    def key_period(self, _: ServiceId) -> KeyPeriod:
        return self._key_period

    async def replace_key(self) -> None:
        await self._clock.advance(timedelta(seconds=30))
        self._key_period = KeyPeriod(self._clock.now(), is_first=False)
        self._service = replace(self._service)

    async def credentials(self, failure: Failure | None = None) -> None:
        await self._clock.advance(timedelta(minutes=10))
        evidence = Evidence(self._service.id, self._clock.now(), Source.CREDENTIALS, failure)
        self._state = judge(self._state, evidence, self._policy)

    async def job(self, failure: Failure | None = None, *, seconds: float = 80) -> None:
        await self._clock.advance(timedelta(seconds=90))
        latency = None if failure else timedelta(seconds=seconds)
        evidence = Evidence(
            self._service.id, self._clock.now(), Source.TRAFFIC, failure, latency=latency
        )
        self._state = judge(self._state, evidence, self._policy)


@pytest.fixture
def breaker() -> CircuitBreaker:
    return CircuitBreaker()


@pytest.fixture
def official(clock: VirtualClock) -> FakeBoard:
    """Return the board of an official service without generation probes."""
    return FakeBoard(replace(priced_service(), probe_intervals=ProbeIntervals()), clock)


def candidate(board: FakeBoard, breaker: CircuitBreaker, clock: VirtualClock) -> Candidate:
    (found,) = Candidates(board, breaker, clock).for_services([A, ServiceId("gone")])
    return found


@pytest.mark.parametrize(
    ("access", "low", "high"), [(Access.OFFICIAL, 0.9, 0.96), (Access.REVERSE, 0.85, 0.95)]
)
def test_an_unknown_service_is_assumed_to_be_typical_of_its_access(
    breaker: CircuitBreaker,
    clock: VirtualClock,
    access: Access,
    low: float,
    high: float,
) -> None:
    found = candidate(FakeBoard(priced_service(access=access), clock), breaker, clock)

    assert found.verdict.status is Status.UNKNOWN
    assert low < found.delivery < high
    assert (found.seconds, found.p95_seconds) == (DEFAULT_JOB_SECONDS, None)
    assert found.traffic_share == pytest.approx(0.1)


async def test_the_jobs_of_a_service_give_its_success_rate_and_duration(
    official: FakeBoard, breaker: CircuitBreaker, clock: VirtualClock
) -> None:
    for number in range(30):
        await official.job(seconds=60 + number)

    found = candidate(official, breaker, clock)

    assert found.delivery > 0.95
    assert found.seconds == pytest.approx(83.5)
    assert found.p95_seconds == pytest.approx(88, rel=0.07)
    assert found.traffic_share == 1.0


async def test_a_service_that_often_fails_has_its_own_success_rate(
    official: FakeBoard, breaker: CircuitBreaker, clock: VirtualClock
) -> None:
    for number in range(60):
        await official.job(BROKEN if number % 4 == 3 else None)

    assert 0.55 < candidate(official, breaker, clock).delivery < 0.85


async def test_deliveries_before_an_outage_do_not_raise_the_success_rate_during_it(
    official: FakeBoard, breaker: CircuitBreaker, clock: VirtualClock
) -> None:
    for _ in range(20):
        await official.job()
    for _ in range(3):
        await official.job(BROKEN)

    assert candidate(official, breaker, clock).delivery < 0.2


async def test_a_failure_in_traffic_affects_the_next_request(
    official: FakeBoard, breaker: CircuitBreaker, clock: VirtualClock
) -> None:
    for _ in range(5):
        await official.job()
    candidates = Candidates(official, breaker, clock)
    (before,) = candidates.for_services([A])

    breaker.record_failure(A, BROKEN, clock.now())

    (after,) = candidates.for_services([A])
    assert after.delivery == pytest.approx(before.delivery / 2)


async def test_a_candidate_with_a_closed_breaker_is_computed_once_a_second(
    official: FakeBoard, breaker: CircuitBreaker, clock: VirtualClock
) -> None:
    for _ in range(5):
        await official.job()
    candidates = Candidates(official, breaker, clock)
    (first,) = candidates.for_services([A])

    (again,) = candidates.for_services([A])
    await clock.advance(timedelta(seconds=2))
    (fresh,) = candidates.for_services([A])

    assert breaker.state(A) is CLOSED_BREAKER
    assert again is first
    assert fresh is not first
    assert fresh.fitter is first.fitter


async def test_only_callers_can_show_that_an_unprobed_service_has_recovered(
    official: FakeBoard, breaker: CircuitBreaker, clock: VirtualClock
) -> None:
    await official.job()
    for _ in range(12):
        await official.job(BROKEN)
    breaker.record_failure(A, BROKEN, clock.now())

    resting = candidate(official, breaker, clock)
    await clock.advance(timedelta(minutes=5))
    rested = candidate(official, breaker, clock)

    assert resting.verdict.status is rested.verdict.status is Status.SUSPENDED
    assert (resting.is_trial, rested.is_trial) == (False, True)
    assert rested.traffic_share == pytest.approx(0.02)


async def test_a_service_that_is_probed_for_money_is_not_tried_on_callers(
    breaker: CircuitBreaker, clock: VirtualClock
) -> None:
    board = FakeBoard(priced_service(), clock)
    await board.job()
    for _ in range(12):
        await board.job(BROKEN)
    await clock.advance(timedelta(minutes=10))

    found = candidate(board, breaker, clock)

    assert found.verdict.status is Status.SUSPENDED
    assert not found.is_trial


@pytest.mark.parametrize(("failure", "is_tried"), [(EMPTY, True), (LOCKED, False)])
async def test_an_empty_balance_is_tried_again_as_no_free_probe_checks_it(
    official: FakeBoard,
    breaker: CircuitBreaker,
    clock: VirtualClock,
    failure: Failure,
    is_tried: bool,
) -> None:
    await official.job()
    await official.job(failure)
    await clock.advance(timedelta(minutes=6))

    found = candidate(official, breaker, clock)

    assert found.verdict.blocked is Block(failure.kind.value)
    assert found.is_trial is is_tried


async def test_a_good_credentials_probe_clears_a_refused_key(
    official: FakeBoard, breaker: CircuitBreaker, clock: VirtualClock
) -> None:
    await official.job()
    await official.job(LOCKED)
    await official.credentials()

    found = candidate(official, breaker, clock)

    assert found.verdict.blocked is None
    assert not found.is_trial


async def test_a_key_that_a_list_wrongly_cleared_is_tried_by_few_callers(
    official: FakeBoard, breaker: CircuitBreaker, clock: VirtualClock
) -> None:
    await official.job()
    for _ in range(3):
        await official.job(LOCKED)
        breaker.record_refusal(A, LOCKED, clock.now())
        resting = candidate(official, breaker, clock)
        await official.credentials()

    found = candidate(official, breaker, clock)

    assert resting.verdict.blocked is found.verdict.blocked is Block.AUTH
    assert (resting.is_trial, found.is_trial) == (False, True)
    assert found.traffic_share == pytest.approx(0.02)


async def test_a_refused_key_is_tried_by_few_callers_if_no_credentials_probe_gets_a_response(
    official: FakeBoard, breaker: CircuitBreaker, clock: VirtualClock
) -> None:
    await official.job()
    await official.job(LOCKED)
    await clock.advance(timedelta(hours=1))

    silent = candidate(official, breaker, clock)
    await official.credentials(LOCKED)
    refused = candidate(official, breaker, clock)

    assert silent.verdict.blocked is refused.verdict.blocked is Block.AUTH
    assert (silent.is_trial, refused.is_trial) == (True, False)


async def test_a_replaced_key_is_tried_at_once_and_only_until_it_is_refused(
    official: FakeBoard, breaker: CircuitBreaker, clock: VirtualClock
) -> None:
    await official.job()
    await official.job(LOCKED)
    breaker.record_refusal(A, LOCKED, clock.now())
    refused = candidate(official, breaker, clock)
    await official.replace_key()
    replaced = candidate(official, breaker, clock)
    await official.job(LOCKED)
    breaker.record_refusal(A, LOCKED, clock.now())
    again = candidate(official, breaker, clock)

    assert [each.is_trial for each in (refused, replaced, again)] == [False, True, False]
    assert replaced.verdict.blocked is Block.AUTH
    assert replaced.traffic_share == pytest.approx(0.02)


async def test_a_replaced_key_that_failed_otherwise_waits_like_any_other(
    official: FakeBoard, breaker: CircuitBreaker, clock: VirtualClock
) -> None:
    await official.job()
    await official.job(LOCKED)
    await official.replace_key()
    breaker.record_refusal(A, BROKEN, clock.now())

    assert not candidate(official, breaker, clock).is_trial
