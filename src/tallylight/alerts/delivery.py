"""Sends notifications to receivers through Apprise, one queue and task for each receiver.

A receiver that is slow or unreachable delays no other: `send` only fills queues. A notification
that cannot be delivered within half an hour is given up and logged. Neither logs nor errors show a
receiver's address, because the address contains its token.
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
"""How long to wait before each further attempt."""

_QUEUE_LENGTH = 100


@dataclass(frozen=True, slots=True)
class RenderedNotification:
    """A notification as text in one language."""

    title: str
    body: str


Render = Callable[[Notification], RenderedNotification]


@dataclass(slots=True)
class _ReceiverQueue:
    """One receiver with the notifications that wait for it."""

    options: ReceiverOptions
    queue: asyncio.Queue[Notification] = field(default_factory=lambda: asyncio.Queue(_QUEUE_LENGTH))


class NotificationSender:
    """Queues notifications and delivers them to their receivers."""

    def __init__(self, options: AlertOptions, clock: Clock, render: Render) -> None:
        self._clock = clock
        self._render = render
        self._receivers = {
            name: _ReceiverQueue(receiver) for name, receiver in options.receivers.items()
        }

    def send(self, notification: Notification) -> None:
        """Queue a notification for every receiver that wants it; never waits.

        A full queue drops its oldest notification, because the newest says how things are now.
        """
        for name, receiver in self._receivers.items():
            wanted = for_receiver(notification, receiver.options)
            if wanted is None:
                continue
            if receiver.queue.full():
                dropped = receiver.queue.get_nowait()
                log.warning("alerts.dropped", receiver=name, kind=dropped.kind)
            receiver.queue.put_nowait(wanted)

    async def run(self) -> None:
        """Deliver until cancelled; return at once if there is no receiver."""
        async with asyncio.TaskGroup() as tasks:
            for name, receiver in self._receivers.items():
                tasks.create_task(self._deliver_queue(name, receiver))

    async def _deliver_queue(self, name: str, receiver: _ReceiverQueue) -> Never:
        while True:
            notification = await receiver.queue.get()
            try:
                await self._deliver(name, receiver.options, notification)
            except Exception as error:  # noqa: BLE001  # the root of a receiver's task
                # Not the traceback: that of a plugin may show the receiver's address.
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
        # In a thread, because the import of Apprise and its plugins takes most of a second.
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


def _apprise_client(options: ReceiverOptions) -> "Apprise | None":
    import apprise  # noqa: PLC0415  # late, because most commands never send

    # Its log lines may quote the address; ours say everything that is needed.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    client = apprise.Apprise(asset=apprise.AppriseAsset(app_id="tallylight", app_desc="tallylight"))
    return client if client.add(options.url.reveal()) else None
