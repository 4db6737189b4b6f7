"""Applies evidence on jobs: paid probes, callers' jobs, acceptances, and model listings.

Rules 1, 4 and 6 of `docs/verdicts.md`.
"""

import math
from dataclasses import replace
from datetime import datetime, timedelta

from tallylight.model.evidence import Evidence, Source
from tallylight.model.status import TROUBLE_STATUSES
from tallylight.verdicts import durations, failure_rate, overdue
from tallylight.verdicts.feed_trust import (
    WEIGHT_OF_PASS,
    with_job_after_green,
    with_job_while_red,
)
from tallylight.verdicts.job_history import DeliveredVideo, JobHistory, MinuteCap, OverdueJob
from tallylight.verdicts.layer_state import LayerState, LayerStatus
from tallylight.verdicts.layers import (
    LayerResult,
    apply_result,
    apply_secondhand,
    contains_result,
    evidence_weight,
    secondhand_weight,
)
from tallylight.verdicts.lifecycle import feed_is_shown
from tallylight.verdicts.named_failures import (
    failure_record,
    is_contradicted,
    named_failure_weight,
)
from tallylight.verdicts.noise import without_pending
from tallylight.verdicts.outage_history import update_outage_history
from tallylight.verdicts.policy import MODEL_UNLISTED, Policy
from tallylight.verdicts.state import FeedClaim, ServiceState, updated_state

_LISTING_INTERVAL = timedelta(hours=1)
_TRAFFIC_SOURCES = frozenset({Source.TRAFFIC, Source.ACCEPTANCE})


def apply_job(state: ServiceState, evidence: Evidence, policy: Policy) -> ServiceState:
    """Return the state after a job that ended, was refused, or was accepted."""
    if evidence.source is Source.ACCEPTANCE and not evidence.is_bad:
        return _apply_acceptance(state, evidence, policy)
    counted = overdue.counted_job(state.job_history, evidence)
    if counted is None:
        return _apply_result(state, evidence, policy)
    if overdue.is_overdue(evidence) and not counted.is_overdue:
        return _apply_stalled_job_that_is_overdue(state, counted, evidence, policy)
    if overdue.may_deliver_late(evidence):
        return state  # it has counted
    return _apply_end_of_overdue_job(state, counted, evidence, policy)


def _apply_stalled_job_that_is_overdue(
    state: ServiceState, counted: OverdueJob, evidence: Evidence, policy: Policy
) -> ServiceState:
    """Return the state after a job that has counted as stalled, and is overdue by now."""
    weight = math.log(policy.overdue_factor)
    history = overdue.without_counted(state.job_history, counted)
    total = overdue.remaining_weight(counted, evidence.at, policy) + weight
    return updated_state(
        state,
        max(state.at, evidence.at),
        state.next_change_at,
        jobs=apply_secondhand(state.jobs, evidence.at, weight, policy),
        job_history=overdue.with_counted(history, evidence, total),
    )


def _apply_end_of_overdue_job(
    state: ServiceState, counted: OverdueJob, evidence: Evidence, policy: Policy
) -> ServiceState:
    """Return the state after the end of an overdue job: however it ends, it counts once."""
    history = overdue.without_counted(state.job_history, counted)
    if evidence.is_bad and not named_failure_weight(failure_record(evidence), policy):
        moment = max(state.at, evidence.at)
        return updated_state(state, moment, state.next_change_at, job_history=history)
    minutes = failure_rate.without_failure(history.minutes, counted.at)
    state = replace(state, job_history=replace(history, minutes=minutes))
    taken_back = overdue.remaining_weight(counted, evidence.at, policy)
    return _apply_result(state, evidence, policy, taken_back)


def _apply_result(
    state: ServiceState, evidence: Evidence, policy: Policy, taken_back: float = 0.0
) -> ServiceState:
    layer, history = state.jobs, state.job_history
    failure, at, is_bad = failure_record(evidence), evidence.at, evidence.is_bad
    result = LayerResult(at, evidence.source, is_bad, failure)
    if contains_result(layer, result):
        return state
    weight = _weight(state, evidence, policy) - taken_back
    minute_cap = history.minute_cap
    if result.source in _TRAFFIC_SOURCES:
        minute_cap, weight = _capped(minute_cap, at, weight, policy)
    after = apply_result(layer, result, weight, policy)
    if history.partial_failure_since is not None or feed_is_shown(state, policy):
        # Failures of a partial outage are no false alarms.
        after = replace(after, false_alarms=without_pending(layer.false_alarms))
    if overdue.may_deliver_late(evidence):
        after = overdue.uncounted(layer, after)
        history = overdue.with_counted(history, evidence, weight)
    minutes, baseline = failure_rate.add_job(history, layer, at, policy, is_bad=is_bad)
    delivery = history.last_delivery if is_bad else _latest_delivery(history, evidence)
    history = JobHistory(
        delivery,
        minutes,
        history.recent_deliveries,
        history.daily_sketches,
        history.usual_duration,
        history.partial_failure_since,
        history.slow_since,
        history.slowness,
        minute_cap,
        update_outage_history(history.outage_history, layer, after, at, policy),
        baseline,
        history.overdue,
    )
    if delivery is not None and delivery.at == at and not is_bad:
        history = durations.with_duration(history, delivery, policy)
    history = _with_partial_failure(history, layer, after, policy)
    moment, api = max(state.at, at), state.api if is_bad else _found_open(state.api, at)
    state = updated_state(
        state, moment, state.next_change_at, api=api, jobs=after, job_history=history
    )
    feed = _feed_after_job(state.feed, result)
    return state if feed is state.feed else replace(state, feed=feed)


