"""Sends one signed request in the form of the Standard Webhooks specification."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

import aiohttp
from standardwebhooks import Webhook

_MAX_RESPONSE_BYTES = 4096  # read for the log and the status page
_SUCCESS = range(200, 300)
_RETRY_AFTER = re.compile(r"\d{1,8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class WebhookResponse:
    """The result of an attempt: the status, None without a response, and the text's beginning."""

    status: int | None
    text: str
    retry_after: timedelta | None = None

    @property
    def is_success(self) -> bool:
        """Tell whether the receiver has taken it."""
        return self.status in _SUCCESS

    @property
    def is_gone(self) -> bool:
        """Tell whether the receiver wants no further request."""
        return self.status == HTTPStatus.GONE

    def __str__(self) -> str:
        return " ".join(filter(None, (str(self.status or ""), self.text)))


def open_webhook_session(timeout: timedelta) -> aiohttp.ClientSession:
    """Return a session for signed requests; the limit is from connect to the last byte."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=timeout.total_seconds()),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"user-agent": "tallylight"},
        auto_decompress=False,  # a small response may unpack to a very large one
    )


@dataclass(frozen=True, slots=True)
class SignedWebhook:
    """Where signed requests go.

    Args:
        redact: Removes secrets from what the receiver answers.
    """

    url: str
    secret: str
    redact: Callable[[str], str]

    async def send(
        self, session: aiohttp.ClientSession, id_: str, body: str, now: datetime
    ) -> WebhookResponse:
        """Make one attempt; every result of it is a response."""
        headers = {
            "content-type": "application/json",
            "webhook-id": id_,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(self.secret).sign(id_, now, body),
        }
        try:
            async with session.post(
                self.url, data=body.encode(), headers=headers, allow_redirects=False
            ) as reply:
                # The body of a success is not read: it has no meaning.
                if reply.status in _SUCCESS:
                    return WebhookResponse(reply.status, "")
                text = (await reply.content.read(_MAX_RESPONSE_BYTES)).decode(errors="replace")
                retry_after = _retry_after(reply.headers.get("retry-after", ""))
                return WebhookResponse(reply.status, self.redact(text), retry_after)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # a timeout is an OSError
            return WebhookResponse(None, type(error).__name__)


def _retry_after(text: str) -> timedelta | None:
    return timedelta(seconds=int(text)) if _RETRY_AFTER.fullmatch(text) else None
