import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from tallylight.catalogue.services import Upstream
from tallylight.model.evidence import Failure
from tallylight.model.jobs import JobRef, Usage
from tallylight.model.order import Input, Operation, Order
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.steps import Failed, Working
from tests.upstreams.flows import (
    ORDER,
    finished,
    outputs_of,
    read_poll,
    submitted,
    urls,
)

MakeUpstream = Callable[..., Upstream]
MakeReply = Callable[..., Reply]

PICTURE = Input(body=b"PNG", media_type="image/png", name="boat.png")
LINK = Input(url="https://x.test/boat.png")
DATA_URL = "data:image/png;base64,UE5H"


def test_an_image_is_sent_as_a_file_in_a_form(make_upstream: MakeUpstream) -> None:
    for dialect in ("openai", "vllm_omni"):
        upstream = make_upstream(dialect=dialect)

        request = submitted(upstream, replace(ORDER, inputs=(PICTURE,)))

        (file,) = request.files
        assert (file.field_name, file.filename, file.media_type) == (
            "input_reference",
            "boat.png",
            "image/png",
        )
        assert file.body is PICTURE.body
        assert request.json == ""


def test_a_file_is_named_for_what_it_is(make_upstream: MakeUpstream) -> None:
    heic = Input(body=b"heic", media_type="image/heic", name="照片 1.jpg")

    (file,) = submitted(make_upstream(), replace(ORDER, inputs=(heic,))).files

    assert (file.filename, file.media_type) == ("照片 1.heic", "image/heic")


@pytest.mark.parametrize(
    ("dialect", "name", "reference", "value"),
    [
        ("openai", "input_reference", LINK, {"image_url": LINK.url}),
        ("new_api", "input_reference", LINK, LINK.url),
        ("new_api", "input_reference", PICTURE, DATA_URL),
        ("new_api", "image", LINK, LINK.url),
        ("new_api", "image", PICTURE, DATA_URL),
        ("sglang", "reference_url", LINK, LINK.url),
        ("sglang", "reference_url", PICTURE, DATA_URL),
    ],
)
def test_an_image_is_sent_as_a_url_in_json(
    make_upstream: MakeUpstream, dialect: str, name: str, reference: Input, value: object
) -> None:
    request = submitted(make_upstream(dialect=dialect), replace(ORDER, inputs=(reference,)))

    body = json.loads(request.json)
    assert body[name] == value
    assert (body["prompt"], request.form, request.files) == ("a paper boat", (), ())


def test_a_url_is_sent_to_vllm_omni_as_json_in_a_field(make_upstream: MakeUpstream) -> None:
    request = submitted(make_upstream(dialect="vllm_omni"), replace(ORDER, inputs=(LINK,)))

    assert json.loads(dict(request.form)["image_reference"]) == {"image_url": LINK.url}
    assert request.files == ()


def test_characters_are_sent_as_json_with_the_image(make_upstream: MakeUpstream) -> None:
    order = replace(ORDER, characters=("char_1", "char_2"), inputs=(PICTURE,))

    body = json.loads(submitted(make_upstream(), order).json)

    assert body["characters"] == [{"id": "char_1"}, {"id": "char_2"}]
    assert body["input_reference"] == {"image_url": DATA_URL}
    assert body["seconds"] == "4"


def test_unknown_fields_are_sent_nested_as_the_sdks_do(
    make_upstream: MakeUpstream,
) -> None:
    extras = {"seed": 7, "meta": {"a": 1, "b": {"c": "x"}}, "tags": ["p", "q"], "on": True}
    order = replace(ORDER, extras={**extras, "model": "another", "none": None})

    form = submitted(make_upstream(), order).form
    body = json.loads(submitted(make_upstream(dialect="new_api"), order).json)

    assert dict(form)["model"] == body["model"] == "m"
    assert {("meta[a]", "1"), ("meta[b][c]", "x"), ("seed", "7"), ("on", "true")} <= set(form)
    assert [value for name, value in form if name == "tags[]"] == ["p", "q"]
    assert "none" not in dict(form)
    assert body["meta"] == extras["meta"]


@pytest.mark.parametrize(
    ("order", "path", "body"),
    [
        (
            replace(ORDER, operation=Operation.REMIX, source="video_1"),
            "/videos/video_1/remix",
            {"prompt": "a paper boat"},
        ),
        (
            replace(ORDER, operation=Operation.EDIT, source="video_1"),
            "/videos/edits",
            {"prompt": "a paper boat", "video": {"id": "video_1"}},
        ),
        (
            replace(ORDER, operation=Operation.EXTEND, source="video_1", extras={"seed": 7}),
            "/videos/extensions",
            {"prompt": "a paper boat", "video": {"id": "video_1"}, "seconds": "4", "seed": 7},
        ),
    ],
)
def test_a_video_is_made_from_a_job(
    make_upstream: MakeUpstream, order: Order, path: str, body: dict[str, object]
) -> None:
    request = submitted(make_upstream(), order, "sora-2")

    assert (request.url, request.method) == (path, "POST")
    assert json.loads(request.json) == body
    assert request.phase is Phase.CREATE


def test_an_edit_can_start_from_a_video(make_upstream: MakeUpstream) -> None:
    film = Input(body=b"mp4", media_type="video/mp4")
    order = replace(ORDER, operation=Operation.EDIT, inputs=(film,))

    request = submitted(make_upstream(), order)

    (file,) = request.files
    assert (file.field_name, file.filename, file.body) == ("video", "reference.mp4", b"mp4")
    assert dict(request.form) == {"prompt": "a paper boat"}


