"""A reply parsed for the rules: its claim, its codes and its text, independent of its envelope."""

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from tallylight.upstreams.messages import Phase
from tallylight.upstreams.status_words import StatusMeaning


class Claim(Enum):
    """What an answer says about the request."""

    FAILED = "failed"
    SUCCEEDED = "succeeded"
    UNREADABLE = "unreadable"


class Envelope(Enum):
    """The numbering scheme that a numeric code belongs to."""

    HTTP = "http"  # an HTTP status in the body
    RPC = "rpc"  # google.rpc.Code of a finished operation
    MINIMAX = "minimax"
    KIE = "kie"


@dataclass(frozen=True, slots=True)
class NumericCode:
    """A numeric code and its numbering scheme."""

    envelope: Envelope
    value: int


@dataclass(frozen=True, slots=True)
class ParsedReply:
    """What the rules read.

    Args:
        codes: Its error codes by depth, innermost first: a reseller's envelope wraps the cause.
        types: Its error types, in the same order.
        numbers: Its numeric codes, innermost first.
        state: The status of the job, None if the answer has none.
        normalized_text: Its human-readable text, normalized, innermost first.
        symptom: Why the claim is FAILED or UNREADABLE if no code, text or status says so
            ("stream:cut", "body:empty"); else "".
        is_streamed: It is a stream, or a chat completion in place of one.
    """

    phase: Phase
    http_status: int
    claim: Claim
    codes: tuple[tuple[str, ...], ...] = ()
    types: tuple[tuple[str, ...], ...] = ()
    numbers: tuple[NumericCode, ...] = ()
    state: StatusMeaning | None = None
    normalized_text: str = ""
    text: str = ""
    is_page: bool = False
    retry_after: timedelta | None = None
    symptom: str = ""
    is_streamed: bool = False

    @property
    def is_past_authentication(self) -> bool:
        """Tell whether an error about a key cannot be about our key.

        A server refuses our key with a 4xx, or a code in the first answer. Once a stream has begun
        or a job exists, our key was accepted, and no server refuses it with a 5xx: then the key is
        one of the upstream's own, such as an account of a reseller's pool.
        """
        if self.http_status < FIRST_ERROR_STATUS:
            return self.is_streamed or self.state is not None
        return self.http_status >= _FIRST_SERVER_ERROR

    @property
    def is_refused_request_about_job(self) -> bool:
        """Tell whether a request about existing jobs was refused, with no word on a job's state."""
        is_client_error = FIRST_ERROR_STATUS <= self.effective_status < _FIRST_SERVER_ERROR
        return is_client_error and self.state is None and self.phase in _PHASES_ABOUT_JOBS

    @property
    def effective_status(self) -> int:
        """Return the HTTP status, or the one in the body if the HTTP status is a success."""
        if self.http_status >= FIRST_ERROR_STATUS:
            return self.http_status
        http = {Envelope.HTTP, Envelope.KIE}
        inner = (number.value for number in self.numbers if number.envelope in http)
        return next(inner, self.http_status)


FIRST_ERROR_STATUS = 400
_FIRST_SERVER_ERROR = 500
_PHASES_ABOUT_JOBS = frozenset({Phase.POLL, Phase.LIST, Phase.CANCEL, Phase.CONTENT, Phase.RESULT})
