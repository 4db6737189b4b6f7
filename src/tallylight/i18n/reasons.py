"""The sentence for every reason of a verdict: the finding, its time, and the upstream's response.

A missing fact shortens the sentence but never breaks it, because the history holds reasons that
earlier versions stored with fewer facts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from tallylight.i18n import Translator, gettext_noop
from tallylight.i18n.formatting import (
    format_day,
    format_duration,
    format_moment_short,
    format_number,
)
from tallylight.i18n.labels import status_label, verdict_label
from tallylight.model.evidence import NOT_LISTED_RULE
from tallylight.model.status import Status
from tallylight.model.verdict import Reason, ReasonCode, Verdict


def reason_sentence(reason: Reason, to: Translator) -> str:
    """Return a reason as one sentence."""
    facts = _ReasonFacts(reason, to)
    if reason.code is ReasonCode.SETUP_PROBLEM:
        return _setup_sentence(facts, to)
    details = to.gettext(", ").join(detail for detail in _details(reason.code, facts, to) if detail)
    finding = _finding(reason.code, facts, to)
    if details:
        finding = to.gettext("%(finding)s (%(details)s)") % {"finding": finding, "details": details}
    answer = facts.text("answer")
    if not answer:
        return to.gettext("%s.") % finding
    return to.gettext("%(finding)s; last error on %(at)s: “%(answer)s”") % {
        "finding": finding,
        "at": facts.at_text,
        "answer": answer,
    }


def verdict_sentence(verdict: Verdict, to: Translator) -> str:
    """Return a verdict as one sentence: the service, the status and the deciding reason."""
    return to.gettext("%(service)s is “%(status)s”: %(reason)s") % {
        "service": verdict.service,
        "status": verdict_label(verdict, to),
        "reason": reason_sentence(verdict.reasons[0], to),
    }


@dataclass(frozen=True, slots=True)
class _ReasonFacts:
    """Reads the facts of one reason; a missing fact is None or ""."""

    reason: Reason
    to: Translator

    def text(self, name: str) -> str:
        return str(self.reason.facts.get(name, "")).strip()

    def number(self, name: str) -> float | None:
        value = self.reason.facts.get(name)
        return None if value is None or isinstance(value, str) else value

    def time(self, name: str) -> datetime | None:
        try:
            return datetime.fromisoformat(self.text(name))
        except ValueError:
            return None

    def duration_text(self, name: str) -> str:
        seconds = self.number(name)
        return "" if seconds is None else format_duration(timedelta(seconds=seconds), self.to)

    def time_text(self, name: str) -> str:
        """Return a time as text; without the fact, the time of the evidence."""
        return format_moment_short(self.time(name) or self.reason.at, self.to)

    @property
    def at_text(self) -> str:
        return format_moment_short(self.reason.at, self.to)


def _finding(  # noqa: C901, PLR0911, PLR0912  # a closed set
    code: ReasonCode, facts: _ReasonFacts, to: Translator
) -> str:
    match code:
        case ReasonCode.JOBS_DELIVERED:
            return _delivered(facts, to)
        case ReasonCode.JOBS_FAILING:
            return to.gettext("Jobs have been failing since %s") % facts.time_text("since")
        case ReasonCode.JOBS_SLOW:
            return _slow(facts, to)
        case ReasonCode.JOBS_OVERDUE:
            return _overdue(facts, to)
        case ReasonCode.NO_RECENT_JOBS:
            return _no_jobs(facts, to)
        case ReasonCode.LAST_SEEN:
            return _last_seen(facts, to)
        case ReasonCode.API_RESPONDING:
            return to.gettext("The API responds, most recently on %s") % facts.at_text
        case ReasonCode.API_RECOVERED:
            return to.gettext(
                "The API has answered again since %s; whether videos arrive is not checked"
            ) % facts.time_text("since")
        case ReasonCode.API_DOWN:
            return to.gettext("All checks have failed since %s") % facts.time_text("since")
        case ReasonCode.API_PARTLY_FAILING:
            return to.gettext("Some checks have failed since %s") % facts.time_text("since")
        case ReasonCode.MAINTENANCE_SCHEDULED:
            return _maintenance(facts, to)
        case ReasonCode.FEED_NOT_OPERATIONAL:
            return _feed(facts, to)
        case ReasonCode.SHUTDOWN_AHEAD:
            return _shutdown_ahead(facts, to)
        case ReasonCode.SHUTDOWN_DISPROVED:
            return to.gettext(
                "The fact sheet says that the model was shut down by %s, but it delivers; "
                "correct shutdown_at of the service if the date is wrong"
            ) % _date(facts, to)
        case ReasonCode.SHUTDOWN_PASSED:
            return to.gettext("The model was shut down on %s") % _date(facts, to)
        case ReasonCode.RETIREMENT_REPORTED if facts.text("rule") == NOT_LISTED_RULE:
            return to.gettext("The list of models has lacked the model since %s") % (
                facts.time_text("since")
            )
        case ReasonCode.RETIREMENT_REPORTED:
            return to.gettext("The API has reported since %s that the model does not exist") % (
                facts.time_text("since")
            )
        case ReasonCode.RATE_LIMITED:
            return _rate_limited(facts, to)
        case ReasonCode.SETUP_PROBLEM:
            return _setup_finding(facts, to)
        case _:
            return to.gettext(_PLAIN_FINDINGS[code])


_PLAIN_FINDINGS: Mapping[ReasonCode, str] = {
    ReasonCode.JOBS_PARTLY_FAILING: gettext_noop("Some jobs fail"),
    ReasonCode.RISK_CONTROL_REPORTED: gettext_noop("The upstream reports risk control"),
    ReasonCode.RISK_CONTROL_SUSPECTED: gettext_noop("Two independent signs indicate risk control"),
    ReasonCode.CHALLENGED: gettext_noop("Our address is refused with a challenge page"),
    ReasonCode.SUSPENSION_REPORTED: gettext_noop("The upstream reports that it is paused"),
    ReasonCode.MAINTENANCE_REPORTED: gettext_noop(
        "The upstream reports that it is under maintenance"
    ),
    ReasonCode.FEED_UNREADABLE: gettext_noop(
        "The official status page cannot be read, so it is ignored"
    ),
    ReasonCode.KEY_REFUSED: gettext_noop("Our key is refused"),
    ReasonCode.BALANCE_EMPTY: gettext_noop("Our balance or quota is used up"),
    ReasonCode.OWN_NETWORK: gettext_noop(
        "Our own network is down: unrelated providers are unreachable at the same time"
    ),
    ReasonCode.NO_EVIDENCE: gettext_noop("There is no recent evidence"),
}
"""The findings that name no fact."""


def _details(  # noqa: C901  # a closed set
    code: ReasonCode, facts: _ReasonFacts, to: Translator
) -> Iterator[str]:
    failed, of, times = facts.number("failed"), facts.number("of"), facts.number("times")
    match code:
        case ReasonCode.JOBS_DELIVERED:
            yield _delivery_count(facts, to)
        case ReasonCode.JOBS_SLOW:
            yield _slowness(facts, to)
        case ReasonCode.JOBS_OVERDUE if facts.duration_text("median_seconds"):
            yield to.gettext("the median is %s") % facts.duration_text("median_seconds")
        case ReasonCode.RISK_CONTROL_SUSPECTED if facts.time("first_at"):
            yield to.gettext("first on %s") % facts.time_text("first_at")
        case ReasonCode.RETIREMENT_REPORTED | ReasonCode.RATE_LIMITED if times:
            yield to.ngettext("%d time", "%d times", int(times)) % times
        case ReasonCode.SHUTDOWN_AHEAD | ReasonCode.SHUTDOWN_PASSED if facts.text("replacement"):
            yield to.gettext("the provider names %s as the replacement") % facts.text("replacement")
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
        yield to.gettext("most recently on %s") % facts.at_text


_DATED_CODES = frozenset(
    {
        ReasonCode.RISK_CONTROL_REPORTED,
        ReasonCode.RISK_CONTROL_SUSPECTED,
        ReasonCode.CHALLENGED,
        ReasonCode.SUSPENSION_REPORTED,
        ReasonCode.MAINTENANCE_REPORTED,
        ReasonCode.KEY_REFUSED,
        ReasonCode.BALANCE_EMPTY,
        ReasonCode.RATE_LIMITED,
        ReasonCode.OWN_NETWORK,
    }
)
"""What the upstream reports about itself or about us; dated even without a response text."""


def _setup_sentence(facts: _ReasonFacts, to: Translator) -> str:
    finding, mend = _setup_finding(facts, to), facts.text("mend")
    if not mend:
        return to.gettext("%s. Check its spelling.") % finding
    said = {"finding": finding, "mend": mend}
    return to.gettext("%(finding)s. Did you mean “%(mend)s”?") % said


def _setup_finding(facts: _ReasonFacts, to: Translator) -> str:
    model, is_named, _ = facts.text("answer").partition(" is not one of ")
    match facts.text("problem"):
        case "host":
            return to.gettext("The host of base_url cannot be found")
        case "scheme":
            return to.gettext("base_url says http where https is spoken, or the reverse")
        case "model" if is_named:
            return to.gettext("This key cannot use “%s”") % model
        case "model":
            return to.gettext("This key cannot use the model")
        case _:
            return to.gettext("base_url leads to something else than the API")


def _delivered(facts: _ReasonFacts, to: Translator) -> str:
    at, duration = facts.time_text("last_at"), facts.duration_text("seconds")
    if not duration:
        return to.gettext("Latest video delivered %s") % at
    return to.gettext("Latest video delivered %(at)s in %(duration)s") % {
        "at": at,
        "duration": duration,
    }


def _delivery_count(facts: _ReasonFacts, to: Translator) -> str:
    delivered, of = facts.number("delivered"), facts.number("of")
    if not delivered or not of or of <= 1:
        return ""
    return to.gettext("%(delivered)d of %(of)d delivered within %(minutes)d min") % {
        "delivered": delivered,
        "of": of,
        "minutes": facts.number("minutes") or 0,
    }


def _slow(facts: _ReasonFacts, to: Translator) -> str:
    times = facts.number("times")
    if times is None:
        return to.gettext("Videos take unusually long")
    return to.gettext("Videos take %s times as long as usual") % format_number(times, to)


def _slowness(facts: _ReasonFacts, to: Translator) -> str:
    typical, median = facts.duration_text("typical_seconds"), facts.duration_text("median_seconds")
    if not typical or not median:
        return ""
    return to.gettext("%(typical)s; the median is %(median)s") % {
        "typical": typical,
        "median": median,
    }


def _overdue(facts: _ReasonFacts, to: Translator) -> str:
    jobs = int(facts.number("jobs") or 1)
    said = {
        "jobs": jobs,
        "at": facts.time_text("sent_at"),
        "duration": facts.duration_text("seconds") or to.gettext("an unusually long time"),
    }
    return (
        to.ngettext(
            "A job sent on %(at)s had no video after %(duration)s",
            "%(jobs)d jobs are overdue; the last, sent on %(at)s, had no video after %(duration)s",
            jobs,
        )
        % said
    )


def _rate_limited(facts: _ReasonFacts, to: Translator) -> str:
    since, wait = facts.time_text("since"), facts.duration_text("retry_seconds")
    if facts.number("own_pace"):
        finding = to.gettext(
            "Orders have been refused as too many since %s, maybe for our own pace"
        )
    else:
        finding = to.gettext("Each order has been refused as one too many since %s")
    asked = to.gettext(", and we are asked to wait %s") % wait if wait else ""
    return finding % since + asked


def _no_jobs(facts: _ReasonFacts, to: Translator) -> str:
    if facts.time("last_at") is None:
        return to.gettext("The API responds, but no video has been generated yet")
    return to.gettext("No job has ended since %s") % facts.time_text("last_at")


def _last_seen(facts: _ReasonFacts, to: Translator) -> str:
    return to.gettext("Last seen as “%(status)s” on %(at)s; no evidence since") % {
        "status": _label(facts.text("status"), to),
        "at": facts.time_text("last_at"),
    }


def _maintenance(facts: _ReasonFacts, to: Translator) -> str:
    until, note = facts.time("until"), _note_suffix(facts, to)
    if until is None:
        return (to.gettext("Maintenance is announced from %s on") % facts.at_text) + note
    span = {"start": facts.at_text, "end": format_moment_short(until, to)}
    return to.gettext("Maintenance is announced from %(start)s to %(end)s") % span + note


def _feed(facts: _ReasonFacts, to: Translator) -> str:
    report = {"status": _label(facts.text("says"), to), "since": facts.time_text("since")}
    finding = to.gettext("The official status page has reported “%(status)s” since %(since)s")
    return finding % report + _note_suffix(facts, to)


def _shutdown_ahead(facts: _ReasonFacts, to: Translator) -> str:
    if facts.number("certain") == 0:
        return to.gettext("The model may be shut down from %s on") % _date(facts, to)
    return to.gettext("The model will be shut down on %s") % _date(facts, to)


def _label(status: str, to: Translator) -> str:
    return status_label(Status(status), to) if status in set(Status) else to.gettext("problems")


def _note_suffix(facts: _ReasonFacts, to: Translator) -> str:
    note = facts.text("note")
    return to.gettext(": “%s”") % note if note else ""


def _date(facts: _ReasonFacts, to: Translator) -> str:
    return format_day(facts.time("date") or facts.reason.at, to)
