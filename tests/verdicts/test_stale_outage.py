"""An outage whose evidence expires: nobody knows any more, and nothing is called well by that."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tallylight.i18n import Language, translator
from tallylight.i18n.reasons import reason_sentence
from tallylight.model.evidence import Failure, FailureKind, Fault, Source
from tallylight.model.status import Status
from tallylight.model.verdict import ReasonCode
from tallylight.verdicts.judge import held
from tests.builders import BROKEN
from tests.verdicts.test_judge import Story

RATE_LIMITED = Failure(FailureKind.RATE_LIMITED, Fault.OURS, "code:rate_limit", http_status=429)
FOUND_DOWN = 2400.0
GONE_STALE = 2480.0 + 120


def suspended(story: Story) -> None:
    """Let jobs and free checks succeed, then free checks fail five times."""
    for minute in range(20):
        story.apply(60.0 * minute, Source.REACH)
    story.deliver(1260, 1560, 1860, 2160)
    for second in range(0, 100, 20):
        story.apply(FOUND_DOWN + second, Source.REACH, BROKEN)
    assert story.status is Status.SUSPENDED


@pytest.fixture
def story() -> Story:
    story = Story()
    suspended(story)
    return story


def test_a_bad_door_that_goes_stale_is_unknown_whatever_the_jobs_were(story: Story) -> None:
    story.wait(3600)

    verdict = story.state.verdict
    assert (verdict.status, verdict.confidence) == (Status.UNKNOWN, 0.0)
    assert verdict.since == story.at(GONE_STALE)
    assert story.state.api.lost_from == story.at(FOUND_DOWN)
    assert verdict.reasons[0].code is ReasonCode.LAST_SEEN


def test_the_reason_says_what_was_seen_last_and_when(story: Story) -> None:
    story.wait(3600)

    reason = story.state.verdict.reasons[0]
    sentences = [reason_sentence(reason, translator(language)) for language in Language]

    assert sentences[0] == "Last seen as “Suspended” on 1 Jan at 00:41 UTC; no evidence since."
    assert len(set(sentences)) == 3


def test_answers_that_are_our_own_fault_do_not_refresh_a_bad_door(story: Story) -> None:
    for minute in range(1, 10):
        story.apply(2480 + 60 * minute, Source.REACH, RATE_LIMITED)
        story.wait(2480 + 60 * minute)

    assert story.status is Status.UNKNOWN
    assert Status.OPERATIONAL not in story.seen[-9:]


def test_trouble_that_is_seen_again_reaches_back_over_the_unknown_within_it(story: Story) -> None:
    story.wait(3600)
    for second in (4000, 4060, 4120):
        story.apply(second, Source.REACH, BROKEN)

    assert story.status is Status.SUSPENDED
    assert story.state.verdict.since == story.at(FOUND_DOWN)
    assert story.state.changed_at == story.at(4000)
    assert story.state.api.lost_from is None


def test_a_door_that_answers_again_ends_the_outage_at_its_first_good_answer(story: Story) -> None:
    story.wait(3600)
    seen = [story.apply(second, Source.REACH).verdict.status for second in (4000, 4060, 4120, 4180)]

    assert seen[-1] is Status.OPERATIONAL
    assert story.state.verdict.since == story.at(4000)
    assert set(seen) == {Status.UNKNOWN, Status.OPERATIONAL} or set(seen) == {Status.OPERATIONAL}


def test_a_door_that_was_up_when_it_went_stale_says_nothing() -> None:
    story = Story()
    for minute in range(20):
        story.apply(60.0 * minute, Source.REACH)
    story.deliver(1260, 1560, 1860, 2160)

    story.wait(7200)
    story.deliver(7200)

    assert story.status is Status.OPERATIONAL


def test_jobs_that_fail_again_after_their_evidence_expired_continue_the_outage() -> None:
    story = Story()
    story.deliver(0, 60, 120, 180)
    story.fail(600, 900, 1200, 1500)
    began = story.state.verdict.since
    story.wait(86400)
    unknown = story.state.verdict
    story.fail(90000, 90060, 90120)

    assert (unknown.status, unknown.reasons[0].code) == (Status.UNKNOWN, ReasonCode.LAST_SEEN)
    assert (story.status, story.state.verdict.since) == (Status.SUSPENDED, began)
    assert story.state.job_history.outage_history.outages == 1


def test_a_pause_shorter_than_the_hold_leaves_no_trace(story: Story) -> None:
    before = story.state.verdict
    story.state = held(story.state, story.at(2590), story.policy)

    story.wait(2650)
    waiting = story.state.verdict
    story.apply(2595, Source.REACH, BROKEN)

    assert waiting == before
    assert story.status is Status.SUSPENDED
    assert story.state.verdict.since == before.since
    assert story.state.changed_at == before.since


def test_time_passes_again_with_the_first_free_check_after_a_start(story: Story) -> None:
    story.state = held(story.state, story.at(6000), story.policy)
    story.wait(6060)
    waiting = story.status
    story.apply(6070, Source.REACH, RATE_LIMITED)
    story.wait(6071)

    assert waiting is Status.SUSPENDED
    assert story.status is Status.UNKNOWN
    assert story.state.verdict.since == story.at(GONE_STALE)


def test_time_passes_again_once_the_hold_after_a_start_has_passed(story: Story) -> None:
    story.state = held(story.state, story.at(6000), story.policy)
    story.wait(6119)
    waiting = story.status
    story.wait(6120)

    assert waiting is Status.SUSPENDED
    assert (story.status, story.state.verdict.since) == (Status.UNKNOWN, story.at(GONE_STALE))


def test_evidence_that_is_no_free_check_lets_no_time_pass_after_a_start(story: Story) -> None:
    story.state = held(story.state, story.at(6000), story.policy)
    story.apply(6010, Source.FEED, claimed_status=Status.OPERATIONAL)
    waiting = story.status
    story.apply(6060, Source.REACH, BROKEN)

    assert waiting is Status.SUSPENDED
    assert story.status in {Status.UNKNOWN, Status.SUSPENDED}


def test_the_hold_of_a_service_without_free_checks_is_none() -> None:
    state = replace(Story().state)

    assert held(state, state.at + timedelta(days=1), Story().policy) is state
