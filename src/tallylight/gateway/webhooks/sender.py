"""Delivers webhooks, signed as Standard Webhooks has it, until they arrive or nobody wants them.

Every endpoint has a task of its own, so that one that is slow or away delays no other. Deliveries
are claimed in the database: of several processes one makes each try, and what a killed one had
claimed is claimed again a minute later. A receiver may therefore see a webhook twice, under the
same `webhook-id`.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Never
from urllib.parse import urlsplit

import aiohttp
import structlog
from standardwebhooks import Webhook

from tallylight.clock import Clock
from tallylight.errors import StorageError
from tallylight.gateway.webhooks.messages import RETRY_PERIOD, retry_at
from tallylight.gateway.webhooks.options import WebhookEndpoints, WebhookOptions
from tallylight.storage.outbox import Outbox, WebhookDelivery
from tallylight.upstreams.redact import redact_line

log = structlog.get_logger()

_POLL_INTERVAL = timedelta(seconds=1)
_CLAIM_TTL = timedelta(minutes=1)  # longer than a try and what is written of it
_TIMEOUT = timedelta(seconds=15)
_BATCH_SIZE = 20
_MAX_RESPONSE_BYTES = 4096  # bytes of an answer
_SUCCESS = range(200, 300)
_GRACE = timedelta(hours=1)
_RETENTION = timedelta(days=30)  # for whoever asks what became of one
_CLEANUP_INTERVAL = timedelta(minutes=10)
_RETRY_AFTER = re.compile(r"\d{1,8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Response:
    """What a try met: a status, None where no answer came, and the beginning of its text."""

    status: int | None
    text: str
    retry_after: timedelta | None = None

    @property
    def is_success(self) -> bool:
        return self.status in _SUCCESS

    @property
    def is_gone(self) -> bool:
        return self.status == HTTPStatus.GONE

    def __str__(self) -> str:
        return " ".join(filter(None, (str(self.status or ""), self.text)))


class WebhookSender:
    """Brings webhooks to their endpoints."""

    def __init__(
        self,
        outbox: Outbox,
        endpoints: WebhookEndpoints,
        clock: Clock,
        draw: Callable[[], float],
        *,
        timeout: timedelta = _TIMEOUT,
    ) -> None:
        """Take what it works with.

        Args:
            outbox: What is to be delivered.
            endpoints: To whom, by name.
            clock: When it is.
            draw: Chance, from 0 to 1.
            timeout: The limit of one try, from connect to the last byte.
        """
        self._outbox = outbox
        self.endpoints = endpoints
        self._clock = clock
        self._draw = draw
        self._timeout = timeout
        self._config_changed = asyncio.Event()

    def apply_config(self, endpoints: WebhookEndpoints) -> None:
        """Take other endpoints; one that was given up is tried again."""
        self.endpoints = endpoints
        self._config_changed.set()

    async def run(self) -> Never:
        """Deliver until cancelled."""
        async with aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._timeout.total_seconds()),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"user-agent": "tallylight"},
            auto_decompress=False,  # a small answer may unpack to a very large one
        ) as session:
            while True:
                self._config_changed.clear()
                async with asyncio.TaskGroup() as tasks:
                    desks = [tasks.create_task(self._clean_up(), name="webhooks")]
                    for name, endpoint in self.endpoints.items():
                        serving = self._serve_endpoint(_Endpoint(name, endpoint, session))
                        desks.append(tasks.create_task(serving, name=f"webhooks {name}"))
                    await self._config_changed.wait()
                    for desk in desks:
                        desk.cancel()

    async def _serve_endpoint(self, endpoint: "_Endpoint") -> Never:
        while True:
            is_busy = False
            try:
                is_busy = await self._deliver_due(endpoint)
            except StorageError as error:
                log.warning("webhooks.storage_unavailable", endpoint=endpoint.name, error=str(error))
            except Exception:
                log.exception("webhooks.failed", endpoint=endpoint.name)
            if not is_busy:
                await self._clock.sleep(_POLL_INTERVAL)

    async def _deliver_due(self, endpoint: "_Endpoint") -> bool:
        """Make the tries that are due, side by side; tell whether there were any."""
        now = self._clock.now()
        claimed = await self._outbox.claim(endpoint.name, now, now + _CLAIM_TTL, _BATCH_SIZE)
        async with asyncio.TaskGroup() as tasks:
            for delivery in claimed:
                tasks.create_task(self._deliver(endpoint, delivery))
        return bool(claimed)

    async def _deliver(self, endpoint: "_Endpoint", delivery: WebhookDelivery) -> None:
        answer = _ALREADY_GONE if endpoint.is_gone else await endpoint.send(delivery, self._clock)
        try:
            await self._record(endpoint, delivery, answer)
        except StorageError as error:
            # Another process, or this one in a minute, tries again; receivers know it by its id.
            log.warning("webhooks.record_failed", endpoint=endpoint.name, error=str(error))

    async def _record(
        self, endpoint: "_Endpoint", delivery: WebhookDelivery, response: _Response
    ) -> None:
        told = log.bind(endpoint=endpoint.name, id=delivery.id, tries=delivery.attempt_number)
        now = self._clock.now()
        if response.is_success:
            await self._outbox.mark_delivered(delivery, now, str(response))
            told.info("webhook.delivered")
            return
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
            told.warning("webhook.given_up", answer=str(response))
        else:
            await self._outbox.reschedule(delivery, due, str(response))
            told.info("webhook.retry_scheduled", answer=str(response), retry_in=(due - now).total_seconds())

    async def _clean_up(self) -> Never:
        """Give up what is for endpoints that nobody has any more, and forget what is over."""
        while True:
            now = self._clock.now()
            try:
                await self._outbox.give_up_older_than(
                    now - RETRY_PERIOD - _GRACE, "no such endpoint"
                )
                await self._outbox.delete_older_than(now - _RETENTION)
            except StorageError as error:
                log.warning("webhooks.storage_unavailable", error=str(error))
            await self._clock.sleep(_CLEANUP_INTERVAL)


_ALREADY_GONE = _Response(HTTPStatus.GONE, "said before")


class _Endpoint:
    """One endpoint, and whether it still wants to be told."""

    def __init__(self, name: str, options: WebhookOptions, session: aiohttp.ClientSession) -> None:
        self.name = name
        self.is_gone = False
        self._session = session
        self._url = options.url.reveal()
        self._signer = Webhook(options.secret.reveal())
        parts = urlsplit(self._url)
        self._secrets = (options.secret.reveal(), self._url, parts.path, parts.query)

    async def send(self, delivery: WebhookDelivery, clock: Clock) -> _Response:
        """Make one try; whatever comes of it is an answer."""
        now = clock.now()
        headers = {
            "content-type": "application/json",
            "webhook-id": delivery.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(delivery.id, now, delivery.body),
        }
        try:
            async with self._session.post(
                self._url, data=delivery.body.encode(), headers=headers, allow_redirects=False
            ) as reply:
                if reply.status in _SUCCESS:
                    return _Response(reply.status, "")
                text = (await reply.content.read(_MAX_RESPONSE_BYTES)).decode(errors="replace")
                asked = _retry_after(reply.headers.get("retry-after", ""))
                return _Response(reply.status, redact_line(text, self._secrets), asked)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # OSError: time is up, too
            return _Response(None, type(error).__name__)


def _retry_after(text: str) -> timedelta | None:
    return timedelta(seconds=int(text)) if _RETRY_AFTER.fullmatch(text) else None
