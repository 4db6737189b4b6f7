"""The sentence of every reason: what was found, since when, and what the upstream answered.

A fact that is missing shortens the sentence and never breaks it: verdicts of former versions lie
in the history, and their reasons are shown as long as they do.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from tallylight.i18n import Translator
from tallylight.i18n.formatting import (
    format_day,
    format_duration,
    format_moment_short,
    format_number,
)
from tallylight.i18n.labels import status_label
from tallylight.model.status import Status
from tallylight.model.verdict import Reason, ReasonCode


def reason_sentence(reason: Reason, to: Translator) -> str:
    """Return a reason as one sentence."""
    facts = _ReasonFacts(reason, to)
    told = to.gettext(", ").join(detail for detail in _details(reason.code, facts, to) if detail)
    finding = _finding(reason.code, facts, to)
    if told:
        finding = to.gettext("%(finding)s (%(details)s)") % {"finding": finding, "details": told}
    answer = facts.text("answer")
    if not answer:
        return to.gettext("%s.") % finding
    return to.gettext("%(finding)s; the answer at %(at)s: “%(answer)s”") % {
        "finding": finding,
        "at": facts.at_text,
        "answer": answer,
    }


@dataclass(frozen=True, slots=True)
class _ReasonFacts:
    """The facts of one reason, each None or "" where it is missing."""

    reason: Reason
    to: Translator

    def text(self, name: str) -> str:
        return str(self.reason.facts.get(name, "")).strip()

    def number(self, name: str) -> float | None:
        value = self.reason.facts.get(name)
        return None if value is None or isinstance(value, str) else value

    def moment(self, name: str) -> datetime | None:
        try:
            return datetime.fromisoformat(self.text(name))
        except ValueError:
            return None

    def duration_text(self, name: str) -> str:
        seconds = self.number(name)
        return "" if seconds is None else format_duration(timedelta(seconds=seconds), self.to)

    def moment_text(self, name: str) -> str:
        """Return a moment in words, that of the evidence where it is missing."""
        return format_moment_short(self.moment(name) or self.reason.at, self.to)

    @property
    def at_text(self) -> str:
        return format_moment_short(self.reason.at, self.to)


def _finding(  # noqa: C901, PLR0911, PLR0912  # a closed set
    code: ReasonCode, facts: _ReasonFacts, to: Translator
) -> str:
    match code:
        case ReasonCode.JOBS_DELIVERED:
            return to.gettext("The newest video arrived at %s") % facts.moment_text("last_at")
        case ReasonCode.JOBS_FAILING:
            return to.gettext("Jobs have been failing since %s") % facts.moment_text("since")
        case ReasonCode.JOBS_PARTLY_FAILING:
            return to.gettext("Part of the jobs fail")
        case ReasonCode.JOBS_SLOW:
            return _slow(facts, to)
        case ReasonCode.NO_RECENT_JOBS:
            return _no_jobs(facts, to)
        case ReasonCode.API_RESPONDING:
            return to.gettext("It answers, last at %s") % facts.at_text
        case ReasonCode.API_RECOVERED:
            return to.gettext(
                "It has answered again since %s; whether videos arrive is not checked"
            ) % (facts.moment_text("since"))
        case ReasonCode.API_DOWN:
            return to.gettext("No check has got through since %s") % facts.moment_text("since")
        case ReasonCode.API_PARTLY_FAILING:
            return to.gettext("Part of the checks have been failing since %s") % facts.moment_text(
                "since"
            )
        case ReasonCode.RISK_CONTROL_REPORTED:
            return to.gettext("The upstream itself names risk control")
        case ReasonCode.RISK_CONTROL_SUSPECTED:
            return to.gettext("Two independent signs point at risk control")
        case ReasonCode.SUSPENSION_REPORTED:
            return to.gettext("The upstream itself says that it is paused")
        case ReasonCode.MAINTENANCE_SCHEDULED:
            return _maintenance(facts, to)
        case ReasonCode.MAINTENANCE_REPORTED:
            return to.gettext("The upstream itself says that it is under maintenance")
        case ReasonCode.FEED_NOT_OPERATIONAL:
            return _feed(facts, to)
        case ReasonCode.FEED_UNREADABLE:
            return to.gettext("Its official status page cannot be read, so it counts for nothing")
        case ReasonCode.SHUTDOWN_AHEAD:
            return _shutdown_ahead(facts, to)
        case ReasonCode.SHUTDOWN_PASSED:
            return to.gettext("It was shut down on %s") % _date(facts, to)
        case ReasonCode.RETIREMENT_REPORTED:
            return to.gettext("It has been answering since %s that the model is gone") % (
                facts.moment_text("since")
            )
        case ReasonCode.KEY_REFUSED:
            return to.gettext("Our key is refused")
        case ReasonCode.BALANCE_EMPTY:
            return to.gettext("Our balance or quota is used up")
        case ReasonCode.OWN_NETWORK:
            return to.gettext("Our own network fails: unrelated providers are out of reach at once")
        case ReasonCode.NO_EVIDENCE:
            return to.gettext("No evidence is fresh enough to say")


def _details(code: ReasonCode, facts: _ReasonFacts, to: Translator) -> Iterator[str]:
    failed, of, times = facts.number("failed"), facts.number("of"), facts.number("times")
    match code:
        case ReasonCode.JOBS_DELIVERED:
            yield _delivered(facts, to)
        case ReasonCode.JOBS_SLOW:
            yield _slowness(facts, to)
        case ReasonCode.RISK_CONTROL_SUSPECTED if facts.moment("first_at"):
            yield to.gettext("the first at %s") % facts.moment_text("first_at")
        case ReasonCode.RETIREMENT_REPORTED if times:
            yield to.ngettext("%d time", "%d times", int(times)) % times
        case ReasonCode.SHUTDOWN_AHEAD | ReasonCode.SHUTDOWN_PASSED if facts.text("replacement"):
            yield to.gettext("its provider names %s instead") % facts.text("replacement")
        case _ if failed is not None and of:
            yield to.gettext("%(failed)d of %(of)d failed") % {"failed": failed, "of": of}
            if code is ReasonCode.JOBS_PARTLY_FAILING and facts.duration_text("seconds"):
                yield to.gettext("within %s") % facts.duration_text("seconds")
        case _:
            pass
    status = facts.number("http_status")
    if status is not None:
        yield f"HTTP {status:.0f}"
    if code in _DATED_CODES and not facts.text("answer"):
        yield to.gettext("last at %s") % facts.at_text


_DATED_CODES = frozenset(
    {
        ReasonCode.RISK_CONTROL_REPORTED,
        ReasonCode.RISK_CONTROL_SUSPECTED,
        ReasonCode.SUSPENSION_REPORTED,
        ReasonCode.MAINTENANCE_REPORTED,
        ReasonCode.KEY_REFUSED,
        ReasonCode.BALANCE_EMPTY,
        ReasonCode.OWN_NETWORK,
    }
)
"""What the upstream said of itself or of us; it is told when, also where it used no words."""


def _delivered(facts: _ReasonFacts, to: Translator) -> str:
    took, delivered, of = (
        facts.duration_text("seconds"),
        facts.number("delivered"),
        facts.number("of"),
    )
    told = [to.gettext("it took %s") % took] if took else []
    if delivered and of and of > 1:
        counted = to.gettext("%(delivered)d of %(of)d arrived within %(minutes)d min")
        minutes = facts.number("minutes") or 0
        told.append(counted % {"delivered": delivered, "of": of, "minutes": minutes})
    return to.gettext(", ").join(told)


def _slow(facts: _ReasonFacts, to: Translator) -> str:
    times = facts.number("times")
    if times is None:
        return to.gettext("Videos take unusually long")
    return to.gettext("Videos take up to %s times as long as usual") % format_number(times, to)


def _slowness(facts: _ReasonFacts, to: Translator) -> str:
    slowest, median = facts.duration_text("slowest_seconds"), facts.duration_text("median_seconds")
    if not slowest or not median:
        return ""
    return to.gettext("%(slowest)s, where %(median)s is usual") % {
        "slowest": slowest,
        "median": median,
    }


def _no_jobs(facts: _ReasonFacts, to: Translator) -> str:
    if facts.moment("last_at") is None:
        return to.gettext("No job has been watched yet, so whether videos arrive is not known")
    return to.gettext("No job has ended since %s, so whether videos arrive is not known") % (
        facts.moment_text("last_at")
    )


def _maintenance(facts: _ReasonFacts, to: Translator) -> str:
    until, note = facts.moment("until"), _note_suffix(facts, to)
    if until is None:
        return (to.gettext("Maintenance has been announced from %s on") % facts.at_text) + note
    span = {"start": facts.at_text, "end": format_moment_short(until, to)}
    return to.gettext("Maintenance has been announced from %(start)s to %(end)s") % span + note


def _feed(facts: _ReasonFacts, to: Translator) -> str:
    says = facts.text("says")
    word = status_label(Status(says), to) if says in set(Status) else to.gettext("trouble")
    told = {"status": word, "since": facts.moment_text("since")}
    finding = to.gettext("Its official status page has reported “%(status)s” since %(since)s")
    return finding % told + _note_suffix(facts, to)


def _shutdown_ahead(facts: _ReasonFacts, to: Translator) -> str:
    if facts.number("certain") == 0:
        return to.gettext("It may be shut down from %s on") % _date(facts, to)
    return to.gettext("It will be shut down on %s") % _date(facts, to)


def _note_suffix(facts: _ReasonFacts, to: Translator) -> str:
    note = facts.text("note")
    return to.gettext(": “%s”") % note if note else ""


def _date(facts: _ReasonFacts, to: Translator) -> str:
    return format_day(facts.moment("date") or facts.reason.at, to)
