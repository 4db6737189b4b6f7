"""What a caller asks of the gateway, and how it is refused."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus

from tallylight.errors import TallylightError
from tallylight.model.ids import NO_VIDEO, VideoId
from tallylight.model.order import Operation, Reference


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """One request for a video, as its caller wrote it.

    Args:
        model: The route.
        prompt: The text.
        seconds: The length; None where the caller leaves it to us.
        size: "1280x720"; "" where the caller leaves it to us.
        operation: How the video is made.
        source: Which of our videos is remixed, edited or extended.
        reference: A picture, or for an edit a film, to begin from.
        characters: Ours.
        extras: Fields that we do not know; they go along as they came.
        policy: A preset or a preference in place of the route's own, "" for the route's.
        idempotency: The caller's key for this request, "" for none.
        fingerprint: Of its content: two requests with the same one ask for the same.
        is_repeat: The official SDK says that it sends this again by itself.
    """

    model: str
    prompt: str
    seconds: int | None = None
    size: str = ""
    operation: Operation = Operation.CREATE
    source: VideoId = NO_VIDEO
    reference: Reference | None = None
    characters: tuple[str, ...] = ()
    extras: Mapping[str, object] = field(default_factory=dict)
    policy: str = ""
    idempotency_key: str = ""
    fingerprint: str = ""
    is_retry: bool = False


class ApiError(TallylightError):
    """A request that the gateway does not serve, in the words of the Videos API's envelope.

    Args:
        status: The HTTP status.
        message: For people: what is wrong and what is allowed.
        code: For programs, "" for none.
        param: Which parameter, "" for none.
        type: The envelope's type; without it by the status.
        retry_after: When it may be tried again.
    """

    def __init__(  # noqa: PLR0913  # the envelope's fields
        self,
        status: HTTPStatus,
        message: str,
        *,
        code: str = "",
        param: str = "",
        type: str = "",  # noqa: A002  # the envelope's word
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.type = type or _error_type(status)
        self.retry_after = retry_after


def _error_type(status: HTTPStatus) -> str:
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return "authentication_error"
        case HTTPStatus.FORBIDDEN:
            return "permission_error"
        case HTTPStatus.TOO_MANY_REQUESTS:
            return "rate_limit_error"
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return "server_error"
        case _:
            return "invalid_request_error"
