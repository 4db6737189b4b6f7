"""`rehearse`: months of trouble in seconds, our rules beside those that people run today."""

import os
import re
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperGroup

from tallylight.cli import comparison
from tallylight.cli.rehearse_generate import generate_trace_command
from tallylight.cli.shared import (
    ConfigOption,
    JsonOption,
    LangOption,
    output_translator,
    print_json,
    print_table,
    write_text,
)

if TYPE_CHECKING:
    from typer._click.core import Context

    from tallylight.i18n import Translator
    from tallylight.model.money import Budget
    from tallylight.rehearsal.run import RehearsalOptions
    from tallylight.rehearsal.trace import Trace

_BUDGET = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*(hour|day|month)")
_PARALLEL_SERVICE_DAYS = 30  # service days
_CHART_BUDGETS = ("0.25", "0.5", "1", "2", "5", "10", "20")


class _DefaultToRun(TyperGroup):
    """`rehearse calm` is `rehearse run calm`."""

    def parse_args(self, ctx: "Context", args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, "--help"}:
            args = ["run", *args]
        return super().parse_args(ctx, args)


rehearse_app = typer.Typer(
    cls=_DefaultToRun,
    no_args_is_help=True,
    help="Months of trouble in seconds: what a budget buys. `rehearse TRACE` runs a trace.",
)
rehearse_app.command("generate")(generate_trace_command)


@rehearse_app.command("run")
def run_trace(
    trace: Annotated[
        str | None,
        typer.Argument(
            help="A named trace (see `rehearse list`), or a file; "
            "without it, the usual trouble of your own services."
        ),
    ] = None,
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
    config: ConfigOption = None,
    json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Compare our rules and the baselines on a trace."""
    from tallylight.rehearsal.recipes import load_trace
    from tallylight.rehearsal.rules import compare_by_budget, compare_rules

    to = output_translator(lang)
    means = _rehearsal_options(budget, pace, to)
    if trace is None:
        world, means = _own_services(config, means, to)
    else:
        world = load_trace(trace)
    world = _adjusted_trace(world, traffic, days)
    lines = list(compare_rules(world, seed, means, _workers(world)))
    if picture is not None:
        from tallylight.rehearsal.picture import render_chart

        amounts = tuple(map(Decimal, _CHART_BUDGETS))
        swept = compare_by_budget(world, seed, means, amounts)
        title = "rehearse" if trace is None else f"rehearse {trace}"
        write_text(picture, render_chart([*swept, *lines], title), to)
    if json:
        print_json(comparison.comparison_json(world, trace, seed, lines))
    else:
        comparison.print_comparison(lines, to)


@rehearse_app.command("list")
def list_traces(json: JsonOption = False, lang: LangOption = None) -> None:
    """List the named traces."""
    from tallylight.rehearsal.recipes import load_recipe, recipe_names

    to = output_translator(lang)
    known = {name: load_recipe(name) for name in recipe_names()}
    if json:
        print_json({name: {"about": r.about, "days": r.days} for name, r in known.items()})
        return
    print_table(
        (to.gettext("Trace"), to.gettext("Days"), ""),
        ((name, f"{r.days:g}", r.about) for name, r in known.items()),
    )


def _own_services(
    config: Path | None, options: "RehearsalOptions", to: "Translator"
) -> "tuple[Trace, RehearsalOptions]":
    """Return the usual trouble of the operator's services, and their budgets unless one is said."""
    from tallylight.config.settings import load_configuration
    from tallylight.model.money import Budget
    from tallylight.rehearsal.advice import budget_question, typical_trace

    catalogue = load_configuration(config).catalogue
    question = budget_question(catalogue.services.values(), catalogue.total_budget)
    if not question.services:
        raise typer.BadParameter(to.gettext("No service has a probe of known price."))
    if options.total_budget == Budget():
        options = replace(options, total_budget=Budget(per_day=question.own_budget))
    return typical_trace(question.services), options


def _adjusted_trace(trace: "Trace", traffic: float | None, days: float | None) -> "Trace":
    from tallylight.rehearsal.rules import with_traffic

    if traffic is not None:
        trace = with_traffic(trace, traffic)
    if days is not None:
        trace = trace.model_copy(update={"duration": min(trace.duration, days * 86_400)})
    return trace


def _workers(trace: "Trace") -> int:
    """Return how many processes share the rules: a second one takes a second to begin."""
    is_long = trace.days * len(trace.services) > _PARALLEL_SERVICE_DAYS
    return os.cpu_count() or 1 if is_long else 1


def _rehearsal_options(
    budget: str | None, pace: str | None, to: "Translator"
) -> "RehearsalOptions":
    from tallylight.documents.parsers import parse_interval as read_pace
    from tallylight.rehearsal.run import RehearsalOptions

    means = RehearsalOptions()
    if pace is not None:
        try:
            generation = read_pace(pace)
        except ValueError as error:
            raise typer.BadParameter(f"--pace {pace}: {error}") from None
        means = replace(means, pace=replace(means.pace, generation=generation))
    return means if budget is None else replace(means, total_budget=_parse_budget(budget, to))


def _parse_budget(text: str, to: "Translator") -> "Budget":
    from tallylight.model.money import Budget

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
