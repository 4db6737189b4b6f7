"""xAI: what its answers mean that no simulated upstream gives."""

import json
from decimal import Decimal

import pytest

from tallylight.model.evidence import FailureKind
from tallylight.model.jobs import JobRef
from tallylight.model.order import Form, Medium, Operation, Role
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.protocol import Site, require_expressible
from tallylight.upstreams.protocols.registry import PROTOCOLS
from tallylight.upstreams.steps import Accepted, Done, Failed, Trouble, Working
from tests.builders import order_of
from tests.contract.services import picture
from tests.upstreams.flows import finished, urls

SITE = Site("https://api.x.ai/v1", "xai")
VIDEOS = PROTOCOLS["xai"].make(SITE)
IMAGES = PROTOCOLS["xai_images"].make(SITE)
FILM = picture(Role.SOURCE, Form.URL, Medium.VIDEO)
URL = "https://vidgen.test/1.mp4"


def polled(status: int, document: object) -> object:
    assert VIDEOS.poll is not None
    text = document if isinstance(document, str) else json.dumps(document)
    return finished(VIDEOS.poll(JobRef("a")), Reply(Phase.POLL, status, {}, text))[0]


def checked(*documents: object) -> object:
    replies = (Reply(Phase.PROBE, 200, {}, json.dumps(each)) for each in documents)
    return finished(VIDEOS.check("grok-imagine-video"), *replies)[0]


@pytest.mark.parametrize(
    ("body", "progress", "is_started"),
    [("", None, False), ({"status": "pending"}, None, False), ({"progress": 30}, 30, True)],
)
def test_202_is_a_running_job_whatever_its_body_says(
    body: object, progress: int | None, *, is_started: bool
) -> None:
    assert polled(202, body) == Working(is_started, progress)


def test_the_end_of_a_job_is_believed_under_202_too() -> None:
    assert isinstance(polled(202, {"status": "done", "video": {"url": URL}}), Done)
    assert isinstance(polled(202, {"status": "failed", "error": {"message": "no"}}), Failed)


def test_an_empty_answer_under_200_says_nothing_of_the_job() -> None:
    assert isinstance(polled(200, ""), Trouble)


def test_a_film_that_is_held_back_is_no_result_and_may_have_been_billed() -> None:
    video = {"url": URL, "duration": 8, "respect_moderation": False}

    step = polled(
        200, {"status": "done", "video": video, "usage": {"cost_in_usd_ticks": 6_400_000_000}}
    )

    assert isinstance(step, Failed)
    assert step.failure.kind is FailureKind.CONTENT_REJECTED
    assert step.usage is not None
    assert step.usage.amount == Decimal("0.64")


def test_a_cost_of_more_than_ten_digits_is_read_exactly() -> None:
    usage = {"cost_in_usd_ticks": 37_500_000_001}

    step = polled(200, {"status": "done", "video": {"url": URL}, "usage": usage})

    assert isinstance(step, Done)
    assert step.usage is not None
    assert step.usage.amount == Decimal("3.7500000001")


def test_a_film_in_the_store_of_files_is_found_there() -> None:
    video = {"url": None, "file_output": {"public_url": URL}}

    step = polled(200, {"status": "done", "video": video})

    assert isinstance(step, Done)
    assert urls(step.outputs) == [URL]


@pytest.mark.parametrize(
    ("operation", "path", "names"),
    [
        (Operation.EDIT, "/videos/edits", {"model", "prompt", "video"}),
        (Operation.EXTEND, "/videos/extensions", {"model", "prompt", "video", "duration"}),
    ],
)
def test_work_on_a_film_does_not_say_what_the_film_has_already(
    operation: Operation, path: str, names: set[str]
) -> None:
    request = VIDEOS.submit(order_of(operation=operation, inputs=(FILM,), audio=True), "")

    body = json.loads(request.json)
    assert (request.url, body.keys()) == (path, names)
    assert body["video"] == {"url": FILM.url}


def test_work_on_a_job_or_on_nothing_cannot_be_expressed() -> None:
    with pytest.raises(LookupError, match="not its job"):
        require_expressible(order_of(operation=Operation.EDIT, source="a"), VIDEOS)
    with pytest.raises(LookupError, match="needs a film"):
        VIDEOS.submit(order_of(operation=Operation.EDIT), "")


def test_a_key_that_is_blocked_is_ours_to_mend() -> None:
    failure = checked({"name": "a", "api_key_blocked": False, "team_blocked": True})

    assert getattr(failure, "kind", None) is FailureKind.AUTH


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": "Incorrect API key provided: xa***y."}, FailureKind.AUTH),
        (403, {"error": {"message": "used all available credits", "code": "x"}}, FailureKind.QUOTA),
        (
            403,
            {"code": "forbidden", "error": "SAFETY_CHECK_TYPE_BIO failed"},
            FailureKind.CONTENT_REJECTED,
        ),
        (
            404,
            {"code": "x", "error": "The model grok-9 does not exist or your team has no access"},
            FailureKind.UNKNOWN,
        ),
    ],
)
def test_the_words_count_in_each_of_the_three_envelopes(
    status: int, body: object, kind: FailureKind
) -> None:
    failure = VIDEOS.errors.of(Reply(Phase.CREATE, status, {}, json.dumps(body)))

    assert failure is not None
    assert failure.kind is kind


def test_of_several_pictures_some_may_be_held_back() -> None:
    held, shown = {"respect_moderation": False}, {"url": "https://imgen.test/1.png"}
    answer = {"data": [held, shown], "usage": {"cost_in_usd_ticks": 1_200_000_000}}

    found = IMAGES.accepted(order_of(), Reply(Phase.CREATE, 200, {}, json.dumps(answer)))

    assert isinstance(found, Accepted)
    assert isinstance(found.step, Done)
    assert urls(found.step.outputs, "image") == ["https://imgen.test/1.png"]
    assert found.step.usage is not None
    assert found.step.usage.amount == Decimal("0.12")


def test_pictures_that_are_all_held_back_are_a_job_that_has_failed() -> None:
    answer = {"data": [{"respect_moderation": False, "url": ""}]}

    found = IMAGES.accepted(order_of(), Reply(Phase.CREATE, 200, {}, json.dumps(answer)))

    assert isinstance(found, Accepted)
    assert isinstance(found.step, Failed)
    assert found.step.failure.kind is FailureKind.CONTENT_REJECTED
