"""Renders notifications: a title that names the change, and a line for each service."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date

from tallylight.alerts.notification import Notification, NotificationKind, ServiceChange
from tallylight.alerts.receivers import RenderedNotification
from tallylight.i18n import Translator
from tallylight.i18n.formatting import format_day, format_moment_short
from tallylight.i18n.labels import blocked_message, status_label
from tallylight.i18n.reasons import reason_sentence
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Block

NameOf = Callable[[ServiceId], str]


def render_notification(
    notification: Notification, name_of: NameOf, to: Translator
) -> RenderedNotification:
    """Return a notification as text."""
    names = ", ".join(name_of(id_) for id_ in notification.services)
    return RenderedNotification(
        title=_title(notification, names, name_of, to),
        body="\n".join(_body(notification, name_of, to)) or names,
        severity=notification.severity,
    )


def _title(  # noqa: C901, PLR0911  # one case per kind
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
        case NotificationKind.REMINDER:
            return f"{icon} " + to.gettext("Still: %s") % statuses
        case NotificationKind.FLAPPING:
            return to.gettext("%s: flapping; single changes are not notified") % names
        case NotificationKind.FLAPPING_ENDED:
            return f"{icon} " + to.gettext("Stable again: %s") % statuses
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
            return to.gettext("%(names)s: shuts down on %(day)s") % {
                "names": names,
                "day": format_day(date.fromisoformat(str(notification.facts["date"])), to),
            }


def _blocked(notification: Notification, to: Translator) -> str:
    match Block(str(notification.facts["block"])):
        case Block.QUOTA:
            return to.gettext("Your balance at '%(upstream)s' is used up: %(names)s")
        case Block.AUTH:
            return to.gettext("Your key for '%(upstream)s' is refused: %(names)s")
        case Block.RATE:
            return to.gettext("'%(upstream)s' refuses each order as one too many: %(names)s")


def _body(notification: Notification, name_of: NameOf, to: Translator) -> Iterable[str]:
    for change in notification.changes:
        yield _line(change, name_of, to)
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
        case _:
            pass


def _line(change: ServiceChange, name_of: NameOf, to: Translator) -> str:
    line = to.gettext("%(lamp)s %(name)s: %(status)s since %(since)s") % {
        "lamp": change.after.icon,
        "name": name_of(change.service),
        "status": status_label(change.after, to),
        "since": format_moment_short(change.since, to),
    }
    return " — ".join([line, *(reason_sentence(reason, to) for reason in change.reasons[:1])])


def _resolved(notification: Notification, name_of: NameOf, to: Translator) -> str:
    """Name the services that are operational, and those of which only free checks succeed."""
    names: dict[bool, list[str]] = defaultdict(list)
    for change in notification.changes:
        names[change.after is Status.UNKNOWN].append(name_of(change.service))
    parts = []
    if names[False]:
        parts.append(to.gettext("%s: operational again") % ", ".join(names[False]))
    if names[True]:
        parts.append(
            to.gettext("%s: answers again; whether videos arrive is not checked")
            % ", ".join(names[True])
        )
    return to.gettext("; ").join(parts)
