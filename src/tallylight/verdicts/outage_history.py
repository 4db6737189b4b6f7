"""How often the jobs of a service fail and for how long, learned from its own history.

What is worth a paid probe depends on it: where outages are rare, a probe finds none.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import LayerStanding, Life, Standing, State

RELAPSE = timedelta(hours=2)
"""Jobs that go down again so soon after they came up were never well."""


_ASSUMED = 5
"""What is assumed counts as so many outages that were seen."""


class Expected(NamedTuple):
    """What is to be expected of a service.

    Args:
        between: The mean time between two outages of its jobs.
        length: How long one lasts on average.
    """

    between: timedelta
    length: timedelta


def lived(life: Life, before: LayerStanding, after: LayerStanding, at: datetime) -> Life:
    """Return a life after one more job: what the jobs were held to be, and are held to be now."""
    if life.since is None:
        life = Life(at)
    if after.state is before.state or after.since is None or before.since is None:
        return life
    if after.state is State.DOWN:
        is_relapse = before.state is State.UP and after.since - before.since < RELAPSE
        return life._replace(outages=life.outages + (not is_relapse or not life.outages))
    if before.state is State.DOWN:
        length = (after.since - before.since).total_seconds()
        return life._replace(seconds=life.seconds + max(0.0, length))
    return life


def expected(standing: Standing, now: datetime, policy: Policy) -> Expected:
    """Return what a service's own history makes of what is assumed of its kind.

    The assumption counts as a few outages that were seen, and is soon outweighed.
    """
    life = standing.record.life
    lived_for = timedelta(0) if life.since is None else max(timedelta(0), now - life.since)
    down = timedelta(seconds=life.seconds)
    up = max(timedelta(0), lived_for - down)
    return Expected(
        between=(up + policy.mtbf * _ASSUMED) / (life.outages + _ASSUMED),
        length=(down + policy.mttr * _ASSUMED) / (life.outages + _ASSUMED),
    )
