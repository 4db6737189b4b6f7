"""`rehearse generate`: a random trace from distributions."""

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tallylight.cli.shared import LangOption, output_translator, write_text

if TYPE_CHECKING:
    from tallylight.rehearsal.behaviour import Recipe

OutOption = Annotated[Path, typer.Option(help="Where to write the trace.")]
RecipeOption = Annotated[
    Path | None, typer.Option(help="A recipe (JSON) with several kinds of services; else one kind:")
]
CountOption = Annotated[int, typer.Option(min=1, max=1000, help="Number of services.")]
ReverseOption = Annotated[
    bool, typer.Option("--reverse", help="The services are reverse services.")
]
PriceOption = Annotated[float, typer.Option(min=0, help="USD per paid probe.")]
DaysOption = Annotated[float, typer.Option(min=0.01, max=3660, help="Length of the trace.")]
BetweenOption = Annotated[float, typer.Option(min=0, help="Mean; 0 for no outages.")]
MinutesOption = Annotated[float, typer.Option(min=0.1, help="Mean length of an outage.")]
HiddenOption = Annotated[
    float, typer.Option(min=0, max=1, help="Share of outages that free probes do not detect.")
]
PartialOption = Annotated[
    float, typer.Option(min=0, max=1, help="Share of outages in which some jobs succeed.")
]
RiskWeeklyOption = Annotated[
    float | None, typer.Option(min=0, help="Risk control periods per week.")
]
RiskHoursOption = Annotated[tuple[float, float], typer.Option(help="Range of their length.")]
NoiseOption = Annotated[
    float, typer.Option(min=0, max=1, help="Share of jobs that fail without an outage.")
]
FeedLagOption = Annotated[
    float, typer.Option(help="Mean delay of the status page in minutes; below 0: no page.")
]
FeedBlindOption = Annotated[
    float, typer.Option(min=0, max=1, help="Share of outages that the page never reports.")
]
TrafficOption = Annotated[float, typer.Option(min=0, help="Callers' jobs per hour.")]
SeedOption = Annotated[int, typer.Option(help="Seed of the random numbers.")]

_RISK_WEEKLY = 2.0
"""Default for reverse services."""


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
    """Write a random trace.

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
    default_risk = _RISK_WEEKLY if reverse else 0.0
    behaviour = Behaviour(
        access=Access.REVERSE if reverse else Access.OFFICIAL,
        price=Decimal(str(price)),
        days_between_outages=days_between_outages,
        outage_minutes=outage_minutes,
        hidden=hidden,
        partial=partial,
        risk_weekly=default_risk if risk_weekly is None else risk_weekly,
        risk_hours=risk_hours,
        noise=noise,
        feed_lag_minutes=feed_lag if feed_lag >= 0 else None,
        feed_blind=feed_blind,
        traffic=traffic,
    )
    groups = {"service": ServiceGroup(count=services, behaviour=behaviour)}
    write_text(out, dump_trace(generate_trace(Recipe(days=days, seed=seed, groups=groups))), to)


def _read_recipe(path: Path) -> "Recipe":
    from tallylight.rehearsal.behaviour import Recipe
    from tallylight.rehearsal.trace import parse_json_model

    try:
        return parse_json_model(Recipe, path.read_text("utf-8"), path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{path}: {error}") from None
