"""What the process that follows a video knows of its attempts."""

from dataclasses import replace

import pytest

from tallylight.jobs.tracked_video import TrackedVideo
from tallylight.model.attempt_state import AttemptState
from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.model.video import VideoRecord
from tests.builders import BROKEN, VIDEO, attempt_of

TOO_LATE = Failure(
    kind=FailureKind.UNKNOWN,
    fault=Fault.OURS,
    rule="exception:own-process",
    text="TooLate: not sent within 5 s",
)


@pytest.mark.parametrize(
    ("failures", "is_tried"),
    [
        ([BROKEN], True),
        ([TOO_LATE], False),
        ([TOO_LATE, TOO_LATE], False),
        ([TOO_LATE, TOO_LATE, TOO_LATE], True),
        ([TOO_LATE, BROKEN], True),
    ],
)
def test_a_service_for_which_this_process_was_too_late_is_tried_again(
    failures: list[Failure], *, is_tried: bool
) -> None:
    attempts = tuple(
        replace(attempt_of(VIDEO, number)[0], state=AttemptState.REFUSED, failure=failure)
        for number, failure in enumerate(failures, start=1)
    )

    tracked = TrackedVideo(VideoRecord(VIDEO, attempts), followed_since=0.0)

    assert tracked.tried_services == (frozenset({attempts[0].service}) if is_tried else frozenset())
