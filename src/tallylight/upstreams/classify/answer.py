"""An answer as the rules see it: what it claims, its codes, its words, whatever its envelope."""

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from tallylight.upstreams.messages import Phase
from tallylight.upstreams.status_words import StatusMeaning


class Claim(Enum):
    """What an answer says of the request."""

    FAILED = "failed"
    SUCCEEDED = "succeeded"
    UNREADABLE = "unreadable"


class Envelope(Enum):
    """Whose numbers a numeric code belongs to."""

    HTTP = "http"  # an HTTP status inside the body
    RPC = "rpc"  # google.rpc.Code of a finished operation
    KLING = "kling"
    MINIMAX = "minimax"
    KIE = "kie"


@dataclass(frozen=True, slots=True)
class NumericCode:
    """A numeric code and the envelope it stood in."""

    envelope: Envelope
    value: int


@dataclass(frozen=True, slots=True)
class ParsedReply:
    """What the rules look at.

    Args:
        phase: The request's.
        http_status: The HTTP status.
        claim: What the answer says of the request.
        codes: Its codes by depth, innermost first: a reseller's envelope wraps the cause.
        types: Its error types, in the same way.
        numbers: Its numeric codes, innermost first.
        state: The status of the job, None if it names none.
        words: Its human text, folded, innermost first.
        text: Its human text as it was said.
        page: It is an HTML page.
        retry_after: How long the body asks us to wait.
        sign: What made us say FAILED or NOTHING where no code, word or status did
            ("stream:cut", "body:empty"); "" else.
        is_streamed: It stood in a stream, or in what a stream would have said.
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
        """Tell whether our own key cannot be what it complains of.

        Keys are asked for at the door, with a 4xx or a code in the first answer. Once a stream has
        begun or a job exists we are inside, and no server excuses a bad key of ours with a 5xx:
        the key is that of somebody behind the door, such as an account of a reseller's pool.
        """
        if self.http_status < FIRST_ERROR_STATUS:
            return self.is_streamed or self.state is not None
        return self.http_status >= _FIRST_SERVER_ERROR

    @property
    def effective_status(self) -> int:
        """Return the HTTP status that counts: the body's own where HTTP says all is well."""
        if self.http_status >= FIRST_ERROR_STATUS:
            return self.http_status
        http = {Envelope.HTTP, Envelope.KIE}
        inner = (number.value for number in self.numbers if number.envelope in http)
        return next(inner, self.http_status)


FIRST_ERROR_STATUS = 400
_FIRST_SERVER_ERROR = 500
