"""Notifications in a language: a title that says it all, a line for each service."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date

from tallylight.alerts.delivery import Message
from tallylight.alerts.notification import Change, Kind, Notification
from tallylight.i18n import Translator
from tallylight.i18n.formatting import day, moment_short
from tallylight.i18n.labels import blocked_note, status_word
from tallylight.i18n.reasons import sentence
from tallylight.model.evidence import FailureKind
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status

NameOf = Callable[[ServiceId], str]


def message(notification: Notification, name_of: NameOf, to: Translator) -> Message:
    """Return a notification as a message.

    Args:
        notification: What is told.
        name_of: Returns a service's name for people.
        to: The language.
    """
    names = ", ".join(name_of(id_) for id_ in notification.services)
    return Message(
        title=_title(notification, names, name_of, to),
        body="\n".join(_body(notification, name_of, to)) or names,
    )


def _title(  # noqa: C901, PLR0911  # a closed set
    told: Notification, names: str, name_of: NameOf, to: Translator
) -> str:
    match told.kind:
        case Kind.FIRING:
            return f"{_lamp(told)} {_states(told, names, to)}"
        case Kind.RESOLVED:
            return f"{_lamp(told)} {_resolved(told, name_of, to)}"
        case Kind.REMINDER:
            return f"{_lamp(told)} " + to.gettext("Still: %s") % _states(told, names, to)
        case Kind.FLAPPING:
            return to.gettext("%s: changes so often that single changes are not told") % names
        case Kind.SETTLED:
            return f"{_lamp(told)} " + to.gettext("Settled: %s") % _states(told, names, to)
        case Kind.NETWORK_DOWN:
            return to.gettext("Our own network is away: all verdicts are frozen")
        case Kind.NETWORK_UP:
            return to.gettext("Our own network is back")
        case Kind.KEY_BLOCKED:
            return to.gettext("Our own access is blocked: %s") % names
        case Kind.KEY_ACCEPTED:
            return to.gettext("Our own access works again: %s") % names
        case Kind.SHUTDOWN_AHEAD:
            return to.gettext("%(names)s: shuts down on %(day)s") % {
                "names": names,
                "day": day(date.fromisoformat(str(told.facts["date"])), to),
            }


def _body(told: Notification, name_of: NameOf, to: Translator) -> Iterable[str]:
    for change in told.changes:
        yield _line(change, name_of, to)
    match told.kind:
        case Kind.KEY_BLOCKED:
            yield blocked_note(FailureKind(str(told.facts["failure"])), to)
        case Kind.SHUTDOWN_AHEAD if told.facts.get("replacement"):
            yield to.gettext("The provider names %s instead.") % told.facts["replacement"]
        case Kind.NETWORK_DOWN:
            yield to.gettext("Unrelated providers fail in the same moment, so the fault is ours.")
        case _:
            pass


def _line(change: Change, name_of: NameOf, to: Translator) -> str:
    line = to.gettext("%(lamp)s %(name)s: %(status)s since %(since)s") % {
        "lamp": change.after.icon,
        "name": name_of(change.service),
        "status": status_word(change.after, to),
        "since": moment_short(change.since, to),
    }
    return " — ".join([line, *(sentence(reason, to) for reason in change.reasons[:1])])


def _resolved(told: Notification, name_of: NameOf, to: Translator) -> str:
    """Return who is operational again, and who only answers as far as free checks show."""
    names: dict[bool, list[str]] = defaultdict(list)
    for change in told.changes:
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


def _lamp(told: Notification) -> str:
    return next((change.after.icon for change in told.changes), "")


def _states(told: Notification, names: str, to: Translator) -> str:
    states = {status_word(change.after, to): None for change in told.changes}
    return f"{names}: {', '.join(states)}"
