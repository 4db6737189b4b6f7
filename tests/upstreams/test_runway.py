"""Runway: how each model is spelled, and what its answers mean that no simulated upstream gives."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tallylight.model.evidence import NOT_LISTED_RULE, FailureKind
from tallylight.model.frames import Frame
from tallylight.model.jobs import JobRef
from tallylight.model.order import Input, Medium, Operation, Order, Role
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.protocol import Site
from tallylight.upstreams.protocols.registry import PROTOCOLS
from tallylight.upstreams.steps import Done, Failed, Missing, Working
from tests.upstreams.flows import finished, urls

DEFINITION = PROTOCOLS["runway"]
ADAPTER = DEFINITION.make(Site("https://api.dev.runwayml.com", "runway"))
PICTURE = Input(url="https://x.test/1.png")
FILM = Input(url="https://x.test/1.mp4", role=Role.SOURCE, medium=Medium.VIDEO)
HD = Frame("720p", "16:9", 1280, 720)


def body_of(model: str, frame: Frame | None, *inputs: Input) -> dict[str, Any]:
    order = Order(model, "a boat", seconds=5, frame=frame, inputs=inputs)
    found: dict[str, Any] = json.loads(ADAPTER.submit(order, "").json)
    return {name: found.get(name) for name in ("ratio", "resolution") if name in found}


def polled(status: int, document: object) -> object:
    assert ADAPTER.poll is not None
    reply = Reply(Phase.POLL, status, {}, json.dumps(document))
    return finished(ADAPTER.poll(JobRef("a")), reply)[0]


def checked(document: object) -> object:
    reply = Reply(Phase.PROBE, 200, {}, json.dumps(document))
    return finished(ADAPTER.check("gen4.5"), reply)[0]


@pytest.mark.parametrize(
    ("model", "frame", "inputs", "written"),
    [
        ("gen4.5", HD, (), {"ratio": "1280:720"}),
        ("gen4.5", HD, (PICTURE,), {"ratio": "1280:720"}),
        ("wan3", HD, (), {"ratio": "1280:720"}),
        ("wan3_prime", Frame("480p", "input"), (PICTURE,), {"ratio": "auto_480p"}),
        ("kling_4", Frame("1080p", "input"), (PICTURE,), {"ratio": "auto_1080p"}),
        ("grok_imagine_1_5_lite", HD, (), {"ratio": "1280:720"}),
        ("happyhorse_1_0", HD, (), {"ratio": "1280:720"}),
        ("happyhorse_1_0", Frame("720p", "input"), (PICTURE,), {"resolution": "720p"}),
        ("hailuo3", Frame("2k", "16:9"), (), {"ratio": "16:9", "resolution": "2k"}),
        (
            "hailuo3",
            Frame("768p", "input"),
            (PICTURE,),
            {"ratio": "adaptive", "resolution": "768p"},
        ),
        ("grok_imagine_1_5", Frame("720p", "9:16"), (), {"ratio": "9:16", "resolution": "720p"}),
        ("grok_imagine_1_5", Frame("720p", "input"), (PICTURE,), {"resolution": "720p"}),
        ("h3_max", Frame("480p", "16:9"), (), {"resolution": "480p"}),
    ],
)
def test_a_frame_is_spelled_as_the_model_wants_it(
    model: str, frame: Frame, inputs: tuple[Input, ...], written: dict[str, str]
) -> None:
    assert body_of(model, frame, *inputs) == written


def test_an_edit_takes_its_film_and_says_nothing_of_what_the_film_has() -> None:
    order = Order("aleph2", "rain", Operation.EDIT, seconds=5, frame=HD, seed=7, inputs=(FILM,))

    request = ADAPTER.submit(order, "")

    assert request.url == "/v1/video_to_video"
    assert json.loads(request.json) == {
        "model": "aleph2",
        "promptText": "rain",
        "seed": 7,
        "videoUri": FILM.url,
    }


@pytest.mark.parametrize(
    "order",
    [
        Order("aleph2", "rain", Operation.EDIT),
        Order("gen4.5", "rain", Operation.EDIT, inputs=(FILM,)),
        Order("aleph2", "rain", inputs=(FILM,)),
    ],
)
def test_what_is_not_spoken_is_not_sent(order: Order) -> None:
    with pytest.raises(LookupError):
        ADAPTER.submit(order, "")


def test_every_request_has_the_version() -> None:
    requests = [ADAPTER.reach("gen4.5"), ADAPTER.submit(Order("gen4.5", "a boat"), "")]
    for flow in (ADAPTER.check("gen4.5"), ADAPTER.poll, ADAPTER.cancel, ADAPTER.delete):
        running = flow(JobRef("a")) if callable(flow) else flow
        assert running is not None
        requests.append(next(running))

    assert {each.headers["X-Runway-Version"] for each in requests} == {"2024-11-06"}


@pytest.mark.parametrize(
    ("word", "is_started"), [("PENDING", False), ("THROTTLED", False), ("RUNNING", True)]
)
def test_a_task_that_is_open_tells_the_most_that_it_may_cost(
    word: str, *, is_started: bool
) -> None:
    step = polled(200, {"status": word, "progress": 0.356, "estimatedCost": {"credits": 80}})

    assert isinstance(step, Working)
    assert (step.is_started, step.progress) == (is_started, 35)
    assert step.poll_after == timedelta(seconds=5)
    assert step.usage is not None
    assert step.usage.amount == Decimal("0.80")


def test_a_credit_costs_what_the_operator_says() -> None:
    options = DEFINITION.options.model_validate({"usd_per_credit": "0.008"})
    adapter = DEFINITION.make(Site("https://api.dev.runwayml.com", "runway", options))
    done = {"status": "SUCCEEDED", "output": ["https://x.test/1.mp4"], "cost": {"credits": 50}}
    assert adapter.poll is not None

    step, _ = finished(adapter.poll(JobRef("a")), Reply(Phase.POLL, 200, {}, json.dumps(done)))

    assert isinstance(step, Done)
    assert urls(step.outputs) == ["https://x.test/1.mp4"]
    assert step.usage is not None
    assert step.usage.amount == Decimal("0.4")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("SAFETY.INPUT.IMAGE", FailureKind.CONTENT_REJECTED),
        ("SAFETY.OUTPUT.VIDEO", FailureKind.CONTENT_REJECTED),
        ("INPUT_PREPROCESSING.SAFETY.TEXT", FailureKind.CONTENT_REJECTED),
        ("INPUT_PREPROCESSING.INTERNAL", FailureKind.DEGRADED),
        ("INTERNAL", FailureKind.DEGRADED),
        ("INTERNAL.BAD_OUTPUT.CODE01", FailureKind.DEGRADED),
        ("THIRD_PARTY.UNAVAILABLE", FailureKind.DEGRADED),
        ("ASSET.INVALID", FailureKind.INVALID_REQUEST),
    ],
)
def test_the_code_of_a_failed_task_says_whose_fault_it_is(code: str, kind: FailureKind) -> None:
    step = polled(200, {"status": "FAILED", "failureCode": code, "cost": {"credits": 12}})

    assert isinstance(step, Failed)
    assert step.failure.kind is kind
    assert step.usage is not None
    assert step.usage.amount == Decimal("0.12")


def test_a_cancelled_task_with_a_cost_was_billed() -> None:
    step = polled(200, {"status": "CANCELLED", "cost": {"credits": 25}})

    assert isinstance(step, Failed)
    assert step.usage is not None
    assert step.usage.amount == Decimal("0.25")


def test_a_task_that_was_deleted_is_missing() -> None:
    assert isinstance(polled(404, {"error": "Task a not found."}), Missing)


def test_the_organization_tells_credits_and_models() -> None:
    no_credit = checked({"creditBalance": 0, "tier": {"models": {"gen4.5": {}}}})
    other_tier = checked({"creditBalance": 9, "tier": {"models": {"gen4_turbo": {}}}})

    assert getattr(no_credit, "kind", None) is FailureKind.QUOTA
    assert getattr(other_tier, "rule", None) == NOT_LISTED_RULE
    assert checked({"creditBalance": 9, "tier": {"models": {"gen4.5": {}}}}) is None


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": "You do not have enough credits to run this task."}, FailureKind.QUOTA),
        (
            {"error": "Validation of body failed", "issues": [{"path": ["model"], "code": "x"}]},
            FailureKind.UNKNOWN,
        ),
        (
            {"error": "Validation of body failed", "issues": [{"path": ["ratio"], "code": "x"}]},
            FailureKind.INVALID_REQUEST,
        ),
    ],
)
def test_400_has_three_meanings(body: object, kind: FailureKind) -> None:
    failure = ADAPTER.errors.of(Reply(Phase.CREATE, 400, {}, json.dumps(body)))

    assert failure is not None
    assert failure.kind is kind
