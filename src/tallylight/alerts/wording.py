"""Renders notifications: a title that names the change, and a line for each service."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from urllib.parse import quote

from tallylight.alerts.notification import Notification, NotificationKind, ServiceChange
from tallylight.alerts.options import ReceiverOptions
from tallylight.alerts.receivers import RenderedNotification
from tallylight.alerts.templates import render_template
from tallylight.catalogue.services import ShutdownPrecision
from tallylight.i18n import Language, Translator, translator
from tallylight.i18n.formatting import format_day, format_duration, format_moment_short
from tallylight.i18n.labels import (
    MOST_NAMES,
    blocked_message,
    names_or_count,
    report_title,
    status_label,
)
from tallylight.i18n.reasons import reason_sentence
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Block, Reason

NameOf = Callable[[ServiceId], str]

_LONGEST_ANSWER = 200
_HIDDEN = re.compile(r"<(script|style|head)\b[^<>]*>.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[a-zA-Z/!][^<>]*(?:>|$)")
_UPSTREAM_TEXTS = ("answer", "note")


@dataclass(frozen=True, slots=True)
class AlertContext:
    """What a notification says beside the change.

    Args:
        name_of: Returns the name of a service.
        alternatives: Returns the names of the services to use in place of some, best first.
        public_url: The page's address, "" if it is not configured.
        language: The language of receivers that have none.
    """

    name_of: NameOf
    alternatives: Callable[[Sequence[ServiceId]], Sequence[str]] = lambda _: ()
    public_url: str = ""
    language: Language = Language.EN

    def link(self, services: Sequence[ServiceId]) -> str:
        """Return the address of the page of one service, or of the page of all."""
        if not self.public_url:
            return ""
        base = self.public_url.rstrip("/")
        return f"{base}/services/{quote(services[0])}" if len(services) == 1 else f"{base}/"


def render_for_receiver(
    notification: Notification, receiver: ReceiverOptions, context: AlertContext
) -> RenderedNotification:
    """Return a notification in a receiver's language, time zone and form."""
    to = translator_of_receiver(receiver, context.language)
    return with_templates(render_notification(notification, context, to), receiver)


def translator_of_receiver(receiver: ReceiverOptions, language: Language) -> Translator:
    """Return the translator of a receiver's notifications; `language` is that of the page."""
    return translator(receiver.language or language).in_zone(receiver.zone)


def with_templates(
    message: RenderedNotification, receiver: ReceiverOptions
) -> RenderedNotification:
    """Return a message with the title and the body that a receiver's templates make of it."""
    variables = {**message.fields, "title": message.title, "body": message.body}
    return replace(
        message,
        title=render_template(receiver.title, variables, otherwise=message.title),
        body=render_template(receiver.body, variables, otherwise=message.body),
        html=message.html if receiver.body is None else "",
    )


def render_notification(
    notification: Notification, context: AlertContext, to: Translator
) -> RenderedNotification:
    """Return a notification as text."""
    names = _names(notification.services, notification.provider, context.name_of, to)
    lines = list(_body(notification, context, to))
    return RenderedNotification(
        title=_title(notification, names, context.name_of, to),
        body="\n".join(lines) or names,
        severity=notification.severity,
        id=notification.id,
        fields=_fields(notification, context, to),
    )


def _names(services: Sequence[ServiceId], provider: str, name_of: NameOf, to: Translator) -> str:
    count = len(services)
    named = names_or_count([name_of(id_) for id_ in services], to)
    if not provider or count <= MOST_NAMES:
        return named
    return to.ngettext(
        "%(count)d service of %(provider)s", "%(count)d services of %(provider)s", count
    ) % {"count": count, "provider": provider}


