"""How far a status page is believed: as far as it has agreed with jobs."""

from datetime import UTC, datetime, timedelta

import pytest

from tallylight.model.evidence import Evidence, Failure, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import ReasonCode
from tallylight.verdicts.judge import initial_state, judge
from tallylight.verdicts.learned import learned_figures
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.snapshot import dump_state, load_state
from tests.builders import BROKEN

START = datetime(2026, 1, 1, tzinfo=UTC)
RED, GREEN = Status.SUSPENDED, Status.OPERATIONAL


class Story:
    """A service with a status page, minute by minute."""

    def __init__(self, *, is_learned: bool = True) -> None:
        self.policy = Policy(learned_feed_trust=is_learned, jobs_ttl=timedelta(days=3))
        self.state = initial_state(ServiceId("sora-2"), START)
        self.minute = 0
        self.jobs(3)

    def jobs(self, count: int, failure: Failure | None = None) -> None:
        """Let so many paid jobs end: good ones each quarter of an hour, bad ones each minute."""
        for _ in range(count):
            self._apply(15 if failure is None else 1, Source.GENERATION, failure)

    def page(self, status: Status) -> None:
        """Let the page claim a status."""
        self._apply(15, Source.FEED, None, status)

    def episodes(self, count: int) -> None:
        """Let the page be right about so many partial outages."""
        for _ in range(count):
            self.page(RED)
            self.jobs(1)
            self.jobs(1, BROKEN)
            self.page(GREEN)
            self.jobs(6)
            self.minute += 1440

    def lies(self, count: int) -> None:
        """Let the page be wrong so many times."""
        for _ in range(count):
            self.page(RED)
            self.jobs(8)
            self.page(GREEN)
            self.jobs(3)

    @property
    def status(self) -> Status:
        """Return the current status."""
        return self.state.verdict.status

    def _apply(
        self, minutes: int, source: Source, failure: Failure | None, claim: Status | None = None
    ) -> None:
        self.minute += minutes
        at = START + timedelta(minutes=self.minute)
        evidence = Evidence(self.state.service, at, source, failure, claimed_status=claim)
        self.state = judge(self.state, evidence, self.policy)


@pytest.fixture
def story() -> Story:
    """Return a service whose page has been right four times."""
    page = Story()
    page.episodes(4)
    return page


def test_a_page_that_was_right_four_times_shows_trouble_although_jobs_pass(story: Story) -> None:
    story.page(RED)
    as_reported, reason = story.status, story.state.verdict.reasons[0].code
    story.jobs(1)
    after_a_pass = story.status
    story.page(GREEN)

    assert as_reported is Status.DEGRADED
    assert reason is ReasonCode.FEED_NOT_OPERATIONAL
    assert after_a_pass is Status.DEGRADED
    assert story.status is Status.OPERATIONAL


def test_a_page_that_was_right_three_times_shows_nothing() -> None:
    story = Story()
    story.episodes(3)
    story.page(RED)

    assert story.status is Status.OPERATIONAL


def test_without_the_setting_trust_is_counted_and_not_used() -> None:
    story = Story(is_learned=False)
    story.episodes(4)
    story.page(RED)

    assert story.status is Status.OPERATIONAL
    assert learned_figures(story.state, story.policy).feed_trust.agreed == 4


def test_jobs_refute_a_lie_and_it_costs_trust(story: Story) -> None:
    before = story.state.feed.trust.red
    story.page(RED)
    story.jobs(5)

    assert story.status is Status.OPERATIONAL
    assert story.state.feed.trust.denied == 1
    assert story.state.feed.trust.red < 0.6 < before


def test_a_new_page_that_lies_shows_nothing() -> None:
    story = Story()
    shown = set()
    for _ in range(5):
        story.page(RED)
        shown.add(story.status)
        story.jobs(3)
        shown.add(story.status)
        story.page(GREEN)
        story.jobs(3)

    assert shown == {Status.OPERATIONAL}
    assert story.state.feed.trust.denied == 5


def test_two_denials_within_a_month_silence_a_page_that_was_right_often() -> None:
    story = Story()
    story.episodes(12)
    story.lies(2)
    trust = story.state.feed.trust.red
    story.page(RED)

    assert trust >= 0.6
    assert story.status is Status.OPERATIONAL


def test_a_complete_outage_is_for_jobs_to_end(story: Story) -> None:
    story.page(RED)
    story.jobs(12, BROKEN)
    down = story.status
    story.jobs(3)

    assert down is Status.SUSPENDED
    assert story.status is Status.OPERATIONAL


def test_the_first_failed_job_of_a_reported_outage_does_not_hide_it(story: Story) -> None:
    story.page(RED)
    story.jobs(1, BROKEN)

    assert story.status is not Status.OPERATIONAL


def test_a_believed_recovery_lets_the_next_good_job_end_the_outage(story: Story) -> None:
    story.page(RED)
    story.jobs(1)
    story.jobs(8, BROKEN)
    story.page(GREEN)
    after_the_page = story.status
    story.jobs(1)

    assert after_the_page is not Status.OPERATIONAL
    assert story.status is Status.OPERATIONAL


def test_a_recovery_that_the_next_job_denies_costs_trust(story: Story) -> None:
    before = story.state.feed.trust.green
    story.page(RED)
    story.jobs(1, BROKEN)
    story.page(GREEN)
    story.jobs(1, BROKEN)

    assert story.state.feed.trust.green < before


def test_a_restart_remembers_what_a_page_has_earned(story: Story) -> None:
    assert load_state(dump_state(story.state)) == story.state
