"""What is announced: the calendar's shutdowns and maintenance, and the provider's own feed."""

from dataclasses import replace
from datetime import datetime

from tallylight.model.evidence import Evidence, Source
from tallylight.model.status import Status
from tallylight.verdicts.layers import apply_secondhand, secondhand_weight
from tallylight.verdicts.policy import FEED_DEGRADED, FEED_OPERATIONAL, Policy
from tallylight.verdicts.state import CalendarState, MaintenanceWindow, ServiceState

_MAX_WINDOWS = 8
_LAG_SMOOTHING = 0.3  # of the newest measurement in the moving average
_TROUBLE = frozenset({Status.DEGRADED, Status.RISK_CONTROL, Status.SUSPENDED})


def apply_calendar(calendar: CalendarState, evidence: Evidence) -> CalendarState:
    """Return the plans after one more word of the calendar.

    MAINTENANCE from `at` until `until` is a window; a plan without an end is no plan. RETIRED with
    `until` stops the service on that date, any other word with `until` only warns of it, and one
    without takes the date back.
    """
    if evidence.claimed_status is Status.MAINTENANCE:
        return (
            calendar if evidence.until is None else _with_window(calendar, evidence, evidence.until)
        )
    is_certain = evidence.claimed_status is Status.RETIRED
    date = evidence.until or (evidence.at if is_certain else None)
    return replace(
        calendar,
        shutdown_at=date,
        shutdown_is_certain=is_certain or date is None,
        replacement=evidence.note if date else "",
    )


def maintenance_at(calendar: CalendarState, at: datetime) -> MaintenanceWindow | None:
    """Return the planned maintenance under way at a moment."""
    return next((w for w in calendar.maintenance_windows if w.start <= at < w.end), None)


def apply_feed(state: ServiceState, evidence: Evidence, policy: Policy) -> ServiceState:
    """Return the standing after the feed was read; it counts once, at its change (rule 4)."""
    feed, says = state.feed, evidence.claimed_status or Status.OPERATIONAL
    if evidence.failure is not None or says is Status.UNKNOWN:
        return replace(state, feed=replace(feed, is_readable=False))
    if feed.at is not None and evidence.at < feed.at:
        return state
    told = replace(feed, until=evidence.until, note=evidence.note, is_readable=True)
    if says is feed.claimed_status:
        return replace(state, feed=replace(told, at=feed.at or evidence.at))
    told = replace(
        told, claimed_status=says, at=evidence.at, lag_seconds=_updated_lag(state, evidence)
    )
    jobs = apply_secondhand(state.jobs, evidence.at, _weight_of_change(says, policy), policy)
    return replace(state, feed=told, jobs=jobs)


def feed_claims_maintenance(state: ServiceState) -> bool:
    """Tell whether the feed claims a maintenance that no delivery has refuted."""
    feed, delivery = state.feed, state.job_history.last_delivery
    if feed.claimed_status is not Status.MAINTENANCE or feed.at is None:
        return False
    is_over = feed.until is not None and state.at >= feed.until
    is_refuted = delivery is not None and delivery.at > feed.at
    return state.at >= feed.at and not is_over and not is_refuted


def _with_window(calendar: CalendarState, evidence: Evidence, end: datetime) -> CalendarState:
    kept = [
        w for w in calendar.maintenance_windows if w.start != evidence.at and w.end > evidence.at
    ]
    if end > evidence.at:
        kept.append(MaintenanceWindow(evidence.at, end, evidence.note))
    return replace(
        calendar, maintenance_windows=tuple(sorted(kept, key=lambda w: w.start)[-_MAX_WINDOWS:])
    )


def _weight_of_change(claimed_status: Status, policy: Policy) -> float:
    if claimed_status in _TROUBLE:
        usual = policy.likelihoods[Source.FEED]
        likelihood = FEED_DEGRADED if claimed_status is Status.DEGRADED else usual
        return secondhand_weight(likelihood, is_bad=True)
    if claimed_status is Status.OPERATIONAL:
        return secondhand_weight(FEED_OPERATIONAL, is_bad=False)
    return 0.0


def _updated_lag(state: ServiceState, evidence: Evidence) -> float | None:
    """Return how late the feed tells of trouble that we knew of already."""
    verdict, before = state.verdict, state.feed.lag_seconds
    if evidence.claimed_status not in _TROUBLE or verdict.status not in _TROUBLE:
        return before
    lag = max(0.0, (evidence.at - verdict.since).total_seconds())
    return lag if before is None else before + _LAG_SMOOTHING * (lag - before)
