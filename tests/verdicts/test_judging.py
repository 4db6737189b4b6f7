"""What each kind of evidence does to a verdict, told as the story of one service."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from tallylight.model.evidence import Evidence, Failure, FailureKind, Fault, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Access, Status
from tallylight.model.verdict import ReasonCode
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

START = datetime(2026, 1, 1, tzinfo=UTC)
SERVICE = ServiceId("sora-2")
BROKEN = Failure(FailureKind.DEGRADED, Fault.UPSTREAM, "status:503", "no capacity", http_status=503)


@dataclass(slots=True)
class Story:
    """A service's evidence told in seconds after the start."""

    policy: Policy = field(default_factory=Policy)
    standing: ServiceState = field(default_factory=lambda: initial_state(SERVICE, START))
    seen: list[Status] = field(default_factory=list)

    def tell(  # noqa: PLR0913  # as evidence has
        self,
        after: float,
        source: Source,
        failure: Failure | None = None,
        *,
        latency: float | None = None,
        says: Status | None = None,
        until: float | None = None,
        note: str = "",
    ) -> ServiceState:
        """Let one piece of evidence count, and return what stands."""
        evidence = Evidence(
            service=SERVICE,
            at=self.at(after),
            source=source,
            failure=failure,
            latency=None if latency is None else timedelta(seconds=latency),
            claimed_status=says,
            until=None if until is None else self.at(until),
            note=note,
        )
        self.standing = judge(self.standing, evidence, self.policy)
        self.seen.append(self.standing.verdict.status)
        return self.standing

    def wait(self, after: float) -> ServiceState:
        """Let time pass until so many seconds after the start."""
        while True:
            before = self.standing
            self.standing = advance_time(before, self.at(after), self.policy)
            if self.standing is before:
                return before

    def deliver(self, *after: float, source: Source = Source.GENERATION) -> ServiceState:
        """Let jobs be delivered at these times."""
        for moment in after:
            self.tell(moment, source, latency=60)
        return self.standing

    def fail(
        self, *after: float, source: Source = Source.GENERATION, failure: Failure = BROKEN
    ) -> ServiceState:
        """Let jobs fail at these times."""
        for moment in after:
            self.tell(moment, source, failure)
        return self.standing

    @property
    def status(self) -> Status:
        """Return the status that stands."""
        return self.standing.verdict.status

    @staticmethod
    def at(after: float) -> datetime:
        """Return the moment so many seconds after the start."""
        return START + timedelta(seconds=after)


@pytest.fixture
def story() -> Story:
    """Return an official service of which nothing is known."""
    return Story()


@pytest.fixture
def reverse_story() -> Story:
    """Return a reverse service of which nothing is known."""
    return Story(Policy(access=Access.REVERSE))


HOUR, DAY = 3600.0, 86400.0


def failure(
    kind: FailureKind, *, fault: Fault = Fault.UPSTREAM, named: bool = False, rule: str = "r"
) -> Failure:
    return Failure(kind, fault, rule, f"the words of {kind}", named, 403)


RISK = failure(FailureKind.RISK_CONTROL, named=True)
SIGN = failure(FailureKind.RISK_CONTROL)
PAUSE = failure(FailureKind.SUSPENDED, named=True)
UPKEEP = failure(FailureKind.MAINTENANCE, named=True)
GONE = failure(FailureKind.RETIRED, named=True)
KEY = failure(FailureKind.AUTH, fault=Fault.OURS)
WALLET = failure(FailureKind.QUOTA, fault=Fault.OURS)


def codes(story: Story) -> list[ReasonCode]:
    return [reason.code for reason in story.standing.verdict.reasons]


def test_nothing_is_known_at_first(story: Story) -> None:
    assert story.status is Status.UNKNOWN
    assert codes(story) == [ReasonCode.NO_EVIDENCE]


def test_a_delivered_video_makes_it_operational_and_says_when(story: Story) -> None:
    story.deliver(60)

    reason = story.standing.verdict.reasons[0]
    assert story.status is Status.OPERATIONAL
    assert reason.code is ReasonCode.JOBS_DELIVERED
    assert reason.facts["last_at"] == "2026-01-01T00:01:00+00:00"
    assert reason.facts["seconds"] == 60.0


