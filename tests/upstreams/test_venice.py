"""Venice: what its answers mean that no simulated upstream gives."""

import json
from dataclasses import replace

import pytest

from tallylight.model.evidence import NOT_LISTED_RULE, Failure, FailureKind
from tallylight.model.jobs import FREE, JobRef
from tallylight.upstreams.messages import Phase, Reply, Request
from tallylight.upstreams.protocol import Site
from tallylight.upstreams.protocols.registry import PROTOCOLS
from tallylight.upstreams.steps import Accepted, Done, Failed, Step, Trouble, Working
from tests.upstreams.flows import ORDER, finished

ADAPTER = PROTOCOLS["venice"].make(Site("https://api.venice.ai/api/v1", "venice"))
JOB = JobRef("q-1", {"model": "seedance-2-0"})
FILM = Reply(Phase.POLL, 200, {"content-type": "application/json"}, "", media_type="video/mp4")


def polled(reply: Reply, job: JobRef = JOB) -> Step:
    assert ADAPTER.poll is not None
    return finished(ADAPTER.poll(job), reply)[0]


def answer(status: int, document: object, phase: Phase = Phase.POLL) -> Reply:
    return Reply(phase, status, {}, json.dumps(document))


def ways(done: Step) -> list[tuple[str, str]]:
    assert isinstance(done, Done)
    return [(each.at.method, each.at.url) for each in done.outputs if isinstance(each.at, Request)]


def test_the_film_is_asked_for_again_with_the_model_and_nothing_is_deleted() -> None:
    step = polled(FILM)

    assert isinstance(step, Done)
    (output,) = step.outputs
    assert isinstance(output.at, Request)
    assert (output.at.phase, output.at.method) == (Phase.CONTENT, "POST")
    assert output.at.url == "/video/retrieve"
    assert json.loads(output.at.json) == {"model": "seedance-2-0", "queue_id": "q-1"}


def test_a_link_that_the_create_told_is_the_first_way() -> None:
    created = {"model": "m", "queue_id": "q-1", "download_url": "https://share.test/1"}
    accepted = ADAPTER.accepted(ORDER, answer(200, created, Phase.CREATE))
    assert isinstance(accepted, Accepted)

    step = polled(answer(200, {"status": "COMPLETED"}), accepted.job)

    assert ways(step) == [("GET", "https://share.test/1"), ("POST", "/video/retrieve")]


@pytest.mark.parametrize(("is_refunded", "usage"), [(True, FREE), (False, None)])
def test_a_failure_says_whether_it_was_refunded(*, is_refunded: bool, usage: object) -> None:
    message = "Your generation was blocked due to the model provider's content policies."

    step = polled(answer(422, {"error": message, "credits_refunded": is_refunded}))

    assert isinstance(step, Failed)
    assert step.usage == usage
    assert step.failure.kind is FailureKind.CONTENT_REJECTED


def test_a_failure_in_words_or_in_a_state_ends_the_job_and_a_bare_one_does_not() -> None:
    blocked = polled(answer(422, {"error": "Your generation was blocked by our policies."}))
    failed = polled(answer(200, {"status": "FAILED"}))
    bare = polled(answer(500, {"error": "Inference processing failed"}))

    assert isinstance(blocked, Failed)
    assert isinstance(failed, Failed)
    assert isinstance(bare, Trouble)


def test_progress_is_the_share_of_the_usual_time() -> None:
    document = {"status": "PROCESSING", "average_execution_time": 1000}

    steps = [polled(answer(200, {**document, "execution_duration": n})) for n in (250, 9000)]

    assert [isinstance(each, Working) and each.progress for each in steps] == [25, 99]


@pytest.mark.parametrize(
    ("status", "document", "rule"),
    [
        (200, {"quote": 0.44}, ""),
        (400, {"error": "Invalid", "details": {"duration": {"_errors": ["no"]}}}, ""),
        (400, {"error": "Invalid", "details": {"model": {"_errors": ["no"]}}}, NOT_LISTED_RULE),
        (404, {"error": "Specified model not found"}, NOT_LISTED_RULE),
    ],
)
def test_a_quote_tells_of_the_model_whatever_length_it_has(
    status: int, document: object, rule: str
) -> None:
    found, _ = finished(ADAPTER.check("m"), replace(answer(status, document), phase=Phase.PROBE))

    assert (found.rule if isinstance(found, Failure) else "") == rule
