"""Sends a message to one receiver at once, past the outbox."""

import asyncio
from datetime import datetime

from tallylight.alerts.options import ReceiverOptions
from tallylight.alerts.receivers import RenderedNotification, attempt, open_receiver
from tallylight.alerts.wording import translator_of_receiver
from tallylight.i18n import Language
from tallylight.i18n.formatting import format_moment_short


async def send_trial(options: ReceiverOptions, now: datetime, language: Language) -> bool:
    """Return whether a receiver accepts a trial message."""
    to = translator_of_receiver(options, language)
    message = RenderedNotification(
        title=to.gettext("tallylight: trial message"),
        body=to.gettext("Sent on %s to try this receiver. No service has changed.")
        % format_moment_short(now, to),
        id=f"alert_test_{int(now.timestamp())}",
        fields={"kind": "test", "at": now.isoformat()},
    )
    return await send_once(options, message, now)


async def send_once(options: ReceiverOptions, message: RenderedNotification, now: datetime) -> bool:
    """Return whether a receiver accepts a message at the first attempt."""
    receiver = await asyncio.to_thread(open_receiver, options)
    return receiver is not None and (await attempt(receiver, message, now)).is_accepted
