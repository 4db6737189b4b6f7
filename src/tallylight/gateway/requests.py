"""The create request that a caller sends, and the error that answers a request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus

from tallylight.errors import TallylightError
from tallylight.model.ids import NO_VIDEO, VideoId
from tallylight.model.order import Input, Medium, Operation
from tallylight.model.wish import NOTHING_ASKED, WishedMeasures


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """One request for a video or for images, as its caller sent it.

    Args:
        model: Name of the route.
        prompt: Text prompt.
        medium: What shall be made.
        measures: Length, frame, sound and the like.
        operation: Create, remix, edit or extend.
        source: The gateway's video that is remixed, edited or extended.
        inputs: Input images, or for an edit of a video the input video.
        characters: Ids of the gateway's characters.
        extras: Unknown fields, which are passed to the service unchanged.
        policy: Preset or preference that replaces the route's own, "" for the route's.
        idempotency_key: The caller's key for this request, "" for none.
        fingerprint: Digest of the content; equal requests have equal fingerprints.
        is_retry: The official SDK marked the request as an automatic retry.
    """

    model: str
    prompt: str
    medium: Medium = Medium.VIDEO
    measures: WishedMeasures = NOTHING_ASKED
    operation: Operation = Operation.CREATE
    source: VideoId = NO_VIDEO
    inputs: tuple[Input, ...] = ()
    characters: tuple[str, ...] = ()
    extras: Mapping[str, object] = field(default_factory=dict)
    policy: str = ""
    idempotency_key: str = ""
    fingerprint: str = ""
    is_retry: bool = False


class ApiError(TallylightError):
    """A refused request, with the members of the Videos API's error object.

    Args:
        status: HTTP status.
        message: For people: what is wrong and what is allowed.
        code: For programs, "" for none.
        param: Name of the parameter at fault, "" for none.
        type: Type of the error; by default it follows from the status.
        retry_after: When the client may retry.
    """

    def __init__(  # noqa: PLR0913  # the members of the error object
        self,
        status: HTTPStatus,
        message: str,
        *,
        code: str = "",
        param: str = "",
        type: str = "",  # noqa: A002  # named by the Videos API
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.type = type or _error_type(status)
        self.retry_after = retry_after


def bad_request(message: str, param: str = "", *, code: str = "invalid_value") -> ApiError:
    """Return the error 400 for a request that no retry can make valid."""
    return ApiError(HTTPStatus.BAD_REQUEST, message, code=code, param=param)


def not_found(message: str, param: str = "", *, code: str = "not_found") -> ApiError:
    """Return the error 404; it does not tell whether another caller has the resource."""
    return ApiError(HTTPStatus.NOT_FOUND, message, code=code, param=param)


def video_not_found(id_: str, param: str = "video_id") -> ApiError:
    """Return the error for a video that does not exist or belongs to another caller."""
    return not_found(f"Video with id '{id_}' not found.", param=param)


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
