"""The client drives flows: what no adapter has to think of."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tallylight.catalogue.services import Upstream
from tallylight.clock import SystemClock
from tallylight.model.evidence import Failure, FailureKind
from tallylight.model.jobs import JobRef
from tallylight.model.order import Input
from tallylight.upstreams.acceptance import InDoubt, Refused
from tallylight.upstreams.client import MAX_REQUESTS, UpstreamClient, run_flow
from tallylight.upstreams.messages import ANY_STATUS, Phase, Reply, get
from tallylight.upstreams.protocol import Doubt, Flow
from tallylight.upstreams.steps import Accepted, Done, Failed, Missing, Trouble, Working
from tallylight.upstreams.time_limits import SendBudget
from tallylight.upstreams.transport import Transport
from tests.builders import UPSTREAM
from tests.upstreams.flows import MARK, ORDER, Answers, at_once, submitted, urls

Serve = Callable[..., Awaitable[str]]
MakeUpstream = Callable[..., Upstream]

JOB = JobRef("v")
VLLM = replace(UPSTREAM, dialect="vllm_omni")
NEW_API = replace(UPSTREAM, dialect="new_api")
CHAT = replace(UPSTREAM, protocol="chat_video", dialect="relay")
FILM = Input(body=b"mp4", media_type="video/mp4")


def answered(body: object, status: int | None = 200, *, error: str = "") -> Reply:
    return Reply(Phase.POLL, status, {}, json.dumps(body), error=error)


def video(status: str, **more: object) -> Reply:
    return answered({"id": "v", "object": "video", "status": status, **more})


RUNNING, COMPLETED = video("in_progress"), video("completed")
DELETED = answered({"id": "v", "object": "video.deleted", "deleted": True})
CUT = "ClientPayloadError: cut"


class Count:
    """A flow that counts the answers it reads, and notes that it was closed."""

    def __init__(self, end: int, reads: range) -> None:
        self.is_closed = False
        self._end = end
        self._reads = reads

    def flow(self) -> Flow[int]:
        count = 0
        try:
            while count < self._end:
                yield get(Phase.POLL, "/x", reads=self._reads)
                count += 1
        finally:
            self.is_closed = True
        return count


SUCCESS = range(200, 300)
BUSY = answered({"error": {"message": "too many requests"}}, 429)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (BUSY, FailureKind.RATE_LIMITED),
        (answered({}, 500), FailureKind.DEGRADED),
        (answered({}, 302), FailureKind.UNKNOWN),
        (answered({"data": []}, 200, error=CUT), FailureKind.DEGRADED),
        (Reply(Phase.POLL, None, {}, "", error="TimeoutError: x"), FailureKind.DEGRADED),
        (Reply(Phase.POLL, None, {}, ""), FailureKind.UNKNOWN),
    ],
)
def test_an_answer_that_broke_off_or_is_not_read_ends_a_flow(
    reply: Reply, kind: FailureKind
) -> None:
    count, upstream = Count(5, SUCCESS), Answers(answered({}), reply, answered({}))

    ran = at_once(run_flow(count.flow(), UPSTREAM, upstream))

    assert ran.failure is not None
    assert (ran.failure.kind, ran.value, ran.reply) == (kind, None, reply)
    assert len(upstream.asked) == 2
    assert count.is_closed


def test_a_flow_that_reads_any_status_gets_every_whole_answer() -> None:
    upstream = Answers(BUSY, answered({}, 500), answered({}, 404))

    ran = at_once(run_flow(Count(3, ANY_STATUS).flow(), UPSTREAM, upstream))

    assert (ran.value, ran.failure) == (3, None)
    assert ran.reply.status == 404


def test_a_flow_that_never_ends_is_bounded() -> None:
    count, upstream = Count(1000, SUCCESS), Answers(*[answered({})] * 1000)

    ran = at_once(run_flow(count.flow(), UPSTREAM, upstream))

    assert ran.failure is not None
    assert ran.failure.rule == "flow:endless"
    assert len(upstream.asked) == MAX_REQUESTS
    assert count.is_closed


@pytest.mark.parametrize(
    ("reply", "step"),
    [
        (answered({"detail": "Not Found"}, 404), Missing),
        (Reply(Phase.POLL, 404, {}, '{"detail": "Not', error=CUT), Trouble),
        (answered({"error": {"message": "internal error"}}, 500), Trouble),
        (Reply(Phase.POLL, None, {}, "", error="TimeoutError: x"), Trouble),
        (RUNNING, Working),
    ],
)
def test_a_poll_that_says_nothing_of_the_job_is_trouble(reply: Reply, step: type) -> None:
    assert type(at_once(Answers(reply).client.poll(JOB, UPSTREAM))) is step


class TestCancel:
    @pytest.mark.parametrize(
        "found",
        [
            COMPLETED,
            video("failed", error={"message": "oops"}),
            video("failed", usage={"cost": 0.4}),
            answered({"detail": "Not Found"}, 404),
            BUSY,
            replace(RUNNING, error=CUT),
        ],
    )
    def test_looks_first_and_deletes_no_job_that_is_not_seen_running(self, found: Reply) -> None:
        upstream = Answers(found)

        assert not at_once(upstream.client.cancel(JOB, VLLM))
        assert [request.method for request in upstream.asked] == ["GET"]

    def test_of_a_running_job_is_proven_by_the_answer_to_its_deletion(self) -> None:
        upstream = Answers(RUNNING, DELETED)

        assert at_once(upstream.client.cancel(JOB, VLLM))
        assert [request.method for request in upstream.asked] == ["GET", "DELETE"]

    @pytest.mark.parametrize(
        "replies",
        [
            (replace(DELETED, error=CUT),),
            (Reply(Phase.CANCEL, None, {}, "", error="TimeoutError: x"),),
            (answered({"detail": "Cancellation in progress."}, 409), RUNNING),
            (answered({"deleted": False}), COMPLETED),
            (replace(DELETED, status=500), RUNNING),
        ],
    )
    def test_without_that_answer_proves_nothing(self, replies: tuple[Reply, ...]) -> None:
        assert not at_once(Answers(RUNNING, *replies).client.cancel(JOB, VLLM))

    def test_of_a_job_that_failed_for_free_is_not_needed(self) -> None:
        upstream = Answers(video("failed", usage={"cost": 0}))

        assert at_once(upstream.client.cancel(JOB, VLLM))
        assert [request.method for request in upstream.asked] == ["GET"]


@pytest.mark.parametrize(
    ("reply", "is_gone"), [(DELETED, True), (BUSY, False), (replace(DELETED, error=CUT), False)]
)
def test_a_finished_job_is_gone_if_the_upstream_says_so(reply: Reply, *, is_gone: bool) -> None:
    assert at_once(Answers(reply).client.delete(JOB, UPSTREAM)) is is_gone


def test_what_a_protocol_cannot_do_is_not_asked_for() -> None:
    upstream = Answers()
    client = upstream.client

    found = at_once(client.find(Doubt(ORDER, MARK), "", NEW_API))
    character = at_once(client.create_character("Ann", FILM, NEW_API))

    assert isinstance(found, Failure)
    assert isinstance(character, Failure)
    assert not at_once(client.cancel(JOB, UPSTREAM))
    assert at_once(client.delete(JOB, NEW_API))
    with pytest.raises(LookupError):
        at_once(client.poll(JOB, CHAT))
    assert upstream.asked == []


@pytest.mark.parametrize("reply", [BUSY, answered({"error": {"message": "no"}}), answered({})])
def test_a_character_that_was_not_created_is_a_failure(reply: Reply) -> None:
    made = at_once(Answers(reply).client.create_character("Ann", FILM, UPSTREAM))

    assert isinstance(made, Failure)


def test_a_job_that_ended_free_of_charge_has_its_cost() -> None:
    step = at_once(Answers(video("failed", usage={"cost": 0})).client.poll(JOB, UPSTREAM))

    assert isinstance(step, Failed)
    assert step.usage is not None
    assert step.usage.amount == Decimal(0)


def event(delta: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    return b"data: %s\n\n" % json.dumps({"id": "c1", "choices": [choice]}).encode()


PROGRESS = [event({"reasoning_content": f"{percent}%\n"}) for percent in (10, 60)]
RESULT = event({"content": "<video src='https://cdn.example/1.mp4'>"}) + b"data: [DONE]\n\n"
POOR = b"event: error\ndata: insufficient balance\n\n"
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
REFUSAL = b'HTTP/1.1 401 No\r\nContent-Length: 28\r\n\r\n{"detail":"Invalid API key"}'


class TestStream:
    @staticmethod
    async def run(
        transport: Transport, upstream: Upstream
    ) -> tuple[list[int | None], Accepted | Refused | InDoubt]:
        limit = timedelta(seconds=30)
        budget = SendBudget(SystemClock().boottime(), limit, limit)
        request = submitted(upstream)
        async with UpstreamClient(transport).stream(request, upstream, budget) as stream:
            seen = [step.progress async for step in stream]
        return seen, stream.result(ORDER)

    @pytest.fixture
    def at(self, serve: Serve, make_upstream: MakeUpstream) -> Callable[..., Awaitable[Upstream]]:
        async def at(*pieces: bytes) -> Upstream:
            async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()

            return make_upstream(await serve(answer), protocol="chat_video", dialect="relay")

        return at

    async def test_that_ends_with_a_video_is_a_job_that_is_done(
        self, at: Callable[..., Awaitable[Upstream]], transport: Transport
    ) -> None:
        upstream = await at(STREAM, *PROGRESS, RESULT)

        seen, result = await self.run(transport, upstream)

        assert set(seen) <= {None, 10, 60}
        assert isinstance(result, Accepted)
        assert (result.job.id, type(result.step)) == ("c1", Done)
        assert isinstance(result.step, Done)
        assert urls(result.step.outputs) == ["https://cdn.example/1.mp4"]

    @pytest.mark.parametrize(
        ("answer", "expected"),
        [
            (STREAM + POOR, Refused),
            (STREAM + PROGRESS[0] + POOR, Accepted),  # it was at work
            (STREAM + PROGRESS[0], InDoubt),
            (STREAM, InDoubt),
            (REFUSAL, Refused),
            (b"", InDoubt),
        ],
    )
    async def test_of_another_end_is_refused_only_before_any_work(
        self,
        at: Callable[..., Awaitable[Upstream]],
        transport: Transport,
        answer: bytes,
        expected: type,
    ) -> None:
        _, result = await self.run(transport, await at(answer))

        assert type(result) is expected

    async def test_is_offered_only_by_a_protocol_that_has_one(
        self, make_upstream: MakeUpstream, transport: Transport
    ) -> None:
        with pytest.raises(LookupError):
            await self.run(transport, make_upstream())
