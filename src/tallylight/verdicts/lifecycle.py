"""What is announced: the calendar's shutdowns and maintenance, and the provider's own feed."""

from dataclasses import replace
from datetime import datetime

from tallylight.model.evidence import Evidence, Source
from tallylight.model.status import Status
from tallylight.verdicts.layers import hearsay, nudged
from tallylight.verdicts.policy import FEED_DEGRADED, FEED_OPERATIONAL, Policy
from tallylight.verdicts.state import Plans, Standing, Window

_WINDOWS = 8
_LAG_SHARE = 0.3  # of the newest measurement in the moving average
_TROUBLE = frozenset({Status.DEGRADED, Status.RISK_CONTROL, Status.SUSPENDED})


def with_calendar(plans: Plans, evidence: Evidence) -> Plans:
    """Return the plans after one more word of the calendar.

    MAINTENANCE from `at` until `until` is a window; a plan without an end is no plan. RETIRED with
    `until` stops the service on that date, any other word with `until` only warns of it, and one
    without takes the date back.
    """
    if evidence.claimed_status is Status.MAINTENANCE:
        return plans if evidence.until is None else _with_window(plans, evidence, evidence.until)
    is_certain = evidence.claimed_status is Status.RETIRED
    date = evidence.until or (evidence.at if is_certain else None)
    return replace(
        plans,
        shutdown_at=date,
        is_certain=is_certain or date is None,
        replacement=evidence.note if date else "",
    )


def window_at(plans: Plans, at: datetime) -> Window | None:
    """Return the planned maintenance under way at a moment."""
    return next((w for w in plans.windows if w.start <= at < w.end), None)


def with_feed(standing: Standing, evidence: Evidence, policy: Policy) -> Standing:
    """Return the standing after the feed was read; it counts once, at its change (rule 4)."""
    feed, says = standing.feed, evidence.claimed_status or Status.OPERATIONAL
    if evidence.failure is not None or says is Status.UNKNOWN:
        return replace(standing, feed=replace(feed, is_readable=False))
    if feed.at is not None and evidence.at < feed.at:
        return standing
    told = replace(feed, until=evidence.until, note=evidence.note, is_readable=True)
    if says is feed.says:
        return replace(standing, feed=replace(told, at=feed.at or evidence.at))
    told = replace(told, says=says, at=evidence.at, lag=_lag(standing, evidence))
    jobs = nudged(standing.jobs, evidence.at, _weight_of_change(says, policy), policy)
    return replace(standing, feed=told, jobs=jobs)


def is_in_maintenance(standing: Standing) -> bool:
    """Tell whether the feed claims a maintenance that no delivery has refuted."""
    feed, delivery = standing.feed, standing.record.delivery
    if feed.says is not Status.MAINTENANCE or feed.at is None:
        return False
    is_over = feed.until is not None and standing.at >= feed.until
    is_refuted = delivery is not None and delivery.at > feed.at
    return standing.at >= feed.at and not is_over and not is_refuted


def _with_window(plans: Plans, evidence: Evidence, end: datetime) -> Plans:
    kept = [w for w in plans.windows if w.start != evidence.at and w.end > evidence.at]
    if end > evidence.at:
        kept.append(Window(evidence.at, end, evidence.note))
    return replace(plans, windows=tuple(sorted(kept, key=lambda w: w.start)[-_WINDOWS:]))


def _weight_of_change(says: Status, policy: Policy) -> float:
    if says in _TROUBLE:
        usual = policy.likelihoods[Source.FEED]
        likelihood = FEED_DEGRADED if says is Status.DEGRADED else usual
        return hearsay(likelihood, is_bad=True)
    if says is Status.OPERATIONAL:
        return hearsay(FEED_OPERATIONAL, is_bad=False)
    return 0.0


def _lag(standing: Standing, evidence: Evidence) -> float | None:
    """Return how late the feed tells of trouble that we knew of already."""
    verdict, before = standing.verdict, standing.feed.lag
    if evidence.claimed_status not in _TROUBLE or verdict.status not in _TROUBLE:
        return before
    lag = max(0.0, (evidence.at - verdict.since).total_seconds())
    return lag if before is None else before + _LAG_SHARE * (lag - before)
