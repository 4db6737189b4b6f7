"""How often the jobs of a service fail and for how long, learned from its own history.

What is worth a paid probe depends on it: where outages are rare, a probe finds none.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import LayerState, LayerStatus, OutageHistory, ServiceState

RELAPSE_WINDOW = timedelta(hours=2)
"""Jobs that go down again so soon after they came up were never well."""


_PRIOR_WEIGHT = 5
"""What is assumed counts as so many outages that were seen."""


class ExpectedOutages(NamedTuple):
    """What is to be expected of a service.

    Args:
        between: The mean time between two outages of its jobs.
        length: How long one lasts on average.
    """

    mean_time_between: timedelta
    mean_duration: timedelta


def update_outage_history(
    history: OutageHistory, before: LayerState, after: LayerState, at: datetime
) -> OutageHistory:
    """Return a life after one more job: what the jobs were held to be, and are held to be now."""
    if history.first_job_at is None:
        history = OutageHistory(at)
    if after.status is before.status or after.since is None or before.since is None:
        return history
    if after.status is LayerStatus.DOWN:
        is_relapse = before.status is LayerStatus.UP and after.since - before.since < RELAPSE_WINDOW
        return history._replace(outages=history.outages + (not is_relapse or not history.outages))
    if before.status is LayerStatus.DOWN:
        length = (after.since - before.since).total_seconds()
        return history._replace(down_seconds=history.down_seconds + max(0.0, length))
    return history


def expected_outages(state: ServiceState, now: datetime, policy: Policy) -> ExpectedOutages:
    """Return what a service's own history makes of what is assumed of its kind.

    The assumption counts as a few outages that were seen, and is soon outweighed.
    """
    life = state.job_history.outage_history
    lived_for = (
        timedelta(0) if life.first_job_at is None else max(timedelta(0), now - life.first_job_at)
    )
    down = timedelta(seconds=life.down_seconds)
    up = max(timedelta(0), lived_for - down)
    return ExpectedOutages(
        mean_time_between=(up + policy.mtbf * _PRIOR_WEIGHT) / (life.outages + _PRIOR_WEIGHT),
        mean_duration=(down + policy.mttr * _PRIOR_WEIGHT) / (life.outages + _PRIOR_WEIGHT),
    )
