"""One service's row: the value that pages, both JSON APIs, badges, events and the CLI render."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Protocol

from tallylight.catalogue.orders import probe_cost
from tallylight.catalogue.services import FactSheet, Service, ShutdownPrecision
from tallylight.i18n import Translator
from tallylight.i18n.formatting import format_day, format_duration, format_percent
from tallylight.i18n.labels import (
    access_label,
    blocked_message,
    setup_description,
    status_description,
    status_label,
    verdict_label,
)
from tallylight.i18n.prices import format_amount, format_price
from tallylight.i18n.reasons import reason_sentence
from tallylight.model.evidence import FREE_SOURCES, Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import StatusInterval, Verdict
from tallylight.status.views.day_bars import UptimeBar, daily_shares, uptime_bar
from tallylight.status.views.impact import WeighedStatus, weighed_status
from tallylight.status.views.timestamps import Timestamp, timestamp
from tallylight.status.views.uptimes import UptimeView, UptimeWindow, uptime_view

BAR_DAYS = 90
_SHUTDOWN_NOTICE = timedelta(days=90)
_JOB_SOURCES = (Source.GENERATION, Source.TRAFFIC)
_OWN_SOURCES = (*FREE_SOURCES, Source.ACCEPTANCE, *_JOB_SOURCES)


class VerdictSource(Protocol):
    """The part of the board that a row is made from."""

    def service(self, id_: ServiceId, /) -> Service:
        """Return one service; raise KeyError if it is not on the board."""
        ...

    def verdict(self, id_: ServiceId, /) -> Verdict:
        """Return the verdict on one service; raise KeyError if it is not on the board."""
        ...

    def latest_evidence(self, id_: ServiceId, source: Source, /) -> Evidence | None:
        """Return the latest evidence of one source, if any."""
        ...


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """One service with its verdict and recent evidence, in a reader's language.

    Texts are properties, because no output shows all of them and the page holds a thousand rows.

    Args:
        intervals: Its status intervals of the last 90 days; empty where no output shows uptime.
    """

    service: Service
    verdict: Verdict
    to: Translator
    latest: Mapping[Source, Evidence] = field(default_factory=dict)
    intervals: Sequence[StatusInterval] = ()

    @property
    def status(self) -> Status:
        """Return the status shown."""
        return self.verdict.status

    @property
    def weighed(self) -> WeighedStatus:
        """Return the status with its share in the whole."""
        return weighed_status(self.service, self.status)

    @property
    def status_label(self) -> str:
        """Return the name of the status, or what is known while there is none."""
        return verdict_label(self.verdict, self.to)

    @property
    def status_description(self) -> str:
        """Return what the status means, as a sentence."""
        if self.verdict.needs_setup:
            return setup_description(self.to)
        if self.verdict.is_reachable_only:
            return self.to.gettext("The service answers; whether videos arrive is not checked.")
        return status_description(self.verdict.status, self.to)

    @property
    def video_check(self) -> str:
        """Return the command that checks whether videos arrive, with its price; "" if one did."""
        if not self.verdict.is_reachable_only or self.service.probe_order is None:
            return ""
        return self.to.gettext("To check that videos arrive: %(command)s (%(price)s)") % {
            "command": f"tallylight check {self.service.id} --depth generation",
            "price": format_amount(probe_cost(self.service), self.to),
        }

    @property
    def access_label(self) -> str:
        """Return the name of the kind of access."""
        return access_label(self.service.access, self.to)

    @property
    def reasons(self) -> list[str]:
        """Return the reasons for the verdict as sentences, the most telling first."""
        return [reason_sentence(reason, self.to) for reason in self.verdict.reasons]

    @property
    def blocked_message(self) -> str:
        """Return why our own access is blocked, or "" if it is not."""
        blocked = self.verdict.blocked
        return "" if blocked is None else blocked_message(blocked, self.to)

    @property
    def price(self) -> str:
        """Return what the model costs."""
        return format_price(self.service.sheet.price, self.to)

    @property
    def checked_at(self) -> datetime | None:
        """Return the time of our latest check, or None if there was none since the start."""
        return max((self.latest[s].at for s in _OWN_SOURCES if s in self.latest), default=None)

    @property
    def latency(self) -> timedelta | None:
        """Return the response time of the latest free probe."""
        return self._latency(FREE_SOURCES)

    @property
    def job_time(self) -> timedelta | None:
        """Return how long the latest video took."""
        return self._latency(_JOB_SOURCES)

    @property
    def feed(self) -> Evidence | None:
        """Return the latest evidence from the official status page."""
        return self.latest.get(Source.FEED)

    def uptime(self, window: UptimeWindow, now: datetime) -> UptimeView:
        """Return the uptime over a window that ends now."""
        return uptime_view(self.intervals, window, now, self.to)

    def _latency(self, sources: Iterable[Source]) -> timedelta | None:
        timed = [e for s in sources if (e := self.latest.get(s)) and e.duration is not None]
        return max(timed, key=lambda e: e.at).duration if timed else None


@dataclass(frozen=True, slots=True)
class RecordedService:
    """A service that has a history.

    Args:
        name: Its name, or its id if it is not configured any more.
        removed_at: When it was removed from the configuration; None if it is configured.
        intervals: Its status intervals of the last 90 days.
    """

    id: ServiceId
    name: str
    removed_at: datetime | None
    intervals: Sequence[StatusInterval]


def service_row(
    board: VerdictSource, id_: ServiceId, to: Translator, intervals: Sequence[StatusInterval] = ()
) -> ServiceRow:
    """Return the row of one service.

    Raises:
        KeyError: if the service is not on the board.
    """
    latest = {source: board.latest_evidence(id_, source) for source in Source}
    return ServiceRow(
        service=board.service(id_),
        verdict=board.verdict(id_),
        to=to,
        latest={source: piece for source, piece in latest.items() if piece is not None},
        intervals=intervals,
    )


@dataclass(frozen=True, slots=True)
class FeedView:
    """What the official status page reports, beside our verdict.

    Args:
        status: The reported status; UNKNOWN if the page cannot be read.
        note: The page's headline, or "".
        at: When the page began to report it.
        differs: Whether it contradicts our verdict.
    """

    status: Status
    status_label: str
    note: str
    at: Timestamp
    differs: bool


@dataclass(frozen=True, slots=True)
class ServiceView:
    """A row as its HTML card shows it: every time, duration and share is text."""

    row: ServiceRow
    since: Timestamp | None
    confidence: str
    shutdown: str
    latency: str
    job_time: str
    checked_at: Timestamp | None
    feed: FeedView | None
    uptime_bar: UptimeBar
    uptime: UptimeView


def service_view(row: ServiceRow, now: datetime) -> ServiceView:
    """Return a row as its HTML card shows it."""
    verdict, checked_at, to = row.verdict, row.checked_at, row.to
    never_checked = verdict.status is Status.UNKNOWN and checked_at is None
    return ServiceView(
        row=row,
        since=None if never_checked else timestamp(verdict.since, now, to),
        confidence=format_percent(verdict.confidence, to, digits=0),
        shutdown=shutdown_notice(
            row.service.sheet, now, to, is_retired=verdict.status is Status.RETIRED
        ),
        latency="" if row.latency is None else format_duration(row.latency, to),
        job_time="" if row.job_time is None else format_duration(row.job_time, to),
        checked_at=None if checked_at is None else timestamp(checked_at, now, to),
        feed=_feed_view(row, now),
        uptime_bar=uptime_bar(daily_shares(row.intervals, now, BAR_DAYS), to, BAR_DAYS),
        uptime=row.uptime(UptimeWindow.QUARTER, now),
    )


def shutdown_notice(sheet: FactSheet, now: datetime, to: Translator, *, is_retired: bool) -> str:
    """Return a notice of a past shutdown or of one within 90 days, else ""."""
    if sheet.shutdown_at is None or _midnight(sheet.shutdown_at, now) > now + _SHUTDOWN_NOTICE:
        return ""
    return shutdown_text(sheet, now, to, is_retired=is_retired)


def shutdown_text(sheet: FactSheet, now: datetime, to: Translator, *, is_retired: bool) -> str:
    """Return when a model shuts down, and what replaces it; "" if no date is known."""
    if sheet.shutdown_at is None:
        return ""
    notice = _shutdown_sentence(sheet, sheet.shutdown_at, now, to, is_retired=is_retired)
    successor = sheet.replacement_on(now.date())
    if successor is None:
        return notice
    replacement = to.gettext("The provider names %s as the replacement.") % successor.model
    if successor.is_retired(now.date()):
        replacement = (
            to.gettext("The replacement that the provider names, %s, was shut down as well.")
            % successor.model
        )
    return to.gettext("%(one)s %(other)s") % {"one": notice, "other": replacement}


def removal_notice(
    removed_at: datetime, evidence_kept: timedelta, now: datetime, to: Translator
) -> str:
    """Return when a service was removed from the configuration, and what is kept of it.

    Args:
        removed_at: The time of the removal.
        evidence_kept: How long single checks are kept.
        now: The present time.
        to: The reader's language.
    """
    removed = to.gettext("This service was removed from the configuration on %s.") % format_day(
        removed_at, to
    )
    left = removed_at + evidence_kept - now
    kept = to.gettext("Its incidents and uptime are kept.")
    if left > timedelta():
        kept = to.gettext(
            "Its incidents and uptime are kept; single checks are kept for another %s."
        ) % format_duration(left, to)
    return to.gettext("%(one)s %(other)s") % {"one": removed, "other": kept}


def _shutdown_sentence(  # noqa: PLR0911  # one for each precision
    sheet: FactSheet, date_: date, now: datetime, to: Translator, *, is_retired: bool
) -> str:
    day, earlier = format_day(date_, to), sheet.earlier_shutdown_at
    passed = _midnight(date_, now) <= now
    match sheet.shutdown_precision:
        case ShutdownPrecision.NOT_BEFORE:
            return to.gettext("Shuts down on %s at the earliest.") % day
        case _ if passed and not is_retired:
            return to.gettext(
                "The fact sheet says that it was shut down by %(day)s (%(source)s). If that is "
                "wrong, correct shutdown_at of the service."
            ) % {"day": day, "source": to.gettext(", ").join(sheet.sources)}
        case _ if passed:
            return to.gettext("Was shut down on %s.") % day
        case ShutdownPrecision.BY:
            return to.gettext("Shuts down by %s.") % day
        case ShutdownPrecision.TOLD:
            return to.gettext("Shuts down on %s, as its API says.") % day
        case ShutdownPrecision.CONFLICTING:
            return _disputed(day, None if earlier is None else format_day(earlier, to), to)
        case _:
            return to.gettext("Shuts down on %s.") % day


def _disputed(later: str, earlier: str | None, to: Translator) -> str:
    if earlier is None:
        return to.gettext("Shuts down by %s; sources disagree on the day.") % later
    return to.gettext("Shuts down on %(earlier)s or on %(later)s: sources disagree.") % {
        "earlier": earlier,
        "later": later,
    }


def _feed_view(row: ServiceRow, now: datetime) -> FeedView | None:
    feed, to = row.feed, row.to
    if feed is None or feed.claimed_status is None:
        return None
    is_readable = feed.claimed_status is not Status.UNKNOWN
    return FeedView(
        status=feed.claimed_status,
        status_label=status_label(feed.claimed_status, to)
        if is_readable
        else to.gettext("cannot be read"),
        note=feed.note,
        at=timestamp(feed.at, now, to),
        differs=is_readable and row.status not in {feed.claimed_status, Status.UNKNOWN},
    )


def _midnight(date_: date, now: datetime) -> datetime:
    return datetime.combine(date_, time(), now.tzinfo)
