"""What trouble is called, and which reason is told first."""

from dataclasses import replace

import pytest

from tallylight.model.evidence import Failure, FailureKind, Fault, Source
from tallylight.model.status import Access, Status
from tallylight.model.verdict import ReasonCode
from tallylight.verdicts.policy import DEFAULT_MTBF_AND_MTTR, REVERSE_LIKELIHOODS, Policy
from tests.builders import BROKEN
from tests.verdicts.test_judge import Story

CHALLENGE = Failure(
    FailureKind.RISK_CONTROL, Fault.UPSTREAM, "page:challenge", "Just a moment...", http_status=403
)
NO_ANSWER = Failure(FailureKind.DEGRADED, Fault.UPSTREAM, "exception:timeout")
REVERSE = Policy(access=Access.REVERSE, likelihoods=REVERSE_LIKELIHOODS)


def well(policy: Policy | None = None) -> Story:
    """Return a service whose free checks and jobs have succeeded until second 2160."""
    story = Story(policy or Policy())
    for minute in range(20):
        story.apply(60.0 * minute, Source.REACH)
    story.deliver(1260, 1560, 1860, 2160)
    return story


def refuse(story: Story, times: int, failure: Failure, *, every: float = 20) -> list[Status]:
    """Let free checks fail from second 2400 on, and return the statuses after each."""
    return [
        story.apply(2400 + every * number, Source.REACH, failure).verdict.status
        for number in range(times)
    ]


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (CHALLENGE, ReasonCode.CHALLENGED),
        (NO_ANSWER, ReasonCode.API_DOWN),
        (BROKEN, ReasonCode.API_DOWN),
    ],
)
def test_a_closed_door_is_told_before_the_videos_that_arrived_earlier(
    failure: Failure, code: ReasonCode
) -> None:
    story = well()

    refuse(story, 5, failure)

    codes = [reason.code for reason in story.state.verdict.reasons]
    assert codes[0] is code
    assert codes[-1] is ReasonCode.JOBS_DELIVERED


def test_the_reason_of_a_recovery_is_newer_than_the_outage() -> None:
    story = well()
    refuse(story, 5, BROKEN)

    for second in range(2500, 2800, 60):
        story.apply(second, Source.REACH)
    recovered = story.state.verdict
    story.deliver(3000)

    assert recovered.status is Status.OPERATIONAL
    assert [reason.code for reason in recovered.reasons] == [ReasonCode.API_RESPONDING]
    assert story.state.verdict.reasons[0].code is ReasonCode.JOBS_DELIVERED


def test_challenge_pages_minutes_apart_are_risk_control_on_reverse_access() -> None:
    story = well(REVERSE)

    seen = refuse(story, 10, CHALLENGE)

    assert Status.SUSPENDED not in seen
    assert seen.index(Status.RISK_CONTROL) == 6  # two minutes after the first
    assert story.state.verdict.since == story.at(2400)


def test_a_good_answer_between_two_challenge_pages_keeps_them_one_sign() -> None:
    story = well(REVERSE)
    refuse(story, 5, CHALLENGE)
    story.apply(2490, Source.REACH)

    for second in range(2500, 2600, 20):
        story.apply(second, Source.REACH, CHALLENGE)

    assert story.status is Status.DEGRADED


def test_challenge_pages_of_an_official_service_refuse_our_address() -> None:
    story = well()

    seen = refuse(story, 60, CHALLENGE)

    assert set(seen) == {Status.OPERATIONAL, Status.DEGRADED}
    assert story.state.verdict.reasons[0].code is ReasonCode.CHALLENGED


def jobs(story: Story, pattern: str, *, start: float, every: float = 300) -> list[Status]:
    """Let jobs deliver (+) or fail (-) in turn; return each status once per change."""
    names: list[Status] = []
    for number, sign in enumerate(pattern):
        at = start + every * number
        if sign == "+":
            story.deliver(at)
        else:
            story.fail(at)
        if not names or names[-1] is not story.status:
            names.append(story.status)
    return names


def test_a_suspension_keeps_its_name_when_a_single_job_passes() -> None:
    story = well(REVERSE)

    names = jobs(story, "--------" + "+----" * 4, start=3000)

    assert names == [Status.OPERATIONAL, Status.SUSPENDED]


def test_an_outage_that_lets_some_jobs_pass_does_not_flutter_between_two_names() -> None:
    story = well(REVERSE)

    names = jobs(story, "---+-+--+---+-+----+-+---+--+----+-", start=3000)

    assert names == [Status.OPERATIONAL, Status.SUSPENDED, Status.DEGRADED]


@pytest.mark.parametrize(("outage", "successes"), [("-" * 12, 3), ("--+-+-+--+-", 8)])
def test_the_more_jobs_an_outage_lets_pass_the_more_have_to_succeed_until_it_is_over(
    outage: str, successes: int
) -> None:
    mtbf, mttr = DEFAULT_MTBF_AND_MTTR[Access.REVERSE]
    story = well(replace(REVERSE, mtbf=mtbf, mttr=mttr))

    jobs(story, outage + "+" * (successes - 1), start=2460)
    during = story.status
    jobs(story, "+", start=2460 + 300 * (len(outage) + successes - 1))

    assert during is not Status.OPERATIONAL
    assert story.status is Status.OPERATIONAL
