"""`rehearse`: our rules and those of other monitors on a trace, months in seconds."""

import os
import re
from dataclasses import asdict, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperGroup

from tallylight.cli.rehearse_generate import generate_trace_command
from tallylight.cli.shared import (
    ConfigOption,
    JsonOption,
    LangOption,
    output_translator,
    print_json,
    print_line,
    print_table,
    write_text,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typer._click.core import Context

    from tallylight.i18n import Translator
    from tallylight.model.money import Budget
    from tallylight.rehearsal.rules import RuleScore
    from tallylight.rehearsal.run import RehearsalOptions
    from tallylight.rehearsal.trace import Trace

_BUDGET = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*(hour|day|month)")
_PARALLEL_SERVICE_DAYS = 30  # below, a second process takes longer than it saves
_CHART_BUDGETS = ("0.25", "0.5", "1", "2", "5", "10", "20")


class _DefaultToRun(TyperGroup):
    """Makes `run` the default command: `rehearse calm` is `rehearse run calm`."""

    def parse_args(self, ctx: "Context", args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, "--help"}:
            args = ["run", *args]
        return super().parse_args(ctx, args)


rehearse_app = typer.Typer(
    cls=_DefaultToRun,
    no_args_is_help=True,
    help="Simulate months of outages in seconds. Shows what a budget buys. "
    "`rehearse TRACE` runs a trace.",
)
rehearse_app.command("generate")(generate_trace_command)


@rehearse_app.command("run")
def run_trace(
    trace: Annotated[
        str | None,
        typer.Argument(
            help="A built-in trace (see `rehearse list`) or a file; "
            "by default typical outages of your own services."
        ),
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="Budget of all paid probes, as 2.00/day.")
    ] = None,
    traffic: Annotated[
        float | None,
        typer.Option(min=0, max=600, help="Callers' jobs per minute at each service."),
    ] = None,
    pace: Annotated[
        str | None, typer.Option(help="Interval of routine paid probes, as 6h; off for none.")
    ] = None,
    days: Annotated[float | None, typer.Option(min=0.1, help="Number of days to run.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the random numbers.")] = 0,
    picture: Annotated[
        Path | None, typer.Option(help="Write an SVG chart of delay and wrong time against spend.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Compare our rules and the baselines on a trace."""
    from tallylight.rehearsal.recipes import load_trace
    from tallylight.rehearsal.rules import compare_by_budget, compare_rules

    to = output_translator(lang)
    options = _rehearsal_options(budget, pace, to)
    if trace is None:
        loaded, options = _own_services(config, options, to)
    else:
        loaded = load_trace(trace)
    loaded = _adjusted_trace(loaded, traffic, days)
    scores = list(compare_rules(loaded, seed, options, _workers(loaded)))
    if picture is not None:
        from tallylight.rehearsal.chart import render_chart

        amounts = tuple(map(Decimal, _CHART_BUDGETS))
        by_budget = compare_by_budget(loaded, seed, options, amounts)
        title = "rehearse" if trace is None else f"rehearse {trace}"
        write_text(picture, render_chart([*by_budget, *scores], title), to)
    if json:
        print_json(_comparison_json(loaded, trace, seed, scores))
    else:
        _print_comparison(scores, to)


@rehearse_app.command("list")
def list_traces(json: JsonOption = False, lang: LangOption = None) -> None:
    """List the built-in traces."""
    from tallylight.rehearsal.recipes import load_recipe, recipe_names

    to = output_translator(lang)
    recipes = {name: load_recipe(name) for name in recipe_names()}
    if json:
        print_json({name: {"about": r.about, "days": r.days} for name, r in recipes.items()})
        return
    print_table(
        (to.gettext("Trace"), to.gettext("Days"), ""),
        ((name, f"{r.days:g}", r.about) for name, r in recipes.items()),
    )


def _own_services(
    config: Path | None, options: "RehearsalOptions", to: "Translator"
) -> "tuple[Trace, RehearsalOptions]":
    """Return a typical trace of the operator's services, and options with their budgets."""
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
    """Return the number of processes; starting another one takes a second."""
    is_long = trace.days * len(trace.services) > _PARALLEL_SERVICE_DAYS
    return os.cpu_count() or 1 if is_long else 1


def _rehearsal_options(
    budget: str | None, pace: str | None, to: "Translator"
) -> "RehearsalOptions":
    from tallylight.documents.parsers import parse_interval
    from tallylight.rehearsal.run import RehearsalOptions

    options = RehearsalOptions()
    if pace is not None:
        try:
            generation = parse_interval(pace)
        except ValueError as error:
            raise typer.BadParameter(f"--pace {pace}: {error}") from None
        options = replace(options, pace=replace(options.pace, generation=generation))
    return options if budget is None else replace(options, total_budget=_parse_budget(budget, to))


def _parse_budget(text: str, to: "Translator") -> "Budget":
    from tallylight.model.money import Budget

    match = _BUDGET.fullmatch(text.strip())
    if match is None:
        message = to.gettext("%s is not a budget; write, for example, 2.00/day") % text
        raise typer.BadParameter(message)
    return Budget(**{f"per_{match[2]}": Decimal(match[1])})


def _print_comparison(scores: "Sequence[RuleScore]", to: "Translator") -> None:
    """Print one line per rule, and the number of outages."""
    headings = (
        to.gettext("Rule"),
        to.gettext("Outages seen"),
        to.gettext("Median delay"),
        to.gettext("90th percentile delay"),
        to.gettext("Wrong status"),
        to.gettext("False alarms per month"),
        to.gettext("Misnamed"),
        to.gettext("Unknown"),
        to.gettext("Paid probes per day"),
        to.gettext("USD per day"),
    )
    print_table(headings, ([score.rule, *_cells(score)] for score in scores))
    outages = scores[0].score.outages
    print_line(
        to.ngettext(
            "%(count)d outage lasted over five minutes",
            "%(count)d outages lasted over five minutes",
            outages,
        )
        % {"count": outages}
    )


def _comparison_json(
    trace: "Trace", name: str | None, seed: int, scores: "Sequence[RuleScore]"
) -> object:
    """Return the scores as JSON, with the minutes of each true status by shown status."""
    return {
        "trace": name,
        "days": trace.days,
        "services": len(trace.services),
        "seed": seed,
        "rules": [_score_json(score) for score in scores],
    }


def _cells(score: "RuleScore") -> list[str]:
    s = score.score
    seen = s.seen_interval
    return [
        f"{s.seen_share:.0%} ({seen.low:.0%}–{seen.high:.0%})" if s.outages else "–",
        "–" if s.median_delay is None else f"{s.median_delay:.1f} min",
        "–" if s.p90_delay is None else f"{s.p90_delay:.1f} min",
        f"{s.wrong_share:.2%}",
        f"{s.false_alarms:.2f}",
        f"{s.misnamed_share:.0%}",
        f"{s.unknown_share:.1%}",
        f"{s.paid_probes_per_day:.1f}",
        f"{s.spend_per_day:.2f}",
    ]


def _score_json(score: "RuleScore") -> object:
    s = score.score
    return {
        "rule": score.rule,
        "days": score.days,
        "budget_usd_per_day": None if score.budget is None else float(score.budget),
        "outages": s.outages,
        "seen": s.seen,
        "seen_share": s.seen_share,
        "seen_interval": asdict(s.seen_interval),
        "median_delay_minutes": s.median_delay,
        "p90_delay_minutes": s.p90_delay,
        "wrong_share": s.wrong_share,
        "false_alarms_per_service_month": s.false_alarms,
        "false_alarms_interval": asdict(s.false_alarms_interval),
        "misnamed_share": s.misnamed_share,
        "unknown_share": s.unknown_share,
        "most_changes": s.most_changes,
        "minutes": {
            truth: {status: round(minutes, 1) for status, minutes in row.items()}
            for truth, row in s.minutes.items()
        },
        "paid_probes_per_service_day": s.paid_probes_per_day,
        "spend_usd_per_day": s.spend_per_day,
        "withheld_per_service_day": s.withheld_per_day,
    }