def test_good_shallow_probes_never_make_jobs_up(story: Story) -> None:
    for minute in range(500):
        story.tell(60 * minute, Source.REACH)
        story.tell(60 * minute + 1, Source.CREDENTIALS)

    assert set(story.seen) == {Status.UNKNOWN}
    assert codes(story) == [ReasonCode.NO_RECENT_JOBS, ReasonCode.API_RESPONDING]
    assert story.standing.verdict.reasons[1].facts["answers"] == 1000


def test_acceptances_alone_never_make_jobs_up(story: Story) -> None:
    for minute in range(500):
        story.tell(60 * minute, Source.ACCEPTANCE)

    assert set(story.seen) == {Status.UNKNOWN}


def test_a_service_that_accepts_all_and_finishes_none_goes_down(story: Story) -> None:
    story.deliver(0)
    for minute in range(1, 30):
        story.tell(60 * minute, Source.ACCEPTANCE)
        story.fail(60 * minute + 30, source=Source.TRAFFIC)

    assert story.status is Status.SUSPENDED


def test_a_hard_outage_without_a_name_is_degraded_first_and_then_suspended(
    story: Story,
) -> None:
    story.deliver(0, HOUR)
    story.fail(HOUR + 300, HOUR + 500, HOUR + 700)
    first = story.standing.verdict
    story.fail(HOUR + 1200)

    later = story.standing.verdict
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
    assert story.standing.verdict.since == story.at(1500)


def test_time_alone_makes_nothing_up(story: Story) -> None:
    story.deliver(0)
    story.fail(300, 600, 900, 1200)
    story.wait(1200 + 5 * HOUR)

    assert story.status is Status.SUSPENDED


def test_jobs_without_fresh_evidence_are_unknown_from_the_end_of_their_hold(
    story: Story,
) -> None:
    story.deliver(0)
    held = story.wait(6 * HOUR - 1)
    story.wait(9 * HOUR)

    assert held.verdict.status is Status.OPERATIONAL
    assert story.status is Status.UNKNOWN
    assert story.standing.verdict.since == story.at(6 * HOUR)
    assert codes(story) == [ReasonCode.NO_RECENT_JOBS]


def test_a_name_tells_risk_control_at_once(story: Story) -> None:
    story.deliver(0)
    story.fail(300, 600, failure=RISK)

    assert story.status is Status.RISK_CONTROL
    assert codes(story)[:2] == [ReasonCode.RISK_CONTROL_REPORTED, ReasonCode.JOBS_FAILING]
    assert story.standing.verdict.reasons[0].facts["answer"] == "the words of risk_control"


def test_the_first_job_of_an_unknown_service_can_already_tell(story: Story) -> None:
    story.fail(5, failure=PAUSE)

    assert story.status is Status.SUSPENDED
    assert codes(story)[0] is ReasonCode.SUSPENSION_REPORTED


