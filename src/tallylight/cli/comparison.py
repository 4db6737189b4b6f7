"""The scores of a rehearsal, as a table and as JSON."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from tallylight.cli.shared import print_line, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tallylight.i18n import Translator
    from tallylight.rehearsal.rules import RuleScore
    from tallylight.rehearsal.trace import Trace


def print_comparison(scores: "Sequence[RuleScore]", to: "Translator") -> None:
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


def comparison_json(
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
        "minutes": {
            truth: {status: round(minutes, 1) for status, minutes in row.items()}
            for truth, row in s.minutes.items()
        },
        "paid_probes_per_service_day": s.paid_probes_per_day,
        "spend_usd_per_day": s.spend_per_day,
        "withheld_per_service_day": s.withheld_per_day,
    }
