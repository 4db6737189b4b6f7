"""Senders between a flow and the wire: they note what is sent, or change what comes back."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from tallylight.catalogue.services import Upstream
from tallylight.model.jobs import JobRef
from tallylight.upstreams.client import run_flow
from tallylight.upstreams.messages import Reply, Request
from tallylight.upstreams.steps import Step
from tallylight.upstreams.transport import Transport
from tests.contract.site import Site


async def _at_once(_: Request) -> None:
    pass


def _unchanged(reply: Reply) -> Reply:
    return reply


@dataclass(slots=True)
class AlteredSender:
    """Sends requests by a transport.

    Args:
        alter: Returns the reply that a flow reads instead.
        before: Waits before a request is sent.
        sent: All requests with their replies, oldest first.
    """

    transport: Transport
    alter: Callable[[Reply], Reply] = _unchanged
    before: Callable[[Request], Awaitable[None]] = _at_once
    sent: list[tuple[Request, Reply]] = field(default_factory=list)

    async def send(self, request: Request, upstream: Upstream) -> Reply:
        """Send a request and return the altered reply."""
        await self.before(request)
        reply = self.alter(await self.transport.send(request, upstream))
        self.sent.append((request, reply))
        return reply


def with_texts(reply: Reply, change: Callable[[str, str], object]) -> Reply:
    """Return a reply whose JSON has another value for each text, by the name of its member."""
    return with_values(
        reply, lambda name, value: change(name, value) if isinstance(value, str) else value
    )


def with_values(reply: Reply, change: Callable[[str, object], object]) -> Reply:
    """Return a reply whose JSON has another value for each text, number, true, false and null."""
    try:
        document = json.loads(reply.body)
    except ValueError:
        return reply
    return replace(reply, body=json.dumps(_changed(document, "", change)))


def _changed(value: object, name: str, change: Callable[[str, object], object]) -> object:
    match value:
        case dict():
            return {key: _changed(item, key, change) for key, item in value.items()}
        case list():
            return [_changed(item, name, change) for item in value]
        case _:
            return change(name, value)


async def altered_poll(site: Site, job: JobRef, alter: Callable[[Reply], Reply]) -> Step:
    """Ask for a job once, and read another answer than came."""
    assert site.adapter.poll is not None
    sender = AlteredSender(site.transport, alter)
    ran = await run_flow(site.adapter.poll(job), site.upstream, sender)
    assert ran.value is not None, ran.failure
    return ran.value
