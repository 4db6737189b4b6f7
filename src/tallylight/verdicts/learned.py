"""The figures that the judge has learned of a service, for display."""

from dataclasses import dataclass
from datetime import timedelta

from tallylight.model.evidence import Source
from tallylight.verdicts import noise
from tallylight.verdicts.layer_state import LayerState
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import ServiceState


@dataclass(frozen=True, slots=True)
class LearnedFalseAlarmRate:
    """How often a layer reports "bad" while the service is up.

    Args:
        rate: P(bad | up) as the judge uses it now.
        bad: Bad results that turned out to be false alarms.
        total: Results while up; both counts are halved from time to time.
        is_learned: Whether the service's own results have replaced the default.
    """

    rate: float
    bad: int
    total: int
    is_learned: bool


@dataclass(frozen=True, slots=True)
class LearnedFigures:
    """All learned figures of one service.

    Args:
        api: False alarms of free checks.
        jobs: False alarms of jobs.
        feed_lag: How late its status page reports trouble; None until it has reported any.
        median_job: Median duration of a job over a week; None if there are too few.
    """

    api: LearnedFalseAlarmRate
    jobs: LearnedFalseAlarmRate
    feed_lag: timedelta | None
    median_job: timedelta | None


def learned_figures(state: ServiceState, policy: Policy) -> LearnedFigures:
    """Return the learned figures of a service."""
    lag, median = state.feed.lag_seconds, state.job_history.median_seconds
    api = policy.likelihoods[Source.REACH].bad_if_up
    jobs = policy.likelihoods[Source.GENERATION].bad_if_up
    return LearnedFigures(
        api=_false_alarm_rate(state.api, api, policy),
        jobs=_false_alarm_rate(state.jobs, jobs, policy),
        feed_lag=None if lag is None else timedelta(seconds=lag),
        median_job=None if median is None else timedelta(seconds=median),
    )


def _false_alarm_rate(layer: LayerState, default: float, policy: Policy) -> LearnedFalseAlarmRate:
    observed = layer.false_alarms
    rate = noise.false_alarm_rate(observed, default, policy)
    return LearnedFalseAlarmRate(rate, observed.bad, observed.total, is_learned=rate != default)
