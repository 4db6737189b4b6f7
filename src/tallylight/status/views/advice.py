"""What your budget buys: a table, and two charts that can be read without colour."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from tallylight.i18n import Translator
from tallylight.i18n.formatting import format_duration, format_number, format_percent
from tallylight.i18n.prices import format_usd
from tallylight.status.advice import Advice, AdviceRow, AdviceState

BASELINE_Y = 150
"""The y of the bars' lower edge, in units of the SVG."""

_PITCH, _WIDTH = 50, 26  # of a bar with its gap, and of the bar alone
_MAX_BAR_HEIGHT = 126.0
_LABEL_HEIGHT = 36  # two lines of text below the bars
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class AdviceTableRow:
    """The result of one budget as text.

    Args:
        is_own: Whether it is the operator's own budget.
        wrong_time: Time with a wrong status per service and day.
    """

    budget: str
    is_own: bool
    spend: str
    outages_seen: str
    median_delay: str
    wrong_time: str


@dataclass(frozen=True, slots=True)
class ChartBar:
    """One bar of a chart; its kind is "budget", "own" or "script"."""

    x: int
    y: float
    width: int
    height: float
    value: str
    label: str
    kind: str

    @property
    def center_x(self) -> float:
        """Return the x on which its texts are centred."""
        return self.x + self.width / 2


@dataclass(frozen=True, slots=True)
class BarChart:
    """A bar chart as SVG.

    Args:
        text: A text alternative for screen readers.
        baseline_y: The y of the bars' lower edge.
        bars: From left to right.
    """

    title: str
    text: str
    width: int
    height: int
    baseline_y: int
    bars: tuple[ChartBar, ...]


@dataclass(frozen=True, slots=True)
class AdviceView:
    """The section "What your budget buys".

    Args:
        rows: The table, by budget; the plain script last.
        charts: The outages detected, and the time with a wrong status.
        assumptions: The assumptions of the rehearsal, one sentence each.
    """

    is_computing: bool
    summary: tuple[str, ...]
    rows: tuple[AdviceTableRow, ...]
    charts: tuple[BarChart, ...]
    assumptions: tuple[str, ...]


def advice_view(advice: Advice, to: Translator) -> AdviceView:
    """Return the section, in every state of the computation."""
    is_ready = advice.state is AdviceState.READY
    return AdviceView(
        is_computing=advice.state is AdviceState.COMPUTING,
        summary=_summary(advice, to),
        rows=tuple(_row(each, advice, to) for each in _all_rows(advice)),
        charts=tuple(_charts(advice, to)) if is_ready else (),
        assumptions=tuple(_assumptions(advice, to)) if is_ready else (),
    )


def _summary(advice: Advice, to: Translator) -> tuple[str, ...]:
    match advice.state:
        case AdviceState.COMPUTING:
            text = to.gettext("This is being computed for your services; it takes half a minute.")
        case AdviceState.UNPRICED:
            text = to.gettext("No service has a probe of known price, so nothing can be computed.")
        case AdviceState.FAILED:
            text = to.gettext("This could not be computed; see the server's log.")
        case AdviceState.READY:
            return _run_summary(advice, to), _own_budget(advice, to)
    return (text,)


def _run_summary(advice: Advice, to: Translator) -> str:
    return to.ngettext(
        "Every row covers the same %(days)s days of %(services)s service like yours, with "
        "%(outages)s outages over five minutes.",
        "Every row covers the same %(days)s days of %(services)s services like yours, with "
        "%(outages)s outages over five minutes.",
        advice.rehearsed_services,
    ) % {
        "days": format_number(advice.days, to),
        "services": format_number(advice.rehearsed_services, to),
        "outages": format_number(advice.outages, to),
    }


def _own_budget(advice: Advice, to: Translator) -> str:
    if advice.own_budget is None:
        return to.gettext("Your configuration sets no limit.")
    if advice.own_budget == 0:
        return to.gettext("Your configuration allows free probes only.")
    return to.gettext("Your budgets allow %s per day.") % format_usd(advice.own_budget)


