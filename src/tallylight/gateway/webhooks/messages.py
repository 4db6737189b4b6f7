"""Builds the webhooks of a video, and schedules the retries of failed deliveries. Pure."""

import hashlib
import json
from datetime import datetime, timedelta

from tallylight.gateway.webhooks.options import WebhookEndpoints, WebhookEvent
from tallylight.model.outbox import OutboxMessage
from tallylight.model.video import Video, VideoKind, VideoStatus

RETRY_PERIOD = timedelta(hours=72)
"""How long the delivery of a webhook is tried."""

_FIRST_PAUSE = timedelta(seconds=5)
_BACKOFF_FACTOR = 3.0
_MAX_PAUSE = timedelta(hours=6)
_JITTER = 0.2  # a fifth more or less, so that retries spread out
_MAX_EXPONENT = 20  # beyond it every pause is the longest

_EVENTS = {VideoStatus.COMPLETED: WebhookEvent.COMPLETED, VideoStatus.FAILED: WebhookEvent.FAILED}


def webhook_messages(
    video: Video, endpoints: WebhookEndpoints, now: datetime
) -> tuple[OutboxMessage, ...]:
    """Return the webhooks of a completed or failed video, none for any other, nor for images.

    Their ids depend on the video alone, so two processes that end it record each webhook once.
    """
    event = _EVENTS.get(video.status)
    # The caller of images waits for them, and a video's event names what can be retrieved.
    if event is None or video.kind is not VideoKind.VIDEO:
        return ()
    body = {
        "id": f"evt_{_digest(video.id)}",
        "object": "event",
        "created_at": int(now.timestamp()),
        "type": event.value,
        "data": {"id": video.id},
    }
    text = json.dumps(body, separators=(",", ":"))
    return tuple(
        OutboxMessage(f"msg_{_digest(video.id, name)}", name, video.id, text, now)
        for name, endpoint in endpoints.items()
        if event in endpoint.events
    )


def retry_at(
    created_at: datetime,
    tries: int,
    now: datetime,
    *,
    draw: float,
    retry_after: timedelta | None = None,
) -> datetime | None:
    """Return when a webhook is retried, None once it is given up.

    The pauses are 5 s, 15 s, 45 s … 6 h; the last attempt is 72 hours after the event.

    Args:
        created_at: Time of the event.
        tries: Number of attempts so far, at least 1.
        now: When the last attempt failed.
        draw: Random number from 0 to 1 that selects the jitter.
        retry_after: Pause that the receiver requested.
    """
    end = created_at + RETRY_PERIOD
    if now >= end:
        return None
    pause = min(_FIRST_PAUSE * _BACKOFF_FACTOR ** min(tries - 1, _MAX_EXPONENT), _MAX_PAUSE)
    pause *= 1 - _JITTER + 2 * _JITTER * draw
    # Bounded, so that a receiver cannot postpone an attempt for days.
    if retry_after is not None:
        pause = max(pause, min(retry_after, _MAX_PAUSE))
    return min(now + pause, end)


def _digest(*names: str) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:32]
