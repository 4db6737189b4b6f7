"""Delivers the notifications of the outbox to their receivers, each by a task of its own.

A notification is delivered at least once, over restarts and reloads, or it is dropped and logged.
A receiver that fails is left alone for a while (back-off), and the others do not wait for it. A
recovery waits for the notification of its outage. Logs do not show a receiver's address, because
the address contains its token.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Never

import structlog

from tallylight.alerts.messages import (
    ALERT_RETRY_PERIOD,
    ENDPOINT_PREFIX,
    beginnings,
    followed_rows,
    load_notification,
    must_wait,
    pause_after,
    without_retracted,
    without_undelivered,
)
from tallylight.alerts.metrics import AlertMetrics, AlertOutcome
from tallylight.alerts.notification import Notification
from tallylight.alerts.options import ReceiverOptions
from tallylight.alerts.receivers import Receiver, RenderedNotification, attempt, open_receiver
from tallylight.clock import Clock
from tallylight.errors import StorageError
from tallylight.model.outbox import OutboxDelivery
from tallylight.storage.database import Storage

log = structlog.get_logger()

_POLL_INTERVAL = timedelta(seconds=1)
_BACKLOG_INTERVAL = timedelta(seconds=5)
_CLAIM_TTL = timedelta(minutes=2)  # longer than an attempt
_FOLLOW_INTERVAL = timedelta(seconds=5)

Render = Callable[[Notification, ReceiverOptions], Awaitable[RenderedNotification | None]]
"""Returns a notification as a receiver gets it; None if what it tells is over by now.

