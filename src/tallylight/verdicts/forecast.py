"""What is to be expected of a service's next job, from all that the judge remembers of it."""

from dataclasses import dataclass
from datetime import datetime

from tallylight.model.evidence import Source
from tallylight.verdicts import durations, failure_rate, noise
from tallylight.verdicts.layers import decayed_log_odds, good_if_down, probability
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import JobHistory, LayerState, LayerStatus, ServiceState

_PRIOR_WEIGHT = 4.0  # so many jobs of its own is what the judge expects worth
_MIN_JOBS = 3  # the mean of fewer jobs says less than a week's median
_P95 = 0.95


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is to be expected of the next job.

    Args:
        delivery: The probability that it delivers.
        seconds: From create to the video, where it delivers; None if nothing was timed.
        p95_seconds: The time that 19 of 20 jobs stay within; None of too few.
    """

    success_probability: float
    expected_seconds: float | None
    p95_seconds: float | None


def forecast(state: ServiceState, now: datetime, policy: Policy) -> Forecast:
    """Return what is to be expected of the job that is asked for now.

    A service that nothing fresh is known of is held to be what its kind usually is, neither up
    nor down.
    """
    record = state.job_history
    return Forecast(
        success_probability=_acceptance_probability(state, now, policy)
        * _job_success_probability(state, now, policy),
        expected_seconds=_expected_seconds(record),
        p95_seconds=durations.duration_quantile(record.daily_sketches, _P95, policy),
    )


def _job_success_probability(state: ServiceState, now: datetime, policy: Policy) -> float:
    """Return how probably a job that is accepted delivers.

    Where the jobs are up, the service's own newest share counts beside what the judge expects;
    what went well before an outage says nothing about it.
    """
    layer, likelihood = state.jobs, policy.likelihoods[Source.GENERATION]
    good_if_up = 1 - noise.false_alarm_rate(layer.false_alarms, likelihood.bad_if_up, policy)
    newest = failure_rate.failure_rate_over(state.job_history, now, policy.degraded_long_window)
    good_if_up = (_PRIOR_WEIGHT * good_if_up + newest.total - newest.bad) / (
        _PRIOR_WEIGHT + newest.total
    )
    return _success_probability(layer, now, policy, good_if_up, 1 - likelihood.bad_if_down)


def _acceptance_probability(state: ServiceState, now: datetime, policy: Policy) -> float:
    """Return the probability that a shut door opens for a job all the same."""
    door, delivery = state.api, state.job_history.last_delivery
    if door.status is not LayerStatus.DOWN:
        return 1.0  # whatever else free probes saw: jobs have their own record
    if delivery is not None and door.since is not None and delivery.at > door.since:
        return 1.0
    return _success_probability(
        door, now, policy, 1.0, 1 - policy.likelihoods[Source.REACH].bad_if_down
    )


def _success_probability(
    layer: LayerState, now: datetime, policy: Policy, good_if_up: float, usual_if_down: float
) -> float:
    is_known = layer.status is not LayerStatus.UNDECIDED
    down = probability(decayed_log_odds(layer, now, policy)) if is_known else policy.prior
    return (1 - down) * good_if_up + down * good_if_down(layer, usual_if_down)


def _expected_seconds(history: JobHistory) -> float | None:
    newest = [each.seconds for each in history.recent_deliveries if each.seconds is not None]
    if len(newest) >= _MIN_JOBS:
        return sum(newest) / len(newest)
    if history.median_seconds is not None:
        return history.median_seconds
    return newest[-1] if newest else None
