"""What your budget buys: a table, and two pictures of it that need no colour."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from tallylight.i18n import Translator
from tallylight.i18n.formatting import format_duration, format_number, format_percent
from tallylight.i18n.prices import format_usd
from tallylight.status.advice import Advice, AdviceRow, AdviceState

BASELINE_Y = 150
"""From the top of a picture to the foot of its bars, in its own units."""

_PITCH, _WIDTH = 50, 26  # of a bar with its gaps, and of itself
_MAX_BAR_HEIGHT = 126.0
_LABEL_HEIGHT = 36  # two lines of words below the bars
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class AdviceTableRow:
    """One way of spending, in words.

    Args:
        budget: What may be spent a day.
        is_own: Whether these are the operator's budgets.
        spend: What is spent a day.
        seen: The share of outages seen.
        delay: Within which half of those are shown.
        wrong: The time with the wrong lamp, a day and service.
    """

    budget: str
    is_own: bool
    spend: str
    seen: str
    delay: str
    wrong: str


@dataclass(frozen=True, slots=True)
class ChartBar:
    """A bar as it is drawn; its kind is "budget", "own" or "script"."""

    x: int
    y: float
    width: int
    height: float
    value: str
    label: str
    kind: str

    @property
    def middle(self) -> float:
        """Return where its words are centred."""
        return self.x + self.width / 2


@dataclass(frozen=True, slots=True)
class BarChart:
    """A picture of bars.

    Args:
        title: What their heights tell.
        text: All of it in one sentence, for whoever does not see it.
        width: In its own units.
        height: In its own units.
        floor: Where the bars stand.
        bars: From left to right.
    """

    title: str
    text: str
    width: int
    height: int
    floor: int
    bars: tuple[ChartBar, ...]


@dataclass(frozen=True, slots=True)
class AdviceView:
    """The section.

    Args:
        is_computing: Whether it is worth asking again soon.
        lead: Its first sentences.
        rows: The table, by budget; the plain script last.
        pictures: Of the outages seen, and of the time with the wrong lamp.
        assumptions: What it all rests on, a sentence each.
    """

    is_computing: bool
    lead: tuple[str, ...]
    rows: tuple[AdviceTableRow, ...]
    pictures: tuple[BarChart, ...]
    assumptions: tuple[str, ...]


def advice_view(advice: Advice, to: Translator) -> AdviceView:
    """Return the section, whatever there is to show."""
    is_ready = advice.state is AdviceState.READY
    return AdviceView(
        is_computing=advice.state is AdviceState.COMPUTING,
        lead=_summary(advice, to),
        rows=tuple(_row(each, advice, to) for each in _all_rows(advice)),
        pictures=tuple(_charts(advice, to)) if is_ready else (),
        assumptions=tuple(_assumptions(advice, to)) if is_ready else (),
    )


def _summary(advice: Advice, to: Translator) -> tuple[str, ...]:
    match advice.state:
        case AdviceState.COMPUTING:
            told = to.gettext("This is being computed for your services; it takes half a minute.")
        case AdviceState.UNPRICED:
            told = to.gettext("No service has a probe of known price, so money buys nothing here.")
        case AdviceState.FAILED:
            told = to.gettext("This could not be computed; the server's log says why.")
        case AdviceState.READY:
            return _run_summary(advice, to), _own_budget(advice, to)
    return (told,)


def _run_summary(advice: Advice, to: Translator) -> str:
    return to.ngettext(
        "Each line lives through the same %(days)s days of %(services)s service like yours, with "
        "%(outages)s outages over five minutes.",
        "Each line lives through the same %(days)s days of %(services)s services like yours, with "
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
        return to.gettext("Your configuration probes for free only.")
    return to.gettext("Your budgets allow %s a day.") % format_usd(advice.own_budget)


def _assumptions(advice: Advice, to: Translator) -> Iterator[str]:
    yield to.gettext(
        "Prices, access and status pages are those of your services. The trouble is not: it is "
        "drawn by chance from what the market reports, so yours may fare better or worse."
    )
    yield to.gettext(
        "With so few outages, a difference of a tenth between two lines may be chance."
    )
    yield to.gettext("Callers send no jobs. Where they do, their jobs tell for nothing.")
    yield to.gettext(
        "A paid probe is sent every six hours and in doubt, as far as the budget goes; free ones "
        "every ten minutes, which is rarer than usual, so real delays are some minutes shorter."
    )
    yield to.gettext(
        "The plain script orders a video of each service every five minutes and believes the last "
        "answer, so it sees nearly all, and cries wolf."
    )
    if advice.rehearsed_services < advice.priced:
        yield to.gettext("%(some)s services stand for all %(all)s.") % {
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
        seen=format_percent(row.seen_share, to, digits=0),
        delay="–" if delay is None else format_duration(timedelta(minutes=delay), to),
        wrong=format_duration(_wrong_time(row), to),
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
        to.gettext("Outages seen"),
        lambda bought: (bought.seen_share, format_percent(bought.seen_share, to, digits=0)),
        to,
    )
    yield _chart(
        advice,
        to.gettext("Wrong lamp, minutes a day"),
        lambda bought: (
            bought.wrong_share,
            format_number(round(_wrong_time(bought).total_seconds() / 60), to),
        ),
        to,
    )


def _chart(
    advice: Advice,
    title: str,
    value: Callable[[AdviceRow], tuple[float, str]],
    to: Translator,
) -> BarChart:
    shown = _all_rows(advice)
    highest = max((value(each)[0] for each in shown), default=0.0) or 1.0
    bars = []
    for position, each in enumerate(shown):
        amount, told = value(each)
        height = round(_MAX_BAR_HEIGHT * amount / highest, 1)
        bars.append(
            ChartBar(
                x=position * _PITCH + (_PITCH - _WIDTH) // 2,
                y=round(BASELINE_Y - height, 1),
                width=_WIDTH,
                height=height,
                value=told,
                label=_label(each, advice, to),
                kind=_kind(each, advice),
            )
        )
    told = to.gettext(", ").join(
        to.gettext("%(what)s: %(told)s") % {"what": bar.label, "told": bar.value} for bar in bars
    )
    text = to.gettext("%(what)s: %(told)s") % {"what": title, "told": told}
    return BarChart(
        title, text, len(bars) * _PITCH, BASELINE_Y + _LABEL_HEIGHT, BASELINE_Y, tuple(bars)
    )


def _label(row: AdviceRow, advice: Advice, to: Translator) -> str:
    if row is advice.plain_script or row.budget is None:
        return to.gettext("script")
    text = format_usd(row.budget)
    return text.removesuffix(".00")
