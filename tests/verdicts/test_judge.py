"""What each kind of evidence does to the verdict on one service."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from tallylight.model.evidence import Evidence, Failure, FailureKind, Fault, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Access, Status
from tallylight.model.verdict import Block, ReasonCode
from tallylight.upstreams.protocols.model_list import not_listed
from tallylight.verdicts.judge import (
    advance_time,
    api_is_up,
    initial_state,
    is_alertable,
    jobs_down_probability,
    judge,
)
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.snapshot import dump_state, load_state
from tallylight.verdicts.state import ServiceState
from tests.builders import BROKEN

START = datetime(2026, 1, 1, tzinfo=UTC)
SERVICE = ServiceId("sora-2")


@dataclass(slots=True)
class Story:
    """Applies evidence to one service, at seconds after the start."""

    policy: Policy = field(default_factory=Policy)
    state: ServiceState = field(default_factory=lambda: initial_state(SERVICE, START))
    seen: list[Status] = field(default_factory=list)

    def apply(  # noqa: PLR0913  # as evidence has
        self,
        after: float,
        source: Source,
        failure: Failure | None = None,
        *,
        latency: float | None = None,
        claimed_status: Status | None = None,
        until: float | None = None,
        note: str = "",
    ) -> ServiceState:
        """Apply one piece of evidence, and return the state after it."""
        evidence = Evidence(
            service=SERVICE,
            at=self.at(after),
            source=source,
            failure=failure,
            latency=None if latency is None else timedelta(seconds=latency),
            claimed_status=claimed_status,
            until=None if until is None else self.at(until),
            note=note,
        )
        self.state = judge(self.state, evidence, self.policy)
        self.seen.append(self.state.verdict.status)
        return self.state

    def wait(self, after: float) -> ServiceState:
        """Advance time to so many seconds after the start."""
        while True:
            before = self.state
            self.state = advance_time(before, self.at(after), self.policy)
            if self.state is before:
                return before

    def deliver(self, *after: float, source: Source = Source.GENERATION) -> ServiceState:
        """Deliver jobs at these times."""
        for moment in after:
            self.apply(moment, source, latency=60)
        return self.state

    def fail(
        self, *after: float, source: Source = Source.GENERATION, failure: Failure = BROKEN
    ) -> ServiceState:
        """Fail jobs at these times."""
        for moment in after:
            self.apply(moment, source, failure)
        return self.state

    @property
    def status(self) -> Status:
        """Return the current status."""
        return self.state.verdict.status

    @staticmethod
    def at(after: float) -> datetime:
        """Return the moment so many seconds after the start."""
        return START + timedelta(seconds=after)


@pytest.fixture
def story() -> Story:
    """Return an official service without evidence."""
    return Story()


@pytest.fixture
def reverse_story() -> Story:
    """Return a reverse service without evidence."""
    return Story(Policy(access=Access.REVERSE))


HOUR, DAY = 3600.0, 86400.0


def failure(
    kind: FailureKind, *, fault: Fault = Fault.UPSTREAM, named: bool = False, rule: str = "r"
) -> Failure:
    return Failure(kind, fault, rule, f"the words of {kind}", named, 403)


RISK = failure(FailureKind.RISK_CONTROL, named=True)
SIGN = failure(FailureKind.RISK_CONTROL)
PAUSE = failure(FailureKind.SUSPENDED, named=True)
MAINTENANCE = failure(FailureKind.MAINTENANCE, named=True)
RETIRED = failure(FailureKind.RETIRED, named=True)
KEY = failure(FailureKind.AUTH, fault=Fault.OURS)
BALANCE = failure(FailureKind.QUOTA, fault=Fault.OURS)


def codes(story: Story) -> list[ReasonCode]:
    return [reason.code for reason in story.state.verdict.reasons]


def test_a_service_without_evidence_is_unknown(story: Story) -> None:
    assert story.status is Status.UNKNOWN
    assert codes(story) == [ReasonCode.NO_EVIDENCE]


def test_a_delivered_video_makes_a_service_operational(story: Story) -> None:
    story.deliver(60)

    reason = story.state.verdict.reasons[0]
    assert story.status is Status.OPERATIONAL
    assert reason.code is ReasonCode.JOBS_DELIVERED
    assert reason.facts["last_at"] == "2026-01-01T00:01:00+00:00"
    assert reason.facts["seconds"] == 60.0


def test_good_free_checks_never_bring_jobs_up(story: Story) -> None:
    for minute in range(500):
        story.apply(60 * minute, Source.REACH)
        story.apply(60 * minute + 1, Source.CREDENTIALS)

    assert set(story.seen) == {Status.UNKNOWN}
    assert codes(story) == [ReasonCode.NO_RECENT_JOBS, ReasonCode.API_RESPONDING]
    assert story.state.verdict.reasons[1].facts["answers"] == 1000


def test_acceptances_alone_never_bring_jobs_up(story: Story) -> None:
    for minute in range(500):
        story.apply(60 * minute, Source.ACCEPTANCE)

    assert set(story.seen) == {Status.UNKNOWN}


def test_a_service_that_accepts_all_and_finishes_none_goes_down(story: Story) -> None:
    story.deliver(0)
    for minute in range(1, 30):
        story.apply(60 * minute, Source.ACCEPTANCE)
        story.fail(60 * minute + 30, source=Source.TRAFFIC)

    assert story.status is Status.SUSPENDED


def test_an_unnamed_hard_outage_is_degraded_first_and_then_suspended(
    story: Story,
) -> None:
    story.deliver(0, HOUR)
    story.fail(HOUR + 300, HOUR + 500, HOUR + 700)
    first = story.state.verdict
    story.fail(HOUR + 1200)

    later = story.state.verdict
    assert first.status is Status.DEGRADED
    assert first.since == story.at(HOUR + 300)
    assert later.status is Status.SUSPENDED
    assert later.since == story.at(HOUR + 300)
    assert later.reasons[0].code is ReasonCode.JOBS_FAILING
    assert later.reasons[0].facts["failed"] == later.reasons[0].facts["of"] == 4
    assert later.reasons[0].facts["seconds"] == 900
    assert later.reasons[0].facts["answer"] == "no capacity"
    assert later.reasons[0].facts["http_status"] == 503


def test_one_bad_job_is_no_outage(story: Story) -> None:
    story.deliver(0, 600)
    story.fail(1200)

    assert story.status is Status.OPERATIONAL


def test_a_recovery_begins_with_the_first_good_job_of_the_run(story: Story) -> None:
    story.deliver(0)
    story.fail(300, 600, 900, 1200)
    story.deliver(1500)
    while_recovering = story.status
    story.deliver(1800, 2100)

    assert while_recovering is Status.SUSPENDED  # recovery has a threshold of its own
    assert story.status is Status.OPERATIONAL
    assert story.state.verdict.since == story.at(1500)


def test_time_alone_brings_nothing_up(story: Story) -> None:
    story.deliver(0)
    story.fail(300, 600, 900, 1200)
    story.wait(1200 + 5 * HOUR)

    assert story.status is Status.SUSPENDED


def test_jobs_are_unknown_once_their_evidence_expires(
    story: Story,
) -> None:
    story.deliver(0)
    held = story.wait(6 * HOUR - 1)
    story.wait(9 * HOUR)

    assert held.verdict.status is Status.OPERATIONAL
    assert story.status is Status.UNKNOWN
    assert story.state.verdict.since == story.at(6 * HOUR)
    assert codes(story) == [ReasonCode.NO_RECENT_JOBS]


def test_a_named_failure_shows_risk_control_at_once(story: Story) -> None:
    story.deliver(0)
    story.fail(300, 600, failure=RISK)

    assert story.status is Status.RISK_CONTROL
    assert codes(story)[:2] == [ReasonCode.RISK_CONTROL_REPORTED, ReasonCode.JOBS_FAILING]
    assert story.state.verdict.reasons[0].facts["answer"] == "the words of risk_control"


def test_the_first_job_of_an_unknown_service_can_decide(story: Story) -> None:
    story.fail(5, failure=PAUSE)

    assert story.status is Status.SUSPENDED
    assert codes(story)[0] is ReasonCode.SUSPENSION_REPORTED


def test_two_independent_signs_mean_risk_control_on_a_reverse_service(
    reverse_story: Story,
) -> None:
    other = failure(FailureKind.RISK_CONTROL, rule="another")
    reverse_story.deliver(0)
    reverse_story.fail(300, 420, failure=SIGN)
    after_one = reverse_story.status
    reverse_story.fail(540, failure=other)

    assert after_one is Status.DEGRADED  # the same sign twice in two minutes is one
    assert reverse_story.status is Status.RISK_CONTROL
    assert codes(reverse_story)[0] is ReasonCode.RISK_CONTROL_SUSPECTED


def test_the_same_sign_is_independent_of_itself_after_ten_minutes(
    reverse_story: Story,
) -> None:
    reverse_story.deliver(0)
    reverse_story.fail(300, 600, 900, failure=SIGN)

    assert reverse_story.status is Status.RISK_CONTROL


def test_signs_mean_nothing_on_an_official_service(story: Story) -> None:
    story.deliver(0)
    story.fail(300, 600, 900, 1200, 1500, failure=SIGN)

    assert story.status is Status.SUSPENDED


def test_signs_mean_nothing_while_jobs_are_delivered(reverse_story: Story) -> None:
    reverse_story.deliver(0, 60, 120, 180)
    reverse_story.fail(240, failure=SIGN)
    reverse_story.deliver(300, 400, 500, 600)
    reverse_story.fail(1200, failure=SIGN)

    assert set(reverse_story.seen) == {Status.OPERATIONAL}


def test_risk_control_that_lets_half_the_jobs_pass_does_not_flap(
    reverse_story: Story,
) -> None:
    reverse_story.deliver(0)
    for n in range(1, 120):
        passes = n % 5 in {0, 3}  # 40 %
        outcome = reverse_story.deliver if passes else reverse_story.fail
        if passes:
            outcome(300 * n)
        else:
            reverse_story.fail(300 * n, failure=RISK)

    changes = [
        s for s, t in zip(reverse_story.seen, reverse_story.seen[1:], strict=False) if s != t
    ]
    assert reverse_story.status is Status.RISK_CONTROL
    assert len(changes) <= 2
    assert ReasonCode.JOBS_PARTLY_FAILING in codes(reverse_story)


def test_a_maintenance_that_failures_name_is_shown(story: Story) -> None:
    story.deliver(0)
    story.fail(300, 600, failure=MAINTENANCE)

    assert story.status is Status.MAINTENANCE
    assert codes(story)[0] is ReasonCode.MAINTENANCE_REPORTED


def test_an_api_that_is_down_suspends_a_service_that_delivered_before(story: Story) -> None:
    story.deliver(0)
    for minute in range(30):
        story.apply(60 * minute, Source.REACH)
    for second in (1800, 1810, 1830, 1890, 1950):
        story.apply(second, Source.REACH, failure(FailureKind.DEGRADED))

    assert story.status is Status.SUSPENDED
    assert story.state.verdict.since == story.at(1800)
    assert not api_is_up(story.state)
    assert is_alertable(story.state, story.policy)
    assert ReasonCode.API_DOWN in codes(story)


def fail_checks(story: Story, after: float) -> None:
    """Let free checks fail until the service is suspended."""
    for second in (0, 10, 30, 90, 150):
        story.apply(after + second, Source.REACH, failure(FailureKind.DEGRADED))
    assert story.status is Status.SUSPENDED


def pass_checks(story: Story, after: float) -> None:
    """Let free checks succeed for some minutes."""
    for second in range(0, 300, 60):
        story.apply(after + second, Source.REACH)


def test_trouble_that_only_free_checks_saw_is_over_once_they_succeed_again(story: Story) -> None:
    pass_checks(story, 0)
    assert story.state.recovery.at is None
    fail_checks(story, 300)
    assert story.state.recovery.at is None

    pass_checks(story, 480)

    reason = story.state.verdict.reasons[0]
    assert story.status is Status.UNKNOWN
    assert story.state.recovery.at == story.state.verdict.since == story.at(480)
    assert (reason.code, reason.facts["since"]) == (
        ReasonCode.API_RECOVERED,
        "2026-01-01T00:08:00+00:00",
    )
    fail_checks(story, 780)
    assert story.state.recovery.at is None
    pass_checks(story, 960)
    assert story.state.recovery.at == story.at(960)


def test_missing_checks_end_no_trouble_until_they_succeed(story: Story) -> None:
    fail_checks(story, 0)

    story.wait(DAY)
    silent = story.state
    pass_checks(story, 2 * DAY)

    assert (silent.verdict.status, silent.recovery.at) == (Status.UNKNOWN, None)
    assert (story.status, story.state.recovery.at) == (Status.UNKNOWN, story.at(2 * DAY))
    assert story.state.verdict.since == silent.verdict.since


def test_trouble_in_which_jobs_failed_is_ended_only_by_a_job(story: Story) -> None:
    pass_checks(story, 0)
    fail_checks(story, 600)
    story.fail(800, 900, 1000)

    for hour in range(24):
        pass_checks(story, 1200 + hour * HOUR)
    unknown = story.state
    fail_checks(story, 2 * DAY)
    pass_checks(story, 2 * DAY + 600)
    again = story.state
    story.deliver(*(3 * DAY + 60 * minute for minute in range(4)))
    story.wait(5 * DAY)
    fail_checks(story, 5 * DAY)
    pass_checks(story, 5 * DAY + 600)

    assert (unknown.verdict.status, unknown.recovery.at) == (Status.UNKNOWN, None)
    assert (again.verdict.status, again.recovery.at) == (Status.UNKNOWN, None)
    assert story.state.recovery.at == story.at(5 * DAY + 600)


def test_a_maintenance_seen_only_by_free_checks_ends(story: Story) -> None:
    story.apply(600, Source.CALENDAR, claimed_status=Status.MAINTENANCE, until=900)
    for second in (0, 300, 600):
        pass_checks(story, second)
    assert story.status is Status.MAINTENANCE

    story.wait(900)

    assert (story.status, story.state.recovery.at) == (Status.UNKNOWN, story.at(900))


def test_an_api_that_is_down_while_jobs_pass_is_degraded(story: Story) -> None:
    story.deliver(0)
    for second in range(60, 600, 60):
        story.apply(second, Source.REACH, failure(FailureKind.DEGRADED))
    story.deliver(590)

    assert story.status is Status.DEGRADED


def test_partial_failure_of_many_jobs_is_degraded_and_ends(story: Story) -> None:
    story.deliver(*range(0, 1800, 30), source=Source.TRAFFIC)
    for n in range(40):
        one = story.fail if n % 3 == 0 else story.deliver
        one(1800 + 30 * n, source=Source.TRAFFIC)
    partly = story.state.verdict
    story.deliver(*range(3000, 4800, 30), source=Source.TRAFFIC)

    assert partly.status is Status.DEGRADED
    assert partly.reasons[0].code is ReasonCode.JOBS_PARTLY_FAILING
    assert story.status is Status.OPERATIONAL
    assert story.at(2970) <= story.state.verdict.since <= story.at(3060)


def test_slow_jobs_are_degraded_against_their_own_baseline(story: Story) -> None:
    for n in range(30):
        story.apply(600 * n, Source.GENERATION, latency=60 + n % 7)
    usual = story.status
    for n in range(30, 42):
        story.apply(600 * n, Source.GENERATION, latency=200 + n)
    slow = story.state.verdict
    for n in range(42, 60):
        story.apply(600 * n, Source.GENERATION, latency=62)

    assert usual is Status.OPERATIONAL
    assert slow.status is Status.DEGRADED
    assert slow.reasons[0].code is ReasonCode.JOBS_SLOW
    assert slow.since == story.at(600 * 30)
    assert story.status is Status.OPERATIONAL


@pytest.mark.parametrize(
    ("ours", "code"),
    [
        (KEY, ReasonCode.KEY_REFUSED),
        (BALANCE, ReasonCode.BALANCE_EMPTY),
    ],
)
def test_a_refused_key_or_an_empty_balance_blocks_without_a_change_of_status(
    story: Story, ours: Failure, code: ReasonCode
) -> None:
    story.deliver(0)
    story.fail(300, 600, 900, 1200, failure=ours)
    blocked = story.state.verdict
    story.deliver(1500)

    assert blocked.status is Status.OPERATIONAL
    assert blocked.blocked is Block(ours.kind.value)
    assert code in [reason.code for reason in blocked.reasons]
    assert story.state.verdict.blocked is None


def test_a_list_of_models_does_not_show_that_the_balance_suffices(story: Story) -> None:
    story.fail(0, failure=BALANCE)
    story.apply(60, Source.CREDENTIALS)
    still = story.state.verdict.blocked
    story.apply(120, Source.ACCEPTANCE)

    assert still is Block.QUOTA
    assert story.state.verdict.blocked is None


def test_a_good_credentials_probe_clears_a_key_that_a_create_refused(story: Story) -> None:
    story.deliver(0)
    story.fail(300, source=Source.ACCEPTANCE, failure=KEY)
    story.apply(200, Source.CREDENTIALS)  # it was sent before, and came late
    story.apply(320, Source.REACH)
    refused = story.state.verdict.blocked
    story.apply(600, Source.CREDENTIALS)

    assert refused is Block.AUTH
    assert story.state.verdict.blocked is None


def test_a_key_that_creates_refuse_again_is_cleared_by_no_credentials_probe(story: Story) -> None:
    blocked = []

    for minute in range(0, 24 * 60, 10):
        story.fail(minute * 60, source=Source.ACCEPTANCE, failure=KEY)
        story.apply(minute * 60 + 300, Source.CREDENTIALS)
        blocked.append(story.state.verdict.blocked)

    assert blocked == [None, *[Block.AUTH] * (len(blocked) - 1)]


@pytest.mark.parametrize("source", [Source.ACCEPTANCE, Source.GENERATION, Source.TRAFFIC])
def test_after_an_accepted_create_credentials_probes_count_again(
    story: Story, source: Source
) -> None:
    for after in (0, 600):
        story.fail(after, source=Source.ACCEPTANCE, failure=KEY)
        story.apply(after + 300, Source.CREDENTIALS)
    refused = story.state.verdict.blocked
    story.apply(1200, source, latency=60)
    accepted = story.state.verdict.blocked
    story.fail(1800, source=Source.ACCEPTANCE, failure=KEY)
    story.apply(2100, Source.CREDENTIALS)

    assert (refused, accepted) == (Block.AUTH, None)
    assert story.state.verdict.blocked is None


def test_a_refused_key_survives_a_restart(story: Story) -> None:
    story.fail(0, source=Source.ACCEPTANCE, failure=KEY)
    story.apply(300, Source.CREDENTIALS)
    story.state = load_state(dump_state(story.state))
    story.fail(600, source=Source.ACCEPTANCE, failure=KEY)
    story.apply(900, Source.CREDENTIALS)

    assert story.state.verdict.blocked is Block.AUTH


def test_a_feed_alone_changes_no_status(story: Story) -> None:
    story.apply(0, Source.FEED, claimed_status=Status.SUSPENDED)
    unknown = story.status
    story.deliver(60, 120)
    story.apply(180, Source.FEED, claimed_status=Status.OPERATIONAL)
    for hour in range(1, 6):
        story.apply(hour * HOUR, Source.FEED, claimed_status=Status.SUSPENDED)

    assert unknown is Status.UNKNOWN
    assert story.status is Status.OPERATIONAL
    assert codes(story) == [ReasonCode.JOBS_DELIVERED, ReasonCode.FEED_NOT_OPERATIONAL]


def test_a_feed_counts_once_at_its_change(story: Story) -> None:
    story.deliver(0)
    story.apply(60, Source.FEED, claimed_status=Status.SUSPENDED)
    once = jobs_down_probability(story.state, story.at(120), story.policy)
    for minute in range(2, 30):
        story.apply(60.0 * minute, Source.FEED, claimed_status=Status.SUSPENDED)

    later = jobs_down_probability(story.state, story.at(1800), story.policy)
    assert later < once + story.policy.prior


def test_a_feed_confirms_what_jobs_have_shown(story: Story) -> None:
    story.deliver(0, 60)
    story.fail(HOUR, HOUR + 30)
    alone = story.status
    story.apply(HOUR + 60, Source.FEED, claimed_status=Status.SUSPENDED, note="Elevated errors")

    assert alone is Status.OPERATIONAL
    assert story.status is Status.SUSPENDED
    assert story.state.verdict.since == story.at(HOUR)


def test_an_unreadable_feed_is_given_as_a_reason(story: Story) -> None:
    story.deliver(0)
    before = story.state.jobs
    story.apply(60, Source.FEED, claimed_status=Status.UNKNOWN)

    assert story.state.jobs == before
    assert codes(story) == [ReasonCode.JOBS_DELIVERED, ReasonCode.FEED_UNREADABLE]


def test_a_feed_may_claim_maintenance_until_its_end(story: Story) -> None:
    story.deliver(0)
    story.apply(600, Source.FEED, claimed_status=Status.MAINTENANCE, until=4200, note="Upgrade")
    during = story.state.verdict
    story.wait(4300)

    assert during.status is Status.MAINTENANCE
    assert during.reasons[0].code is ReasonCode.MAINTENANCE_SCHEDULED
    assert story.status is Status.OPERATIONAL
    assert story.state.verdict.since == story.at(4200)


def test_the_lag_of_a_feed_is_measured(story: Story) -> None:
    story.deliver(0)
    story.fail(600, 900, 1200)
    story.apply(1500, Source.FEED, claimed_status=Status.SUSPENDED)

    assert story.state.feed.lag_seconds == 900.0


def test_planned_maintenance_begins_and_ends_by_time(story: Story) -> None:
    story.deliver(0)
    story.apply(2 * HOUR, Source.CALENDAR, claimed_status=Status.MAINTENANCE, until=3 * HOUR)
    before = story.status
    opened = story.wait(2 * HOUR)
    closed = story.wait(3 * HOUR + 5)

    assert before is Status.OPERATIONAL
    assert opened.verdict.status is Status.MAINTENANCE
    assert opened.verdict.since == story.at(2 * HOUR)
    assert closed.verdict.status is Status.OPERATIONAL
    assert closed.verdict.since == story.at(3 * HOUR)


def test_the_calendar_warns_ahead_and_retires_at_its_date(story: Story) -> None:
    story.deliver(0)
    story.apply(0, Source.CALENDAR, claimed_status=Status.RETIRED, until=100 * DAY, note="sora-3")
    far = codes(story)
    story.wait(9 * DAY)
    story.deliver(11 * DAY)
    near = codes(story)
    story.wait(100 * DAY)

    assert ReasonCode.SHUTDOWN_AHEAD not in far
    assert near == [ReasonCode.JOBS_DELIVERED, ReasonCode.SHUTDOWN_AHEAD]
    assert story.status is Status.RETIRED
    assert story.state.verdict.since == story.at(100 * DAY)
    assert story.state.verdict.reasons[0].facts["replacement"] == "sora-3"


def test_an_earliest_date_warns_and_retires_nothing(story: Story) -> None:
    story.apply(0, Source.CALENDAR, claimed_status=Status.OPERATIONAL, until=DAY)
    story.deliver(DAY - 60)
    story.wait(DAY + 60)

    assert story.status is Status.OPERATIONAL
    assert story.state.verdict.reasons[1].facts["certain"] == 0


def test_the_same_named_failure_over_a_day_retires(story: Story) -> None:
    story.deliver(0)
    story.fail(HOUR, HOUR + 60, HOUR + 120, failure=RETIRED)
    at_once = story.status
    story.fail(13 * HOUR, 26 * HOUR, failure=RETIRED)

    assert at_once is not Status.RETIRED
    assert story.status is Status.RETIRED
    assert codes(story)[0] is ReasonCode.RETIREMENT_REPORTED
    assert story.state.verdict.reasons[0].facts["times"] == 5


def test_an_unnamed_failure_never_retires(story: Story) -> None:
    mistakable = failure(FailureKind.RETIRED)
    story.fail(*(6 * HOUR * n for n in range(20)), failure=mistakable)

    assert Status.RETIRED not in story.seen


def test_a_listing_without_the_model_makes_jobs_uncertain_and_changes_no_status(
    story: Story,
) -> None:
    story.deliver(0)
    quiet = jobs_down_probability(story.state, story.at(600), story.policy)
    story.apply(600, Source.CREDENTIALS, failure(FailureKind.RETIRED))
    asked = jobs_down_probability(story.state, story.at(600), story.policy)
    story.deliver(700)
    for n in range(2, 30):
        story.apply(600 * n, Source.CREDENTIALS, failure(FailureKind.RETIRED))

    assert asked > 10 * quiet
    assert set(story.seen) == {Status.OPERATIONAL}


def test_a_list_that_lacks_the_model_is_no_outage_and_counts_until_a_delivery(
    story: Story,
) -> None:
    unlisted = not_listed("sora-2", 200)
    story.deliver(0)
    story.apply(600, Source.CREDENTIALS, unlisted)
    asked = jobs_down_probability(story.state, story.at(600), story.policy)
    story.fail(700, 760)
    failing = codes(story)
    story.deliver(800, 860, 920, 980)
    quiet = jobs_down_probability(story.state, story.at(1200), story.policy)
    for n in range(2, 30):
        story.apply(600 * n, Source.CREDENTIALS, unlisted)

    assert asked > 10 * quiet
    assert ReasonCode.RETIREMENT_REPORTED in failing
    assert jobs_down_probability(story.state, story.at(1200), story.policy) < 2 * quiet
    assert story.state.api.last_result_at is None
    assert story.status is Status.OPERATIONAL


def test_a_list_that_lacks_the_model_replaces_no_answer_that_names_retirement(
    story: Story,
) -> None:
    story.deliver(0)
    for n in range(5):
        story.fail(HOUR + 6 * HOUR * n, failure=RETIRED)
        story.apply(2 * HOUR + 6 * HOUR * n, Source.CREDENTIALS, not_listed("sora-2", 200))

    assert story.status is Status.RETIRED


def test_a_result_reported_twice_counts_once(story: Story) -> None:
    story.deliver(0)
    story.fail(300)
    once = story.state
    story.fail(300)

    assert story.state.jobs == once.jobs


def test_late_evidence_does_not_turn_time_back(story: Story) -> None:
    story.deliver(0, 1200)
    story.fail(900)
    story.apply(600, Source.REACH)
    story.apply(300, Source.REACH, failure(FailureKind.DEGRADED))

    assert story.status is Status.OPERATIONAL
    assert story.state.at == story.at(1200)
    assert story.state.jobs.at == story.at(1200)


def test_a_minute_of_traffic_counts_as_three_jobs_at_most(story: Story) -> None:
    story.deliver(0)
    before = story.state.jobs.log_odds
    story.fail(*(60 + n / 100 for n in range(2)), source=Source.TRAFFIC)
    two = story.state.jobs.log_odds
    story.fail(*(61 + n / 100 for n in range(300)), source=Source.TRAFFIC)

    ceiling = before + 1.5 * (two - before)
    assert story.state.jobs.log_odds <= ceiling + 0.01


def test_advance_time_returns_the_same_object_if_nothing_is_due(story: Story) -> None:
    story.deliver(0)
    before = story.state

    assert story.wait(HOUR) is before


def test_a_low_false_alarm_rate_detects_an_outage_sooner(story: Story) -> None:
    story.deliver(0)
    for minute in range(300):
        story.apply(60 * minute, Source.REACH)
    for n, second in enumerate((18000, 18010, 18030), start=1):
        story.apply(second, Source.REACH, failure(FailureKind.DEGRADED))
        assert (story.status is Status.SUSPENDED) is (n == 3)


def test_two_failed_free_checks_are_no_outage(story: Story) -> None:
    story.deliver(0)
    for second in (60, 120, 180):
        story.apply(second, Source.REACH)
    story.apply(240, Source.REACH, failure(FailureKind.DEGRADED))
    story.apply(250, Source.REACH, failure(FailureKind.DEGRADED))

    assert story.status is Status.OPERATIONAL
    assert story.state.api.at - story.state.api.first_bad_at == timedelta(seconds=10)  # type: ignore[operator]