def test_two_independent_signs_name_risk_control_on_a_reverse_service(
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


def test_signs_name_nothing_on_an_official_service(story: Story) -> None:
    story.deliver(0)
    story.fail(300, 600, 900, 1200, 1500, failure=SIGN)

    assert story.status is Status.SUSPENDED


def test_signs_name_nothing_while_jobs_are_delivered(reverse_story: Story) -> None:
    reverse_story.deliver(0, 60, 120, 180)
    reverse_story.fail(240, failure=SIGN)
    reverse_story.deliver(300, 400, 500, 600)
    reverse_story.fail(1200, failure=SIGN)

    assert set(reverse_story.seen) == {Status.OPERATIONAL}


def test_half_the_jobs_passing_under_risk_control_is_one_spell_and_does_not_flap(
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

    told = [s for s, t in zip(reverse_story.seen, reverse_story.seen[1:], strict=False) if s != t]
    assert reverse_story.status is Status.RISK_CONTROL
    assert len(told) <= 2
    assert ReasonCode.JOBS_PARTLY_FAILING in codes(reverse_story)


def test_a_maintenance_that_answers_name_is_shown(story: Story) -> None:
    story.deliver(0)
    story.fail(300, 600, failure=UPKEEP)

    assert story.status is Status.MAINTENANCE
    assert codes(story)[0] is ReasonCode.MAINTENANCE_REPORTED


def test_a_closed_door_suspends_what_delivered_before(story: Story) -> None:
    story.deliver(0)
    for minute in range(30):
        story.tell(60 * minute, Source.REACH)
    for second in (1800, 1810, 1830, 1890, 1950):
        story.tell(second, Source.REACH, failure(FailureKind.DEGRADED))

    assert story.status is Status.SUSPENDED
    assert story.standing.verdict.since == story.at(1800)
    assert not api_is_up(story.standing)
    assert is_alertable(story.standing, story.policy)
    assert ReasonCode.API_DOWN in codes(story)


def close_door(story: Story, after: float) -> None:
    """Let free checks fail until the service is suspended."""
    for second in (0, 10, 30, 90, 150):
        story.tell(after + second, Source.REACH, failure(FailureKind.DEGRADED))
    assert story.status is Status.SUSPENDED


def open_door(story: Story, after: float) -> None:
    """Let free checks succeed for some minutes."""
    for second in range(0, 300, 60):
        story.tell(after + second, Source.REACH)


def test_trouble_that_only_free_checks_saw_is_over_once_they_succeed_again(story: Story) -> None:
    open_door(story, 0)
    assert story.standing.recovery.at is None
    close_door(story, 300)
    assert story.standing.recovery.at is None

    open_door(story, 480)

    reason = story.standing.verdict.reasons[0]
    assert story.status is Status.UNKNOWN
    assert story.standing.recovery.at == story.standing.verdict.since == story.at(480)
    assert (reason.code, reason.facts["since"]) == (
        ReasonCode.API_RECOVERED,
        "2026-01-01T00:08:00+00:00",
    )
    close_door(story, 780)
    assert story.standing.recovery.at is None
    open_door(story, 960)
    assert story.standing.recovery.at == story.at(960)


def test_checks_that_fall_silent_end_no_trouble_until_they_succeed(story: Story) -> None:
    close_door(story, 0)

    story.wait(DAY)
    silent = story.standing
    open_door(story, 2 * DAY)

    assert (silent.verdict.status, silent.recovery.at) == (Status.UNKNOWN, None)
    assert (story.status, story.standing.recovery.at) == (Status.UNKNOWN, story.at(2 * DAY))
    assert story.standing.verdict.since == silent.verdict.since


def test_where_jobs_have_failed_only_a_job_ends_the_trouble(story: Story) -> None:
    open_door(story, 0)
    close_door(story, 600)
    story.fail(800, 900, 1000)

    for hour in range(24):
        open_door(story, 1200 + hour * HOUR)
    unknown = story.standing
    close_door(story, 2 * DAY)
    open_door(story, 2 * DAY + 600)
    again = story.standing
    story.deliver(*(3 * DAY + 60 * minute for minute in range(4)))
    story.wait(5 * DAY)
    close_door(story, 5 * DAY)
    open_door(story, 5 * DAY + 600)

    assert (unknown.verdict.status, unknown.recovery.at) == (Status.UNKNOWN, None)
    assert (again.verdict.status, again.recovery.at) == (Status.UNKNOWN, None)
    assert story.standing.recovery.at == story.at(5 * DAY + 600)


def test_a_maintenance_of_what_only_free_checks_watch_ends(story: Story) -> None:
    story.tell(600, Source.CALENDAR, says=Status.MAINTENANCE, until=900)
    for second in (0, 300, 600):
        open_door(story, second)
    assert story.status is Status.MAINTENANCE

    story.wait(900)

    assert (story.status, story.standing.recovery.at) == (Status.UNKNOWN, story.at(900))


def test_a_closed_door_that_jobs_still_pass_is_degraded(story: Story) -> None:
    story.deliver(0)
    for second in range(60, 600, 60):
        story.tell(second, Source.REACH, failure(FailureKind.DEGRADED))
    story.deliver(590)

    assert story.status is Status.DEGRADED


def test_partial_failure_of_many_jobs_is_degraded_and_ends(story: Story) -> None:
    story.deliver(*range(0, 1800, 30), source=Source.TRAFFIC)
    for n in range(40):
        one = story.fail if n % 3 == 0 else story.deliver
        one(1800 + 30 * n, source=Source.TRAFFIC)
    partly = story.standing.verdict
    story.deliver(*range(3000, 4800, 30), source=Source.TRAFFIC)

    assert partly.status is Status.DEGRADED
    assert partly.reasons[0].code is ReasonCode.JOBS_PARTLY_FAILING
    assert story.status is Status.OPERATIONAL
    assert story.at(2970) <= story.standing.verdict.since <= story.at(3060)


def test_slow_jobs_are_degraded_against_their_own_baseline(story: Story) -> None:
    for n in range(30):
        story.tell(600 * n, Source.GENERATION, latency=60 + n % 7)
    usual = story.status
    for n in range(30, 42):
        story.tell(600 * n, Source.GENERATION, latency=200 + n)
    slow = story.standing.verdict
    for n in range(42, 60):
        story.tell(600 * n, Source.GENERATION, latency=62)

    assert usual is Status.OPERATIONAL
    assert slow.status is Status.DEGRADED
    assert slow.reasons[0].code is ReasonCode.JOBS_SLOW
    assert slow.since == story.at(600 * 30)
    assert story.status is Status.OPERATIONAL


@pytest.mark.parametrize(
    ("ours", "code"),
    [
        (KEY, ReasonCode.KEY_REFUSED),
        (WALLET, ReasonCode.BALANCE_EMPTY),
    ],
)
def test_our_key_and_wallet_block_and_leave_the_status(
    story: Story, ours: Failure, code: ReasonCode
) -> None:
    story.deliver(0)
    story.fail(300, 600, 900, 1200, failure=ours)
    blocked = story.standing.verdict
    story.deliver(1500)

    assert blocked.status is Status.OPERATIONAL
    assert blocked.blocked is ours.kind
    assert code in [reason.code for reason in blocked.reasons]
    assert story.standing.verdict.blocked is None


def test_a_listed_model_does_not_show_a_wallet_to_be_full(story: Story) -> None:
    story.fail(0, failure=WALLET)
    story.tell(60, Source.CREDENTIALS)
    still = story.standing.verdict.blocked
    story.tell(120, Source.ACCEPTANCE)

    assert still is FailureKind.QUOTA
    assert story.standing.verdict.blocked is None


def test_a_good_credentials_probe_clears_a_key_that_a_create_refused(story: Story) -> None:
    story.deliver(0)
    story.fail(300, source=Source.ACCEPTANCE, failure=KEY)
    story.tell(200, Source.CREDENTIALS)  # it was sent before, and came late
    story.tell(320, Source.REACH)
    refused = story.standing.verdict.blocked
    story.tell(600, Source.CREDENTIALS)

    assert refused is FailureKind.AUTH
    assert story.standing.verdict.blocked is None


def test_a_key_that_creates_refuse_again_is_cleared_by_no_list(story: Story) -> None:
    blocked = []

    for minute in range(0, 24 * 60, 10):
        story.fail(minute * 60, source=Source.ACCEPTANCE, failure=KEY)
        story.tell(minute * 60 + 300, Source.CREDENTIALS)
        blocked.append(story.standing.verdict.blocked)

    assert blocked == [None, *[FailureKind.AUTH] * (len(blocked) - 1)]


@pytest.mark.parametrize("source", [Source.ACCEPTANCE, Source.GENERATION, Source.TRAFFIC])
def test_an_accepted_create_makes_the_list_count_again(story: Story, source: Source) -> None:
    for after in (0, 600):
        story.fail(after, source=Source.ACCEPTANCE, failure=KEY)
        story.tell(after + 300, Source.CREDENTIALS)
    refused = story.standing.verdict.blocked
    story.tell(1200, source, latency=60)
    accepted = story.standing.verdict.blocked
    story.fail(1800, source=Source.ACCEPTANCE, failure=KEY)
    story.tell(2100, Source.CREDENTIALS)

    assert (refused, accepted) == (FailureKind.AUTH, None)
    assert story.standing.verdict.blocked is None


def test_a_refused_key_is_remembered_over_a_restart(story: Story) -> None:
    story.fail(0, source=Source.ACCEPTANCE, failure=KEY)
    story.tell(300, Source.CREDENTIALS)
    story.standing = load_state(dump_state(story.standing))
    story.fail(600, source=Source.ACCEPTANCE, failure=KEY)
    story.tell(900, Source.CREDENTIALS)

    assert story.standing.verdict.blocked is FailureKind.AUTH


def test_a_feed_alone_turns_nothing(story: Story) -> None:
    story.tell(0, Source.FEED, says=Status.SUSPENDED)
    unknown = story.status
    story.deliver(60, 120)
    story.tell(180, Source.FEED, says=Status.OPERATIONAL)
    for hour in range(1, 6):
        story.tell(hour * HOUR, Source.FEED, says=Status.SUSPENDED)

    assert unknown is Status.UNKNOWN
    assert story.status is Status.OPERATIONAL
    assert codes(story) == [ReasonCode.JOBS_DELIVERED, ReasonCode.FEED_NOT_OPERATIONAL]


def test_a_feed_counts_once_at_its_change(story: Story) -> None:
    story.deliver(0)
    story.tell(60, Source.FEED, says=Status.SUSPENDED)
    once = jobs_down_probability(story.standing, story.at(120), story.policy)
    for minute in range(2, 30):
        story.tell(60.0 * minute, Source.FEED, says=Status.SUSPENDED)

    later = jobs_down_probability(story.standing, story.at(1800), story.policy)
    assert later < once + story.policy.prior


def test_a_feed_confirms_what_jobs_have_shown(story: Story) -> None:
    story.deliver(0, 60)
    story.fail(HOUR, HOUR + 30)
    alone = story.status
    story.tell(HOUR + 60, Source.FEED, says=Status.SUSPENDED, note="Elevated errors")

    assert alone is Status.OPERATIONAL
    assert story.status is Status.SUSPENDED
    assert story.standing.verdict.since == story.at(HOUR)


def test_a_feed_that_cannot_be_read_says_nothing_and_that_is_said(story: Story) -> None:
    story.deliver(0)
    before = story.standing.jobs
    story.tell(60, Source.FEED, says=Status.UNKNOWN)

    assert story.standing.jobs == before
    assert codes(story) == [ReasonCode.JOBS_DELIVERED, ReasonCode.FEED_UNREADABLE]


def test_a_feed_may_say_maintenance_until_it_ends(story: Story) -> None:
    story.deliver(0)
    story.tell(600, Source.FEED, says=Status.MAINTENANCE, until=4200, note="Upgrade")
    during = story.standing.verdict
    story.wait(4300)

    assert during.status is Status.MAINTENANCE
    assert during.reasons[0].code is ReasonCode.MAINTENANCE_SCHEDULED
    assert story.status is Status.OPERATIONAL
    assert story.standing.verdict.since == story.at(4200)


def test_the_lag_of_a_feed_is_measured(story: Story) -> None:
    story.deliver(0)
    story.fail(600, 900, 1200)
    story.tell(1500, Source.FEED, says=Status.SUSPENDED)

    assert story.standing.feed.lag_seconds == 900.0


def test_planned_maintenance_opens_and_closes_by_itself(story: Story) -> None:
    story.deliver(0)
    story.tell(2 * HOUR, Source.CALENDAR, says=Status.MAINTENANCE, until=3 * HOUR)
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
    story.tell(0, Source.CALENDAR, says=Status.RETIRED, until=100 * DAY, note="sora-3")
    far = codes(story)
    story.wait(9 * DAY)
    story.deliver(11 * DAY)
    near = codes(story)
    story.wait(100 * DAY)

    assert ReasonCode.SHUTDOWN_AHEAD not in far
    assert near == [ReasonCode.JOBS_DELIVERED, ReasonCode.SHUTDOWN_AHEAD]
    assert story.status is Status.RETIRED
    assert story.standing.verdict.since == story.at(100 * DAY)
    assert story.standing.verdict.reasons[0].facts["replacement"] == "sora-3"


def test_an_earliest_date_warns_and_retires_nothing(story: Story) -> None:
    story.tell(0, Source.CALENDAR, says=Status.OPERATIONAL, until=DAY)
    story.deliver(DAY - 60)
    story.wait(DAY + 60)

    assert story.status is Status.OPERATIONAL
    assert story.standing.verdict.reasons[1].facts["certain"] == 0


def test_the_same_unmistakable_answer_over_a_day_retires(story: Story) -> None:
    story.deliver(0)
    story.fail(HOUR, HOUR + 60, HOUR + 120, failure=GONE)
    at_once = story.status
    story.fail(13 * HOUR, 26 * HOUR, failure=GONE)

    assert at_once is not Status.RETIRED
    assert story.status is Status.RETIRED
    assert codes(story)[0] is ReasonCode.RETIREMENT_REPORTED
    assert story.standing.verdict.reasons[0].facts["times"] == 5


def test_a_mistakable_answer_never_retires(story: Story) -> None:
    mistakable = failure(FailureKind.RETIRED)
    story.fail(*(6 * HOUR * n for n in range(20)), failure=mistakable)

    assert Status.RETIRED not in story.seen


def test_a_listing_without_the_model_is_cause_to_look_and_no_verdict(story: Story) -> None:
    story.deliver(0)
    quiet = jobs_down_probability(story.standing, story.at(600), story.policy)
    story.tell(600, Source.CREDENTIALS, failure(FailureKind.RETIRED))
    asked = jobs_down_probability(story.standing, story.at(600), story.policy)
    story.deliver(700)
    for n in range(2, 30):
        story.tell(600 * n, Source.CREDENTIALS, failure(FailureKind.RETIRED))

    assert asked > 10 * quiet
    assert set(story.seen) == {Status.OPERATIONAL}


def test_an_answer_brought_twice_counts_once(story: Story) -> None:
    story.deliver(0)
    story.fail(300)
    once = story.standing
    story.fail(300)

    assert story.standing.jobs == once.jobs


def test_what_comes_late_neither_crashes_nor_turns_time_back(story: Story) -> None:
    story.deliver(0, 1200)
    story.fail(900)
    story.tell(600, Source.REACH)
    story.tell(300, Source.REACH, failure(FailureKind.DEGRADED))

    assert story.status is Status.OPERATIONAL
    assert story.standing.at == story.at(1200)
    assert story.standing.jobs.at == story.at(1200)


def test_a_minute_of_traffic_counts_for_three_jobs_at_most(story: Story) -> None:
    story.deliver(0)
    before = story.standing.jobs.log_odds
    story.fail(*(60 + n / 100 for n in range(2)), source=Source.TRAFFIC)
    two = story.standing.jobs.log_odds
    story.fail(*(61 + n / 100 for n in range(300)), source=Source.TRAFFIC)

    ceiling = before + 1.5 * (two - before)
    assert story.standing.jobs.log_odds <= ceiling + 0.01


def test_pass_time_returns_the_same_object_when_nothing_is_due(story: Story) -> None:
    story.deliver(0)
    before = story.standing

    assert story.wait(HOUR) is before


def test_learned_noise_makes_a_quiet_door_tell_sooner(story: Story) -> None:
    story.deliver(0)
    for minute in range(300):
        story.tell(60 * minute, Source.REACH)
    for n, second in enumerate((18000, 18010, 18030), start=1):
        story.tell(second, Source.REACH, failure(FailureKind.DEGRADED))
        assert (story.status is Status.SUSPENDED) is (n == 3)


def test_two_bad_shallow_probes_are_not_yet_an_outage(story: Story) -> None:
    story.deliver(0)
    for second in (60, 120, 180):
        story.tell(second, Source.REACH)
    story.tell(240, Source.REACH, failure(FailureKind.DEGRADED))
    story.tell(250, Source.REACH, failure(FailureKind.DEGRADED))

    assert story.status is Status.OPERATIONAL
    assert story.standing.api.at - story.standing.api.first_bad_at == timedelta(seconds=10)  # type: ignore[operator]
