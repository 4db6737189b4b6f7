"""What Replicate's adapter alone knows: an error is a string, and the list repeats the input."""

import json
from datetime import UTC, datetime

import pytest

from tallylight.catalogue.wording import Measure, Spelling, Word, Wording
from tallylight.model.evidence import FailureKind
from tallylight.model.frames import Frame
from tallylight.model.jobs import FREE, JobRef
from tallylight.model.order import Input, Order
from tallylight.upstreams.messages import Phase, Reply, Request
from tallylight.upstreams.protocol import Doubt, Flow, Site
from tallylight.upstreams.protocols.replicate import DEFINITION
from tallylight.upstreams.steps import Done, Failed, Listed, Missing, Page, Step, Working

MODEL = "bytedance/seedance-1-pro"
WORDING = Wording(
    {
        Measure.PROMPT: (Word("prompt"),),
        Measure.SECONDS: (Word("duration", Spelling.INTEGER),),
        Measure.RESOLUTION: (Word("resolution", Spelling.CLASS),),
    }
)
ADAPTER = DEFINITION.make(Site("http://127.0.0.1:9", "replicate", wordings={MODEL: WORDING}))
ORDER = Order(MODEL, "a boat", seconds=5, frame=Frame("720p", "16:9"))
JOB = JobRef("abc", {"model": MODEL})


def reply(document: object, phase: Phase = Phase.POLL) -> Reply:
    return Reply(phase, 200, {}, json.dumps(document))


def ended(flow: Flow[object], document: object) -> object:
    next(flow)
    with pytest.raises(StopIteration) as end:
        flow.send(reply(document))
    return end.value.value


def polled(**members: object) -> Step:
    assert ADAPTER.poll is not None
    found = ended(ADAPTER.poll(JOB), {"id": "abc", "model": MODEL, **members})
    assert isinstance(found, Working | Done | Failed | Missing)
    return found


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("The input or output was flagged as sensitive. (E005) (rq7x)", "content_rejected"),
        ("Error: NSFW content detected", "content_rejected"),
        ("E1001: out of memory", "degraded"),
        ("Prediction interrupted; please retry (code: PA)", "degraded"),
        ("", "degraded"),
        (None, "degraded"),
    ],
)
def test_the_one_string_says_why_a_prediction_failed(error: str | None, kind: str) -> None:
    step = polled(status="failed", error=error)

    assert isinstance(step, Failed)
    assert step.failure.kind is FailureKind(kind)
    assert step.usage is None


def test_only_a_prediction_that_never_started_is_free() -> None:
    aborted, canceled = polled(status="aborted"), polled(status="canceled")

    assert isinstance(aborted, Failed)
    assert isinstance(canceled, Failed)
    assert (aborted.usage, canceled.usage) == (FREE, None)


def test_a_film_expires_an_hour_after_its_end() -> None:
    step = polled(
        status="succeeded",
        output=["https://replicate.delivery/a.mp4"],
        completed_at="2026-11-29T10:00:00.123Z",
    )

    assert isinstance(step, Done)
    assert step.expires_at == datetime(2026, 11, 29, 11, 0, 0, 123000, tzinfo=UTC)


def test_a_film_whose_data_were_removed_is_missing_and_no_failure() -> None:
    step = polled(status="succeeded", output=None, data_removed=True)

    assert isinstance(step, Missing)


def test_a_cancel_leaves_a_running_prediction_alone() -> None:
    assert ADAPTER.cancel is not None
    flow = ADAPTER.cancel(JOB)

    step = ended(flow, {"id": "abc", "status": "processing"})

    assert step == Working(is_started=True)


@pytest.mark.parametrize(
    ("given", "differs"),
    [
        ({"prompt": "a boat", "duration": 5, "resolution": "720p"}, False),
        ({"prompt": "a boat", "duration": 5, "resolution": "720p", "fps": 24}, False),
        ({"prompt": "a boat", "duration": 10, "resolution": "720p"}, True),
        ({"prompt": "a boat", "duration": 5, "resolution": "480p"}, True),
        ({"prompt": "a boat"}, True),
        ({"prompt": " a boat\n", "duration": "5", "resolution": "720P"}, False),
        ({"prompt": "a boat", "duration": 5.0, "resolution": "720p"}, False),
    ],
)
def test_an_entry_with_another_input_is_another_order(given: object, *, differs: bool) -> None:
    assert ADAPTER.find is not None
    entry = {"id": "abc", "model": MODEL, "status": "starting", "input": given}

    page = ended(ADAPTER.find(Doubt(ORDER, "mark"), ""), {"results": [entry], "next": None})

    assert isinstance(page, Page)
    (listed,) = page.jobs
    assert isinstance(listed, Listed)
    assert (listed.prompt.strip(), listed.differs) == ("a boat", differs)


@pytest.mark.parametrize("given", [{}, None, "removed"])
def test_an_entry_whose_input_was_removed_may_be_any_order(given: object) -> None:
    assert ADAPTER.find is not None
    entry = {"id": "abc", "model": MODEL, "status": "succeeded", "input": given}

    page = ended(ADAPTER.find(Doubt(ORDER, "mark"), ""), {"results": [entry], "next": None})

    assert isinstance(page, Page)
    assert not page.jobs[0].differs


def test_a_picture_may_lie_in_the_list_under_another_address() -> None:
    assert ADAPTER.find is not None
    wording = Wording(WORDING.words, inputs={Input().role: "image"})
    site = Site("http://127.0.0.1:9", "replicate", wordings={MODEL: wording})
    adapter = DEFINITION.make(site)
    order = Order(MODEL, "a boat", inputs=(Input(body=b"PNG", media_type="image/png"),))
    given = {"prompt": "a boat", "image": "https://replicate.delivery/1.png"}
    entry = {"id": "abc", "model": MODEL, "status": "starting", "input": given}
    assert adapter.find is not None

    page = ended(adapter.find(Doubt(order, "mark"), ""), {"results": [entry]})

    assert isinstance(page, Page)
    assert not page.jobs[0].differs


def test_the_cursor_is_the_address_of_the_next_page() -> None:
    assert ADAPTER.find is not None
    following = "https://api.replicate.com/v1/predictions?cursor=abc"
    flow = ADAPTER.find(Doubt(ORDER, "mark"), following)

    request = next(flow)

    assert isinstance(request, Request)
    assert request.url == following


def test_a_create_never_asks_to_wait_for_the_film() -> None:
    request = ADAPTER.submit(ORDER, "mark")

    assert request.url == "/models/bytedance/seedance-1-pro/predictions"
    assert "prefer" not in {name.lower() for name in request.headers}
