"""Maps attempts to rows of their table and back."""

from sqlalchemy import Row

from tallylight.model.attempt import Attempt, AttemptState
from tallylight.model.ids import AttemptId, ServiceId, VideoId
from tallylight.model.ledger import EntryId, Purpose
from tallylight.model.order import Order
from tallylight.storage.types import failure_from_row, failure_values


def attempt_values(attempt: Attempt) -> dict[str, object]:
    """Return the row of a new attempt."""
    is_probe = not attempt.video
    return {
        "id": attempt.id,
        "service": attempt.service,
        "purpose": attempt.purpose.value,
        # The prompt of a caller's video is stored once, in the row of the video.
        "prompt": attempt.order.prompt if is_probe else "",
        "seconds": attempt.order.seconds,
        "size": attempt.order.size,
        "model": attempt.model,
        "entry": attempt.entry,
        "intended_at_us": attempt.intended_at,
        "video": attempt.video,
        "number": attempt.number,
        **attempt_update_values(attempt),
    }


def attempt_update_values(attempt: Attempt) -> dict[str, object]:
    """Return the columns that change after an attempt was created."""
    return {
        "state": attempt.state.value,
        "accepted_at_us": attempt.accepted_at,
        "started_at_us": attempt.started_at,
        "rendered_at_us": attempt.rendered_at,
        "given_up_at_us": attempt.given_up_at,
        "ended_at_us": attempt.ended_at,
        "job": attempt.job,
        "doubt": attempt.doubt_reason,
        **failure_values(attempt.failure),
    }


def attempt_from_row(row: Row[*tuple[object, ...]]) -> Attempt:
    """Return the attempt in a row."""
    return Attempt(
        id=AttemptId(row.id),
        service=ServiceId(row.service),
        purpose=Purpose(row.purpose),
        order=Order(prompt=row.prompt, seconds=row.seconds, size=row.size),
        model=row.model,
        entry=EntryId(row.entry),
        intended_at=row.intended_at_us,
        state=AttemptState(row.state),
        accepted_at=row.accepted_at_us,
        ended_at=row.ended_at_us,
        job=row.job,
        doubt_reason=row.doubt,
        failure=failure_from_row(row),
        video=VideoId(row.video),
        number=row.number,
        started_at=row.started_at_us,
        rendered_at=row.rendered_at_us,
        given_up_at=row.given_up_at_us,
    )
