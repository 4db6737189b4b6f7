"""Predicts the next job of a service from the judge's state of it."""

from dataclasses import dataclass
from datetime import datetime

from tallylight.model.evidence import Source
from tallylight.verdicts import durations, failure_rate, noise
from tallylight.verdicts.job_history import JobHistory
from tallylight.verdicts.layer_state import LayerState, LayerStatus
from tallylight.verdicts.layers import decayed_log_odds, good_if_down, probability
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import ServiceState

_PRIOR_WEIGHT = 4.0  # the judge's expectation counts as so many jobs of the service
_MIN_JOBS = 3  # the mean of fewer jobs is less accurate than the median of a week
_P95 = 0.95


@dataclass(frozen=True, slots=True)
class Forecast:
    """A prediction of the next job.

    Args:
        success_probability: The probability that it delivers.
        expected_seconds: From create to the video, if it delivers; None if no job was timed.
        p95_seconds: The time that 19 of 20 jobs do not exceed; None if there are too few jobs.
    """

    success_probability: float
    expected_seconds: float | None
    p95_seconds: float | None


def forecast(state: ServiceState, now: datetime, policy: Policy) -> Forecast:
    """Predict a job that is requested now.

    A service without fresh evidence is assumed to be as its kind usually is, neither up nor down.
    """
    history = state.job_history
    return Forecast(
        success_probability=_acceptance_probability(state, now, policy)
        * _job_success_probability(state, now, policy),
        expected_seconds=_expected_seconds(history),
        p95_seconds=durations.duration_quantile(history.daily_sketches, _P95, policy),
    )


def _job_success_probability(state: ServiceState, now: datetime, policy: Policy) -> float:
    """Return the probability that an accepted job delivers.

    For jobs that are up, the service's own recent share counts beside the judge's expectation. Good
    jobs from before an outage say nothing about the outage.
    """
    layer, likelihood = state.jobs, policy.likelihoods[Source.GENERATION]
    good_if_up = 1 - noise.false_alarm_rate(layer.false_alarms, likelihood.bad_if_up, policy)
    recent = failure_rate.failure_rate_over(state.job_history, now, policy.degraded_long_window)
    good = recent.total - recent.bad
    good_if_up = (_PRIOR_WEIGHT * good_if_up + good) / (_PRIOR_WEIGHT + recent.total)
    return _success_probability(layer, now, policy, good_if_up, 1 - likelihood.bad_if_down)


def _acceptance_probability(state: ServiceState, now: datetime, policy: Policy) -> float:
    """Return the probability that the API accepts a job, though free checks may fail."""
    api, delivery = state.api, state.job_history.last_delivery
    if api.status is not LayerStatus.DOWN:
        return 1.0  # whatever else free checks saw: jobs are predicted from jobs
    if delivery is not None and api.since is not None and delivery.at > api.since:
        return 1.0
    default_if_down = 1 - policy.likelihoods[Source.REACH].bad_if_down
    return _success_probability(api, now, policy, 1.0, default_if_down)


def _success_probability(
    layer: LayerState, now: datetime, policy: Policy, good_if_up: float, default_if_down: float
) -> float:
    is_known = layer.status is not LayerStatus.UNDECIDED
    down = probability(decayed_log_odds(layer, now, policy)) if is_known else policy.prior
    return (1 - down) * good_if_up + down * good_if_down(layer, default_if_down)


def _expected_seconds(history: JobHistory) -> float | None:
    recent = [each.seconds for each in history.recent_deliveries if each.seconds is not None]
    if len(recent) >= _MIN_JOBS:
        return sum(recent) / len(recent)
    if history.median_seconds is not None:
        return history.median_seconds
    return recent[-1] if recent else None