@pytest.mark.parametrize(
    ("dialect", "order"),
    [
        ("new_api", replace(ORDER, operation=Operation.EDIT, source="v")),
        ("vllm_omni", replace(ORDER, operation=Operation.REMIX, source="v")),
        ("sglang", replace(ORDER, characters=("char_1",))),
        ("openai", replace(ORDER, operation=Operation.EDIT)),
        ("openai", replace(ORDER, operation=Operation.EDIT, inputs=(LINK,))),
        ("openai", replace(ORDER, operation=Operation.REMIX)),
        ("openai", replace(ORDER, source="video_1")),
    ],
)
def test_an_order_that_a_dialect_cannot_express_is_not_sent(
    make_upstream: MakeUpstream, dialect: str, order: Order
) -> None:
    with pytest.raises(LookupError):
        submitted(make_upstream(dialect=dialect), order)


def test_a_variant_is_requested_by_the_content_call_even_if_the_video_is_elsewhere(
    make_upstream: MakeUpstream, make_reply: MakeReply
) -> None:
    film = "https://cdn.example/v.mp4"
    body = json.dumps({"id": "v", "object": "video", "status": "completed", "url": film})
    reply = make_reply(Phase.POLL, body)

    ways = outputs_of(make_upstream(), reply, "video_1")

    assert urls(ways) == [film, "/videos/video_1/content"]
    assert urls(ways, "thumbnail") == ["/videos/video_1/content?variant=thumbnail"]
    assert urls(ways, "spritesheet") == ["/videos/video_1/content?variant=spritesheet"]
    assert urls(ways, "poster") == []
    assert urls(outputs_of(make_upstream(dialect="sglang"), reply), "thumbnail") == []


RUNNING = '{"id":"v","object":"video","status":"in_progress"}'
DELETED = '{"id":"v","object":"video.deleted","deleted":true}'


@pytest.mark.parametrize(
    ("status", "body", "is_proven"),
    [
        (200, DELETED, True),
        (200, '{"id":"v","object":"video.deleted","deleted":false}', False),
        (200, '{"id":"v","object":"video","status":"deleted"}', False),
        (409, '{"detail":"Cancellation in progress. Please try again later."}', False),
        (404, '{"detail":"Video not found"}', False),
        (500, DELETED, False),
    ],
)
def test_a_cancellation_counts_only_if_the_answer_says_so(
    make_upstream: MakeUpstream,
    make_reply: MakeReply,
    status: int,
    body: str,
    *,
    is_proven: bool,
) -> None:
    cancel = adapter_for(make_upstream(dialect="vllm_omni")).cancel
    assert cancel is not None
    running = make_reply(Phase.POLL, RUNNING)
    replies = [running, make_reply(Phase.CANCEL, body, status), *([] if is_proven else [running])]

    step, asked = finished(cancel(JobRef("v")), *replies)

    assert (asked[1].method, asked[1].url, asked[1].phase) == ("DELETE", "/videos/v", Phase.CANCEL)
    if is_proven:
        assert isinstance(step, Failed)
        assert step.usage == Usage(Decimal(0))
    else:
        assert isinstance(step, Working)


def test_only_a_dialect_whose_answer_proves_a_cancellation_cancels(
    make_upstream: MakeUpstream,
) -> None:
    for dialect, deletes in (("openai", True), ("sglang", True), ("new_api", False)):
        adapter = adapter_for(make_upstream(dialect=dialect))

        assert adapter.cancel is None
        assert (adapter.delete is not None) == deletes


def test_a_character_is_created_from_a_video_and_has_an_id(
    make_upstream: MakeUpstream, make_reply: MakeReply
) -> None:
    create = adapter_for(make_upstream()).create_character
    assert create is not None
    film = Input(body=b"mp4", media_type="video/mp4", name="me.mp4")
    made = make_reply(Phase.UPLOAD, '{"id":"char_1","name":"Ann","created_at":1}')
    refused = make_reply(Phase.UPLOAD, '{"id":null,"name":null,"created_at":1}')

    id_, (request,) = finished(create("Ann", film), made)
    failure, _ = finished(create("Ann", film), refused)

    assert (request.method, request.url) == ("POST", "/videos/characters")
    assert (request.form, request.files[0].field_name) == ((("name", "Ann"),), "video")
    assert id_ == "char_1"
    assert isinstance(failure, Failure)
    assert adapter_for(make_upstream(dialect="new_api")).create_character is None


@pytest.mark.parametrize(
    ("said", "cost"),
    [
        (0.42, Decimal("0.42")),
        ("0.42", Decimal("0.42")),
        (0, Decimal(0)),
        (1e-05, Decimal("0.00001")),
        (None, None),
        (True, None),
        (-1, None),
        ("NaN", None),
        ("free", None),
    ],
)
def test_the_cost_of_a_job_is_read_if_present(
    make_upstream: MakeUpstream, make_reply: MakeReply, said: object, cost: Decimal | None
) -> None:
    body = json.dumps({"id": "v", "status": "queued", "usage": {"cost": said}})

    step = read_poll(make_upstream(), make_reply(Phase.POLL, body))

    assert isinstance(step, Working)
    assert step.usage == (None if cost is None else Usage(cost))


def test_new_api_is_sent_the_length_under_both_of_its_names(make_upstream: MakeUpstream) -> None:
    order = replace(ORDER, extras={"duration": 15})

    relay = json.loads(submitted(make_upstream(dialect="new_api"), order).json)
    engine = json.loads(submitted(make_upstream(dialect="sglang")).json)

    assert (relay["seconds"], relay["duration"]) == ("4", 4)
    assert "duration" not in engine
