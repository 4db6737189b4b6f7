"""OpenRouter: what its answers mean that no simulated upstream gives."""

import json

import pytest

from tallylight.model.evidence import FailureKind
from tallylight.model.jobs import JobRef
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.protocol import Site
from tallylight.upstreams.protocols.registry import PROTOCOLS
from tallylight.upstreams.steps import Done, Failed
from tests.upstreams.flows import finished, urls

ADAPTER = PROTOCOLS["openrouter"].make(Site("https://openrouter.ai/api/v1", "openrouter"))


def polled(*documents: object) -> object:
    assert ADAPTER.poll is not None
    replies = (Reply(Phase.POLL, 200, {}, json.dumps(each)) for each in documents)
    return finished(ADAPTER.poll(JobRef("gen-vid-1-a")), *replies)[0]


def refusal(status: int, message: str, **metadata: object) -> FailureKind:
    body = {"error": {"code": status, "message": message, "metadata": metadata}}
    failure = ADAPTER.errors.of(Reply(Phase.CREATE, status, {}, json.dumps(body)))
    assert failure is not None
    return failure.kind


def completed(**more: object) -> dict[str, object]:
    return {"id": "gen-vid-1-a", "status": "completed", "generation_id": "gen-1-a", **more}


@pytest.mark.parametrize("word", ["failed", "dead", "cancelled", "expired", "DEAD"])
def test_every_word_of_an_end_ends_the_job(word: str) -> None:
    step = polled({"status": word, "usage": {"cost": None, "is_byok": False}})

    assert isinstance(step, Failed)
    assert step.failure.kind is FailureKind.DEGRADED
    assert step.usage is None


def test_a_cost_of_zero_proves_that_nothing_was_billed() -> None:
    step = polled({"status": "failed", "error": "oops", "usage": {"cost": 0}})

    assert isinstance(step, Failed)
    assert step.usage is not None
    assert step.usage.amount == 0


def test_a_film_of_0_is_not_reckoned_yet_and_its_cost_is_asked_for() -> None:
    step = polled(completed(usage={"cost": 0}), {"data": {"total_cost": 0.4}})

    assert isinstance(step, Done)
    assert step.usage is not None
    assert str(step.usage.amount) == "0.4"


def test_a_completed_job_with_an_error_and_no_film_has_failed() -> None:
    film = ["https://cdn.test/1.mp4"]

    assert isinstance(polled(completed(error="the provider gave up")), Failed)
    done = polled(completed(error="a warning", urls=film), {"data": {}})
    assert isinstance(done, Done)


def test_a_job_at_the_callers_own_key_is_not_settled_by_a_part_of_its_cost() -> None:
    step = polled(completed(usage={"cost": 0.01, "is_byok": True}))

    assert isinstance(step, Done)
    assert step.usage is None


def test_the_ways_to_a_film_are_alternatives_and_the_content_is_the_last() -> None:
    signed, unsigned = "https://cdn.test/1.mp4", "/api/v1/videos/gen-vid-1-a/content?index=0"

    step = polled(
        completed(urls=[signed], unsigned_urls=[unsigned], expires_at=1_790_000_000, usage={}), {}
    )

    assert isinstance(step, Done)
    assert urls(step.outputs) == [
        signed,
        f"https://openrouter.ai{unsigned}",
        "/videos/gen-vid-1-a/content?index=0",
    ]
    assert {each.index for each in step.outputs} == {0}
    assert step.expires_at is not None


def test_a_limit_of_the_maker_behind_the_route_is_not_ours() -> None:
    assert refusal(429, "Provider returned error", provider_name="Maker") is FailureKind.DEGRADED
    assert refusal(429, "Rate limit exceeded") is FailureKind.RATE_LIMITED


@pytest.mark.parametrize(
    ("status", "message"),
    [(400, "acme/film is not a valid model ID"), (404, "No endpoints found for acme/film.")],
)
def test_a_model_that_is_not_sold_is_no_mistake_of_the_caller(status: int, message: str) -> None:
    assert refusal(status, message) is FailureKind.UNKNOWN
