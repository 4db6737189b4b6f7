"""Gemini Omni: what a held create says survives, and a film inside its answer costs no memory."""

import asyncio
import base64
import json
import tracemalloc
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from itertools import repeat

import pytest

from tallylight.catalogue.services import Upstream
from tallylight.model.evidence import FailureKind
from tallylight.model.jobs import JobRef, Unit, Usage
from tallylight.model.order import Order
from tallylight.upstreams.acceptance import judge_create
from tallylight.upstreams.inline_files import InlineFile
from tallylight.upstreams.messages import Phase, Reply, Request
from tallylight.upstreams.protocol import Site
from tallylight.upstreams.protocols.registry import PROTOCOLS
from tallylight.upstreams.steps import Accepted, Done, Failed, Missing, Step, Working
from tallylight.upstreams.transport import Transport

BASE = "https://api.test/v1beta"
ADAPTER = PROTOCOLS["gemini_interactions"].make(Site(BASE, "gemini"))
ORDER = Order("gemini-omni-1.2-flash", "a boat", seconds=8)
URI = "https://api.test/v1beta/files/f1:download?alt=media"
USAGE = {"output_tokens_by_modality": [{"modality": "VIDEO", "tokens": 46336}]}
MADE_FILE = [{"type": "model_output", "content": [{"type": "video", "uri": URI}]}]
MIB = 1024 * 1024

MakeUpstream = Callable[..., Upstream]
Serve = Callable[..., Awaitable[str]]


def interaction(status: str = "completed", **more: object) -> dict[str, object]:
    return {"id": "v1_x", "model": ORDER.model, "status": status, "usage": USAGE, **more}


def created(body: object) -> Accepted:
    found = judge_create(ADAPTER, ORDER, Reply(Phase.CREATE, 200, {}, json.dumps(body)))
    assert isinstance(found, Accepted), found
    return found


def polled(job: JobRef, *answers: tuple[int, object]) -> tuple[Step, list[str]]:
    """Return what a poll says of some answers, and what it asked for."""
    assert ADAPTER.poll is not None
    flow = ADAPTER.poll(job)
    request = next(flow)
    asked = []
    for status, body in answers:
        asked.append(request.url)
        assert request.reads == range(100, 600) or status == 200
        try:
            request = flow.send(Reply(request.phase, status, {}, json.dumps(body)))
        except StopIteration as end:
            return end.value, asked
    raise AssertionError("it asks for more")


def urls(done: Done) -> list[str]:
    return [each.at.url for each in done.outputs if isinstance(each.at, Request)]


def test_the_tokens_of_a_create_survive_until_its_file_is_there() -> None:
    accepted = created(interaction(steps=MADE_FILE))
    assert accepted.step == Working(is_started=True)

    stored = JobRef(accepted.job.id, dict(accepted.job.extra))
    processing, _ = polled(stored, (200, {"state": "PROCESSING"}))
    done, asked = polled(
        stored, (200, {"state": "ACTIVE", "expirationTime": "2026-12-01T10:00:00.123456789Z"})
    )

    assert processing == Working(is_started=True)
    assert isinstance(done, Done)
    assert asked == ["/files/f1"]
    assert done.usage == Usage(Decimal(46336), Unit.TOKENS)
    assert done.made.model == ORDER.model
    assert done.expires_at is not None
    assert urls(done) == [URI]


def test_a_file_that_failed_is_tried_and_a_strange_state_is_waited_for() -> None:
    job = created(interaction(steps=MADE_FILE)).job

    assert isinstance(polled(job, (200, {"state": "FAILED"}))[0], Done)
    assert isinstance(polled(job, (200, {"state": "SCANNING"}))[0], Working)


def test_a_gateway_that_names_the_makers_file_is_asked_for_it_too() -> None:
    content = [{"type": "video", "uri": "https://maker.test/v1beta/files/f1"}]
    job = created(interaction(steps=[{"type": "model_output", "content": content}])).job

    done, _ = polled(job, (200, {"state": "ACTIVE"}))

    assert isinstance(done, Done)
    assert urls(done) == ["https://maker.test/v1beta/files/f1:download?alt=media", URI]


