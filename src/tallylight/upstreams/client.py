"""Speaks to upstreams: drives what adapters say through the transport.

A flow is driven request by request. An answer that broke off, or has a status that the flow does
not read, ends it: the failure is the classifier's, and no adapter has to think of it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

from tallylight.catalogue.services import Upstream
from tallylight.model.evidence import Failure
from tallylight.model.jobs import JobRef
from tallylight.model.order import Input, Order
from tallylight.upstreams.acceptance import Submission, judge_create, judge_stream
from tallylight.upstreams.failures import upstream_failure
from tallylight.upstreams.messages import Reply, Request
from tallylight.upstreams.protocol import Doubt, Flow, StreamReader
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.steps import Failed, Page, Step, Trouble, Working
from tallylight.upstreams.streaming import StreamedResponse
from tallylight.upstreams.time_limits import SendBudget
from tallylight.upstreams.transport import Transport

_T = TypeVar("_T")

MAX_REQUESTS = 8
"""The most requests of one flow; the longest that is known takes three."""

_NOT_ABLE = upstream_failure("flow:none", "its protocol has no such request")
_ENDLESS = upstream_failure("flow:endless", "it was asked too often for one answer")


@dataclass(frozen=True, slots=True)
class Ran(Generic[_T]):
    """What a flow came to.

    Args:
        value: What it returned.
        failure: Why it did not end, None if it did.
        request: The last request.
        reply: The answer to that.
    """

    value: _T | None
    failure: Failure | None
    request: Request
    reply: Reply


class RequestSender(Protocol):
    """Sends requests; implemented by `transport.Transport`."""

    async def send(self, request: Request, upstream: Upstream) -> Reply:
        """Send a request and return the complete answer, or the error in its place."""
        ...


class CreateStream:
    """The answer to a create while it arrives: iterating yields the progress of the job."""

    def __init__(
        self, upstream: Upstream, reader: StreamReader, response: StreamedResponse
    ) -> None:
        self._upstream = upstream
        self._reader = reader
        self._response = response
        self._has_streamed = response.is_open  # false again once it has broken off

    @property
    def job(self) -> JobRef:
        """Return how the job is known by now."""
        return self._reader.job

    async def __aiter__(self) -> AsyncIterator[Working]:
        if not self._has_streamed:
            return
        async for chunk in self._response:
            step = self._reader.feed(chunk)
            if isinstance(step, Working):
                yield step
            elif step is not None:
                return

    def result(self, order: Order) -> Submission:
        """Return what became of the create of an order, once its answer has ended."""
        reply = self._response.reply
        if not self._has_streamed:
            return judge_create(
                adapter_for(self._upstream),
                order,
                reply,
                refuses_with_500=self._upstream.refuses_with_500,
            )
        end = self._reader.end(reply.error)
        return judge_stream(self.job, end, reply.error, has_begun=self._reader.has_progress)


class UpstreamClient:
    """Asks upstreams; the same transport for all."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def create(
        self, request: Request, order: Order, upstream: Upstream, budget: SendBudget
    ) -> Submission:
        """Send the paid request of an order once, and return what became of it."""
        reply = await self._transport.send(request, upstream, budget=budget)
        return judge_create(
            adapter_for(upstream), order, reply, refuses_with_500=upstream.refuses_with_500
        )

    @asynccontextmanager
    async def stream(
        self, request: Request, upstream: Upstream, budget: SendBudget
    ) -> AsyncIterator["CreateStream"]:
        """Send the paid request of an order once, and yield its answer, which streams.

        Raises:
            LookupError: if the creates of this protocol do not stream.
        """
        secrets = () if upstream.key is None else (upstream.key.reveal(),)
        reader = adapter_for(upstream).reader
        if reader is None:
            raise LookupError(f"{upstream.protocol} has no streams")
        async with self._transport.stream(request, upstream, budget=budget) as response:
            yield CreateStream(upstream, reader(secrets), response)

    async def poll(self, job: JobRef, upstream: Upstream) -> Step:
        """Ask once for a job.

        Raises:
            LookupError: if no job of this protocol outlives the answer to its create.
        """
        adapter = adapter_for(upstream)
        if adapter.poll is None:
            raise LookupError(f"{upstream.protocol} has no poll")
        ran = await self._run(adapter.poll(job), upstream)
        if ran.failure is not None:
            return adapter.errors.no_job(ran.reply, "poll:unreadable")
        return ran.value or Trouble(_NOT_ABLE)

    async def find(self, doubt: Doubt, cursor: str, upstream: Upstream) -> Page | Failure:
        """Return a page of the list in which the job of a doubt would be."""
        find = adapter_for(upstream).find
        if find is None:
            return _NOT_ABLE
        ran = await self._run(find(doubt, cursor), upstream)
        return ran.failure or ran.value or _NOT_ABLE

    async def cancel(self, job: JobRef, upstream: Upstream) -> bool:
        """Cancel a job; tell whether it is proven that nothing is billed for it."""
        cancel = adapter_for(upstream).cancel
        if cancel is None:
            return False
        match (await self._run(cancel(job), upstream)).value:
            case Failed(usage=usage) if usage is not None:
                return not usage.amount
            case _:
                return False

    async def delete(self, job: JobRef, upstream: Upstream) -> bool:
        """Delete a finished job where the protocol can; tell whether nothing is left to delete."""
        delete = adapter_for(upstream).delete
        return delete is None or bool((await self._run(delete(job), upstream)).value)

    async def upload_inputs(self, order: Order, upstream: Upstream) -> Order | Failure:
        """Return an order whose inputs are at the upstream, where creates only name them.

        It is free. A failure means that nothing was ordered.
        """
        upload = adapter_for(upstream).upload
        if upload is None:
            return order
        inputs: list[Input] = []
        for each in order.inputs:
            ran = await self._run(upload(each), upstream)
            found = ran.failure or ran.value or _NOT_ABLE
            if isinstance(found, Failure):
                return found
            inputs.append(found)
        return replace(order, inputs=tuple(inputs))

    async def create_character(self, name: str, video: Input, upstream: Upstream) -> str | Failure:
        """Create a character from a video; return the upstream's id of it."""
        create = adapter_for(upstream).create_character
        if create is None:
            return _NOT_ABLE
        ran = await self._run(create(name, video), upstream)
        return ran.failure or ran.value or _NOT_ABLE

    async def _run(self, flow: Flow[_T], upstream: Upstream) -> Ran[_T]:
        return await run_flow(flow, upstream, self._transport)


async def run_flow(flow: Flow[_T], upstream: Upstream, sender: RequestSender) -> Ran[_T]:
    """Drive a flow to its end; each has at least one request."""
    request = next(flow)
    for _ in range(MAX_REQUESTS):
        reply = await sender.send(request, upstream)
        is_read = not reply.error and reply.status in request.reads
        if not (is_read or request.is_optional):
            flow.close()
            failure = adapter_for(upstream).errors.failure(reply, "answer:unreadable")
            return Ran(None, failure, request, reply)
        try:
            request = flow.send(reply)
        except StopIteration as end:
            return Ran(end.value, None, request, reply)
    flow.close()
    return Ran(None, _ENDLESS, request, reply)
