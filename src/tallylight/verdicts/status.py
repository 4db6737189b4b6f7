"""From what is remembered to the one status shown: the mapping of `docs/verdicts.md`.

What is announced stands above what is measured; of the two layers the worse one shows; unknown is
neither up nor down.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from tallylight.model.evidence import FailureKind
from tallylight.model.status import Status
from tallylight.quick import quick
from tallylight.verdicts import named_failures
from tallylight.verdicts.layers import probability
from tallylight.verdicts.lifecycle import is_in_maintenance, window_at
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import Answer, LayerStanding, Standing, State

RANK: Mapping[Status, int] = {
    Status.OPERATIONAL: 0,
    Status.UNKNOWN: 1,
    Status.DEGRADED: 2,
    Status.RISK_CONTROL: 3,
    Status.SUSPENDED: 4,
    Status.MAINTENANCE: 5,
    Status.RETIRED: 6,
}
"""How much a status hides: the worse of two layers shows, and what is announced above both."""

_NAMED: Mapping[FailureKind, Status] = {
    FailureKind.RISK_CONTROL: Status.RISK_CONTROL,
    FailureKind.SUSPENDED: Status.SUSPENDED,
    FailureKind.MAINTENANCE: Status.MAINTENANCE,
}
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_NO_TROUBLE = frozenset({Status.OPERATIONAL, Status.UNKNOWN})
_FEED_NAMES = frozenset({Status.RISK_CONTROL, Status.SUSPENDED})


@quick
@dataclass(frozen=True, slots=True)
class Finding:
    """A status, before it is told from the one that stood.

    Args:
        status: What is found.
        since: When its cause began.
        confidence: That it is right.
        named_by: The answer that names the status, if one does.
        signs: Two independent signs of risk control, if it is these that name it.
    """

    status: Status
    since: datetime
    confidence: float
    named_by: Answer | None = None
    signs: tuple[Answer, Answer] | None = None


def found(standing: Standing, policy: Policy) -> Finding:
    """Return what all that is remembered amounts to at the standing's moment."""
    announced = _announced(standing, policy)
    if announced is not None:
        return announced
    jobs, door = of_jobs(standing, policy), of_door(standing, policy)
    worse = door if RANK[door.status] > RANK[jobs.status] else jobs
    if worse.status in _NO_TROUBLE:
        is_known = jobs.status is Status.OPERATIONAL
        confidence = min(jobs.confidence, door.confidence) if is_known else 0.0
        return Finding(jobs.status, max(jobs.since, door.since), confidence)
    return worse


def of_jobs(standing: Standing, policy: Policy) -> Finding:
    """Return the status of the jobs alone."""
    layer, record = standing.jobs, standing.record
    p, since = probability(layer.log_odds), layer.since or standing.verdict.since
    match layer.state:
        case State.UNDECIDED:
            return Finding(Status.UNKNOWN, since, 0.0)
        case State.DOWN:
            return _down(standing, since, p, policy)
        case State.UP:
            if record.partly_since is not None:
                return _partly(standing, record.partly_since, policy)
            if record.slow_since is not None:
                slow_from = max(since, record.slow_since)
                return Finding(Status.DEGRADED, slow_from, _one_sided(policy))
            return Finding(Status.OPERATIONAL, since, 1 - p)


def of_door(standing: Standing, policy: Policy) -> Finding:
    """Return the status of the door alone; OPERATIONAL while nothing speaks against it."""
    layer, delivery = standing.door, standing.record.delivery
    p, since = probability(layer.log_odds), layer.since or standing.at
    if layer.state is not State.DOWN:
        confidence = 1 - p if layer.state is State.UP else 1.0
        return Finding(Status.OPERATIONAL, layer.since or _LONG_AGO, confidence)
    named = _by_name(standing, since, p, policy)
    if named is not None:
        return named
    passed = delivery is not None and delivery.at > since
    shut = not passed and (layer.broken_good == 0 or is_dead(layer, policy))
    return Finding(Status.SUSPENDED if shut else Status.DEGRADED, since, p)


def is_dead(layer: LayerStanding, policy: Policy) -> bool:
    """Tell whether all attempts failed for so long that nobody needs to name it.

    A first good one that follows does not change that; the recovery has its own threshold. Once
    bad ones come again after it, the failures are partial.
    """
    run = layer.bad_run
    return (
        run is not None
        and run.length >= policy.suspended_least
        and run.last - run.since >= policy.suspended_after
    )


def _announced(standing: Standing, policy: Policy) -> Finding | None:
    plans, at, feed = standing.plans, standing.at, standing.feed
    if plans.shutdown_at is not None and plans.is_certain and at >= plans.shutdown_at:
        return Finding(Status.RETIRED, plans.shutdown_at, 1.0)
    if standing.gone is not None and named_failures.is_gone(standing.gone, policy):
        return Finding(Status.RETIRED, standing.gone.first.at, 0.99)
    window = window_at(plans, at)
    if window is not None:
        return Finding(Status.MAINTENANCE, window.start, 1.0)
    if feed.at is not None and is_in_maintenance(standing):
        return Finding(Status.MAINTENANCE, feed.at, 0.95)
    return None


def _down(standing: Standing, since: datetime, p: float, policy: Policy) -> Finding:
    named = _by_name(standing, since, p, policy)
    if named is not None:
        return named
    feed, layer = standing.feed, standing.jobs
    if feed.says in _FEED_NAMES:
        return Finding(feed.says, since, p)
    if is_dead(layer, policy) and layer.bad_run is not None:
        return Finding(Status.SUSPENDED, max(since, layer.bad_run.since), p)
    return Finding(Status.DEGRADED, since, p)


def _by_name(standing: Standing, since: datetime, p: float, policy: Policy) -> Finding | None:
    named = named_failures.name(standing, since, policy)
    if named is not None:
        return Finding(_NAMED[named.kind], since, p, named_by=named)
    signs = named_failures.signs(standing, since, policy)
    if signs is not None:
        return Finding(Status.RISK_CONTROL, since, p, signs=signs)
    return None


def _partly(standing: Standing, since: datetime, policy: Policy) -> Finding:
    sure = _one_sided(policy)
    named = _by_name(standing, since - policy.degraded_long, sure, policy)
    if named is not None and named.status is Status.RISK_CONTROL:
        return Finding(named.status, since, sure, named.named_by, named.signs)
    return Finding(Status.DEGRADED, since, sure)


def _one_sided(policy: Policy) -> float:
    return (1 + policy.sure) / 2
