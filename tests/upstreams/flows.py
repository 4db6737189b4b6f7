"""Drives the flows of adapters with given answers, as the client does."""

from collections.abc import Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar, cast

from tallylight.catalogue.services import Upstream
from tallylight.model.evidence import Failure
from tallylight.model.jobs import JobRef
from tallylight.model.order import Order
from tallylight.upstreams.acceptance import Submission, judge_create
from tallylight.upstreams.client import UpstreamClient, run_flow
from tallylight.upstreams.messages import Reply, Request
from tallylight.upstreams.protocol import Adapter, Doubt, Flow
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.steps import CheckOutcome, Done, Output, Page, Step
from tests.builders import order_of

if TYPE_CHECKING:
    from tallylight.upstreams.transport import Transport

_T = TypeVar("_T")

ORDER = order_of(prompt="a paper boat", seconds=4, size="1280x720")
MARK = "attempt_1"


class Answers:
    """An upstream that gives one answer after the other, and notes what it was asked."""

    def __init__(self, *replies: Reply) -> None:
        self._replies = iter(replies)
        self.asked: list[Request] = []

    async def send(self, request: Request, _: Upstream) -> Reply:
        """Return the next answer."""
        self.asked.append(request)
        return next(self._replies)

    @property
    def client(self) -> UpstreamClient:
        """Return a client of this upstream."""
        return UpstreamClient(cast("Transport", self))


def finished(flow: Flow[_T], *replies: Reply) -> tuple[_T, list[Request]]:
    """Drive a flow with answers that it reads; return its value and the requests it made."""
    requests = [next(flow)]
    try:
        for reply in replies:
            requests.append(flow.send(reply))  # noqa: PERF401  # its end ends no loop
    except StopIteration as end:
        return end.value, requests
    raise AssertionError(f"the flow waits for an answer to {requests[-1].url}")


def submitted(upstream: Upstream, order: Order = ORDER, model: str = "m") -> Request:
    """Return the paid request of an order."""
    return adapter_for(upstream).submit(replace(order, model=model), MARK)


def read_create(
    upstream: Upstream, reply: Reply, order: Order = ORDER, *, refuses_with_500: bool = False
) -> Submission:
    """Return what became of a create that was answered so."""
    return judge_create(adapter_for(upstream), order, reply, refuses_with_500=refuses_with_500)


def read_poll(upstream: Upstream, *replies: Reply, job: JobRef | None = None) -> Step:
    """Return what the answers to the requests of a poll say of a job."""
    return at_once(Answers(*replies).client.poll(job or JobRef("v"), upstream))


def read_check(upstream: Upstream, reply: Reply, model: str = "sora-2") -> CheckOutcome:
    """Return what an answer to the check of the key and a model says."""
    check = adapter_for(upstream).check(model)
    ran = at_once(run_flow(check, upstream, Answers(reply)))
    return ran.failure or ran.value


def read_list(upstream: Upstream, reply: Reply, order: Order = ORDER) -> Page | Failure:
    """Return the page of jobs in an answer."""
    return at_once(Answers(reply).client.find(Doubt(order, MARK), "", upstream))


def first_request(flow: Flow[_T]) -> Request:
    """Return the first request of a flow."""
    request = next(flow)
    flow.close()
    return request


def check_request(adapter: Adapter, model: str = "sora-2") -> Request:
    """Return the first request that checks the key and a model."""
    return first_request(adapter.check(model))


def poll_request(adapter: Adapter, id_: str = "video_1") -> Request:
    """Return the first request of a poll."""
    assert adapter.poll is not None
    return first_request(adapter.poll(JobRef(id_)))


def urls(outputs: tuple[Output, ...], kind: str = "video") -> list[str]:
    """Return the addresses, or paths, of the downloads of one kind."""
    return [each.at.url for each in outputs if each.kind == kind and isinstance(each.at, Request)]


def outputs_of(upstream: Upstream, reply: Reply, id_: str = "v") -> tuple[Output, ...]:
    """Return the ways to the files of a finished job that was polled."""
    step = read_poll(upstream, reply, job=JobRef(id_))
    assert isinstance(step, Done)
    return step.outputs


def at_once(work: Coroutine[object, None, _T]) -> _T:
    """Return the value of a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as end:
        return cast("_T", end.value)
    raise AssertionError("the coroutine waits")
