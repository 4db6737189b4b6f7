import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from tallylight.catalogue.services import Upstream
from tallylight.model.evidence import Failure
from tallylight.model.order import Operation, Order, Reference
from tallylight.upstreams.messages import Job, JobState, Phase, Reply, Request
from tallylight.upstreams.protocols.registry import adapter_for

MakeUpstream = Callable[..., Upstream]
MakeReply = Callable[..., Reply]

ORDER = Order(prompt="a paper boat", seconds=4, size="1280x720")
PICTURE = Reference(body=b"PNG", media_type="image/png", name="boat.png")
LINK = Reference(url="https://x.test/boat.png")
DATA_URL = "data:image/png;base64,UE5H"


def test_an_image_is_sent_as_a_file_in_a_form(make_upstream: MakeUpstream) -> None:
    for dialect in ("openai", "vllm_omni"):
        adapter = adapter_for(make_upstream(dialect=dialect))

        request = adapter.create(replace(ORDER, reference=PICTURE), "m")

        (file,) = request.files
        assert (file.field_name, file.filename, file.media_type) == (
            "input_reference",
            "boat.png",
            "image/png",
        )
        assert file.body is PICTURE.body
        assert request.json == ""


def test_a_file_is_named_for_what_it_is(make_upstream: MakeUpstream) -> None:
    heic = Reference(body=b"heic", media_type="image/heic", name="照片 1.jpg")

    (file,) = adapter_for(make_upstream()).create(replace(ORDER, reference=heic), "m").files

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
    make_upstream: MakeUpstream, dialect: str, name: str, reference: Reference, value: object
) -> None:
    adapter = adapter_for(make_upstream(dialect=dialect))

    request = adapter.create(replace(ORDER, reference=reference), "m")

    body = json.loads(request.json)
    assert body[name] == value
    assert (body["prompt"], request.form, request.files) == ("a paper boat", (), ())


def test_a_url_is_sent_to_vllm_omni_as_json_in_a_field(make_upstream: MakeUpstream) -> None:
    adapter = adapter_for(make_upstream(dialect="vllm_omni"))

    request = adapter.create(replace(ORDER, reference=LINK), "m")

    assert json.loads(dict(request.form)["image_reference"]) == {"image_url": LINK.url}
    assert request.files == ()


def test_characters_are_sent_as_json_with_the_image(make_upstream: MakeUpstream) -> None:
    order = replace(ORDER, characters=("char_1", "char_2"), reference=PICTURE)

    body = json.loads(adapter_for(make_upstream()).create(order, "m").json)

    assert body["characters"] == [{"id": "char_1"}, {"id": "char_2"}]
    assert body["input_reference"] == {"image_url": DATA_URL}
    assert body["seconds"] == "4"


def test_unknown_fields_are_sent_nested_as_the_sdks_do(
    make_upstream: MakeUpstream,
) -> None:
    extras = {"seed": 7, "meta": {"a": 1, "b": {"c": "x"}}, "tags": ["p", "q"], "on": True}
    order = replace(ORDER, extras={**extras, "model": "another", "none": None})

    form = adapter_for(make_upstream()).create(order, "m").form
    body = json.loads(adapter_for(make_upstream(dialect="new_api")).create(order, "m").json)

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
    request = adapter_for(make_upstream()).create(order, "sora-2")

    assert (request.url, request.method) == (f"https://upstream.test/v1{path}", "POST")
    assert json.loads(request.json) == body
    assert request.phase is Phase.CREATE


def test_an_edit_can_start_from_a_video(make_upstream: MakeUpstream) -> None:
    film = Reference(body=b"mp4", media_type="video/mp4")
    order = replace(ORDER, operation=Operation.EDIT, reference=film)

    request = adapter_for(make_upstream()).create(order, "m")

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
        ("openai", replace(ORDER, operation=Operation.EDIT, reference=LINK)),
        ("openai", replace(ORDER, operation=Operation.REMIX)),
        ("openai", replace(ORDER, source="video_1")),
    ],
)
def test_an_order_that_a_dialect_cannot_express_is_not_sent(
    make_upstream: MakeUpstream, dialect: str, order: Order
) -> None:
    with pytest.raises(LookupError):
        adapter_for(make_upstream(dialect=dialect)).create(order, "m")


