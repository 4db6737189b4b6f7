"""The report as pages, commands and mails show it: every figure is text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from tallylight.catalogue.services import Service
from tallylight.i18n import Translator, gettext_noop
from tallylight.i18n.formatting import (
    format_day,
    format_duration,
    format_number,
    format_percent,
)
from tallylight.i18n.labels import access_label, report_title, status_label
from tallylight.i18n.prices import format_usd
from tallylight.model.months import month_bounds
from tallylight.model.status import Access, Status
from tallylight.status.views.claims import (
    AnnouncedMaintenance,
    announced_maintenances,
    announcement_lines,
    comparison_text,
)
from tallylight.upstreams.feeds.claims import PageClaims
from tallylight.verdicts.availability import StatusTotals, availability_from_totals, uptime_text
from tallylight.verdicts.report import MAX_STARS, Fitness, ServiceFigures, Spells, median_length

NONE = "–"
_CENTS = Decimal("0.01")

_FITNESS: Mapping[Fitness, str] = {
    Fitness.FIRST_CHOICE: gettext_noop("First choice"),
    Fitness.BACKUP: gettext_noop("Backup"),
    Fitness.TEST_ONLY: gettext_noop("Test only"),
    Fitness.NOT_RECOMMENDED: gettext_noop("Not recommended"),
}
_STATUSES = (
    Status.OPERATIONAL,
    Status.DEGRADED,
    Status.RISK_CONTROL,
    Status.SUSPENDED,
    Status.MAINTENANCE,
)


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """One service and its figures.

    Args:
        family: The model that it sells; services of one family are compared.
        claims: What its official status page claims of it; None if none was read.
    """

    service: Service
    family: str
    figures: ServiceFigures
    claims: PageClaims | None = None

    def claimed_availability(self, start: datetime, end: datetime) -> float | None:
        """Return what the page claims of the time in a window in which we monitored as well."""
        if self.claims is None:
            return None
        return self.claims.availability(self.figures.availability.first_look or start, end)


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of every service over a window, in the catalogue's order.

    Args:
        now: When it was made.
    """

    start: datetime
    end: datetime
    now: datetime
    services: tuple[ServiceReport, ...]

    @property
    def has_figures(self) -> bool:
        """Tell whether any service was monitored in the window."""
        return any(each.figures.availability.monitored for each in self.services)

    @property
    def planned(self) -> tuple[AnnouncedMaintenance, ...]:
        """Return what official status pages announce, the earliest first."""
        claims = ((each.service, each.claims) for each in self.services if each.claims is not None)
        return announced_maintenances(claims, self.now)


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One service: its figures as text, "–" where there is none.

    Args:
        stars: "★★★★☆", or "–".
        star_count: From 1 to 5; 0 where too little was seen.
        stars_label: The stars in words.
        coverage: Which share of the time was monitored.
        risk_control: Spells of risk control a week.
        fitness_rank: From 1 for the first choice to 4; 0 where too little was seen.
        durations: The typical length of each status, in the order of `Report.statuses`.
    """

    id: str
    name: str
    provider: str
    access: Access
    access_label: str
    stars: str
    star_count: int
    stars_label: str
    score: str
    availability: str
    coverage: str
    risk_control: str
    risk_control_typical: str
    risk_control_total: str
    suspensions: str
    suspended_total: str
    longest_outage: str
    mtbf: str
    mttr: str
    median: str
    p95: str
    cost: str
    fitness: str
    fitness_rank: int
    durations: tuple[str, ...]
    claimed: str


@dataclass(frozen=True, slots=True)
class LostHours:
    """The time that risk control cost one service.

    Args:
        share: Of the longest such time, in percent.
    """

    name: str
    share: float
    text: str


@dataclass(frozen=True, slots=True)
class ReportView:
    """The report.

    Args:
        groups: Services by model, official access first in each.
        planned: The maintenances that official status pages announce, as sentences.
        statuses: The names of the statuses whose durations the rows have.
    """

    title: str
    period: str
    lead: str
    scope: str
    groups: tuple[tuple[ReportRow, ...], ...]
    statuses: tuple[str, ...]
    lost: tuple[LostHours, ...]
    planned: tuple[str, ...]

    @property
    def rows(self) -> tuple[ReportRow, ...]:
        """Return the row of every service."""
        return tuple(row for group in self.groups for row in group)


def report_view(report: Report, to: Translator) -> ReportView:
    """Return a report in a reader's language."""
    groups: dict[str, list[ServiceReport]] = {}
    for each in report.services:
        groups.setdefault(each.family.casefold(), []).append(each)
    return ReportView(
        title=_title(report, to),
        period=to.gettext("%(start)s to %(end)s")
        % {
            "start": format_day(report.start.astimezone(to.zone), to),
            "end": format_day(_last_moment(report).astimezone(to.zone), to),
        },
        lead=_lead(report, to),
        scope=_scope(report, to),
        groups=tuple(
            tuple(_row(each, report, to) for each in sorted(group, key=_officials_first))
            for group in groups.values()
        ),
        statuses=tuple(status_label(status, to) for status in _STATUSES),
        lost=tuple(_lost_hours(report, to)),
        planned=announcement_lines(report.planned, report.now, to),
    )


def _title(report: Report, to: Translator) -> str:
    """Return the name of the month that the report covers, else its length."""
    month = report.start.astimezone(to.zone).date().replace(day=1)
    start, end = month_bounds(month, to.zone)
    if report.start == start and report.end in {end, report.now}:
        return report_title(month, to)
    days = max(1, round((report.end - report.start) / timedelta(days=1)))
    return to.ngettext("Report for the last %d day", "Report for the last %d days", days) % days


