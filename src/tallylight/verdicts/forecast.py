"""What is to be expected of a service's next job, from all that the judge remembers of it."""

from dataclasses import dataclass
from datetime import datetime

from tallylight.model.evidence import Source
from tallylight.verdicts import durations, failure_rate, noise
from tallylight.verdicts.layers import good_if_down, probability, relaxed
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import JobsRecord, LayerStanding, Standing, State

_COUNTS = 4.0  # so many jobs of its own is what the judge expects worth
_FEW = 3  # the mean of fewer jobs says less than a week's median
_NEARLY_ALL = 0.95


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is to be expected of the next job.

    Args:
        delivery: The probability that it delivers.
        seconds: From create to the video, where it delivers; None if nothing was timed.
        p95_seconds: The time that 19 of 20 jobs stay within; None of too few.
    """

    delivery: float
    seconds: float | None
    p95_seconds: float | None


def outlook(standing: Standing, now: datetime, policy: Policy) -> Outlook:
    """Return what is to be expected of the job that is asked for now.

    A service that nothing fresh is known of is held to be what its kind usually is, neither up
    nor down.
    """
    record = standing.record
    return Outlook(
        delivery=_through_door(standing, now, policy) * _delivery(standing, now, policy),
        seconds=_seconds(record),
        p95_seconds=durations.quantile(record.days, _NEARLY_ALL, policy),
    )


def _delivery(standing: Standing, now: datetime, policy: Policy) -> float:
    """Return how probably a job that is accepted delivers.

    Where the jobs are up, the service's own newest share counts beside what the judge expects;
    what went well before an outage says nothing about it.
    """
    layer, likelihood = standing.jobs, policy.likelihoods[Source.GENERATION]
    good_if_up = 1 - noise.learned(layer.noise, likelihood.bad_if_up, policy)
    newest = failure_rate.share(standing.record, now, policy.degraded_long)
    good_if_up = (_COUNTS * good_if_up + newest.of - newest.bad) / (_COUNTS + newest.of)
    return _good(layer, now, policy, good_if_up, 1 - likelihood.bad_if_down)


def _through_door(standing: Standing, now: datetime, policy: Policy) -> float:
    """Return the probability that a shut door opens for a job all the same."""
    door, delivery = standing.door, standing.record.delivery
    if door.state is not State.DOWN:
        return 1.0  # whatever else free probes saw: jobs have their own record
    if delivery is not None and door.since is not None and delivery.at > door.since:
        return 1.0
    return _good(door, now, policy, 1.0, 1 - policy.likelihoods[Source.REACH].bad_if_down)


def _good(
    layer: LayerStanding, now: datetime, policy: Policy, good_if_up: float, usual_if_down: float
) -> float:
    is_known = layer.state is not State.UNDECIDED
    down = probability(relaxed(layer, now, policy)) if is_known else policy.prior
    return (1 - down) * good_if_up + down * good_if_down(layer, usual_if_down)


def _seconds(record: JobsRecord) -> float | None:
    newest = [each.seconds for each in record.recent if each.seconds is not None]
    if len(newest) >= _FEW:
        return sum(newest) / len(newest)
    if record.median is not None:
        return record.median
    return newest[-1] if newest else None