def _title(  # noqa: C901, PLR0911, PLR0912  # one case per kind
    notification: Notification, names: str, name_of: NameOf, to: Translator
) -> str:
    icon = next((change.after.icon for change in notification.changes), "")
    labels = dict.fromkeys(status_label(change.after, to) for change in notification.changes)
    statuses = f"{names}: {', '.join(labels)}"
    match notification.kind:
        case NotificationKind.FIRING:
            return f"{icon} {statuses}"
        case NotificationKind.RESOLVED:
            return f"{icon} {_resolved(notification, name_of, to)}"
        case NotificationKind.RETRACTED:
            return f"{icon} " + to.gettext("%s: that was our own network") % names
        case NotificationKind.REMINDER:
            return f"{icon} " + to.gettext("Still: %s") % statuses
        case NotificationKind.FLAPPING:
            return to.gettext("%s: flapping; single changes are not notified") % names
        case NotificationKind.FLAPPING_ENDED:
            return f"{icon} " + to.gettext("Stable again: %s") % statuses
        case NotificationKind.REMOVED:
            return to.gettext("%s: no longer monitored; it was down") % names
        case NotificationKind.NETWORK_DOWN:
            return to.gettext("Our own network is down; all verdicts are frozen")
        case NotificationKind.NETWORK_UP:
            return to.gettext("Our own network is up again")
        case NotificationKind.KEY_BLOCKED:
            return _blocked(notification, to) % {
                "upstream": notification.facts["upstream"],
                "names": names,
            }
        case NotificationKind.KEY_ACCEPTED:
            return to.gettext("Your access to '%(upstream)s' works again: %(names)s") % {
                "upstream": notification.facts["upstream"],
                "names": names,
            }
        case NotificationKind.SHUTDOWN_AHEAD:
            return _shutdown_title(notification, names, to)
        case NotificationKind.FEED_CONTRADICTS:
            return to.gettext("%(names)s: the official status page says “%(status)s”") % {
                "names": names,
                "status": status_label(Status(str(notification.facts["says"])), to),
            }
        case NotificationKind.BUDGET_SPENT:
            return to.gettext("%(percent)d%% of the budget for probes is spent (%(scope)s)") % {
                "percent": notification.facts["percent"],
                "scope": names or to.gettext("all services"),
            }
        case NotificationKind.REPORT:
            return report_title(date.fromisoformat(str(notification.facts["month"])), to)


def _blocked(notification: Notification, to: Translator) -> str:
    match Block(str(notification.facts["block"])):
        case Block.QUOTA:
            return to.gettext("Your balance at '%(upstream)s' is used up: %(names)s")
        case Block.AUTH:
            return to.gettext("Your key for '%(upstream)s' is refused: %(names)s")
        case Block.RATE:
            return to.gettext("'%(upstream)s' refuses each order as one too many: %(names)s")


def _body(  # noqa: C901  # one case per kind
    notification: Notification, context: AlertContext, to: Translator
) -> Iterable[str]:
    for change in notification.changes:
        yield _line(change, context.name_of, to)
    match notification.kind:
        case NotificationKind.KEY_BLOCKED:
            yield blocked_message(Block(str(notification.facts["block"])), to)
        case NotificationKind.SHUTDOWN_AHEAD if notification.facts.get("replacement"):
            yield (
                to.gettext("The provider names %s as the replacement.")
                % notification.facts["replacement"]
            )
        case NotificationKind.NETWORK_DOWN:
            yield to.gettext("Unrelated providers fail at the same time, so the fault is ours.")
        case NotificationKind.FEED_CONTRADICTS:
            if notification.facts["says"] == Status.OPERATIONAL:
                yield to.gettext("Our own checks and jobs fail.")
            else:
                yield to.gettext("Our own checks and jobs succeed.")
        case NotificationKind.BUDGET_SPENT:
            yield to.gettext("%(spent)s of %(limit)s USD within %(window)s") % notification.facts
        case NotificationKind.FIRING | NotificationKind.REMINDER:
            alternatives = context.alternatives(notification.services)
            if alternatives:
                yield to.gettext("Use meanwhile: %s") % ", ".join(alternatives)
        case _:
            pass
    link = context.link(notification.services)
    if link:
        yield link