def _assumptions(advice: Advice, to: Translator) -> Iterator[str]:
    yield to.gettext(
        "Prices, access and status pages are those of your services. Failures are not: they are "
        "drawn at random from market reports, so your services may do better or worse."
    )
    yield to.gettext(
        "With so few outages, a difference of ten percent between two rows may be chance."
    )
    yield to.gettext("Callers send no jobs. Callers' jobs would add information at no cost.")
    yield to.gettext(
        "Paid probes are sent every six hours and in doubtful cases, within the budget. Free "
        "probes are sent every ten minutes, less often than by default, so real delays are some "
        "minutes shorter."
    )
    yield to.gettext(
        "The plain script orders a video from each service every five minutes and trusts the last "
        "result, so it detects nearly all outages and raises many false alarms."
    )
    if advice.rehearsed_services < advice.priced:
        yield to.gettext("%(some)s services were rehearsed as a sample of all %(all)s.") % {
            "some": format_number(advice.rehearsed_services, to),
            "all": format_number(advice.priced, to),
        }
    if advice.unpriced:
        yield to.ngettext(
            "%s service without a known price is left out.",
            "%s services without a known price are left out.",
            advice.unpriced,
        ) % format_number(advice.unpriced, to)


def _all_rows(advice: Advice) -> Sequence[AdviceRow]:
    return (*advice.rows, *(() if advice.plain_script is None else (advice.plain_script,)))


def _row(row: AdviceRow, advice: Advice, to: Translator) -> AdviceTableRow:
    delay = row.median_delay
    return AdviceTableRow(
        budget=to.gettext("Plain script")
        if row is advice.plain_script
        else format_usd(row.budget or Decimal(0)),
        is_own=_kind(row, advice) == "own",
        spend=format_usd(Decimal(row.spend).quantize(_CENT)),
        outages_seen=format_percent(row.seen_share, to, digits=0),
        median_delay="–" if delay is None else format_duration(timedelta(minutes=delay), to),
        wrong_time=format_duration(_wrong_time(row), to),
    )


def _kind(row: AdviceRow, advice: Advice) -> str:
    if row is advice.plain_script:
        return "script"
    return "own" if row.budget == advice.own_budget else "budget"


def _wrong_time(row: AdviceRow) -> timedelta:
    return timedelta(days=row.wrong_share)


def _charts(advice: Advice, to: Translator) -> Iterator[BarChart]:
    yield _chart(
        advice,
        to.gettext("Outages detected"),
        lambda row: (row.seen_share, format_percent(row.seen_share, to, digits=0)),
        to,
    )
    yield _chart(
        advice,
        to.gettext("Wrong status, minutes per day"),
        lambda row: (
            row.wrong_share,
            format_number(round(_wrong_time(row).total_seconds() / 60), to),
        ),
        to,
    )


def _chart(
    advice: Advice,
    title: str,
    value: Callable[[AdviceRow], tuple[float, str]],
    to: Translator,
) -> BarChart:
    rows = _all_rows(advice)
    highest = max((value(each)[0] for each in rows), default=0.0) or 1.0
    bars = []
    for position, each in enumerate(rows):
        amount, text = value(each)
        height = round(_MAX_BAR_HEIGHT * amount / highest, 1)
        bars.append(
            ChartBar(
                x=position * _PITCH + (_PITCH - _WIDTH) // 2,
                y=round(BASELINE_Y - height, 1),
                width=_WIDTH,
                height=height,
                value=text,
                label=_label(each, advice, to),
                kind=_kind(each, advice),
            )
        )
    values = to.gettext(", ").join(
        to.gettext("%(label)s: %(text)s") % {"label": bar.label, "text": bar.value} for bar in bars
    )
    return BarChart(
        title=title,
        text=to.gettext("%(label)s: %(text)s") % {"label": title, "text": values},
        width=len(bars) * _PITCH,
        height=BASELINE_Y + _LABEL_HEIGHT,
        baseline_y=BASELINE_Y,
        bars=tuple(bars),
    )


def _label(row: AdviceRow, advice: Advice, to: Translator) -> str:
    if row is advice.plain_script or row.budget is None:
        return to.gettext("script")
    return format_usd(row.budget).removesuffix(".00")
