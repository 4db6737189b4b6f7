"""What a caller is told of a failure: a code of the Videos API and a sentence. Pure.

The codes are those that clients of the API know; OpenAI never listed them (docs/gateway.md).
"""

from collections.abc import Sequence
from datetime import timedelta
from http import HTTPStatus

from tallylight.gateway.requests import ApiError
from tallylight.gateway.routing.ranking import ExclusionReason, Ranking
from tallylight.gateway.routing.routes import Route
from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.model.ids import ServiceId
from tallylight.model.video import VideoError

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
"""Refusals of a moment: the same service may take the same order later."""

_RATE_LIMIT_KINDS = frozenset({FailureKind.RATE_LIMITED})
_DEFAULT_RETRY_AFTER = timedelta(seconds=15)


def is_callers_fault(failure: Failure, *, content_travels: bool) -> bool:
    """Tell whether a failure is the caller's, so that no other service is asked."""
    if failure.fault is not Fault.CALLER:
        return False
    return not (content_travels and failure.kind is FailureKind.CONTENT_REJECTED)


def video_error(failure: Failure, service: ServiceId) -> VideoError:
    """Return what a caller's video says of why it failed."""
    code = (
        _CODES.get(failure.kind, _GENERATION_FAILED)
        if failure.fault is Fault.CALLER
        else _GENERATION_FAILED
    )
    said = failure.text or failure.rule
    return VideoError(code, f"{service}: {said}")


def services_exhausted(refusals: Sequence[tuple[ServiceId, Failure]]) -> VideoError:
    """Return what a video says that no service would make."""
    if not refusals:
        return VideoError(_GENERATION_FAILED, "No service can make this video now.")
    said = "; ".join(f"{service}: {failure.text or failure.rule}" for service, failure in refusals)
    return VideoError(_GENERATION_FAILED, f"No service is left to make this video. {said}")


def create_error(
    refusals: Sequence[tuple[ServiceId, Failure]], *, content_travels: bool
) -> ApiError:
    """Return how a create is refused that no service has accepted."""
    if refusals and is_callers_fault(refusals[-1][1], content_travels=content_travels):
        service, failure = refusals[-1]
        error = video_error(failure, service)
        return ApiError(HTTPStatus.BAD_REQUEST, error.message, code=error.code)
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


UNRESOLVED_DOUBT = Failure(
    kind=FailureKind.UNKNOWN,
    fault=Fault.UPSTREAM,
    rule="doubt:unresolved",
    text="nobody knows whether it was accepted, hence paid; it was not sent to another service, "
    "which could have cost twice (when_in_doubt: pay_twice would)",
)

DEADLINE_EXCEEDED = VideoError(
    "deadline_exceeded", "The time allowed for this video is over, and it is not there."
)

REFERENCE_LOST = ApiError(
    HTTPStatus.GONE,
    "What this video builds on is no longer kept, so no service can be asked.",
    code="reference_lost",
)

SERVICE_REMOVED = Failure(
    kind=FailureKind.UNKNOWN,
    fault=Fault.OURS,
    rule="service:removed",
    text="the service has left the configuration while it made this video",
)

SUPERSEDED = Failure(
    kind=FailureKind.UNKNOWN,
    fault=Fault.OURS,
    rule="job:superseded",
    text="another attempt delivered the video first",
)


def stalled_failure(waited: timedelta) -> Failure:
    """Return the failure of a job that has not ended for so long."""
    return Failure(
        kind=FailureKind.DEGRADED,
        fault=Fault.UPSTREAM,
        rule="job:stalled",
        text=f"accepted, and no video after {round(waited.total_seconds())} s",
    )


def spending_limit_error(message: str) -> ApiError:
    """Return how a create is refused that a spending limit does not allow."""
    return ApiError(
        HTTPStatus.TOO_MANY_REQUESTS, message, code="insufficient_quota", type="insufficient_quota"
    )


def no_service_error(route: Route, ranking: Ranking) -> ApiError:
    """Return how a create is refused that no service of its route can be asked for."""
    said = "; ".join(f"{each.service}: {each.message}" for each in ranking.excluded)
    if ranking.excluded and all(
        each.reason is ExclusionReason.CAPABILITY for each in ranking.excluded
    ):
        message = f"No service of '{route.name}' can do this. {said}"
        params = {each.param for each in ranking.excluded}
        param = next(iter(params)) if len(params) == 1 else ""  # none is at fault alone
        return ApiError(HTTPStatus.BAD_REQUEST, message, code="invalid_value", param=param)
    message = f"No service of '{route.name}' can be asked now. {said}"
    if ranking.excluded and all(each.reason is ExclusionReason.BUDGET for each in ranking.excluded):
        return spending_limit_error(message)
    return ApiError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        message,
        code="no_service_available",
        retry_after=ranking.retry_after or _DEFAULT_RETRY_AFTER,
    )