def _found_open(api: LayerState, at: datetime) -> LayerState:
    """Return the API layer after a delivery: an outage that went stale before it is over."""
    last = api.last_result_at
    return replace(api, lost_from=None) if api.is_lost and last and last < at else api


def _feed_after_job(feed: FeedClaim, result: LayerResult) -> FeedClaim:
    """Return what the status page has earned by a job."""
    if feed.at is None or result.at < feed.at:
        return feed
    if feed.claimed_status in TROUBLE_STATUSES:
        trust = with_job_while_red(feed.trust, result.at, result.failure)
    else:
        trust = with_job_after_green(feed.trust, result.failure)
    return feed if trust is feed.trust else replace(feed, trust=trust)


def _weight(state: ServiceState, evidence: Evidence, policy: Policy) -> float:
    """Return what a result adds to the log-odds."""
    layer, is_bad = state.jobs, evidence.is_bad
    weight = evidence_weight(layer, policy.likelihoods[evidence.source], policy, is_bad=is_bad)
    if not is_bad and feed_is_shown(state, policy):
        return max(weight, WEIGHT_OF_PASS)
    weight += named_failure_weight(failure_record(evidence), policy)
    feed_reports = state.feed.claimed_status in TROUBLE_STATUSES
    return weight + overdue.additional_weight(layer, evidence, policy, feed_reports=feed_reports)


def apply_missing_listing(state: ServiceState, at: datetime, policy: Policy) -> ServiceState:
    """Return the state after a list of models that no longer contains ours.

    Such a list makes the jobs uncertain, again each hour, until a delivery proves it wrong.
    """
    retirement = state.retirement
    if retirement is None:
        return state
    is_disproved = is_contradicted(retirement, state.job_history.last_delivery)
    counted_at = retirement.listing_counted_at
    if counted_at is not None and (is_disproved or at - counted_at < _LISTING_INTERVAL):
        return state
    weight = secondhand_weight(MODEL_UNLISTED, is_bad=True)
    return replace(
        state,
        jobs=apply_secondhand(state.jobs, at, weight, policy),
        retirement=replace(retirement, listing_counted_at=at),
    )


def _apply_acceptance(state: ServiceState, evidence: Evidence, policy: Policy) -> ServiceState:
    weight = secondhand_weight(policy.likelihoods[Source.ACCEPTANCE], is_bad=False)
    minute_cap, weight = _capped(state.job_history.minute_cap, evidence.at, weight, policy)
    return updated_state(
        state,
        max(state.at, evidence.at),
        state.next_change_at,
        jobs=apply_secondhand(state.jobs, evidence.at, weight, policy),
        job_history=replace(state.job_history, minute_cap=minute_cap),
    )


def _capped(cap: MinuteCap, at: datetime, weight: float, policy: Policy) -> tuple[MinuteCap, float]:
    """Return the cap after one more outcome in its minute, and the weight that counts (rule 4).

    Of n outcomes in a minute the mean weight counts min(3, n) times. Each outcome contributes the
    difference that it makes to this product.
    """
    minute = failure_rate.minute_of(at)
    if minute > cap.minute:
        cap = MinuteCap(minute)
    count, total = cap.outcomes + 1, cap.total + weight
    due = total * min(policy.traffic_per_minute, count) / count
    return MinuteCap(cap.minute, count, total, due), due - cap.applied


def _latest_delivery(history: JobHistory, evidence: Evidence) -> DeliveredVideo:
    """Return the newest delivery."""
    if history.last_delivery is not None and evidence.at < history.last_delivery.at:
        return history.last_delivery
    latency = evidence.latency
    seconds = None if latency is None else latency.total_seconds()
    return DeliveredVideo(evidence.at, evidence.source, seconds)


def _with_partial_failure(
    history: JobHistory, before: LayerState, after: LayerState, policy: Policy
) -> JobHistory:
    if after.status is not LayerStatus.UP:
        if history.partial_failure_since is None:
            return history
        return replace(history, partial_failure_since=None)
    if before.status is not LayerStatus.UP and after.since is not None:
        return failure_rate.without_failures_before(history, after.since)
    return failure_rate.update_partial_failure(history, after, after.at, policy)
