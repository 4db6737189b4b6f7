"""Sends notifications to receivers through Apprise, each in its own time.

A receiver that is slow or away delays nobody: `send` only puts into a queue, every receiver has
its own queue and task, and what cannot be delivered in half an hour is given up and logged. Neither
logs nor errors ever show a receiver's address, which holds its token.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Never

import structlog

from tallylight.alerts.notification import Notification
from tallylight.alerts.options import AlertOptions, ReceiverOptions
from tallylight.alerts.recipients import for_receiver
from tallylight.clock import Clock

if TYPE_CHECKING:
    from apprise import Apprise

log = structlog.get_logger()

RETRY_DELAYS = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=8),
    timedelta(minutes=20),
)
"""How long to wait before each further try."""

_QUEUE_LENGTH = 100


@dataclass(frozen=True, slots=True)
class RenderedNotification:
    """A notification in a language."""

    title: str
    body: str


Render = Callable[[Notification], RenderedNotification]


@dataclass(slots=True)
class _ReceiverQueue:
    """One receiver with what waits for it."""

    options: ReceiverOptions
    queue: asyncio.Queue[Notification] = field(default_factory=lambda: asyncio.Queue(_QUEUE_LENGTH))


class NotificationSender:
    """Takes notifications at once and delivers them when it can."""

    def __init__(self, options: AlertOptions, clock: Clock, render: Render) -> None:
        self._clock = clock
        self._render = render
        self._receivers = {
            name: _ReceiverQueue(receiver) for name, receiver in options.receivers.items()
        }

    def send(self, notification: Notification) -> None:
        """Let a notification be delivered to every receiver that wants it; never waits."""
        for name, desk in self._receivers.items():
            wanted = for_receiver(notification, desk.options)
            if wanted is None:
                continue
            if desk.queue.full():
                lost = desk.queue.get_nowait()
                log.warning("alerts.dropped", receiver=name, kind=lost.kind)
            desk.queue.put_nowait(wanted)

    async def run(self) -> None:
        """Deliver until cancelled; return at once if there is no receiver."""
        async with asyncio.TaskGroup() as tasks:
            for name, desk in self._receivers.items():
                tasks.create_task(self._deliver_queue(name, desk))

    async def _deliver_queue(self, name: str, receiver: _ReceiverQueue) -> Never:
        while True:
            notification = await receiver.queue.get()
            try:
                await self._deliver(name, receiver.options, notification)
            except Exception as error:  # noqa: BLE001  # the root of a receiver's task
                # Not the traceback: those of strangers' plugins show what they were given.
                log.error(  # noqa: TRY400
                    "alerts.failed",
                    receiver=name,
                    kind=notification.kind,
                    error=type(error).__name__,
                )

    async def _deliver(
        self, name: str, options: ReceiverOptions, notification: Notification
    ) -> None:
        message = self._render(notification)
        # Importing Apprise and its plugins takes most of a second of computing.
        apprise = await asyncio.to_thread(_apprise_client, options)
        if apprise is None:
            log.error("alerts.unusable_receiver", receiver=name)
            return
        for wait in (*RETRY_DELAYS, None):
            is_delivered = await apprise.async_notify(
                body=message.body, title=message.title, notify_type=notification.severity.value
            )
            if is_delivered:
                log.info("alerts.delivered", receiver=name, kind=notification.kind)
                return
            if wait is not None:
                log.warning("alerts.undelivered", receiver=name, retry_in=wait.total_seconds())
                await self._clock.sleep(wait)
        log.error("alerts.given_up", receiver=name, kind=notification.kind)


def unusable_receivers(options: AlertOptions) -> tuple[str, ...]:
    """Return the names of receivers whose address Apprise does not understand; imports Apprise."""
    return tuple(
        name for name, receiver in options.receivers.items() if _apprise_client(receiver) is None
    )


def _apprise_client(options: ReceiverOptions) -> "Apprise | None":
    import apprise  # noqa: PLC0415  # late: most commands never send

    # Its log lines may quote the address; ours say all that is needed.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    bell = apprise.Apprise(asset=apprise.AppriseAsset(app_id="tallylight", app_desc="tallylight"))
    return bell if bell.add(options.url.reveal()) else None
