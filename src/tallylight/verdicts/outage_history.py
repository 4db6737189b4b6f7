"""How often the jobs of a service go down and for how long, learned from its own history.

The value of a paid probe depends on it: if outages are rare, a probe finds none.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from tallylight.verdicts.job_history import OutageHistory
from tallylight.verdicts.layer_state import LayerState, LayerStatus
from tallylight.verdicts.layers import RELAPSE_WINDOW
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import ServiceState

_PRIOR_WEIGHT = 5
"""The assumption counts as so many observed outages."""


class ExpectedOutages(NamedTuple):
    """The outages that are expected of a service."""

    mean_time_between: timedelta
    mean_duration: timedelta


def update_outage_history(
    history: OutageHistory, before: LayerState, after: LayerState, at: datetime
) -> OutageHistory:
    """Return the history after one more job, from the layer of jobs before and after it."""
    if history.first_job_at is None:
        history = OutageHistory(at)
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
    up = max(timedelta(0), observed - down)
    outages = history.outages + _PRIOR_WEIGHT
    return ExpectedOutages(
        mean_time_between=(up + policy.mtbf * _PRIOR_WEIGHT) / outages,
        mean_duration=(down + policy.mttr * _PRIOR_WEIGHT) / outages,
    )
