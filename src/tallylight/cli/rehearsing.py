"""`rehearse`: months of trouble in seconds, our rules beside those that people run today."""

import re
from dataclasses import asdict, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperGroup

from tallylight.cli.shared import Json, Lang, complain, print_json, print_line, print_table, speech

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typer._click.core import Context

    from tallylight.languages import Translator
    from tallylight.money import Budget
    from tallylight.rehearsal.rules import Line
    from tallylight.rehearsal.run import Means
    from tallylight.rehearsal.trace import Trace

_BUDGET = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*(hour|day|month)")
_PICTURE_BUDGETS = ("0.25", "0.5", "1", "2", "5", "10", "20")


class _TraceFirst(TyperGroup):
    """`rehearse calm` is `rehearse run calm`."""

    def parse_args(self, ctx: "Context", args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, "--help"}:
            args = ["run", *args]
        return super().parse_args(ctx, args)


rehearsal = typer.Typer(
    cls=_TraceFirst,
    no_args_is_help=True,
    help="Months of trouble in seconds: what a budget buys. `rehearse TRACE` runs a trace.",
)


def add_to(application: typer.Typer) -> None:
    """Add these commands."""
    application.add_typer(rehearsal, name="rehearse")


@rehearsal.command("run")
def run(
    trace: Annotated[str, typer.Argument(help="A named trace (see `rehearse list`), or a file.")],
    budget: Annotated[
        str | None, typer.Option(help="What all paid probes may spend, as 2.00/day.")
    ] = None,
    traffic: Annotated[
        float | None,
        typer.Option(min=0, max=600, help="Callers' jobs a minute at each service."),
    ] = None,
    pace: Annotated[
        str | None, typer.Option(help="A paid probe at least so often, as 6h; off for none.")
    ] = None,
    days: Annotated[float | None, typer.Option(min=0.1, help="Only so many days of it.")] = None,
    seed: Annotated[int, typer.Option(help="What chance begins with.")] = 0,
    picture: Annotated[
        Path | None, typer.Option(help="Draw spend against delay and wrong minutes: an SVG file.")
    ] = None,
    json: Json = False,
    lang: Lang = None,
) -> None:
    """Run our rules and the baselines through a trace and compare what they showed and cost."""
    from tallylight.rehearsal.library import load
    from tallylight.rehearsal.rules import by_budget, compared

    to = speech(lang)
    world = _world(load(trace), traffic, days)
    means = _means(budget, pace, to)
    lines = list(compared(world, seed, means))
    if picture is not None:
        from tallylight.rehearsal.picture import drawn

        amounts = tuple(map(Decimal, _PICTURE_BUDGETS))
        swept = by_budget(world, seed, replace(means), amounts)
        _write(picture, drawn([*swept, *lines], f"rehearse {trace}"), to)
    if json:
        print_json(_as_json(world, trace, seed, lines))
    else:
        _print(lines, to)


@rehearsal.command("generate")
def generate(
    out: Annotated[Path, typer.Option(help="Where to write the trace.")],
    recipe: Annotated[
        Path | None, typer.Option(help="A recipe (JSON) with kinds of services; else one kind:")
    ] = None,
    services: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 1,
    reverse: Annotated[bool, typer.Option("--reverse", help="They are reverse services.")] = False,
    price: Annotated[float, typer.Option(min=0, help="USD of a paid probe.")] = 0.40,
    days: Annotated[float, typer.Option(min=0.01, max=3660, help="Length.")] = 60,
    days_between_outages: Annotated[float, typer.Option(min=0, help="Mean; 0 for none.")] = 2,
    outage_minutes: Annotated[float, typer.Option(min=0.1, help="Mean length.")] = 60,
    hidden: Annotated[
        float, typer.Option(min=0, max=1, help="Share that free probes do not notice.")
    ] = 0.6,
    partial: Annotated[
        float, typer.Option(min=0, max=1, help="Share in which part of the jobs passes.")
    ] = 0.0,
    risk_weekly: Annotated[
        float | None, typer.Option(min=0, help="Spells of risk control a week.")
    ] = None,
    risk_hours: Annotated[tuple[float, float], typer.Option(help="Their length, from and to.")] = (
        3,
        24,
    ),
    noise: Annotated[
        float, typer.Option(min=0, max=1, help="Share of jobs that fail for nothing.")
    ] = 0.03,
    feed_lag: Annotated[float, typer.Option(help="Mean minutes; below 0: no status page.")] = 15,
    feed_blind: Annotated[
        float, typer.Option(min=0, max=1, help="Share of outages that the page never mentions.")
    ] = 0.23,
    traffic: Annotated[float, typer.Option(min=0, help="Callers' jobs an hour.")] = 0,
    seed: Annotated[int, typer.Option(help="What chance begins with.")] = 1,
    lang: Lang = None,
) -> None:
    """Write a trace drawn from distributions: the same options always give the same trace."""
    from tallylight.rehearsal import library
    from tallylight.rehearsal.generate import generated
    from tallylight.rehearsal.habits import Cast, Habits, Recipe
    from tallylight.rehearsal.trace import written
    from tallylight.terms import Access

    to = speech(lang)
    if recipe is not None:
        try:
            made = library.parsed(recipe.read_text("utf-8"), recipe.name)
        except (OSError, UnicodeDecodeError) as error:
            raise typer.BadParameter(f"{recipe}: {error}") from None
    else:
        if risk_hours[0] > risk_hours[1] or risk_hours[0] <= 0:
            raise typer.BadParameter("--risk-hours FROM TO: 0 < FROM <= TO")
        habits = Habits(
            access=Access.REVERSE if reverse else Access.OFFICIAL,
            price=Decimal(str(price)),
            days_between_outages=days_between_outages,
            outage_minutes=outage_minutes,
            hidden=hidden,
            partial=partial,
            risk_weekly=(2.0 if reverse else 0.0) if risk_weekly is None else risk_weekly,
            risk_hours=risk_hours,
            noise=noise,
            feed_lag_minutes=feed_lag if feed_lag >= 0 else None,
            feed_blind=feed_blind,
            traffic=traffic,
        )
        made = Recipe(days=days, seed=seed, casts={"service": Cast(count=services, habits=habits)})
    _write(out, written(generated(made)), to)


