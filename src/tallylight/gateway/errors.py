"""Maps failures to the errors that callers see: a code of the Videos API and a sentence. Pure.

OpenAI publishes no list of the codes; these are the ones that its clients know (docs/gateway.md).
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus

from tallylight.gateway.requests import ApiError, bad_request
from tallylight.gateway.routing.ranking import ExclusionReason, Ranking
from tallylight.gateway.routing.routes import Route
from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.model.ids import ServiceId
from tallylight.model.video import Video, VideoError

_CODES = {
    FailureKind.CONTENT_REJECTED: "moderation_blocked",
    FailureKind.INVALID_REQUEST: "invalid_request_error",
}
_GENERATION_FAILED = "video_generation_failed"
TRANSIENT_KINDS = frozenset(
    {
        FailureKind.RATE_LIMITED,
        FailureKind.DEGRADED,
        FailureKind.RISK_CONTROL,
        FailureKind.MAINTENANCE,
        FailureKind.UNKNOWN,
    }
)
"""Kinds of refusal that pass: the same service may accept the same order later."""

_CALLERS_REASONS = frozenset({ExclusionReason.CAPABILITY, ExclusionReason.UNPRICED})
_RATE_LIMIT_KINDS = frozenset({FailureKind.RATE_LIMITED})
_DEFAULT_RETRY_AFTER = timedelta(seconds=15)


def is_callers_fault(failure: Failure, *, content_travels: bool) -> bool:
    """Tell whether the caller caused a failure, so that no other service is tried."""
    # With `content_travels`, one service may accept content that another rejects.
    if failure.fault is not Fault.CALLER:
        return False
    return not (content_travels and failure.kind is FailureKind.CONTENT_REJECTED)


def video_error(failure: Failure, service: ServiceId) -> VideoError:
    """Return the error of a video whose job failed at a service."""
    code = (
        _CODES.get(failure.kind, _GENERATION_FAILED)
        if failure.fault is Fault.CALLER
        else _GENERATION_FAILED
    )
    return VideoError(code, f"{service}: {failure.text or failure.rule}")


def outcome_unknown(service: ServiceId, failure: Failure) -> VideoError:
    """Return the error of a video of which it is unknown whether a service makes and bills it."""
    return VideoError(
        "outcome_unknown",
        f"{service}: {failure.text or failure.rule}; it was sent to no further service, "
        "since that could cost twice (`when_in_doubt`)",
    )


def services_exhausted(refusals: Sequence[tuple[ServiceId, Failure]]) -> VideoError:
    """Return the error of a video that no service accepted."""
    if not refusals:
        return VideoError(_GENERATION_FAILED, "No service can make this now.")
    reasons = "; ".join(
        f"{service}: {failure.text or failure.rule}" for service, failure in refusals
    )
    return VideoError(_GENERATION_FAILED, f"No service is left to make this. {reasons}")


def create_error(
    refusals: Sequence[tuple[ServiceId, Failure]], *, content_travels: bool
) -> ApiError:
    """Return the response to a create that no service accepted."""
    if refusals and is_callers_fault(refusals[-1][1], content_travels=content_travels):
        service, failure = refusals[-1]
        error = video_error(failure, service)
        return bad_request(error.message, code=error.code)
    message = services_exhausted(refusals).message
    waits = [failure.retry_after for _, failure in refusals if failure.retry_after is not None]
    wait = min(waits) if waits else _DEFAULT_RETRY_AFTER
    if refusals and all(failure.kind in _RATE_LIMIT_KINDS for _, failure in refusals):
        return ApiError(
            HTTPStatus.TOO_MANY_REQUESTS, message, code="rate_limit_exceeded", retry_after=wait
        )
    return ApiError(
        HTTPStatus.SERVICE_UNAVAILABLE, message, code="no_service_available", retry_after=wait
    )


DEADLINE_EXCEEDED = VideoError("deadline_exceeded", "It was not completed before its deadline.")

REFERENCE_LOST = ApiError(
    HTTPStatus.GONE,
    "The reference of this video is no longer stored, so no service can make it.",
    code="reference_lost",
)

SERVICE_REMOVED = Failure(
    kind=FailureKind.UNKNOWN,
    fault=Fault.OURS,
    rule="service:removed",
    text="no process was configured with the service until the video's deadline; it may have made "
    "the video",
)

SUPERSEDED = Failure(
    kind=FailureKind.UNKNOWN,
    fault=Fault.OURS,
    rule="job:superseded",
    text="another attempt delivered the video first",
)


SHUTTING_DOWN = ApiError(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "This server is shutting down; please retry.",
    code="no_service_available",
    retry_after=timedelta(seconds=2),
)

NOT_ACCEPTED = ApiError(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "No service accepted this request.",
    code="no_service_available",
    retry_after=_DEFAULT_RETRY_AFTER,
)
"""The answer to a request that waited for another process, where every service refused."""

_IMAGES_STATUSES: Mapping[str, HTTPStatus] = {
    "moderation_blocked": HTTPStatus.BAD_REQUEST,
    "invalid_request_error": HTTPStatus.BAD_REQUEST,
    "insufficient_quota": HTTPStatus.TOO_MANY_REQUESTS,
    "reference_lost": HTTPStatus.GONE,
    "outcome_unknown": HTTPStatus.BAD_GATEWAY,
    "deadline_exceeded": HTTPStatus.GATEWAY_TIMEOUT,
    _GENERATION_FAILED: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""The status of the answer to a request for images that failed, by the code of its error."""

_IMAGES_CODES = {_GENERATION_FAILED: "image_generation_failed"}
_IMAGES_TYPES = {
    "moderation_blocked": "image_generation_user_error",
    "insufficient_quota": "insufficient_quota",
}


def images_error(video: Video) -> ApiError:
    """Return the response to a request for images that has failed, or is not answered in time."""
    error = video.error or DEADLINE_EXCEEDED
    status = _IMAGES_STATUSES.get(error.code, HTTPStatus.BAD_GATEWAY)
    return ApiError(
        status,
        f"{error.message} ({video.id})",
        code=_IMAGES_CODES.get(error.code, error.code),
        type=_IMAGES_TYPES.get(error.code, ""),
        retry_after=_DEFAULT_RETRY_AFTER if status is HTTPStatus.SERVICE_UNAVAILABLE else None,
    )


def spending_limit_error(message: str) -> ApiError:
    """Return the response to a create that would exceed a spending limit."""
    return ApiError(
        HTTPStatus.TOO_MANY_REQUESTS, message, code="insufficient_quota", type="insufficient_quota"
    )


def no_service_error(route: Route, ranking: Ranking) -> ApiError:
    """Return the response to a create for which every service of the route is excluded."""
    reasons = "; ".join(f"{each.service}: {each.message}" for each in ranking.excluded)
    if ranking.excluded and all(each.reason in _CALLERS_REASONS for each in ranking.excluded):
        message = f"No service of '{route.name}' can do this. {reasons}"
        params = {each.param for each in ranking.excluded}
        param = next(iter(params)) if len(params) == 1 else ""  # no single parameter is at fault
        return bad_request(message, param=param)
    message = f"No service of '{route.name}' is available now. {reasons}"
    if ranking.excluded and all(each.reason is ExclusionReason.BUDGET for each in ranking.excluded):
        return spending_limit_error(message)
    return ApiError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        message,
        code="no_service_available",
        retry_after=ranking.retry_after or _DEFAULT_RETRY_AFTER,
    )