def _line(change: ServiceChange, name_of: NameOf, to: Translator) -> str:
    line = to.gettext("%(lamp)s %(name)s: %(status)s since %(since)s") % {
        "lamp": change.after.icon,
        "name": name_of(change.service),
        "status": status_label(change.after, to),
        "since": format_moment_short(change.since, to),
    }
    if change.duration is not None:
        line = to.gettext("%(line)s, after %(duration)s") % {
            "line": line,
            "duration": format_duration(change.duration, to),
        }
    sentences = (reason_sentence(_plain(reason), to) for reason in change.reasons[:1])
    return " — ".join([line, *sentences])


def _plain(reason: Reason) -> Reason:
    """Return a reason whose quotes of the upstream are plain text on one line."""
    quotes = {
        name: _plain_text(str(reason.facts[name]))
        for name in _UPSTREAM_TEXTS
        if name in reason.facts
    }
    return replace(reason, facts={**reason.facts, **quotes}) if quotes else reason


def _plain_text(text: str) -> str:
    words = " ".join(_TAG.sub(" ", _HIDDEN.sub(" ", text)).split())
    return words if len(words) <= _LONGEST_ANSWER else words[: _LONGEST_ANSWER - 1] + "…"


def _resolved(notification: Notification, name_of: NameOf, to: Translator) -> str:
    """Name the services that are operational, and those of which only free checks succeed."""
    services: dict[bool, list[ServiceId]] = defaultdict(list)
    for change in notification.changes:
        services[change.after is Status.UNKNOWN].append(change.service)
    names = {
        is_unknown: _names(group, notification.provider, name_of, to)
        for is_unknown, group in services.items()
    }
    parts = []
    if False in names:
        parts.append(to.gettext("%s: operational again") % names[False])
    if True in names:
        parts.append(
            to.gettext("%s: answers again; whether videos arrive is not checked") % names[True]
        )
    return to.gettext("; ").join(parts)


def _fields(
    notification: Notification, context: AlertContext, to: Translator
) -> Mapping[str, object]:
    """Return a notification as values that JSON has."""
    return {
        "kind": notification.kind.value,
        "severity": notification.severity.value,
        "at": notification.at.isoformat(),
        "link": context.link(notification.services),
        "services": [_service_fields(change, context, to) for change in notification.changes]
        or [{"id": id_, "name": context.name_of(id_)} for id_ in notification.services],
        "facts": dict(notification.facts),
    }


def _service_fields(
    change: ServiceChange, context: AlertContext, to: Translator
) -> Mapping[str, object]:
    duration = change.duration
    return {
        "id": change.service,
        "name": context.name_of(change.service),
        "status": change.after.value,
        "before": change.before.value,
        "since": change.since.isoformat(),
        "trouble_seconds": None if duration is None else round(duration.total_seconds()),
        "incident": change.incident,
        "reasons": [
            {"code": reason.code.value, "text": reason_sentence(_plain(reason), to)}
            for reason in change.reasons
        ],
        "link": context.link((change.service,)),
    }


def _shutdown_title(notification: Notification, names: str, to: Translator) -> str:
    match notification.facts.get("precision"):
        case ShutdownPrecision.NOT_BEFORE:
            title = to.gettext("%(names)s: shuts down on %(day)s at the earliest")
        case ShutdownPrecision.CONFLICTING:
            title = to.gettext("%(names)s: may shut down on %(day)s; sources disagree")
        case ShutdownPrecision.BY:
            title = to.gettext("%(names)s: shuts down by %(day)s")
        case _:
            title = to.gettext("%(names)s: shuts down on %(day)s")
    day = date.fromisoformat(str(notification.facts["date"]))
    return title % {"names": names, "day": format_day(day, to)}
