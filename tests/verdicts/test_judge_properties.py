from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tallylight.model.evidence import Evidence, Failure, FailureKind, Fault, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import TROUBLE_STATUSES, Access, Status
from tallylight.model.verdict import Incident, Transition
from tallylight.verdicts import incidents, snapshot
from tallylight.verdicts.judge import advance_time, initial_state, jobs_down_probability, judge
from tallylight.verdicts.layer_state import LayerStatus
from tallylight.verdicts.layers import probability
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import ServiceState

START = datetime(2026, 1, 1, tzinfo=UTC)
SERVICE = ServiceId("sora-2")
POLICIES = st.builds(
    Policy,
    access=st.sampled_from(Access),
    jobs_ttl=st.sampled_from([timedelta(minutes=30), timedelta(hours=6)]),
)
FAILURES = st.builds(
    Failure,
    kind=st.sampled_from(FailureKind),
    fault=st.sampled_from(Fault),
    rule=st.sampled_from(["status:503", "code:sentinel_block", "words:paused"]),
    text=st.sampled_from(["", "no capacity", "風控中，請稍後再試"]),
    names_state=st.booleans(),
    http_status=st.sampled_from([None, 200, 403, 503]),
)
PROBES = st.sampled_from([s for s in Source if s not in {Source.FEED, Source.CALENDAR}])
GAPS = st.one_of(st.integers(0, 30), st.integers(30, 900), st.integers(900, 90_000))


FEW = settings(max_examples=30, deadline=None)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@st.composite
def evidence(draw: st.DrawFn, moment: datetime) -> Evidence:
    source = draw(st.sampled_from(Source))
    if source in {Source.FEED, Source.CALENDAR}:
        until = draw(st.one_of(st.none(), st.integers(1, 200_000)))
        claimed = draw(st.sampled_from(Status))
        ends = None if until is None else moment + timedelta(seconds=until)
        return Evidence(SERVICE, moment, source, claimed_status=claimed, until=ends, note="a note")
    failure = draw(st.one_of(st.none(), FAILURES))
    seconds = draw(st.one_of(st.none(), st.floats(0.01, 2000)))
    latency = None if seconds is None or failure else timedelta(seconds=seconds)
    return Evidence(SERVICE, moment, source, failure, latency)


@st.composite
def histories(draw: st.DrawFn) -> list[Evidence]:
    result, now = [], 0.0
    for gap in draw(st.lists(GAPS, max_size=15)):
        now += gap
        result.append(draw(evidence(at(max(0.0, now - draw(st.sampled_from([0, 0, 0, 45])))))))
    return result


def folded(history: list[Evidence], policy: Policy) -> ServiceState:
    state = initial_state(SERVICE, START)
    for piece in history:
        state = judge(state, piece, policy)
    return state


@FEW
@given(history=histories(), policy=POLICIES, failure=FAILURES, source=PROBES, gap=GAPS)
def test_a_callers_fault_changes_nothing(
    history: list[Evidence], policy: Policy, failure: Failure, source: Source, gap: int
) -> None:
    state = folded(history, policy)
    caller = replace(failure, fault=Fault.CALLER)

    moment = state.at + timedelta(seconds=gap)
    assert judge(state, Evidence(SERVICE, moment, source, caller), policy) is state


@FEW
@given(history=histories(), policy=POLICIES, failure=FAILURES, source=PROBES)
def test_our_own_fault_leaves_both_layers_alone(
    history: list[Evidence], policy: Policy, failure: Failure, source: Source
) -> None:
    state = folded(history, policy)
    ours = Evidence(SERVICE, state.at, source, replace(failure, fault=Fault.OURS))

    after = judge(state, ours, policy)

    assert (after.api, after.jobs) == (state.api, state.jobs)
    assert after.verdict.status is state.verdict.status


@FEW
@given(history=histories(), policy=POLICIES)
def test_a_snapshot_restores_the_same_state(history: list[Evidence], policy: Policy) -> None:
    state = folded(history, policy)

    assert snapshot.load_state(snapshot.dump_state(state)) == state


@FEW
@given(history=histories(), policy=POLICIES)
def test_the_same_evidence_gives_the_same_state_even_across_a_restart(
    history: list[Evidence], policy: Policy
) -> None:
    half = len(history) // 2
    state = snapshot.load_state(snapshot.dump_state(folded(history[:half], policy)))

    for piece in history[half:]:
        state = judge(state, piece, policy)

    assert state == folded(history, policy)


@FEW
@given(history=histories(), policy=POLICIES, source=PROBES, gap=GAPS)
def test_a_bad_job_never_makes_down_less_probable_than_a_good_one(
    history: list[Evidence], policy: Policy, source: Source, gap: int
) -> None:
    before = folded(history, policy)
    moment = before.at + timedelta(seconds=gap + 1)
    broken = Failure(FailureKind.DEGRADED, Fault.UPSTREAM, "status:503")

    bad = judge(before, Evidence(SERVICE, moment, source, broken), policy)
    good = judge(before, Evidence(SERVICE, moment, source), policy)

    assert bad.jobs.log_odds >= good.jobs.log_odds
    assert bad.api.log_odds >= good.api.log_odds


