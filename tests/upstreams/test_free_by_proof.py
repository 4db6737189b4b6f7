"""What is called free is proven to be: an empty member or the page of a proxy proves nothing."""

import json

import pytest

from tallylight.model.evidence import Failure, FailureKind
from tallylight.model.jobs import FREE, JobRef, Usage
from tallylight.model.order import Order
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.protocol import Adapter, Site
from tallylight.upstreams.protocols.registry import PROTOCOLS
from tallylight.upstreams.steps import Done, Failed, Step, Working
from tests.upstreams.flows import finished

BASE = "http://127.0.0.1:9"
PAGE = "<html><body>Bad gateway</body></html>"


def adapter_of(name: str) -> Adapter:
    definition = PROTOCOLS[name]
    return definition.make(Site(BASE, definition.dialects[0]))


def said(document: object, status: int = 200, **headers: str) -> Reply:
    text = document if isinstance(document, str) else json.dumps(document)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(Phase.POLL, status, names, text)


def polled(name: str, job: JobRef, *replies: Reply) -> Step:
    poll = adapter_of(name).poll
    assert poll is not None
    return finished(poll(job), *replies)[0]


FAL = JobRef("r", {"status_url": "/s", "response_url": "/r", "cancel_url": "/c"})
OVER = said({"status": "COMPLETED", "error": "it went wrong"})


@pytest.mark.parametrize(
    ("result", "usage"),
    [
        (said({"detail": "no", "error_type": "internal_error"}, 500), FREE),
        (said({"detail": "no"}, 503, x_fal_error_type="runner_disconnected"), FREE),
        (said(PAGE, 503), None),
        (said("", 502), None),
        (said({"detail": [{"type": "value_error"}]}, 422), None),
    ],
)
def test_the_page_of_a_proxy_does_not_make_a_job_of_fal_free(
    result: Reply, usage: Usage | None
) -> None:
    step = polled("fal", FAL, OVER, result)

    assert isinstance(step, Failed)
    assert step.usage == usage


@pytest.mark.parametrize("tokens", [0, "0", 0.0])
def test_no_tokens_of_omni_are_no_proof(tokens: object) -> None:
    answer = {
        "id": "v1_z",
        "status": "failed",
        "error": {"code": "gateway_timeout", "message": "Deadline expired"},
        "usage": {"total_output_tokens": tokens},
    }

    step = polled("gemini_interactions", JobRef("v1_z"), said(answer))

    assert isinstance(step, Failed)
    assert step.usage is None


@pytest.mark.parametrize("status", [7, 8])
def test_the_empty_member_of_pixverse_is_no_proof(status: int) -> None:
    video = {"id": 1, "status": status, "credits": 0, "size": 0}

    step = polled("pixverse", JobRef("1"), said({"ErrCode": 0, "Resp": video}))

    assert isinstance(step, Failed)
    assert step.usage is None


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"status": "PROCESSING", "credits_refunded": False}, Working),
        ({"status": "QUEUED", "credits_refunded": None}, Working),
        ({"status": "COMPLETED", "credits_refunded": False}, Done),
        ({"status": "FAILED", "credits_refunded": False}, Failed),
        ({"credits_refunded": False, "error": {"message": "no"}}, Failed),
    ],
)
def test_a_job_of_venice_that_runs_has_not_failed_since_nothing_was_refunded(
    answer: object, kind: type
) -> None:
    step = polled("venice", JobRef("q", {"model": "m"}), said(answer))

    assert isinstance(step, kind)
    assert not (isinstance(step, Failed) and step.usage == FREE)


def test_venice_says_what_it_has_refunded() -> None:
    step = polled("venice", JobRef("q", {"model": "m"}), said({"credits_refunded": True}, 500))

    assert isinstance(step, Failed)
    assert step.usage == FREE


@pytest.mark.parametrize(
    ("answer", "job"),
    [
        ({"ErrCode": 0, "Resp": {"video_id": 7}}, JobRef("7")),
        ({"ErrCode": 1, "Resp": {"video_id": 7}}, JobRef("7")),
        ({"ErrCode": 1, "Resp": {"video_id": 0}}, None),
        ({"ErrCode": 0, "Resp": {}}, None),
    ],
)
def test_a_video_of_pixverse_has_a_number_other_than_0(answer: object, job: JobRef | None) -> None:
    found = adapter_of("pixverse").accepted(Order("v6", "a boat"), said(answer))

    assert (None if found is None else found.job) == job


def test_the_film_of_a_model_at_replicate_may_lie_in_an_object() -> None:
    answer = {
        "id": "p",
        "status": "succeeded",
        "input": {"image": "https://x.test/in.png"},
        "output": {"video": "https://x.test/a.mp4", "seed": 4},
        "urls": {"get": "https://api.test/v1/predictions/p"},
    }

    step = polled("replicate", JobRef("p", {"model": "a/b"}), said(answer))

    assert isinstance(step, Done)
    assert [getattr(each.at, "url", "") for each in step.outputs] == ["https://x.test/a.mp4"]


def test_what_changes_the_price_is_no_field_that_passes() -> None:
    priced = {
        ("ark", "priority"),
        ("openai_images", "input_fidelity"),
        ("vidu", "off_peak"),
    }

    for name, field in priced:
        for wording in adapter_of(name).features.wordings.values():
            assert field in wording.priced - wording.passes


def test_a_forbidden_account_of_vidu_is_ours() -> None:
    errors = adapter_of("vidu").errors

    failure = errors.of(said({"code": 7, "reason": "AccountForbidden", "message": "no"}, 403))

    assert failure is not None
    assert (failure.kind.value, failure.fault.value, failure.names_state) == ("auth", "ours", False)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Invalid request: duration must be 8s", None),
        ("Insufficient USD or Diem balance to complete request", FailureKind.QUOTA),
        ("Invalid API key", FailureKind.AUTH),
    ],
)
def test_a_refused_price_accepts_a_key_only_if_the_length_was_refused(
    text: str, kind: FailureKind | None
) -> None:
    found = finished(adapter_of("venice").check("m"), said({"error": text}, 400))[0]

    assert (found.kind if isinstance(found, Failure) else found) == kind


def test_the_page_of_a_proxy_accepts_no_key_of_fal() -> None:
    found = finished(adapter_of("fal").check("fal-ai/a/b"), said(PAGE, 404))[0]

    assert isinstance(found, Failure)
