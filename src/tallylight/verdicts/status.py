"""Derives the one status that is shown from the state: the mapping of `docs/verdicts.md`.

Announcements take precedence over measurements. Of the two layers the worse one is shown. UNKNOWN
is neither up nor down.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from tallylight.model.status import Status
from tallylight.verdicts import named_failures
from tallylight.verdicts.layer_state import FailureRecord, LayerState, LayerStatus
from tallylight.verdicts.layers import probability
from tallylight.verdicts.lifecycle import (
    feed_claims_maintenance,
    feed_is_shown,
    maintenance_at,
)
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import ServiceState

_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_NOT_FAILING = frozenset({Status.OPERATIONAL, Status.UNKNOWN})
_TRUSTED_FEED_STATUSES = frozenset({Status.RISK_CONTROL, Status.SUSPENDED})


@dataclass(frozen=True, slots=True)
class DerivedStatus:
    """A status, before it is compared with the former one.

    Args:
        since: When its cause began.
        resumed_at: When its cause was found again, after its evidence had expired in between.
        confidence: The probability that it is right.
        named_by: The failure that names the status, if one does.
        signs: Two independent signs of risk control, if the status follows from them.
        challenge: The challenge page that refuses our address, if it is why free checks fail.
        is_of_api: Free checks decided it, not jobs.
    """

    status: Status
    since: datetime
    confidence: float
    named_by: FailureRecord | None = None
    signs: tuple[FailureRecord, FailureRecord] | None = None
    challenge: FailureRecord | None = None
    resumed_at: datetime | None = None
    is_of_api: bool = False


def derive_status(state: ServiceState, policy: Policy) -> DerivedStatus:
    """Return the status that follows from a state at its moment."""
    announced = _announced_status(state, policy)
    if announced is not None:
        return announced
    jobs, api = jobs_status(state, policy), api_status(state, policy)
    worse = api if api.status.rank > jobs.status.rank else jobs
    if worse.status in _NOT_FAILING:
        is_known = worse.status is Status.OPERATIONAL
        confidence = min(jobs.confidence, api.confidence) if is_known else 0.0
        return DerivedStatus(worse.status, max(jobs.since, api.since), confidence)
    is_of_api = worse is api
    layer = state.api if is_of_api else state.jobs
    return replace(worse, is_of_api=is_of_api, resumed_at=layer.resumed_at)


def jobs_status(state: ServiceState, policy: Policy) -> DerivedStatus:
    """Return the status of the jobs alone."""
    layer, history = state.jobs, state.job_history
    p, since = probability(layer.log_odds), layer.since or state.verdict.since
    match layer.status:
        case LayerStatus.UNDECIDED:
            return DerivedStatus(Status.UNKNOWN, since, 0.0)
        case LayerStatus.DOWN:
            return _down_status(state, since, p, policy)
        case LayerStatus.UP:
            if history.partial_failure_since is not None:
                return _partial_failure_status(state, history.partial_failure_since, policy)
            if history.slow_since is not None:
                slow_since = max(since, history.slow_since)
                return DerivedStatus(Status.DEGRADED, slow_since, _one_sided(policy))
            if feed_is_shown(state, policy) and state.feed.at is not None:
                feed_since = max(since, state.feed.at)
                return DerivedStatus(Status.DEGRADED, feed_since, state.feed.trust.red)
            return DerivedStatus(Status.OPERATIONAL, since, 1 - p)


def api_status(state: ServiceState, policy: Policy) -> DerivedStatus:
    """Return the status of the API layer alone; OPERATIONAL while nothing speaks against it.

    An outage whose evidence has expired is UNKNOWN, whatever the jobs were. An API that was never
    down, or was up when its evidence expired, says nothing.
    """
    layer, delivery = state.api, state.job_history.last_delivery
    p, since = probability(layer.log_odds), layer.since or state.at
    if layer.is_lost:
        return DerivedStatus(Status.UNKNOWN, since, 0.0)
    if layer.status is not LayerStatus.DOWN:
        confidence = 1 - p if layer.status is LayerStatus.UP else 1.0
        return DerivedStatus(Status.OPERATIONAL, layer.since or _LONG_AGO, confidence)
    named = _named_status(state, since, p, policy)
    if named is not None:
        return named
    challenge = named_failures.newest_challenge(state, since, policy)
    if challenge is not None:
        return DerivedStatus(Status.DEGRADED, since, p, challenge=challenge)
    has_delivered = delivery is not None and delivery.at > since
    is_shut = not has_delivered and (
        layer.outage_good == 0 or _unnamed_status(state, layer, policy) is Status.SUSPENDED
    )
    return DerivedStatus(Status.SUSPENDED if is_shut else Status.DEGRADED, since, p)


def is_fully_failing(layer: LayerState, policy: Policy) -> bool:
    """Tell whether all attempts failed for so long that it is a suspension without being named.

    Good results after the run do not change that, because the recovery has its own threshold. Once
    bad results follow them, the failures are partial. An order that was refused as one too many is
    no attempt: a limit alone is never a suspension.
    """
    run = layer.bad_run
    return (
        run is not None
        and run.length - run.limited >= policy.suspended_min_attempts
        and run.last_at - run.since >= policy.suspended_after
    )


def has_shut_down(state: ServiceState) -> bool:
    """Tell whether a certain date of the calendar has passed."""
    calendar = state.calendar
    is_past = calendar.shutdown_at is not None and state.at >= calendar.shutdown_at
    return is_past and calendar.shutdown_is_certain


def outlives_its_date(state: ServiceState) -> bool:
    """Tell whether a video that was ordered after the shutdown date has just been delivered.

    A delivery beats a date, until jobs fail or are no longer known.
    """
    date, delivery = state.calendar.shutdown_at, state.job_history.last_delivery
    if date is None or delivery is None or state.jobs.status is not LayerStatus.UP:
        return False
    return delivery.at - timedelta(seconds=delivery.seconds or 0) >= date


def _announced_status(state: ServiceState, policy: Policy) -> DerivedStatus | None:
    calendar, at, feed = state.calendar, state.at, state.feed
    shutdown_at = calendar.shutdown_at
    if shutdown_at is not None and has_shut_down(state) and not outlives_its_date(state):
        return DerivedStatus(Status.RETIRED, shutdown_at, 1.0)
    if state.retirement is not None and named_failures.is_retired(state.retirement, policy):
        return DerivedStatus(Status.RETIRED, state.retirement.first.at, 0.99)
    window = maintenance_at(calendar, at)
    if window is not None:
        return DerivedStatus(Status.MAINTENANCE, window.start, 1.0)
    if feed.at is not None and feed_claims_maintenance(state):
        return DerivedStatus(Status.MAINTENANCE, feed.at, 0.95)
    return None


def _down_status(state: ServiceState, since: datetime, p: float, policy: Policy) -> DerivedStatus:
    named = _named_status(state, since, p, policy)
    if named is not None:
        return named
    feed, layer = state.feed, state.jobs
    if feed.claimed_status in _TRUSTED_FEED_STATUSES:
        return DerivedStatus(feed.claimed_status, since, p)
    name = _unnamed_status(state, layer, policy)
    if name is Status.SUSPENDED and layer.bad_run is not None:
        since = max(since, layer.bad_run.since)
    return DerivedStatus(name, since, p)


def _unnamed_status(state: ServiceState, layer: LayerState, policy: Policy) -> Status:
    """Return the name of an outage that nothing names, by the share of results that pass in it.

    Between the two shares the name that stands is kept, so that chance does not change it.
    """
    is_failing, good, bad = is_fully_failing(layer, policy), layer.outage_good, layer.outage_bad
    passing = (good + 0.5) / (good + bad + 1) if good else 0.0
    if passing >= policy.degraded_passing:
        return Status.DEGRADED
    if is_failing and passing <= policy.suspended_passing:
        return Status.SUSPENDED
    is_standing = bool(good) and state.recovery.status is Status.SUSPENDED
    return Status.SUSPENDED if is_standing else Status.DEGRADED


def _named_status(
    state: ServiceState, since: datetime, p: float, policy: Policy
) -> DerivedStatus | None:
    named = named_failures.state_naming_failure(state, since, policy)
    if named is not None:
        return DerivedStatus(Status(named.kind.value), since, p, named_by=named)
    signs = named_failures.risk_control_signs(state, since, policy)
    if signs is not None:
        return DerivedStatus(Status.RISK_CONTROL, since, p, signs=signs)
    return None


def _partial_failure_status(state: ServiceState, since: datetime, policy: Policy) -> DerivedStatus:
    confidence = _one_sided(policy)
    named = _named_status(state, since - policy.degraded_long_window, confidence, policy)
    if named is not None and named.status is Status.RISK_CONTROL:
        return DerivedStatus(named.status, since, confidence, named.named_by, named.signs)
    return DerivedStatus(Status.DEGRADED, since, confidence)


def _one_sided(policy: Policy) -> float:
    return (1 + policy.confidence_level) / 2