@FEW
@given(history=histories(), policy=POLICIES)
def test_good_free_checks_never_lower_the_probability_that_jobs_are_down(
    history: list[Evidence], policy: Policy
) -> None:
    state = folded(history, policy)
    before = jobs_down_probability(state, state.at, policy)
    assume(state.jobs.at == state.at)

    for source in (Source.REACH, Source.CREDENTIALS):
        state = judge(state, Evidence(SERVICE, state.at, source), policy)

    assert jobs_down_probability(state, state.at, policy) >= before - 1e-12


@FEW
@given(history=histories(), policy=POLICIES, gap=GAPS)
def test_advancing_time_ends(history: list[Evidence], policy: Policy, gap: int) -> None:
    state = folded(history, policy)
    now = state.at + timedelta(seconds=gap)

    steps = [state]
    while (after := advance_time(steps[-1], now, policy)) is not steps[-1]:
        steps.append(after)

    assert len(steps) < 20
    assert steps[-1].next_change_at is None or steps[-1].next_change_at > now


class Judging(RuleBasedStateMachine):
    """Any evidence in any order: verdicts form a chain, and none is claimed without cause."""

    @initialize(policy=POLICIES)
    def open(self, policy: Policy) -> None:
        self.policy, self.now = policy, 0.0
        self.state = initial_state(SERVICE, START)
        self.transitions: list[Transition] = []
        self.incident: Incident | None = None
        self.delivered = False

    @rule(gap=GAPS, data=st.data(), late=st.sampled_from([0, 0, 0, 20, 600]))
    def apply_evidence(self, gap: int, data: st.DataObject, late: int) -> None:
        self.now += gap
        self._pass_time()
        piece = data.draw(evidence(at(max(0.0, self.now - late))))
        jobs = piece.source in {Source.GENERATION, Source.TRAFFIC}
        self.delivered |= jobs and piece.failure is None
        self._set_state(judge(self.state, piece, self.policy))

    @rule(count=st.integers(1, 40), source=PROBES, failure=st.one_of(st.none(), FAILURES))
    def burst(self, count: int, source: Source, failure: Failure | None) -> None:
        self.delivered |= failure is None and source in {Source.GENERATION, Source.TRAFFIC}
        piece = Evidence(SERVICE, at(self.now), source, failure)
        for _ in range(count):
            self._set_state(judge(self.state, piece, self.policy))

    @rule(gap=GAPS)
    def pass_without_evidence(self, gap: int) -> None:
        self.now += gap
        self._pass_time()

    @invariant()
    def a_verdict_always_has_reasons_and_a_confidence(self) -> None:
        verdict = self.state.verdict
        assert verdict.reasons
        assert 0.0 <= verdict.confidence <= 1.0
        assert verdict.since <= self.state.at <= at(self.now)
        assert all(
            isinstance(fact, str | int | float)
            for r in verdict.reasons
            for fact in r.facts.values()
        )

    @invariant()
    def nothing_is_operational_that_never_delivered(self) -> None:
        if self.state.verdict.status is Status.OPERATIONAL:
            assert self.delivered

    @invariant()
    def both_layers_stay_within_their_bounds(self) -> None:
        floors = (self.policy.min_api_probability, self.policy.min_probability)
        layers = (self.state.api, self.state.jobs)
        for layer, floor in zip(layers, floors, strict=True):
            p = probability(layer.log_odds)
            assert floor * 0.999 <= p <= self.policy.max_probability * 1.001
            assert layer.status is LayerStatus.UNDECIDED or layer.since is not None

    @invariant()
    def incidents_are_open_while_it_is_bad(self) -> None:
        is_bad = self.state.verdict.status in TROUBLE_STATUSES
        is_open = self.incident is not None and self.incident.ended_at is None
        assert is_open or not is_bad

    def _pass_time(self) -> None:
        while (after := advance_time(self.state, at(self.now), self.policy)) is not self.state:
            self._set_state(after)

    def _set_state(self, after: ServiceState) -> None:
        before, self.state = self.state, after
        if after.verdict.status is before.verdict.status:
            assert after.verdict.since == before.verdict.since
            return
        assert after.verdict.since >= before.verdict.since
        transition = Transition(
            SERVICE, after.verdict.since, at(self.now), before.verdict, after.verdict
        )
        if self.transitions:
            assert self.transitions[-1].after.status is before.verdict.status
            assert transition.at >= self.transitions[-1].at
        self.transitions.append(transition)
        self.incident = incidents.apply_transition(self.incident, transition)


TestJudging = Judging.TestCase
TestJudging.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)


def test_the_snapshot_of_a_plain_service_is_small() -> None:
    state, policy = initial_state(SERVICE, START), Policy()
    for n in range(200):
        state = judge(state, Evidence(SERVICE, at(60 * n), Source.REACH), policy)
        if n % 60 == 0:
            job = Evidence(
                SERVICE, at(60 * n + 1.25), Source.GENERATION, None, timedelta(seconds=71)
            )
            state = judge(state, job, policy)

    assert len(snapshot.dump_state(state)) < 1700
