"""What kie's adapter alone knows: credits, and JSON inside a string."""

import json
from decimal import Decimal

import pytest

from tallylight.model.evidence import Failure, FailureKind
from tallylight.model.jobs import FREE, JobRef, Usage
from tallylight.model.order import Order
from tallylight.upstreams.acceptance import judge_create
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.protocol import Flow, Site
from tallylight.upstreams.protocols.kie_jobs import DEFINITION, KieJobsOptions
from tallylight.upstreams.steps import Accepted, Done, Failed, Missing, Trouble

FILM = "https://tempfile.test/a.mp4"


def ended(flow: Flow[object], document: object) -> object:
    next(flow)
    with pytest.raises(StopIteration) as end:
        flow.send(Reply(Phase.POLL, 200, {}, json.dumps(document)))
    return end.value.value


def polled(document: object, options: KieJobsOptions | None = None) -> object:
    site = Site("http://127.0.0.1:9", "kie_jobs", options or KieJobsOptions())
    adapter = DEFINITION.make(site)
    assert adapter.poll is not None
    return ended(adapter.poll(JobRef("task_1")), document)


def record(**members: object) -> dict[str, object]:
    return {"code": 200, "msg": "success", "data": {"taskId": "task_1", **members}}


@pytest.mark.parametrize(
    "result",
    [json.dumps({"resultUrls": [FILM]}), {"resultUrls": [FILM]}, json.dumps({"videoUrl": FILM})],
)
def test_the_result_is_json_in_a_string_or_plain(result: object) -> None:
    step = polled(record(state="success", resultJson=result, creditsConsumed=60))

    assert isinstance(step, Done)
    assert [getattr(each.at, "url", "") for each in step.outputs] == [FILM]
    assert step.usage == Usage(Decimal("0.300"))


def test_without_the_price_of_a_credit_nothing_is_settled() -> None:
    options = KieJobsOptions(usd_per_credit=None)

    step = polled(
        record(state="success", resultJson='{"resultUrls": ["x"]}', creditsConsumed=6), options
    )

    assert isinstance(step, Done)
    assert step.usage is None


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        ("501", "Generation failed", "degraded"),
        ("501", "The prompt was flagged as sensitive", "content_rejected"),
        ("422", "Your prompt was caught by moderation", "content_rejected"),
        ("500", "This interface is temporarily paused", "suspended"),
        ("500", "Internal Error, Please try again later.", "degraded"),
        ("", "", "degraded"),
    ],
)
def test_a_failure_is_told_by_its_code_and_its_words(code: str, text: str, kind: str) -> None:
    step = polled(record(state="fail", failCode=code, failMsg=text, creditsConsumed=0))

    assert isinstance(step, Failed)
    assert step.failure.kind is FailureKind(kind)
    assert step.usage == FREE


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ({"code": 404, "msg": "not found"}, Missing),
        ({"code": 422, "msg": "recordInfo is null", "data": None}, Missing),
        ({"code": 422, "msg": "taskId is not valid"}, Trouble),
        ({"code": 500, "msg": "Server exception"}, Trouble),
        ({"code": 200, "msg": "success", "data": None}, Trouble),
    ],
)
def test_an_answer_without_a_record_denies_the_job_or_says_nothing(
    document: object, kind: type
) -> None:
    assert isinstance(polled(document), kind)


def test_an_id_is_a_job_whatever_the_code_is() -> None:
    adapter = DEFINITION.make(Site("http://127.0.0.1:9", "kie_jobs"))
    answer = {"code": 429, "msg": "queued for long", "data": {"taskId": 17}}

    found = judge_create(
        adapter, Order("m", "a boat"), Reply(Phase.CREATE, 200, {}, json.dumps(answer))
    )

    assert found == Accepted(JobRef("17"))


def test_a_record_ends_the_job_under_any_code() -> None:
    record = {"taskId": "task_1", "state": "fail", "failCode": "501", "failMsg": "failed"}

    assert isinstance(polled({"code": 501, "msg": "generation failed", "data": record}), Failed)
    assert isinstance(polled({"code": 501, "msg": "generation failed"}), Trouble)


@pytest.mark.parametrize("left", [0, -3, "-0.5", 0.0])
def test_a_balance_of_nothing_is_quota_at_the_check(left: object) -> None:
    adapter = DEFINITION.make(Site("http://127.0.0.1:9", "kie_jobs"))

    found = ended(adapter.check("any"), {"code": 200, "msg": "success", "data": left})

    assert isinstance(found, Failure)
    assert found.kind is FailureKind.QUOTA


def test_a_model_without_a_wording_is_not_ordered() -> None:
    adapter = DEFINITION.make(Site("http://127.0.0.1:9", "kie_jobs"))

    with pytest.raises(LookupError):
        adapter.submit(Order("kling-3.0/video", "a boat"), "mark")
