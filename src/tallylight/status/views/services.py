"""One service as the page shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from tallylight.catalogue.services import FactSheet, Service, ShutdownPrecision
from tallylight.i18n import Translator
from tallylight.i18n.formatting import format_day, format_duration, format_percent
from tallylight.i18n.labels import access_label, blocked_message, status_description, status_label
from tallylight.i18n.prices import format_price
from tallylight.i18n.reasons import reason_sentence
from tallylight.model.evidence import Evidence, Source
from tallylight.model.status import Status
from tallylight.model.verdict import StatusInterval, Verdict
from tallylight.status.views.day_bars import UptimeBar, daily_shares, uptime_bar
from tallylight.status.views.timestamps import Timestamp, timestamp
from tallylight.status.views.uptimes import UptimeView, UptimeWindow, uptime_view

BAR_DAYS = 90
_SHUTDOWN_NOTICE = timedelta(days=90)
_FREE_PROBES = (Source.REACH, Source.CREDENTIALS)
_JOB_SOURCES = (Source.GENERATION, Source.TRAFFIC)
_OWN_SOURCES = (*_FREE_PROBES, Source.ACCEPTANCE, *_JOB_SOURCES)


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """All that is known of a service at one moment.

    Args:
        service: Which.
        verdict: What stands.
        newest: Its newest evidence by source.
        spells: Its last 90 days.
    """

    service: Service
    verdict: Verdict
    newest: Mapping[Source, Evidence] = field(default_factory=dict)
    status_intervals: Sequence[StatusInterval] = ()

    @property
    def checked_at(self) -> datetime | None:
        """Return when we looked last, None if not since the start."""
        return max((self.newest[s].at for s in _OWN_SOURCES if s in self.newest), default=None)

    @property
    def latency(self) -> timedelta | None:
        """Return how long it took to answer the newest free probe."""
        return self._latency(_FREE_PROBES)

    @property
    def job_time(self) -> timedelta | None:
        """Return how long the newest video took."""
        return self._latency(_JOB_SOURCES)

    @property
    def feed(self) -> Evidence | None:
        """Return what the official status page said last."""
        return self.newest.get(Source.FEED)

    def _latency(self, sources: Sequence[Source]) -> timedelta | None:
        timed = [e for s in sources if (e := self.newest.get(s)) and e.latency is not None]
        return max(timed, key=lambda e: e.at).latency if timed else None


@dataclass(frozen=True, slots=True)
class FeedView:
    """The official status page beside our own finding.

    Args:
        status: What it says; UNKNOWN where it cannot be read.
        word: That in words.
        note: Its headline, "" for none.
        at: Since when it says so.
        differs: Whether it says something else than we find.
    """

    status: Status
    word: str
    note: str
    at: Timestamp
    differs: bool


@dataclass(frozen=True, slots=True)
class ServiceView:
    """One service, ready to be shown."""

    id: str
    name: str
    model: str
    provider: str
    access: str
    access_word: str
    status: Status
    word: str
    meaning: str
    since: Timestamp | None
    confidence: str
    reasons: tuple[str, ...]
    blocked: str
    shutdown: str
    latency: str
    job_time: str
    price: str
    checked_at: Timestamp | None
    feed: FeedView | None
    has_feed: bool
    bar: UptimeBar
    uptime: UptimeView


def service_view(facts: ServiceFacts, now: datetime, to: Translator) -> ServiceView:
    """Return a service as its card shows it."""
    service, verdict = facts.service, facts.verdict
    checked_at = facts.checked_at
    nothing_yet = verdict.status is Status.UNKNOWN and checked_at is None
    return ServiceView(
        id=service.id,
        name=service.name,
        model=service.model,
        provider=service.upstream.provider,
        access=service.access.value,
        access_word=access_label(service.access, to),
        status=verdict.status,
        word=status_label(verdict.status, to),
        meaning=status_description(verdict.status, to),
        since=None if nothing_yet else timestamp(verdict.since, now, to),
        confidence=format_percent(verdict.confidence, to, digits=0),
        reasons=tuple(reason_sentence(reason, to) for reason in verdict.reasons),
        blocked="" if verdict.blocked is None else blocked_message(verdict.blocked, to),
        shutdown=shutdown_notice(service.sheet, now, to),
        latency="" if facts.latency is None else format_duration(facts.latency, to),
        job_time="" if facts.job_time is None else format_duration(facts.job_time, to),
        price=format_price(service.sheet.price, to),
        checked_at=None if checked_at is None else timestamp(checked_at, now, to),
        feed=_feed(facts, now, to),
        has_feed=service.upstream.feed is not None,
        bar=uptime_bar(daily_shares(facts.status_intervals, now, BAR_DAYS), to),
        uptime=uptime_view(facts.status_intervals, UptimeWindow.QUARTER, now, to),
    )


def shutdown_notice(sheet: FactSheet, now: datetime, to: Translator) -> str:
    """Return a warning of a shutdown within 90 days, or the date of one that was; else ""."""
    if sheet.shutdown_at is None or _midnight(sheet.shutdown_at, now) > now + _SHUTDOWN_NOTICE:
        return ""
    when = format_day(sheet.shutdown_at, to)
    passed = _midnight(sheet.shutdown_at, now) <= now
    match sheet.shutdown_precision:
        case ShutdownPrecision.NOT_BEFORE:
            told = to.gettext("Shuts down on %s at the earliest.") % when
        case ShutdownPrecision.BY if not passed:
            told = to.gettext("Shuts down by %s.") % when
        case ShutdownPrecision.CONFLICTING if not passed:
            told = to.gettext("Shuts down by %s; sources disagree on the day.") % when
        case _ if passed:
            told = to.gettext("Was shut down on %s.") % when
        case _:
            told = to.gettext("Shuts down on %s.") % when
    if not sheet.replacement:
        return told
    named = to.gettext("Its provider names %s instead.") % sheet.replacement
    return to.gettext("%(one)s %(other)s") % {"one": told, "other": named}


def _feed(facts: ServiceFacts, now: datetime, to: Translator) -> FeedView | None:
    feed = facts.feed
    if feed is None or feed.claimed_status is None:
        return None
    readable = feed.claimed_status is not Status.UNKNOWN
    return FeedView(
        status=feed.claimed_status,
        word=status_label(feed.claimed_status, to) if readable else to.gettext("cannot be read"),
        note=feed.note,
        at=timestamp(feed.at, now, to),
        differs=readable
        and feed.claimed_status is not facts.verdict.status
        and facts.verdict.status is not Status.UNKNOWN,
    )


def _midnight(date_: date, now: datetime) -> datetime:
    return datetime.combine(date_, time(), now.tzinfo)