@rehearsal.command("list")
def list_traces(json: Json = False, lang: Lang = None) -> None:
    """List the named traces."""
    from tallylight.rehearsal.library import names, recipe

    to = speech(lang)
    known = {name: recipe(name) for name in names()}
    if json:
        print_json({name: {"about": r.about, "days": r.days} for name, r in known.items()})
        return
    print_table(
        (to.gettext("Trace"), to.gettext("Days"), ""),
        ((name, f"{r.days:g}", r.about) for name, r in known.items()),
    )


def _world(trace: "Trace", traffic: float | None, days: float | None) -> "Trace":
    from tallylight.rehearsal.rules import with_traffic

    if traffic is not None:
        trace = with_traffic(trace, traffic)
    if days is not None:
        trace = trace.model_copy(update={"duration": min(trace.duration, days * 86_400)})
    return trace


def _means(budget: str | None, pace: str | None, to: "Translator") -> "Means":
    from tallylight.catalogue.notation import pace as read_pace
    from tallylight.rehearsal.run import Means

    means = Means()
    if pace is not None:
        try:
            generation = read_pace(pace)
        except ValueError as error:
            raise typer.BadParameter(f"--pace {pace}: {error}") from None
        means = replace(means, pace=replace(means.pace, generation=generation))
    return means if budget is None else replace(means, total=_budget(budget, to))


def _budget(text: str, to: "Translator") -> "Budget":
    from tallylight.money import Budget

    found = _BUDGET.fullmatch(text.strip())
    try:
        amount = Decimal(found[1]) if found else None
    except InvalidOperation:
        amount = None
    if found is None or amount is None:
        raise typer.BadParameter(to.gettext("%s is no budget; write 2.00/day") % text)
    match found[2]:
        case "hour":
            return Budget(per_hour=amount)
        case "month":
            return Budget(per_month=amount)
        case _:
            return Budget(per_day=amount)


def _write(path: Path, text: str, to: "Translator") -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error}") from None
    complain(to.gettext("written: %s") % path)


def _print(lines: "Sequence[Line]", to: "Translator") -> None:
    headings = (
        to.gettext("Rule"),
        to.gettext("Outages seen"),
        to.gettext("Median delay"),
        to.gettext("9 in 10 within"),
        to.gettext("Wrong time"),
        to.gettext("False alarms a month"),
        to.gettext("Wrong name"),
        to.gettext("Unknown"),
        to.gettext("Paid probes a day"),
        to.gettext("USD a day"),
    )
    print_table(headings, ([line.rule, *_cells(line)] for line in lines))
    outages = lines[0].score.outages
    print_line(
        to.ngettext(
            "%(count)d outage lasted over five minutes",
            "%(count)d outages lasted over five minutes",
            outages,
        )
        % {"count": outages}
    )


def _cells(line: "Line") -> list[str]:
    s = line.score
    seen = s.seen_interval
    return [
        f"{s.seen_share:.0%} ({seen.low:.0%}–{seen.high:.0%})" if s.outages else "–",
        "–" if s.median_delay is None else f"{s.median_delay:.1f} min",
        "–" if s.p90_delay is None else f"{s.p90_delay:.1f} min",
        f"{s.wrong:.2%}",
        f"{s.false_alarms:.2f}",
        f"{s.misnamed:.0%}",
        f"{s.unknown:.1%}",
        f"{s.paid:.1f}",
        f"{s.spend:.2f}",
    ]


def _as_json(world: "Trace", name: str, seed: int, lines: "Sequence[Line]") -> object:
    return {
        "trace": name,
        "days": world.days,
        "services": len(world.services),
        "seed": seed,
        "rules": [_line_as_json(line) for line in lines],
    }


def _line_as_json(line: "Line") -> object:
    s = line.score
    return {
        "rule": line.rule,
        "budget_usd_per_day": None if line.budget is None else float(line.budget),
        "outages": s.outages,
        "seen": s.seen,
        "seen_share": s.seen_share,
        "seen_interval": asdict(s.seen_interval),
        "median_delay_minutes": s.median_delay,
        "p90_delay_minutes": s.p90_delay,
        "wrong_share": s.wrong,
        "false_alarms_per_service_month": s.false_alarms,
        "false_alarms_interval": asdict(s.false_interval),
        "misnamed_share": s.misnamed,
        "unknown_share": s.unknown,
        "minutes": {
            truth: {said: round(minutes, 1) for said, minutes in row.items()}
            for truth, row in s.minutes.items()
        },
        "paid_probes_per_service_day": s.paid,
        "spend_usd_per_day": s.spend,
        "withheld_per_service_day": s.withheld,
    }
