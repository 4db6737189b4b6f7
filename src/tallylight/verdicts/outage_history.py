"""How often the jobs of a service go down and for how long, learned from its own history.

The value of a paid probe depends on it: if outages are rare, a probe finds none.

Outages that nothing has seen are not in the history, so the time that has passed is more than the
time that was seen. Of outages of mean length l that start within a gap g between two jobs, the
second job sees l/g (1 - exp(-g/l)): so much of the gap counts. Gaps between callers' jobs count
almost fully. Why half of the time counts all the same is in
`docs/decisions/0016-half-of-the-outages-are-seen-anyway.md`.
"""

import math
from datetime import datetime, timedelta
from typing import NamedTuple

from tallylight.verdicts.job_history import OutageHistory
from tallylight.verdicts.layer_state import LayerState, LayerStatus
from tallylight.verdicts.layers import RELAPSE_WINDOW
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import ServiceState

_PRIOR_WEIGHT = 5
"""The assumption counts as so many observed outages."""

_VISIBLE_RATIO = 0.5
"""The assumed share of outages that free checks show as well, whatever the pace of jobs."""


class ExpectedOutages(NamedTuple):
    """The outages that are expected of a service."""

    mean_time_between: timedelta
    mean_duration: timedelta


def update_outage_history(
    history: OutageHistory, before: LayerState, after: LayerState, at: datetime, policy: Policy
) -> OutageHistory:
    """Return the history after one more job, from the layer of jobs before and after it."""
    if history.first_job_at is None:
        history = OutageHistory(at)
    history = _with_exposure(history, before, at, policy)
    if after.status is before.status or after.since is None or before.since is None:
        return history
    if after.status is LayerStatus.DOWN:
        is_relapse = before.status is LayerStatus.UP and after.since - before.since < RELAPSE_WINDOW
        is_known = before.is_lost or is_relapse
        return history._replace(outages=history.outages + (not is_known or not history.outages))
    if before.status is LayerStatus.DOWN or before.is_lost:
        length = (after.since - (before.lost_from or before.since)).total_seconds()
        return history._replace(down_seconds=history.down_seconds + max(0.0, length))
    return history


def expected_outages(state: ServiceState, now: datetime, policy: Policy) -> ExpectedOutages:
    """Return what is expected of a service, from its own history and the assumption for its kind.

    The assumption counts as a few observed outages, so the history soon outweighs it.
    """
    history = state.job_history.outage_history
    observed = max(timedelta(0), now - (history.first_job_at or now))
    down = timedelta(seconds=history.down_seconds)
    exposed = _with_exposure(history, state.jobs, now, policy).exposed_seconds
    up = _VISIBLE_RATIO * max(timedelta(0), observed - down)
    up += (1 - _VISIBLE_RATIO) * timedelta(seconds=exposed)
    outages = history.outages + _PRIOR_WEIGHT
    return ExpectedOutages(
        mean_time_between=(up + policy.mtbf * _PRIOR_WEIGHT) / outages,
        mean_duration=timedelta(seconds=_mean_seconds(history, policy)),
    )


def _with_exposure(
    history: OutageHistory, before: LayerState, at: datetime, policy: Policy
) -> OutageHistory:
    """Return the history with the time since its newest job, as far as a job now shows it."""
    last = history.last_job_at
    if last is not None and at <= last:
        return history
    if last is None or before.status is LayerStatus.DOWN:
        return history._replace(last_job_at=at)
    gap, length = (at - last).total_seconds(), _mean_seconds(history, policy)
    exposed = history.exposed_seconds + length * (1 - math.exp(-gap / length))
    return history._replace(last_job_at=at, exposed_seconds=exposed)


def _mean_seconds(history: OutageHistory, policy: Policy) -> float:
    """Return the mean duration of an outage, in seconds."""
    assumed = policy.mttr.total_seconds() * _PRIOR_WEIGHT
    return (history.down_seconds + assumed) / (history.outages + _PRIOR_WEIGHT)
