"""Receivers as Apprise knows them: opened from their addresses, and given what fits them."""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from tallylight.alerts.notification import Severity
from tallylight.alerts.options import ReceiverOptions

if TYPE_CHECKING:
    from apprise import Apprise


@dataclass(frozen=True, slots=True)
class RenderedNotification:
    """A notification as text in one language."""

    title: str
    body: str
    severity: Severity = Severity.INFO


class Receiver:
    """One receiver, ready to be notified."""

    def __init__(self, client: "Apprise") -> None:
        self._client = client

    @classmethod
    def open(cls, options: ReceiverOptions) -> Self | None:
        """Return the receiver of an address; None if Apprise cannot use it."""
        import apprise  # noqa: PLC0415  # late, because most commands never send

        # Its log lines may quote the address; ours say everything that is needed.
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        asset = apprise.AppriseAsset(app_id="tallylight", app_desc="tallylight")
        client = apprise.Apprise(asset=asset)
        return cls(client) if client.add(options.url.reveal()) else None

    async def send(self, message: RenderedNotification) -> bool:
        """Send a notification; return whether the receiver accepted it."""
        return bool(
            await self._client.async_notify(
                body=message.body, title=message.title, notify_type=message.severity.value
            )
        )
