"""One call to an upstream as it goes: how far it came, when, and in which words it broke off."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace

import aiohttp

from tallylight.clock import Clock
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.redact import redact_line, redact_secrets

#: All that an upstream, the path to it, or a wrong address can make the client raise.
CALL_ERRORS = (aiohttp.ClientError, OSError, ValueError, EOFError)


@dataclass(slots=True)
class CallRecord:
    """What is known of a call so far.

    Args:
        clock: Times it.
        phase: The request's.
        secrets: What must not appear in a reply's texts.
        started: When it began, by the monotonic clock.
        is_connected: A connection was there, so that something may have left us.
        first_byte: When the head of the answer came.
    """

    clock: Clock
    phase: Phase
    secrets: tuple[str, ...] = field(repr=False)
    started_monotonic: float = field(init=False)
    is_connected: bool = False
    first_byte_monotonic: float | None = None
    _status: int | None = None
    _headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.started_monotonic = self.clock.monotonic()

    def record_head(self, response: aiohttp.ClientResponse) -> None:
        """Note the head of the answer that counts, behind all redirects."""
        self.first_byte_monotonic = self.clock.monotonic()
        self._status = response.status
        headers = {name.lower(): value for name, value in response.headers.items()}
        text = "\n".join(headers.values())
        if self._redact(text) != text:  # asked once for all, since it hardly ever is so
            headers = {name: self._redact(value) for name, value in headers.items()}
        self._headers = headers

    def reply(self, body: str = "", *, error: str = "", truncated: bool = False) -> Reply:
        """Return the call as a reply, as far as it has come, without our secrets."""
        waited = (
            None
            if self.first_byte_monotonic is None
            else self.first_byte_monotonic - self.started_monotonic
        )
        return Reply(
            phase=self.phase,
            status=self._status,
            headers=self._headers,
            body=self._redact(body),
            error=redact_line(error, self.secrets) if error else "",
            was_sent=self.is_connected,
            truncated=truncated,
            seconds=self.elapsed_seconds(),
            first_byte_seconds=waited,
        )

    def elapsed_seconds(self) -> float:
        """Return how long the call has taken."""
        return self.clock.monotonic() - self.started_monotonic

    def timeout_stage(self) -> str:
        """Return what a call that ran out of time was waiting for."""
        if not self.is_connected:
            return "no connection"
        return "no answer" if self.first_byte_monotonic is None else "no end of the answer"

    def _redact(self, text: str) -> str:
        # A body is kept whole for its readers, so only our own key is taken out of it.
        return redact_secrets(text, self.secrets)


def error_text(error: Exception) -> str:
    """Return an exception as "ClassName: message": the cause, where aiohttp has wrapped one."""
    cause: Exception = error
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause = error.certificate_error
    elif isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
    if isinstance(cause, aiohttp.ClientResponseError):  # its str has the whole address in it
        text = f"{cause.status} {cause.message}"
    else:
        text = str(cause)
    return f"{type(cause).__name__}: {' '.join(text.split())}".removesuffix(": ")


def connection_tracing() -> aiohttp.TraceConfig:
    """Return hooks that tell an `Exchange`, given as the trace context, of its connection."""
    config = aiohttp.TraceConfig()
    config.on_connection_create_end.append(_on_connected)
    config.on_connection_reuseconn.append(_on_connected)
    return config


async def _on_connected(
    _session: aiohttp.ClientSession, context: SimpleNamespace, _params: object
) -> None:
    context.trace_request_ctx.is_connected = True