def _last_moment(report: Report) -> datetime:
    """Return a moment of the last day: a window that ends at midnight has none of the next."""
    return report.end - timedelta(microseconds=1)


def fitness_label(fitness: Fitness | None, to: Translator) -> str:
    """Return what a service is recommended for."""
    return NONE if fitness is None else to.gettext(_FITNESS[fitness])


def _row(each: ServiceReport, report: Report, to: Translator) -> ReportRow:
    service, figures = each.service, each.figures
    found, jobs = figures.availability, figures.jobs
    stars, score = figures.stars or 0, figures.score
    risk, suspended = figures.spells_of(Status.RISK_CONTROL), figures.spells_of(Status.SUSPENDED)
    return ReportRow(
        id=service.id,
        name=service.name,
        provider=service.upstream.provider,
        access=service.access,
        access_label=access_label(service.access, to),
        stars="★" * stars + "☆" * (MAX_STARS - stars) if stars else NONE,
        star_count=stars,
        stars_label=to.gettext("too little was seen")
        if score is None
        else to.gettext("%.1f of 5 stars") % score,
        score="" if score is None else f"{score:.1f}",
        availability=uptime_text(found).replace(" ", "") or NONE,
        coverage=format_percent(found.coverage or 0.0, to, digits=0),
        risk_control=_per_week(risk, to),
        risk_control_typical=_duration(risk.typical, to),
        risk_control_total=_total(risk, to),
        suspensions=str(suspended.count) if suspended.count else NONE,
        suspended_total=_total(suspended, to),
        longest_outage=_duration(figures.longest_outage, to),
        mtbf=_duration(found.mtbf, to),
        mttr=_duration(found.mttr, to),
        median=_duration(jobs.median, to),
        p95=_duration(jobs.p95, to),
        cost=_cost(figures),
        fitness=fitness_label(figures.fitness, to),
        fitness_rank=0 if figures.fitness is None else 1 + list(Fitness).index(figures.fitness),
        durations=tuple(_duration(figures.spells_of(status).typical, to) for status in _STATUSES),
        claimed=_claimed(each, report, to),
    )


def _claimed(each: ServiceReport, report: Report, to: Translator) -> str:
    found = each.figures.availability
    measured = found.uptime if found.monitored else None
    claimed = each.claimed_availability(report.start, report.end)
    return comparison_text(claimed, measured, to) or NONE


def _lead(report: Report, to: Translator) -> str:
    """Return how available each kind of access was, and what risk control did."""
    sentences = []
    for access in Access:
        seconds: dict[Status, float] = {}
        for each in report.services:
            if each.service.access is access:
                for status, spells in each.figures.spells.items():
                    length = spells.total.total_seconds()
                    seconds[status] = seconds.get(status, 0.0) + length
        found = availability_from_totals(StatusTotals(seconds))
        if found.monitored:
            sentences.append(
                to.gettext("%(access)s services were available %(share)s of the time.")
                % {
                    "access": access_label(access, to),
                    "share": format_percent(found.uptime, to),
                }
            )
    risks = [each.figures.spells_of(Status.RISK_CONTROL) for each in report.services]
    times = sum(spells.count for spells in risks)
    typical = [spells.typical for spells in risks if spells.typical is not None]
    if times and typical:
        sentences.append(
            to.ngettext(
                "Risk control blocked services %(count)d time, typically for %(time)s.",
                "Risk control blocked services %(count)d times, typically for %(time)s.",
                times,
            )
            % {"count": times, "time": format_duration(median_length(typical), to)}
        )
    return " ".join(sentences)


def _scope(report: Report, to: Translator) -> str:
    videos = sum(each.figures.jobs.delivered for each in report.services)
    shares = [
        each.figures.availability.coverage
        for each in report.services
        if each.figures.availability.coverage is not None
    ]
    coverage = sum(shares) / len(shares) if shares else 0.0
    return to.ngettext(
        "Monitored %(share)s of the time; %(count)s video",
        "Monitored %(share)s of the time; %(count)s videos",
        videos,
    ) % {
        "share": format_percent(coverage, to, digits=0),
        "count": format_number(videos, to),
    }


def _lost_hours(report: Report, to: Translator) -> Sequence[LostHours]:
    lost = sorted(
        (
            (each.service.name, spells)
            for each in report.services
            if (spells := each.figures.spells_of(Status.RISK_CONTROL)).count
        ),
        key=lambda item: item[1].total,
        reverse=True,
    )
    most = lost[0][1].total if lost else timedelta()
    return [
        LostHours(
            name,
            round(100 * (spells.total / most), 1),
            to.ngettext("%(time)s, %(count)d time", "%(time)s, %(count)d times", spells.count)
            % {"time": format_duration(spells.total, to), "count": spells.count},
        )
        for name, spells in lost
    ]


def _per_week(spells: Spells, to: Translator) -> str:
    if not spells.count:
        return NONE
    return to.gettext("%s a week") % format_number(round(spells.per_week, 1), to)


def _total(spells: Spells, to: Translator) -> str:
    if spells.longest is None:
        return NONE
    return to.gettext("%(total)s (longest %(longest)s)") % {
        "total": format_duration(spells.total, to),
        "longest": format_duration(spells.longest, to),
    }


def _duration(length: timedelta | None, to: Translator) -> str:
    return NONE if length is None else format_duration(length, to)


def _cost(figures: ServiceFigures) -> str:
    cost = figures.cost_per_video
    if cost is None:
        return NONE
    return format_usd(cost.quantize(_CENTS) if cost >= _CENTS else cost)


def _officials_first(report: ServiceReport) -> int:
    return list(Access).index(report.service.access)
