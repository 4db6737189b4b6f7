"""Records one call to an upstream: its stages, its times and its error."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace

import aiohttp

from tallylight.clock import Clock
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.redact import redact_line, redact_secrets

#: All exceptions of the HTTP client that an upstream, the path to it or a wrong URL can cause.
CALL_ERRORS = (aiohttp.ClientError, OSError, ValueError, EOFError)


@dataclass(slots=True)
class CallRecord:
    """The state of a call.

    Args:
        secrets: Texts that are masked in the reply.
        is_connected: A connection was made, so that the request may have been sent.
        error: How the call broke off, "" if it did not.
        truncated: The body was longer than the limit.
    """

    clock: Clock
    phase: Phase
    secrets: tuple[str, ...] = field(repr=False)
    body_limit: int = 1024 * 1024
    started_monotonic: float = field(init=False)
    is_connected: bool = False
    first_byte_monotonic: float | None = None
    body: bytearray = field(default_factory=bytearray)
    error: str = ""
    truncated: bool = False
    _status: int | None = None
    _headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.started_monotonic = self.clock.monotonic()

    def record_head(self, response: aiohttp.ClientResponse) -> None:
        """Record the head of the final response, after all redirects."""
        self.first_byte_monotonic = self.clock.monotonic()
        self._status = response.status
        headers = {name.lower(): value for name, value in response.headers.items()}
        text = "\n".join(headers.values())
        if self._redact(text) != text:  # one check for all headers, since a secret in them is rare
            headers = {name: self._redact(value) for name, value in headers.items()}
        self._headers = headers

    async def read_body(self, response: aiohttp.ClientResponse) -> None:
        """Read the body of a response up to the limit."""
        async for chunk in response.content.iter_any():
            self.body += chunk
            if len(self.body) > self.body_limit:
                self.truncated = True
                response.close()  # the rest is not read, so the connection cannot be reused
                return

    def reply(self) -> Reply:
        """Return the reply as far as it has arrived, without our secrets."""
        text = self.body[: self.body_limit].decode("utf-8", "replace").removeprefix("\ufeff")
        first_byte = self.first_byte_monotonic
        return Reply(
            phase=self.phase,
            status=self._status,
            headers=self._headers,
            body=self._redact(text),
            error=redact_line(self.error, self.secrets) if self.error else "",
            was_sent=self.is_connected,
            truncated=self.truncated,
            seconds=self.elapsed_seconds(),
            first_byte_seconds=None if first_byte is None else first_byte - self.started_monotonic,
        )

    def elapsed_seconds(self) -> float:
        """Return how long the call has taken so far."""
        return self.clock.monotonic() - self.started_monotonic

    def timeout_stage(self) -> str:
        """Return what a call that timed out was waiting for."""
        if not self.is_connected:
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


def connection_tracing() -> aiohttp.TraceConfig:
    """Return hooks that mark a `CallRecord`, given as the trace context, as connected."""
    config = aiohttp.TraceConfig()
    config.on_connection_create_end.append(_on_connected)
    config.on_connection_reuseconn.append(_on_connected)
    return config


async def _on_connected(
    _session: aiohttp.ClientSession, context: SimpleNamespace, _params: object
) -> None:
    context.trace_request_ctx.is_connected = True
