"""Sends a trial message to one receiver."""

import asyncio
from datetime import datetime

from tallylight.alerts.options import ReceiverOptions
from tallylight.alerts.receivers import RenderedNotification, attempt, open_receiver
from tallylight.i18n import Language, translator
from tallylight.i18n.formatting import format_moment_short


async def send_trial(options: ReceiverOptions, now: datetime, language: Language) -> bool:
    """Return whether a receiver accepts a trial message."""
    receiver = await asyncio.to_thread(open_receiver, options)
    if receiver is None:
        return False
    to = translator(options.language or language).in_zone(options.zone)
    message = RenderedNotification(
        title=to.gettext("tallylight: trial message"),
        body=to.gettext("Sent on %s to try this receiver. No service has changed.")
        % format_moment_short(now, to),
        id=f"alert_test_{int(now.timestamp())}",
        fields={"kind": "test", "at": now.isoformat()},
    )
    return (await attempt(receiver, message, now)).is_accepted
