"""The learned figures of a service as text and as JSON."""

from collections.abc import Iterator
from datetime import timedelta

from tallylight.i18n import Translator
from tallylight.i18n.formatting import format_duration, format_number, format_percent
from tallylight.verdicts.learned import LearnedFalseAlarmRate, LearnedFigures


def learned_lines(learned: LearnedFigures, to: Translator) -> Iterator[str]:
    """Yield a line for each figure; it says if the figure is not known yet."""
    unknown = to.gettext("not known yet")
    yield to.gettext("Background failure rate of free checks: %s") % _noise_text(learned.api, to)
    yield to.gettext("Background failure rate of jobs: %s") % _noise_text(learned.jobs, to)
    lag, usual = learned.feed_lag, learned.median_job
    delay = unknown if lag is None else format_duration(lag, to)
    yield to.gettext("Official status page reports an outage after: %s") % delay
    median = unknown if usual is None else format_duration(usual, to)
    yield to.gettext("Median job time: %s") % median


def learned_json(learned: LearnedFigures) -> dict[str, object]:
    """Return the figures as JSON."""
    return {
        "api_noise": _rate_json(learned.api),
        "job_noise": _rate_json(learned.jobs),
        "feed_lag_s": _seconds(learned.feed_lag),
        "usual_job_s": _seconds(learned.median_job),
    }


def _rate_json(rate: LearnedFalseAlarmRate) -> dict[str, object]:
    return {
        "share": rate.rate,
        "bad": rate.bad,
        "of": rate.total,
        "is_learned": rate.is_learned,
    }


def _noise_text(noise: LearnedFalseAlarmRate, to: Translator) -> str:
    text = (
        to.gettext("%(share)s, learned from %(bad)s of %(of)s")
        if noise.is_learned
        else to.gettext("%(share)s (default; %(bad)s of %(of)s so far)")
    )
    return text % {
        "share": format_percent(noise.rate, to),
        "bad": format_number(noise.bad, to),
        "of": format_number(noise.total, to),
    }


def _seconds(length: timedelta | None) -> float | None:
    return None if length is None else length.total_seconds()