def test_an_interaction_outlives_its_file() -> None:
    job = created(interaction(steps=MADE_FILE)).job
    film = base64.b64encode(b"\0\0\0\x18ftypmp42" + bytes(60)).decode()
    inline = [{"type": "model_output", "content": [{"type": "video", "data": film}]}]

    done, asked = polled(job, (403, {"error": {}}), (200, interaction(steps=inline)))
    gone = {"error": {"code": 404, "message": "File f1 or it may not exist."}}
    missing, _ = polled(job, (404, gone), (200, interaction(steps=MADE_FILE)), (404, gone))

    assert asked == ["/files/f1", "/interactions/v1_x?stream=false"]
    assert isinstance(done, Done)
    assert isinstance(done.outputs[0].at, InlineFile)
    assert isinstance(missing, Missing)


def test_a_film_of_the_input_is_no_result() -> None:
    steps = [{"type": "user_input", "content": [{"type": "video", "uri": URI}]}]

    step = created(interaction(steps=steps)).step

    assert isinstance(step, Failed)
    assert step.failure.kind is FailureKind.CONTENT_REJECTED


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (interaction(steps=[]), FailureKind.CONTENT_REJECTED),
        (interaction("incomplete"), FailureKind.CONTENT_REJECTED),
        (interaction("budget_exceeded"), FailureKind.QUOTA),
        (interaction("requires_continuation"), FailureKind.DEGRADED),
        (
            interaction("failed", error={"code": "gateway_timeout", "message": "Deadline expired"}),
            FailureKind.DEGRADED,
        ),
        (
            interaction("failed", errors=[{"message": "The prompt violated usage guidelines"}]),
            FailureKind.CONTENT_REJECTED,
        ),
    ],
)
def test_an_interaction_that_is_over_without_a_film_has_failed(
    body: object, kind: FailureKind
) -> None:
    step = created(body).step

    assert isinstance(step, Failed), step
    assert step.failure.kind is kind
    assert step.usage == Usage(Decimal(46336), Unit.TOKENS)


def test_a_film_of_an_incomplete_interaction_is_brought_home() -> None:
    assert isinstance(created(interaction("incomplete", steps=MADE_FILE)).step, Working)


def test_a_film_elsewhere_is_a_result() -> None:
    content = [{"type": "video", "uri": "https://cdn.test/a.mp4"}]
    step = created(interaction(steps=[{"type": "model_output", "content": content}])).step

    assert isinstance(step, Done)
    assert urls(step) == ["https://cdn.test/a.mp4"]


@pytest.mark.parametrize("prompt", ["", " \n"])
def test_an_empty_input_is_never_sent(prompt: str) -> None:
    with pytest.raises(LookupError, match="prompt"):
        ADAPTER.submit(replace(ORDER, prompt=prompt), "mark")


async def test_a_film_of_30_mib_inside_the_answer_to_a_create_costs_no_memory(
    serve: Serve, make_upstream: MakeUpstream, transport: Transport
) -> None:
    head = base64.b64encode(b"\0\0\0\x18ftypmp42" + bytes(36))
    piece = b"A" * 65_536
    opening = b'{"status": "completed", "steps": [{"type": "model_output", "content": ['
    opening += b'{"type": "video", "data": "' + head
    closing = b'"}]}], "usage": {"total_output_tokens": 5792}}'
    lengths = iter((1, 30 * MIB // 49_152))

    async def send(_: bytes, writer: asyncio.StreamWriter) -> None:
        pieces = next(lengths)
        length = len(opening) + pieces * len(piece) + len(closing)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n")
        writer.write(b"connection: close\r\ncontent-length: %d\r\n\r\n" % length)
        for part in (opening, *repeat(piece, pieces), closing):
            writer.write(part)
            await writer.drain()

    upstream = make_upstream(await serve(send), protocol="gemini_interactions", dialect="gemini")
    request = ADAPTER.submit(ORDER, "mark")
    judge_create(ADAPTER, ORDER, await transport.send(request, upstream))  # all is imported
    tracemalloc.start()
    try:
        found = judge_create(ADAPTER, ORDER, await transport.send(request, upstream))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert isinstance(found, Accepted), found
    assert isinstance(found.step, Done)
    (output,) = found.step.outputs
    assert isinstance(output.at, InlineFile)
    assert sum(map(len, output.at.blocks())) == 30 * MIB + 48
    assert peak < 4 * MIB
