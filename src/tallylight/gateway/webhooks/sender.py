"""Delivers webhooks, signed by the Standard Webhooks specification, with retries.

Each endpoint has its own task, so a slow or unreachable one delays no other. Processes claim
deliveries in the database, so each attempt is made by one of them. The claim of a killed process
expires after a minute. A receiver may therefore see a webhook twice, with the same `webhook-id`.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from typing import Never
from urllib.parse import urlsplit

import aiohttp
import structlog

from tallylight.clock import Clock
from tallylight.errors import StorageError
from tallylight.gateway.webhooks.messages import RETRY_PERIOD, retry_at
from tallylight.gateway.webhooks.options import WebhookEndpoints, WebhookOptions
from tallylight.model.outbox import OutboxDelivery
from tallylight.signed_webhooks import SignedWebhook, WebhookResponse, open_webhook_session
from tallylight.storage.outbox import Outbox
from tallylight.upstreams.redact import redact_line

log = structlog.get_logger()

_POLL_INTERVAL = timedelta(seconds=1)
_CLAIM_TTL = timedelta(minutes=1)  # longer than an attempt and the recording of its result
_TIMEOUT = timedelta(seconds=15)
_BATCH_SIZE = 20
_GRACE = timedelta(hours=1)
_CLEANUP_INTERVAL = timedelta(minutes=10)


class WebhookSender:
    """Delivers the webhooks of the outbox to their endpoints."""

    def __init__(
        self,
        outbox: Outbox,
        endpoints: Callable[[], WebhookEndpoints],
        clock: Clock,
        draw: Callable[[], float],
        *,
        timeout: timedelta = _TIMEOUT,
    ) -> None:
        """Create a sender; it delivers once `run` is called.

        Args:
            outbox: Stored webhooks to deliver.
            endpoints: Returns the configured endpoints by name; a change takes effect in a second.
            clock: Source of time.
            draw: Returns a random number from 0 to 1.
            timeout: Limit of one attempt, from connect to the last byte.
        """
        self._outbox = outbox
        self._endpoints = endpoints
        self._clock = clock
        self._draw = draw
        self._timeout = timeout

    async def run(self) -> Never:
        """Deliver until cancelled."""
        async with open_webhook_session(self._timeout) as session:
            while True:
                endpoints = self._endpoints()
                async with asyncio.TaskGroup() as tasks:
                    workers = [tasks.create_task(self._clean_up(), name="webhooks")]
                    for name, endpoint in endpoints.items():
                        serving = self._serve_endpoint(
                            _Endpoint(name, endpoint, session), endpoints
                        )
                        workers.append(tasks.create_task(serving, name=f"webhooks {name}"))
                    # A reload makes another mapping; endpoints that answered 410 are tried again.
                    while self._endpoints() is endpoints:
                        await self._clock.sleep(_POLL_INTERVAL)
                    for worker in workers:
                        worker.cancel()

    async def _serve_endpoint(self, endpoint: "_Endpoint", configured: WebhookEndpoints) -> Never:
        while True:
            is_busy = False
            try:
                # Once a reload has replaced the endpoints, the new ones deliver what is due.
                if self._endpoints() is configured:
                    is_busy = await self._deliver_due(endpoint)
            except StorageError as error:
                log.warning(
                    "webhooks.storage_unavailable", endpoint=endpoint.name, error=str(error)
                )
            except Exception:
                log.exception("webhooks.failed", endpoint=endpoint.name)
            if not is_busy:
                await self._clock.sleep(_POLL_INTERVAL)

    async def _deliver_due(self, endpoint: "_Endpoint") -> bool:
        """Make the attempts that are due concurrently; tell whether there were any."""
        now = self._clock.now()
        claimed = await self._outbox.claim(endpoint.name, now, now + _CLAIM_TTL, _BATCH_SIZE)
        async with asyncio.TaskGroup() as tasks:
            for delivery in claimed:
                tasks.create_task(self._deliver(endpoint, delivery))
        return bool(claimed)

    async def _deliver(self, endpoint: "_Endpoint", delivery: OutboxDelivery) -> None:
        response = _ALREADY_GONE if endpoint.is_gone else await endpoint.send(delivery, self._clock)
        try:
            await self._record(endpoint, delivery, response)
        except StorageError as error:
            # The claim expires and the attempt is repeated; receivers recognise the id.
            log.warning("webhooks.record_failed", endpoint=endpoint.name, error=str(error))

    async def _record(
        self, endpoint: "_Endpoint", delivery: OutboxDelivery, response: WebhookResponse
    ) -> None:
        bound_log = log.bind(endpoint=endpoint.name, id=delivery.id, tries=delivery.attempt_number)
        now = self._clock.now()
        if response.is_success:
            await self._outbox.mark_delivered(delivery, now, str(response))
            bound_log.info("webhook.delivered")
            return
        # 410 ends this endpoint until a reload or restart.
        endpoint.is_gone |= response.is_gone
        due = None
        if not endpoint.is_gone:
            due = retry_at(
                delivery.created_at,
                delivery.attempt_number,
                now,
                draw=self._draw(),
                retry_after=response.retry_after,
            )
        if due is None:
            await self._outbox.give_up(delivery, str(response))
            bound_log.warning("webhook.given_up", response=str(response))
        else:
            await self._outbox.reschedule(delivery, due, str(response))
            bound_log.info(
                "webhook.retry_scheduled",
                response=str(response),
                retry_in=(due - now).total_seconds(),
            )

    async def _clean_up(self) -> Never:
        """Give up webhooks of removed endpoints."""
        while True:
            now = self._clock.now()
            try:
                await self._outbox.give_up_older_than(
                    now - RETRY_PERIOD - _GRACE, "no such endpoint"
                )
            except StorageError as error:
                log.warning("webhooks.storage_unavailable", error=str(error))
            await self._clock.sleep(_CLEANUP_INTERVAL)


_ALREADY_GONE = WebhookResponse(HTTPStatus.GONE, "in an earlier attempt")


class _Endpoint:
    """One endpoint, and whether it has answered 410 Gone."""

    def __init__(self, name: str, options: WebhookOptions, session: aiohttp.ClientSession) -> None:
        self.name = name
        self.is_gone = False
        self._session = session
        url, secret = options.url.reveal(), options.secret.reveal()
        parts = urlsplit(url)
        # A receiver may echo its URL, whose path or query may hold a token.
        secrets = (secret, url, parts.path, parts.query)
        self._target = SignedWebhook(url, secret, lambda text: redact_line(text, secrets))

    async def send(self, delivery: OutboxDelivery, clock: Clock) -> WebhookResponse:
        """Make one attempt; every result of it is a response."""
        return await self._target.send(self._session, delivery.id, delivery.body, clock.now())
