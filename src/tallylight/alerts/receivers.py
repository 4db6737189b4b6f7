"""Receivers: opened from their addresses, and given what fits them.

Apprise knows how long a message of each service may be, and escapes what it would misread. Long
messages are split at lines; where a service takes only short ones (SMS), they are cut.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from tallylight.alerts.addresses import apprise_address
from tallylight.alerts.notification import Severity
from tallylight.alerts.options import ReceiverOptions
from tallylight.signed_webhooks import SignedWebhook, open_webhook_session

if TYPE_CHECKING:
    from apprise import NotifyBase

_LONG = 32_768  # characters: what Apprise allows in a mail
_MARKUP = 16  # characters around a title that becomes the first line
_SHORT = 500  # characters: longer messages of such a service are cut, not split
_BYTE_LIMITS = {"NotifyWeComBot": 2048, "NotifyDingTalk": 20_000, "NotifyFeishu": 20_000}
"""Services that count bytes, where Apprise counts characters."""
_BYTES_OF_A_CHARACTER = 3.2  # Chinese has three, a lamp four
_WEBHOOK_TIMEOUT = timedelta(seconds=15)
_ATTEMPT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class RenderedNotification:
    """A notification as text in one language.

    Args:
        id: The same at each attempt.
        fields: The same as JSON, for receivers that are programs.
        html: The same as an HTML document, for mail; "" if it is text only.
        cut_note: What a chat service that takes only short messages shows in place of the lines
            that do not fit; "" splits the message.
    """

    title: str
    body: str
    severity: Severity = Severity.INFO
    id: str = ""
    fields: Mapping[str, object] = field(default_factory=dict)
    html: str = ""
    cut_note: str = ""


class Receiver(Protocol):
    """One receiver, ready to be notified."""

    async def send(self, message: RenderedNotification, now: datetime) -> bool:
        """Send a notification; return whether the receiver accepted it."""
        ...


@dataclass(frozen=True, slots=True)
class SendResult:
    """Whether a receiver accepted a message; the class of the error that prevented an answer."""

    is_accepted: bool
    error: str = ""


async def attempt(receiver: Receiver, message: RenderedNotification, now: datetime) -> SendResult:
    """Make one attempt to send; never raises.

    Of an error only the class is told: the text and the traceback of a plugin may show the
    receiver's address.
    """
    try:
        async with asyncio.timeout(_ATTEMPT_SECONDS):
            return SendResult(await receiver.send(message, now))
    except Exception as error:  # noqa: BLE001  # of a plugin
        return SendResult(is_accepted=False, error=type(error).__name__)


def open_receiver(options: ReceiverOptions) -> Receiver | None:
    """Return the receiver of an address; None if it cannot be used.

    The first call imports Apprise and its plugins, which takes most of a second.
    """
    if options.secret is not None:
        url, secret = options.url.reveal(), options.secret.reveal()
        return _WebhookReceiver(SignedWebhook(url, secret, lambda _: ""))
    import apprise  # noqa: PLC0415  # late, because most commands never send

    # Its log lines may quote the address; ours say everything that is needed.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    asset = apprise.AppriseAsset(app_id="tallylight", app_desc="tallylight")
    address = apprise_address(options.url.reveal())
    plugin = apprise.Apprise.instantiate(address, asset=asset, suppress_exceptions=True)
    if plugin is None:
        return None
    limit = _BYTE_LIMITS.get(type(plugin).__name__)
    if limit is not None:
        plugin.body_maxlen = min(plugin.body_maxlen, int(limit / _BYTES_OF_A_CHARACTER))
    if "overflow=" not in address:
        is_short = plugin.body_maxlen < _SHORT
        mode = apprise.OverflowMode.TRUNCATE if is_short else apprise.OverflowMode.SPLIT
        plugin.overflow_mode = mode
    return _AppriseReceiver(plugin)


class _AppriseReceiver:
    """A receiver that Apprise notifies."""

    def __init__(self, plugin: "NotifyBase") -> None:
        self._plugin = plugin
        self._extras = dict(getattr(plugin, "payload_extras", {}))  # of the address

    async def send(self, message: RenderedNotification, now: datetime) -> bool:  # noqa: ARG002
        import apprise  # noqa: PLC0415  # is loaded by now

        if type(self._plugin).__name__ == "NotifyJSON":
            # Further keys of the JSON object.
            vars(self._plugin)["payload_extras"] = {**message.fields, **self._extras}
        client = apprise.Apprise()
        client.add(self._plugin)
        is_html = bool(message.html) and _takes_documents(self._plugin)
        if is_html:  # half a document is none
            self._plugin.body_maxlen = max(self._plugin.body_maxlen, len(message.html))
        return bool(
            await client.async_notify(
                body=message.html if is_html else _fitting_body(message, self._plugin),
                title=message.title,
                notify_type=message.severity.value,
                body_format=apprise.NotifyFormat.HTML if is_html else apprise.NotifyFormat.TEXT,
            )
        )


def _takes_documents(plugin: "NotifyBase") -> bool:
    """Tell whether a service is mail: it prefers HTML, and its messages may be long."""
    return plugin.resolve_format(None).value == "html" and plugin.body_maxlen >= _LONG


def _fitting_body(message: RenderedNotification, plugin: "NotifyBase") -> str:
    """Return the body, cut at a line if the message says what to show in place of the rest."""
    if not message.cut_note:
        return message.body
    # A service without titles gets the title as the first line.
    title = "" if plugin.title_maxlen > 0 else message.title + " " * _MARKUP
    room = plugin.body_maxlen - _length(title, plugin)
    if _length(message.body, plugin) <= room:
        return message.body
    room -= _length(message.cut_note, plugin)
    kept = []
    for line in message.body.split("\n"):
        room -= _length(line + "\n", plugin)
        if room < 0:
            break
        kept.append(line)
    return "\n".join([*kept, message.cut_note])


def _length(text: str, plugin: "NotifyBase") -> int:
    """Return the length of a text as Apprise counts it, after escaping."""
    from apprise import NotifyFormat, conversion  # noqa: PLC0415  # is loaded by now

    shown = plugin.resolve_format(NotifyFormat.TEXT)
    convert: Callable[..., str] = conversion.convert_between
    return len(convert(NotifyFormat.TEXT, shown, text))


@dataclass(frozen=True, slots=True)
class _WebhookReceiver:
    """An endpoint that receives signed webhooks."""

    target: SignedWebhook

    async def send(self, message: RenderedNotification, now: datetime) -> bool:
        data = {"title": message.title, "message": message.body, **message.fields}
        kind = message.fields.get("kind", "test")
        body = {"type": f"alert.{kind}", "timestamp": now.isoformat(), "data": data}
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        async with open_webhook_session(_WEBHOOK_TIMEOUT) as session:
            response = await self.target.send(session, message.id, text, now)
        return response.is_success
