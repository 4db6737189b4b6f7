"""What DashScope's adapter makes of odd answers, and how it writes for each generation."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tallylight.model.evidence import FailureKind
from tallylight.model.jobs import FREE
from tallylight.model.order import Input, Order, Role
from tallylight.upstreams.acceptance import Refused
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.protocol import Doubt
from tallylight.upstreams.protocols.registry import PROTOCOLS, adapter_for
from tallylight.upstreams.steps import Done, Failed, Missing, Page, Working
from tests.builders import SERVICE
from tests.upstreams.flows import (
    MARK,
    ORDER,
    Answers,
    at_once,
    finished,
    read_check,
    read_create,
    read_poll,
)

MAKER = replace(SERVICE.upstream, protocol="dashscope", dialect="dashscope")
RESOLD = replace(MAKER, dialect="resold")
FRAME = Input(url="https://p.test/1.png")
LAST, REFERENCE = replace(FRAME, role=Role.LAST_FRAME), replace(FRAME, role=Role.REFERENCE)
CREATED = 1_790_000_000


def answer(body: object, status: int = 200, phase: Phase = Phase.POLL) -> Reply:
    return Reply(phase, status, {}, json.dumps(body))


def sent(model: str, order: Order = ORDER) -> tuple[str, dict[str, Any]]:
    request = adapter_for(MAKER).submit(replace(order, model=model), MARK)
    assert request.headers["X-DashScope-Async"] == "enable"
    return request.url, json.loads(request.json)


def test_the_safe_dialect_comes_first() -> None:
    assert PROTOCOLS["dashscope"].dialects[0] == "resold"
    assert adapter_for(RESOLD).find is None


def test_old_models_of_text_take_pixels_and_all_others_a_class_and_a_ratio() -> None:
    _, old = sent("wan2.6-t2v")
    _, new = sent("wan2.7-t2v")

    assert old["parameters"] == {"duration": 4, "size": "1280*720"}
    assert new["parameters"] == {"duration": 4, "resolution": "720P", "ratio": "16:9"}


@pytest.mark.parametrize(
    ("model", "inputs", "written"),
    [
        ("wan2.6-i2v", (FRAME,), {"img_url": FRAME.url}),
        (
            "wan2.1-kf2v-plus",
            (FRAME, LAST),
            {"first_frame_url": FRAME.url, "last_frame_url": LAST.url},
        ),
        ("wan2.6-r2v", (REFERENCE, REFERENCE), {"reference_urls": [FRAME.url, FRAME.url]}),
        ("wan3.0-video", (FRAME,), {"media": [{"type": "first_frame", "url": FRAME.url}]}),
        (
            "happyhorse-1.1-r2v",
            (REFERENCE,),
            {"media": [{"type": "reference_image", "url": FRAME.url}]},
        ),
    ],
)
def test_pictures_stand_where_the_model_looks_for_them(
    model: str, inputs: tuple[Input, ...], written: dict[str, object]
) -> None:
    url, body = sent(model, replace(ORDER, inputs=inputs))

    assert body["input"] == {"prompt": ORDER.prompt, **written}
    assert ("image2video" in url) == ("kf2v" in model)


def test_a_callers_parameters_are_sent_among_the_parameters() -> None:
    extras = {"watermark": True, "prompt_extend": False, "parameters": {"duration": 9, "fps": 30}}

    _, body = sent("wan3.0-video", replace(ORDER, extras=extras))

    parameters = body["parameters"]
    assert (parameters["watermark"], parameters["prompt_extend"]) == (True, False)
    assert (parameters["duration"], parameters["fps"]) == (4, 30)
    assert body.keys() == {"model", "input", "parameters"}


@pytest.mark.parametrize(
    ("code", "message", "status", "kind"),
    [
        ("Throttling.AllocationQuota", "Allocated quota exceeded", 429, FailureKind.RATE_LIMITED),
        (
            "Throttling.AllocationQuota",
            "You exceeded your current quota",
            429,
            FailureKind.RATE_LIMITED,
        ),
        ("Throttling.AllocationQuota", "The free quota is used up", 429, FailureKind.QUOTA),
        (
            "AccessDenied",
            "Access denied, please make sure your account is in good standing.",
            400,
            FailureKind.QUOTA,
        ),
        ("AccessDenied.Unpurchased", "Access denied.", 403, FailureKind.AUTH),
        ("AllocationQuota.FreeTierOnly", "x", 403, FailureKind.QUOTA),
        ("ModelNotFound", "Model can not be found.", 404, FailureKind.UNKNOWN),
    ],
)
def test_words_that_mislead_are_read_by_the_code(
    code: str, message: str, status: int, kind: FailureKind
) -> None:
    found = read_create(MAKER, answer({"code": code, "message": message}, status, Phase.CREATE))

    assert isinstance(found, Refused)
    assert found.failure.kind is kind


def test_unknown_proves_the_key_and_denies_the_task() -> None:
    unknown = {"output": {"task_id": "x", "task_status": "UNKNOWN"}}

    assert read_check(MAKER, answer(unknown, phase=Phase.PROBE)) is None
    assert isinstance(read_poll(MAKER, answer(unknown)), Missing)


def test_the_maker_bills_no_canceled_task() -> None:
    step = read_poll(MAKER, answer({"output": {"task_status": "CANCELED"}}))

    assert isinstance(step, Failed)
    assert step.usage == FREE


@pytest.mark.parametrize(
    ("task", "kind"),
    [
        ({"error": {"message": "engine died"}}, FailureKind.DEGRADED),
        ({"error": "engine died"}, FailureKind.DEGRADED),
        ({"fail_reason": "engine died"}, FailureKind.DEGRADED),
        ({}, FailureKind.DEGRADED),
        ({"error": {"code": "DataInspectionFailed"}}, FailureKind.CONTENT_REJECTED),
    ],
)
def test_a_reseller_says_in_several_places_why_a_task_failed(
    task: dict[str, object], kind: FailureKind
) -> None:
    step = read_poll(RESOLD, answer({"status": "failed"} | task))

    assert isinstance(step, Failed)
    assert (step.failure.kind, step.usage) == (kind, None)


def test_a_reseller_has_words_of_its_own() -> None:
    submitted = read_poll(RESOLD, answer({"status": "submitted", "progress": 10}))
    running = read_poll(RESOLD, answer({"status": "in_progress", "progress": "30%"}))
    url = "https://oss.test/1.mp4"
    completed = read_poll(RESOLD, answer({"status": "completed", "result_url": url}))

    assert submitted == Working(progress=10)
    assert running == Working(is_started=True, progress=30)
    assert isinstance(completed, Done)


def listed(*entries: dict[str, object], told: dict[str, object], since: datetime | None) -> Page:
    page = {"data": list(entries), "total": len(entries)}
    replies = answer(page, phase=Phase.LIST), *(answer(told, phase=Phase.LIST) for _ in entries)
    doubt = Doubt(ORDER, MARK, since)
    found = at_once(Answers(*replies).client.find(doubt, "", MAKER))
    assert isinstance(found, Page)
    return found


def entry(word: str) -> dict[str, object]:
    return {"task_id": "t", "status": word, "model_name": "m", "gmt_create": CREATED * 1000 + 5}


def test_a_listed_task_that_succeeded_tells_its_prompt_and_length() -> None:
    output = {"task_status": "SUCCEEDED", "video_url": "https://o.test/1.mp4", "orig_prompt": "a"}
    told = {"output": output, "usage": {"duration": 4}}

    (found,) = listed(entry("SUCCEEDED"), told=told, since=None).jobs

    assert (found.prompt, found.step.made.seconds, found.step.made.model) == ("a", 4, "m")
    assert found.created_at is not None
    assert found.created_at.replace(microsecond=0) == datetime.fromtimestamp(CREATED, UTC)


@pytest.mark.parametrize("word", ["PENDING", "RUNNING", "FAILED", "CANCELED"])
def test_a_listed_task_without_a_film_tells_no_prompt(word: str) -> None:
    (found,) = listed(entry(word), told={}, since=None).jobs

    assert (found.prompt, found.mark) == ("", "")


def test_a_task_from_before_the_create_is_not_asked_for() -> None:
    since = datetime.fromtimestamp(CREATED, UTC) + timedelta(minutes=1)
    find = adapter_for(MAKER).find
    assert find is not None
    page = answer({"data": [entry("SUCCEEDED")], "total": 1}, phase=Phase.LIST)

    found, requests = finished(find(Doubt(ORDER, MARK, since), ""), page)

    assert isinstance(found, Page)
    assert [each.job.id for each in found.jobs] == ["t"]
    assert len(requests) == 1


def test_a_task_whose_state_the_list_does_not_know_keeps_a_doubt() -> None:
    jobs = listed(entry("UNKNOWN"), entry(""), told={}, since=None).jobs

    assert [(each.step, each.prompt, each.mark) for each in jobs] == 2 * [(Working(), "", "")]
