"""What takes the place of the HTTP client's sessions: the real transport sends through it.

A create first waits for its connection. Then the real record of the call decides whether its first
byte may be written, and only after that the upstream sees it.
"""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from multidict import CIMultiDict
from yarl import URL

from tallylight.upstreams.call_record import CallRecord
from tallylight.upstreams.connections import Permission
from tallylight.upstreams.messages import Phase
from tests.jobs.stepped_calls import CallKind, Calls
from tests.jobs.stepped_loop import SteppedLoop
from tests.jobs.upstream_twins import HttpAnswer, Twins

_ANY_NETWORK = Permission(frozenset())


class SteppedPools:
    """Takes the place of `ConnectionPools`."""

    def __init__(self, session: "SteppedSession") -> None:
        self._session = session

    async def permission(self, *_: object) -> Permission:
        """Permit everything."""
        return _ANY_NETWORK

    def session(self, _: Permission) -> "SteppedSession":
        """Return the only session."""
        return self._session


class SteppedSession:
    """Takes the place of aiohttp's `ClientSession`."""

    def __init__(self, calls: Calls, twins: Twins, loop: SteppedLoop) -> None:
        self._calls = calls
        self._twins = twins
        self._loop = loop

    async def request(
        self, method: str, url: URL, *, trace_request_ctx: CallRecord, **options: Any
    ) -> "SteppedResponse":
        """Send a request as soon as the test lets it, and return the head of its response."""
        upstream = (url.host or "").partition(".")[0]
        record = trace_request_ctx
        if record.phase is Phase.CREATE:
            await self._calls.call(CallKind.CONNECT, lambda: None)
            record.begin_writing()  # as the hooks of the HTTP client do
            return SteppedResponse(await self._create(upstream, options["data"], record))
        record.begin_writing()
        target = urlsplit(str(url))
        path, query = target.path.removeprefix("/v1"), dict(parse_qsl(target.query))
        answer = await self._calls.call(
            CallKind.REQUEST, lambda: self._twins.respond(upstream, method, path, query)
        )
        return SteppedResponse(answer)

    async def _create(self, upstream: str, body: bytes, record: CallRecord) -> HttpAnswer:
        answered = self._loop.create_future()

        def answer(told: HttpAnswer | None) -> bool:
            if answered.done():
                return False
            if told is None:
                answered.set_exception(ConnectionResetError("reset"))
            else:
                answered.set_result(told)
            return True

        budget = record.budget
        assert budget is not None
        within = (budget.answer_within - budget.first_byte_within).total_seconds()
        self._twins.receive_create(upstream, body, within, self._calls, answer)
        result: HttpAnswer = await answered
        return result


class SteppedResponse:
    """Takes the place of aiohttp's `ClientResponse`; it is also the reader of its own body."""

    def __init__(self, answer: HttpAnswer) -> None:
        self.status = answer.status
        self.content_type = answer.content_type
        self.headers = CIMultiDict({"Content-Type": answer.content_type})
        self.content = self
        self._body = answer.body

    async def iter_any(self) -> AsyncIterator[bytes]:
        """Yield what was not read yet."""
        yield await self.readany()

    async def readany(self) -> bytes:
        """Return what was not read yet, b"" at the end."""
        body, self._body = self._body, b""
        return body

    def release(self) -> None:
        """Keep nothing open."""
