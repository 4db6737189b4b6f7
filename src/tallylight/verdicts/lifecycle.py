"""Applies announcements: shutdowns and maintenance of the calendar, and the provider's feed."""

from dataclasses import replace
from datetime import datetime

from tallylight.model.evidence import Evidence, Source
from tallylight.model.status import TROUBLE_STATUSES, Status
from tallylight.verdicts.feed_trust import (
    FeedTrust,
    is_mute,
    is_shown,
    turned_green,
    turned_red,
)
from tallylight.verdicts.layer_state import LayerStatus
from tallylight.verdicts.layers import apply_secondhand, decayed_log_odds, secondhand_weight
from tallylight.verdicts.policy import FEED_DEGRADED, FEED_OPERATIONAL, Policy, log_odds_of
from tallylight.verdicts.state import (
    CalendarState,
    MaintenanceWindow,
    ServiceState,
)

_MAX_WINDOWS = 8
_LAG_SMOOTHING = 0.3  # of the newest measurement in the moving average


def apply_calendar(calendar: CalendarState, evidence: Evidence) -> CalendarState:
    """Return the calendar after one more entry.

    MAINTENANCE from `at` until `until` is a window; without `until` it is ignored. RETIRED with
    `until` stops the service on that date. Any other status with `until` only warns of the date;
    without `until` it withdraws the date.
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


def tells_other_date(state: ServiceState, evidence: Evidence) -> bool:
    """Tell whether the API tells a shutdown date that is not known yet, or none any more."""
    is_check = evidence.source is Source.CREDENTIALS and evidence.is_good
    return is_check and evidence.until != state.calendar.told_shutdown_at


def apply_told_date(state: ServiceState, evidence: Evidence) -> ServiceState:
    """Return the state with the shutdown date that the API tells; it is certain.

    Where it tells none any more, the calendar returns to the fact sheet's when it is read next.
    """
    if not tells_other_date(state, evidence):
        return state
    told = evidence.until
    calendar = replace(state.calendar, told_shutdown_at=told)
    if told is not None:
        calendar = replace(calendar, shutdown_at=told, shutdown_is_certain=True)
    return replace(state, calendar=calendar)


def maintenance_at(calendar: CalendarState, at: datetime) -> MaintenanceWindow | None:
    """Return the planned maintenance of a moment, None if there is none."""
    return next((w for w in calendar.maintenance_windows if w.start <= at < w.end), None)


def apply_feed(state: ServiceState, evidence: Evidence, policy: Policy) -> ServiceState:
    """Return the state after the feed was read; a claim counts once, at its change (rule 4)."""
    feed, claimed = state.feed, evidence.claimed_status or Status.OPERATIONAL
    if evidence.failure is not None or claimed is Status.UNKNOWN:
        return replace(state, feed=replace(feed, is_readable=False))
    if feed.at is not None and evidence.at < feed.at:
        return state
    after = replace(feed, until=evidence.until, note=evidence.note, is_readable=True)
    if claimed is feed.claimed_status:
        return replace(state, feed=replace(after, at=feed.at or evidence.at))
    lag = _updated_lag(state, evidence)
    trust = _updated_trust(state, claimed)
    after = replace(after, claimed_status=claimed, at=evidence.at, lag_seconds=lag, trust=trust)
    weight = _weight_of_change(claimed, policy)
    if policy.learned_feed_trust:
        weight = _learned_weight(state, evidence, weight, policy)
    jobs = apply_secondhand(state.jobs, evidence.at, weight, policy)
    return replace(state, feed=after, jobs=jobs)


def feed_is_shown(state: ServiceState, policy: Policy) -> bool:
    """Tell whether the page reports trouble and is believed although jobs do not fail.

    A complete outage is for jobs to end, because a page is late. It is one once jobs are down.
    """
    feed, jobs = state.feed, state.jobs
    is_for_jobs = feed.trust.is_ours and not (jobs.status is LayerStatus.UP and jobs.is_failing)
    return (
        policy.learned_feed_trust
        and feed.claimed_status in TROUBLE_STATUSES
        and not is_for_jobs
        and is_shown(feed.trust, state.at)
    )


def feed_ended_outage(state: ServiceState, policy: Policy) -> bool:
    """Tell whether a believed page says that an outage is over, and no job has ended since."""
    feed, last = state.feed, state.jobs.last_result_at
    return (
        policy.learned_feed_trust
        and feed.claimed_status is Status.OPERATIONAL
        and feed.trust.green_is_believed
        and feed.trust.jobs_since_green == 0
        and feed.at is not None
        and last is not None
        and last < feed.at
    )


def feed_claims_maintenance(state: ServiceState) -> bool:
    """Tell whether the feed claims a maintenance that no delivery has disproved."""
    feed, delivery = state.feed, state.job_history.last_delivery
    if feed.claimed_status is not Status.MAINTENANCE or feed.at is None:
        return False
    is_over = feed.until is not None and state.at >= feed.until
    is_disproved = delivery is not None and delivery.at > feed.at
    return state.at >= feed.at and not is_over and not is_disproved


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
    if claimed_status in TROUBLE_STATUSES:
        is_degraded = claimed_status is Status.DEGRADED
        likelihood = FEED_DEGRADED if is_degraded else policy.likelihoods[Source.FEED]
        return secondhand_weight(likelihood, is_bad=True)
    if claimed_status is Status.OPERATIONAL:
        return secondhand_weight(FEED_OPERATIONAL, is_bad=False)
    return 0.0


def _learned_weight(
    state: ServiceState, evidence: Evidence, weight: float, policy: Policy
) -> float:
    """Return what a change of the page adds, by the trust that it has earned."""
    trust, claimed = state.feed.trust, evidence.claimed_status or Status.OPERATIONAL
    if claimed in TROUBLE_STATUSES and trust.red_is_believed and not is_mute(trust, evidence.at):
        return max(weight, log_odds_of(trust.red) - policy.prior_log_odds)
    if claimed is Status.OPERATIONAL and trust.green_is_believed:
        current = decayed_log_odds(state.jobs, evidence.at, policy)
        return min(weight, log_odds_of(1 - trust.green) - current)
    return weight


def _updated_trust(state: ServiceState, claimed: Status) -> FeedTrust:
    feed, was_red = state.feed, state.feed.claimed_status in TROUBLE_STATUSES
    if claimed in TROUBLE_STATUSES:
        if was_red:
            return feed.trust
        return turned_red(feed.trust, jobs_are_down=state.jobs.status is LayerStatus.DOWN)
    return turned_green(feed.trust) if was_red and claimed is Status.OPERATIONAL else feed.trust


def _updated_lag(state: ServiceState, evidence: Evidence) -> float | None:
    """Return the average delay of the feed behind the judge, after one more report of trouble."""
    verdict, before = state.verdict, state.feed.lag_seconds
    if evidence.claimed_status not in TROUBLE_STATUSES or verdict.status not in TROUBLE_STATUSES:
        return before
    lag = max(0.0, (evidence.at - verdict.since).total_seconds())
    return lag if before is None else before + _LAG_SMOOTHING * (lag - before)