It raises StorageError if it cannot read what the message is about.
"""


class NotificationSender:
    """Delivers notifications to the receivers of one configuration."""

    def __init__(
        self,
        history: Storage,
        receivers: Mapping[str, ReceiverOptions],
        clock: Clock,
        render: Render,
        metrics: AlertMetrics,
    ) -> None:
        self._history = history
        self._outbox = history.outbox
        self._receivers = receivers
        self._clock = clock
        self._render = render
        self._metrics = metrics

    async def run(self) -> None:
        """Deliver until cancelled; return if there is no receiver."""
        self._metrics.set_receivers(self._receivers)
        await self._drop_removed()
        if not self._receivers:
            return
        async with asyncio.TaskGroup() as tasks:
            for name, options in self._receivers.items():
                tasks.create_task(self._serve(name, options), name=f"alerts {name}")
            tasks.create_task(self._count_waiting(), name="alerts waiting")

    async def _drop_removed(self) -> None:
        """Drop what waits for receivers that are not configured, and claim anew what else waits."""
        kept = [ENDPOINT_PREFIX + name for name in self._receivers]
        while True:
            try:
                await self._outbox.release(ENDPOINT_PREFIX, self._clock.now())
                removed = await self._outbox.give_up_others(ENDPOINT_PREFIX, kept, "no receiver")
                break
            except StorageError as error:
                log.warning("alerts.storage_unavailable", error=str(error))
                await self._clock.sleep(_BACKLOG_INTERVAL)
        for delivery in removed:
            name = delivery.endpoint.removeprefix(ENDPOINT_PREFIX)
            log.warning("alerts.dropped", receiver=name, reason="receiver_removed", id=delivery.id)

    async def _count_waiting(self) -> Never:
        while True:
            try:
                backlog = await self._outbox.backlog(ENDPOINT_PREFIX)
                waiting = {
                    endpoint.removeprefix(ENDPOINT_PREFIX): each.count
                    for endpoint, each in backlog.items()
                }
                self._metrics.set_waiting(waiting)
            except StorageError as error:
                log.warning("alerts.storage_unavailable", error=str(error))
            await self._clock.sleep(_BACKLOG_INTERVAL)

    async def _serve(self, name: str, options: ReceiverOptions) -> Never:
        # In a thread, because the import of Apprise and its plugins takes most of a second.
        receiver = await asyncio.to_thread(open_receiver, options)
        served = _Served(name, options, receiver)
        if receiver is None:
            log.error("alerts.unusable_receiver", receiver=name)
        while True:
            pause = _POLL_INTERVAL
            try:
                now = self._clock.now()
                claimed = await self._outbox.claim(served.endpoint, now, now + _CLAIM_TTL, 1)
                for delivery in claimed:
                    served.failures = await self._deliver(served, delivery)
                if served.failures:
                    pause = pause_after(served.failures)
                elif claimed:
                    continue
            except StorageError as error:
                log.warning("alerts.storage_unavailable", receiver=name, error=str(error))
            await self._clock.sleep(pause)

    async def _deliver(self, served: "_Served", delivery: OutboxDelivery) -> int:
        """Make one attempt; return how many in a row have failed at this receiver."""
        message = await self._message_for(served, delivery)
        if message is None:
            return served.failures
        if await self._is_sent(served, message):
            await self._outbox.mark_delivered(delivery, self._clock.now(), "")
            self._metrics.count(served.name, AlertOutcome.DELIVERED)
            log.info("alerts.delivered", receiver=served.name, id=delivery.id)
            return 0
        pause = pause_after(delivery.attempt_number)
        await self._outbox.reschedule(delivery, self._clock.now() + pause, "refused")
        self._metrics.count(served.name, AlertOutcome.FAILED)
        log.warning("alerts.undelivered", receiver=served.name, retry_in=pause.total_seconds())
        return served.failures + 1

    async def _message_for(
        self, served: "_Served", delivery: OutboxDelivery
    ) -> RenderedNotification | None:
        """Return what to send; None if it was dropped, or has to wait."""
        is_old = self._clock.now() - delivery.created_at >= ALERT_RETRY_PERIOD
        notification = load_notification(delivery.body)
        if notification is None or (is_old and delivery.attempt_number > 1):
            await self._drop(served, delivery, "unreadable" if notification is None else "expired")
            return None
        standing = without_retracted(
            notification, await self._history.retracted(beginnings(notification))
        )
        if standing is None:
            await self._drop(served, delivery, "retracted")
            return None
        notification = standing
        fates = await self._outbox.fates(followed_rows(notification, served.name))
        if must_wait(notification, served.name, fates):
            due = self._clock.now() + _FOLLOW_INTERVAL
            await self._outbox.reschedule(delivery, due, "waits for what it follows")
            return None
        told = without_undelivered(notification, served.name, fates)
        message = None if told is None else await self._rendered(served, told)
        if told is None:
            await self._drop(served, delivery, "outage_not_delivered")
        elif message is None and served.summarises:
            await self._outbox.mark_delivered(delivery, self._clock.now(), "its recovery says it")
        elif message is None:
            await self._drop(served, delivery, "over")
        return message

    async def _rendered(
        self, served: "_Served", notification: Notification
    ) -> RenderedNotification | None:
        try:
            return await self._render(notification, served.options)
        except StorageError:
            raise
        except Exception as error:
            # A defect of ours: the bare change is told all the same.
            log.exception("alerts.not_rendered", receiver=served.name, error=type(error).__name__)
            names = ", ".join(notification.services)
            title = f"{notification.kind}: {names}"
            return RenderedNotification(title, names, notification.severity, notification.id)

    async def _is_sent(self, served: "_Served", message: RenderedNotification) -> bool:
        if served.receiver is None:
            return False
        result = await attempt(served.receiver, message, self._clock.now())
        if result.error:
            log.error("alerts.failed", receiver=served.name, error=result.error)
        return result.is_accepted

    async def _drop(self, served: "_Served", delivery: OutboxDelivery, reason: str) -> None:
        await self._outbox.give_up(delivery, reason)
        self._metrics.count(served.name, AlertOutcome.DROPPED)
        log.warning("alerts.dropped", receiver=served.name, reason=reason, id=delivery.id)


@dataclass(slots=True)
class _Served:
    """A receiver, and how many attempts in a row it has failed; None cannot be used."""

    name: str
    options: ReceiverOptions
    receiver: Receiver | None
    failures: int = 0

    @property
    def summarises(self) -> bool:
        """Tell whether trouble that was over at the end of quiet hours is told by its recovery."""
        return self.options.quiet_hours is not None and self.options.after is None

    @property
    def endpoint(self) -> str:
        return ENDPOINT_PREFIX + self.name
