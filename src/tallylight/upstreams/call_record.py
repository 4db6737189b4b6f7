"""Records one call to an upstream: its stages, its times and its error."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace

import aiohttp

from tallylight.clock import Clock
from tallylight.upstreams.body_reader import BodyReader
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.redact import redact_line, redact_secrets
from tallylight.upstreams.time_limits import SendBudget, TooLateError

#: All exceptions of the HTTP client that an upstream, the path to it or a wrong URL can cause.
CALL_ERRORS = (aiohttp.ClientError, OSError, ValueError, EOFError)


@dataclass(slots=True)
class CallRecord:
    """The state of a call.

    Args:
        secrets: Texts that are masked in the reply.
        budget: The time that the call may take, None for no budget.
        is_connecting: The call has its slot, and needs a connection to be written.
        is_written: The next step is or was to write the first byte: it may have been sent.
        error: How the call broke off, "" if it did not.
        truncated: The answer was longer than a limit.
        media_type: Of the file that came in place of a document, "" if none did.
        is_foreign: The answer may come from the operator's network, from a URL that an upstream
            named: its words are not kept.
    """

    clock: Clock
    phase: Phase
    secrets: tuple[str, ...] = field(repr=False)
    body_limit: int
    budget: SendBudget | None = None
    started_monotonic: float = field(init=False)
    is_connecting: bool = False
    is_written: bool = False
    first_byte_monotonic: float | None = None
    media_type: str = ""
    error: str = ""
    truncated: bool = False
    is_foreign: bool = False
    _status: int | None = None
    _headers: Mapping[str, str] = field(default_factory=dict)
    _body: BodyReader = field(init=False)

    def __post_init__(self) -> None:
        self.started_monotonic = self.clock.monotonic()
        self._body = BodyReader(self.body_limit)

    def mask(self, signatures: Iterable[str]) -> None:
        """Mask what a request was signed with, too: a token that was made of the key."""
        tokens = (each.rpartition(" ")[2] for each in signatures)
        self.secrets = tuple(dict.fromkeys((*self.secrets, *tokens)))

    def begin_connecting(self) -> None:
        """Start the call's time: it has waited for its slot."""
        self.started_monotonic = self.clock.monotonic()
        self.is_connecting = True

    def begin_writing(self) -> None:
        """Allow bytes of the request to be written; called on the line before.

        Raises:
            TooLateError: if the budget does not allow it: its time is over for the first byte, or
                for a further byte of a long body, without which the request is incomplete; or
                another process decides about the create.
        """
        if self.budget is not None:
            is_late = self.clock.boottime() >= self.time_limit_end(self.budget)
            if is_late or not (self.is_written or self.budget.may_begin()):
                raise TooLateError
        self.is_written = True

    def time_limit_end(self, budget: SendBudget) -> float:
        """Return when what the call now waits for has to be over, on `Clock.boottime`."""
        return budget.answer_by if self.is_written else budget.first_byte_by

    def record_head(self, response: aiohttp.ClientResponse) -> None:
        """Record the head of the final response, after all redirects."""
        self.first_byte_monotonic = self.clock.monotonic()
        self._status = response.status
        self._headers = {name.lower(): value for name, value in response.headers.items()}

    async def read_body(self, response: aiohttp.ClientResponse, head: bytes = b"") -> None:
        """Read the body of a response up to the limit, after its head that was read already."""
        self._body.feed(head)
        async for chunk in response.content.iter_any():
            if not self._body.feed(chunk):
                self.truncated = True
                response.close()  # the rest is not read, so the connection cannot be reused
                return

    def reply(self) -> Reply:
        """Return the reply as far as it has arrived, without our secrets."""
        body = b"" if self.is_foreign else self._body.body
        text, headers = body.decode("utf-8", "replace").removeprefix("\ufeff"), self._headers
        whole = "\n".join((*headers.values(), text))
        if self._redact(whole) != whole:  # one search for all parts, since a secret is rare
            headers = {name: self._redact(value) for name, value in headers.items()}
            text = self._redact(text)
        first_byte = self.first_byte_monotonic
        return Reply(
            phase=self.phase,
            status=self._status,
            headers=headers,
            body=text,
            error=redact_line(self.error, self.secrets) if self.error else "",
            was_sent=self.is_written,
            truncated=self.truncated,
            seconds=self.elapsed_seconds(),
            first_byte_seconds=None if first_byte is None else first_byte - self.started_monotonic,
            long_texts=() if self.is_foreign else self._body.long_texts,
            media_type=self.media_type,
        )

    def elapsed_seconds(self) -> float:
        """Return how long the call has taken so far."""
        return self.clock.monotonic() - self.started_monotonic

    def timeout_text(self, limit: timedelta) -> str:
        """Return what a call that timed out was waiting for."""
        if self.budget is None or self.is_written:
            limit = limit if self.budget is None else self.budget.answer_within
            return f"TimeoutError: {self._stage()} within {limit.total_seconds():g} s"
        within = self.budget.first_byte_within
        # Else the time went to our own commit or queue, which says nothing about the upstream.
        is_connecting_slow = (
            self.is_connecting and self.elapsed_seconds() >= within.total_seconds() / 2
        )
        stage = "no connection" if is_connecting_slow else "not sent"
        return f"TooLate: {stage} within {within.total_seconds():g} s"

    def _stage(self) -> str:
        if not self.is_written:
            return "no connection"
        return "no answer" if self.first_byte_monotonic is None else "no end of the answer"

    def _redact(self, text: str) -> str:
        # A body stays whole for its readers: only our own key is masked in it.
        return redact_secrets(text, self.secrets)


def error_text(error: Exception) -> str:
    """Return an exception, or the cause that aiohttp wrapped in it, as "ClassName: message"."""
    cause: Exception = error
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause = error.certificate_error
    elif isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
    if isinstance(cause, aiohttp.ClientResponseError):  # its str contains the whole URL
        text = f"{cause.status} {cause.message}"
    else:
        text = str(cause)
    return f"{type(cause).__name__}: {' '.join(text.split())}".removesuffix(": ")


def write_tracing() -> aiohttp.TraceConfig:
    """Return hooks that let a `CallRecord`, given as the trace context, decide about each write.

    aiohttp calls them on the line before it hands bytes to the socket, after the name, TCP and TLS,
    and writes nothing if they raise. They do not suspend, so no time passes between.
    """
    config = aiohttp.TraceConfig()
    config.on_request_headers_sent.append(_before_headers)
    config.on_request_chunk_sent.append(_before_chunk)
    return config


async def _before_headers(
    _session: aiohttp.ClientSession,
    context: SimpleNamespace,
    params: aiohttp.TraceRequestHeadersSentParams,
) -> None:
    # The headers of a request with a body are kept until its first chunk is there.
    has_body = params.headers.get("Content-Length", "0") != "0"
    if not has_body and "Transfer-Encoding" not in params.headers:
        context.trace_request_ctx.begin_writing()


async def _before_chunk(
    _session: aiohttp.ClientSession, context: SimpleNamespace, _params: object
) -> None:
    context.trace_request_ctx.begin_writing()
