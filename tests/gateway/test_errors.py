"""The error of a create that no service can serve, and of images that failed later."""

from dataclasses import replace

import pytest

from tallylight.gateway.errors import images_error, no_service_error
from tallylight.gateway.routing.ranking import Exclusion, ExclusionReason, Ranking
from tallylight.gateway.routing.routes import Route
from tallylight.model.ids import ServiceId
from tallylight.model.video import VideoError, VideoKind
from tests.builders import new_video

A, B = ServiceId("a"), ServiceId("b")


@pytest.mark.parametrize(
    ("fields", "param"), [(("seconds", "seconds"), "seconds"), (("seconds", "size"), "")]
)
def test_a_field_that_no_service_can_serve_is_named(fields: tuple[str, str], param: str) -> None:
    excluded = tuple(
        Exclusion(service, ExclusionReason.CAPABILITY, field, "7", "4, 8")
        for service, field in zip((A, B), fields, strict=True)
    )

    refusal = no_service_error(Route("boats", (A, B)), Ranking((), excluded))

    assert (refusal.status, refusal.code, refusal.param) == (400, "invalid_value", param)


def test_a_measure_that_no_service_may_be_sent_is_named() -> None:
    excluded = Exclusion(A, ExclusionReason.UNPRICED, "metadata.n", "'metadata.n'", "leave it out")

    refusal = no_service_error(Route("boats", (A,)), Ranking((), (excluded,)))

    assert (refusal.status, refusal.param) == (400, "metadata.n")
    assert refusal.message == (
        "No service of 'boats' can do this. a: has a price that 'metadata.n' could change; "
        "leave it out"
    )


@pytest.mark.parametrize(
    ("code", "status", "shown"),
    [
        ("moderation_blocked", 400, "moderation_blocked"),
        ("invalid_request_error", 400, "invalid_request_error"),
        ("insufficient_quota", 429, "insufficient_quota"),
        ("reference_lost", 410, "reference_lost"),
        ("outcome_unknown", 502, "outcome_unknown"),
        ("video_generation_failed", 503, "image_generation_failed"),
        ("deadline_exceeded", 504, "deadline_exceeded"),
        ("of_another_day", 502, "of_another_day"),
    ],
)
def test_images_that_failed_are_answered_by_the_code_of_their_error(
    code: str, status: int, shown: str
) -> None:
    row = replace(new_video(), kind=VideoKind.IMAGE, error=VideoError(code, "no luck"))

    answer = images_error(row)

    assert (answer.status, answer.code) == (status, shown)
    assert answer.message == f"no luck ({row.id})"
    assert (answer.retry_after is not None) == (status == 503)


def test_images_that_are_not_there_in_time_are_a_deadline() -> None:
    answer = images_error(replace(new_video(), kind=VideoKind.IMAGE))

    assert (answer.status, answer.code) == (504, "deadline_exceeded")