def test_a_variant_is_requested_by_the_content_call_even_if_the_video_is_elsewhere(
    make_upstream: MakeUpstream,
) -> None:
    job = Job("video_1", JobState.COMPLETED)
    adapter = adapter_for(make_upstream())

    (way,) = adapter.outputs(job, "thumbnail")
    assert isinstance(way, Request)
    assert way.url.endswith("/videos/video_1/content?variant=thumbnail")
    with pytest.raises(LookupError):
        adapter.outputs(job, "poster")
    with pytest.raises(LookupError):
        adapter_for(make_upstream(dialect="sglang")).outputs(job, "thumbnail")


@pytest.mark.parametrize(
    ("status", "body", "is_proven"),
    [
        (200, '{"id":"v","object":"video.deleted","deleted":true}', True),
        (200, '{"id":"v","object":"video.deleted","deleted":false}', False),
        (200, '{"id":"v","object":"video","status":"deleted"}', False),
        (409, '{"detail":"Cancellation in progress. Please try again later."}', False),
        (404, '{"detail":"Video not found"}', False),
        (None, "", False),
    ],
)
def test_a_cancellation_counts_only_if_the_answer_says_so(
    make_upstream: MakeUpstream,
    make_reply: MakeReply,
    status: int | None,
    body: str,
    *,
    is_proven: bool,
) -> None:
    adapter = adapter_for(make_upstream(dialect="vllm_omni"))
    request = adapter.cancel("v")

    assert request is not None
    assert (request.method, request.phase) == ("DELETE", Phase.CANCEL)
    assert adapter.read_cancel(make_reply(Phase.CANCEL, body, status)) is is_proven


def test_only_a_proven_cancellation_counts(
    make_upstream: MakeUpstream, make_reply: MakeReply
) -> None:
    deleted = '{"id":"v","object":"video.deleted","deleted":true}'
    for dialect, deletes in (("openai", True), ("sglang", True), ("new_api", False)):
        adapter = adapter_for(make_upstream(dialect=dialect))

        assert adapter.cancel("v") is None
        assert not adapter.read_cancel(make_reply(Phase.CANCEL, deleted))
        assert (adapter.delete("v") is not None) == deletes


def test_a_character_is_created_from_a_video_and_has_an_id(
    make_upstream: MakeUpstream, make_reply: MakeReply
) -> None:
    adapter = adapter_for(make_upstream())
    film = Reference(body=b"mp4", media_type="video/mp4", name="me.mp4")

    request = adapter.create_character("Ann", film)

    assert request.url == "https://upstream.test/v1/videos/characters"
    assert (request.form, request.files[0].field_name) == ((("name", "Ann"),), "video")
    made = make_reply(Phase.CREATE, '{"id":"char_1","name":"Ann","created_at":1}')
    assert adapter.read_character(made) == "char_1"
    refused = make_reply(Phase.CREATE, '{"id":null,"name":null,"created_at":1}')
    assert isinstance(adapter.read_character(refused), Failure)
    with pytest.raises(LookupError):
        adapter_for(make_upstream(dialect="new_api")).create_character("Ann", film)


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

    job = adapter_for(make_upstream()).read_job(make_reply(Phase.POLL, body))

    assert isinstance(job, Job)
    assert job.cost == cost


def test_new_api_is_sent_the_length_under_both_of_its_names(make_upstream: MakeUpstream) -> None:
    order = replace(ORDER, extras={"duration": 15})

    relay = json.loads(adapter_for(make_upstream(dialect="new_api")).create(order, "m").json)
    engine = json.loads(adapter_for(make_upstream(dialect="sglang")).create(ORDER, "m").json)

    assert (relay["seconds"], relay["duration"]) == ("4", 4)
    assert "duration" not in engine
