"""`rehearse generate`: a trace drawn from distributions."""

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tallylight.cli.shared import LangOption, output_translator, write_text

if TYPE_CHECKING:
    from tallylight.rehearsal.behaviour import Recipe

OutOption = Annotated[Path, typer.Option(help="Where to write the trace.")]
RecipeOption = Annotated[
    Path | None, typer.Option(help="A recipe (JSON) with kinds of services; else one kind:")
]
CountOption = Annotated[int, typer.Option(min=1, max=1000, help="How many.")]
ReverseOption = Annotated[bool, typer.Option("--reverse", help="They are reverse services.")]
PriceOption = Annotated[float, typer.Option(min=0, help="USD of a paid probe.")]
DaysOption = Annotated[float, typer.Option(min=0.01, max=3660, help="Length.")]
BetweenOption = Annotated[float, typer.Option(min=0, help="Mean; 0 for none.")]
MinutesOption = Annotated[float, typer.Option(min=0.1, help="Mean length.")]
HiddenOption = Annotated[
    float, typer.Option(min=0, max=1, help="Share that free probes do not notice.")
]
PartialOption = Annotated[
    float, typer.Option(min=0, max=1, help="Share in which part of the jobs passes.")
]
RiskWeeklyOption = Annotated[
    float | None, typer.Option(min=0, help="Spells of risk control a week.")
]
RiskHoursOption = Annotated[tuple[float, float], typer.Option(help="Their length, from and to.")]
NoiseOption = Annotated[
    float, typer.Option(min=0, max=1, help="Share of jobs that fail for nothing.")
]
FeedLagOption = Annotated[float, typer.Option(help="Mean minutes; below 0: no status page.")]
FeedBlindOption = Annotated[
    float, typer.Option(min=0, max=1, help="Share of outages that the page never mentions.")
]
TrafficOption = Annotated[float, typer.Option(min=0, help="Callers' jobs an hour.")]
SeedOption = Annotated[int, typer.Option(help="What chance begins with.")]

_RISK_WEEKLY = 2.0
"""Of reverse services, unless it is said."""


def generate_trace_command(
    out: OutOption,
    recipe: RecipeOption = None,
    services: CountOption = 1,
    reverse: ReverseOption = False,
    price: PriceOption = 0.40,
    days: DaysOption = 60,
    days_between_outages: BetweenOption = 2,
    outage_minutes: MinutesOption = 60,
    hidden: HiddenOption = 0.6,
    partial: PartialOption = 0.0,
    risk_weekly: RiskWeeklyOption = None,
    risk_hours: RiskHoursOption = (3, 24),
    noise: NoiseOption = 0.03,
    feed_lag: FeedLagOption = 15,
    feed_blind: FeedBlindOption = 0.23,
    traffic: TrafficOption = 0,
    seed: SeedOption = 1,
    lang: LangOption = None,
) -> None:
    """Write a trace drawn from distributions.

    The same options always give the same trace.
    """
    from tallylight.model.status import Access
    from tallylight.rehearsal.behaviour import Behaviour, Recipe, ServiceGroup
    from tallylight.rehearsal.generate import generate_trace
    from tallylight.rehearsal.trace import dump_trace

    to = output_translator(lang)
    if recipe is not None:
        write_text(out, dump_trace(generate_trace(_read_recipe(recipe))), to)
        return
    if risk_hours[0] > risk_hours[1] or risk_hours[0] <= 0:
        raise typer.BadParameter("--risk-hours FROM TO: 0 < FROM <= TO")
    usual_risk = _RISK_WEEKLY if reverse else 0.0
    habits = Behaviour(
        access=Access.REVERSE if reverse else Access.OFFICIAL,
        price=Decimal(str(price)),
        days_between_outages=days_between_outages,
        outage_minutes=outage_minutes,
        hidden=hidden,
        partial=partial,
        risk_weekly=usual_risk if risk_weekly is None else risk_weekly,
        risk_hours=risk_hours,
        noise=noise,
        feed_lag_minutes=feed_lag if feed_lag >= 0 else None,
        feed_blind=feed_blind,
        traffic=traffic,
    )
    casts = {"service": ServiceGroup(count=services, behaviour=habits)}
    write_text(out, dump_trace(generate_trace(Recipe(days=days, seed=seed, groups=casts))), to)


def _read_recipe(path: Path) -> "Recipe":
    from tallylight.rehearsal import recipes

    try:
        return recipes.parse_recipe(path.read_text("utf-8"), path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{path}: {error}") from None
