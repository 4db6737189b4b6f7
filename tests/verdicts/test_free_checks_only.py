"""A service that only free checks tell of: what is known of it, and what is not."""

from dataclasses import replace

import pytest

from tallylight.app.summary import summary_json, summary_text
from tallylight.i18n import Language, translator
from tallylight.i18n.labels import verdict_label
from tallylight.model.evidence import Failure, FailureKind, Fault, Source
from tallylight.model.frames import frame_of
from tallylight.model.order import Order
from tallylight.model.status import Status
from tallylight.model.verdict import Basis
from tallylight.status.views.services import ServiceRow
from tests.builders import BROKEN, priced_service
from tests.verdicts.test_judge import Story

ENGLISH = translator(Language.EN)
AUTH = Failure(FailureKind.AUTH, Fault.OURS, "status:401", http_status=401)


def check(story: Story, start: float, failure: Failure | None = None, times: int = 6) -> None:
    for number in range(times):
        story.apply(start + 30 * number, Source.REACH, failure)


def label(story: Story) -> str:
    return verdict_label(story.state.verdict, ENGLISH)


def test_a_service_that_answers_and_was_never_paid_for_is_called_reachable() -> None:
    story = Story()

    check(story, 0)

    verdict = story.state.verdict
    assert (verdict.status, verdict.basis) == (Status.UNKNOWN, Basis.REACH)
    assert label(story) == "Reachable, videos not checked"
    assert len({verdict_label(verdict, translator(language)) for language in Language}) == 3


def test_nothing_is_called_reachable_before_its_first_answer_or_without_a_fresh_one() -> None:
    story = Story()
    before = label(story)
    check(story, 0)
    story.wait(3600)

    assert before == label(story) == "Unknown"
    assert story.state.verdict.basis is Basis.VIDEOS


def test_a_door_that_was_bad_and_went_stale_is_not_called_reachable() -> None:
    story = Story()
    check(story, 0, BROKEN)
    bad = story.state.verdict
    story.wait(3600)

    assert (bad.status, bad.basis) == (Status.SUSPENDED, Basis.REACH)
    assert (story.status, label(story)) == (Status.UNKNOWN, "Unknown")


def test_a_door_that_was_bad_and_is_good_again_is_shown_so() -> None:
    story = Story()
    check(story, 0, BROKEN)
    check(story, 300)

    assert label(story) == "Reachable, videos not checked"
    assert story.state.recovery.at == story.at(300)


def test_jobs_once_seen_and_a_refused_key_are_more_than_reach() -> None:
    paid, refused = Story(), Story()
    paid.deliver(0, 60, 120)
    check(paid, 86400)
    check(refused, 0)
    refused.apply(300, Source.CREDENTIALS, AUTH)

    assert (paid.status, paid.state.verdict.basis) == (Status.UNKNOWN, Basis.VIDEOS)
    assert label(paid) == label(refused) == "Unknown"


def test_a_delivered_video_ends_an_outage_of_the_door_that_went_stale() -> None:
    story = Story()
    story.deliver(0, 60, 120)
    check(story, 600, BROKEN)
    story.wait(1200)
    unknown = story.status

    story.deliver(1300)

    assert (unknown, story.status) == (Status.UNKNOWN, Status.OPERATIONAL)
    assert story.state.api.lost_from is None


@pytest.fixture
def row() -> ServiceRow:
    story = Story()
    check(story, 0)
    service = priced_service()
    order = Order(service.id, "a probe", seconds=4, frame=frame_of("1280x720"))
    return ServiceRow(replace(service, probe_order=order), story.state.verdict, ENGLISH)


def test_the_one_command_that_would_tell_is_named_with_its_price(row: ServiceRow) -> None:
    text = "To check that videos arrive: tallylight check a --depth generation ($0.40)"

    assert row.video_check == text
    assert summary_text([row]).splitlines()[-1].strip() == text
    assert summary_json([row])[0]["basis"] == "reach"


def test_no_command_is_named_where_no_probe_can_be_ordered(row: ServiceRow) -> None:
    assert replace(row, service=replace(row.service, probe_order=None)).video_check == ""
