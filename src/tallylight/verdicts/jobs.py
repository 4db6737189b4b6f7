"""What says something of jobs: paid probes, callers' jobs, acceptances, the feed, the listing.

Rules 1, 4 and 6 of `docs/verdicts.md`.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from tallylight.model.evidence import Evidence, Source
from tallylight.verdicts import durations, failure_rate
from tallylight.verdicts.layers import (
    LayerResult,
    apply_result,
    apply_secondhand,
    contains_result,
    evidence_weight,
    secondhand_weight,
)
from tallylight.verdicts.named_failures import failure_record, named_failure_weight
from tallylight.verdicts.noise import without_pending
from tallylight.verdicts.outage_history import update_outage_history
from tallylight.verdicts.policy import MODEL_UNLISTED, Policy
from tallylight.verdicts.state import (
    DeliveredVideo,
    JobHistory,
    LayerState,
    LayerStatus,
    MinuteCap,
    ServiceState,
    updated_state,
)

_LISTING_INTERVAL = timedelta(hours=1)
_TRAFFIC_SOURCES = frozenset({Source.TRAFFIC, Source.ACCEPTANCE})


def apply_job(state: ServiceState, evidence: Evidence, policy: Policy) -> ServiceState:
    """Return the standing after a job that ended, was refused, or was accepted."""
    if evidence.source is Source.ACCEPTANCE and not evidence.is_bad:
        return _apply_acceptance(state, evidence, policy)
    layer, record = state.jobs, state.job_history
    answer = failure_record(evidence)
    result = LayerResult(evidence.at, evidence.source, evidence.is_bad, answer)
    if contains_result(layer, result):
        return state
    added = evidence_weight(layer, policy.likelihoods[result.source], policy, is_bad=result.is_bad)
    added += named_failure_weight(answer, policy)
    allowance = record.minute_cap
    if result.source in _TRAFFIC_SOURCES:
        allowance, added = _capped(allowance, evidence.at, added, policy)
    after = apply_result(layer, result, added, policy)
    if record.partial_failure_since is not None:
        after = replace(
            after, false_alarms=without_pending(layer.false_alarms)
        )  # trouble is no noise
    minutes, usual = failure_rate.add_job(record, layer, evidence.at, policy, is_bad=result.is_bad)
    delivery = record.last_delivery if result.is_bad else _latest_delivery(record, evidence)
    record = JobHistory(
        delivery,
        minutes,
        record.recent_deliveries,
        record.daily_sketches,
        record.median_seconds,
        record.partial_failure_since,
        record.slow_since,
        allowance,
        update_outage_history(record.outage_history, layer, after, evidence.at),
        usual,
    )
    if delivery is not None and delivery.at == evidence.at and not result.is_bad:
        record = durations.with_duration(record, delivery, policy)
    record = _with_partial_failure(record, layer, after, policy)
    moment = max(state.at, evidence.at)
    return updated_state(state, moment, state.next_change_at, jobs=after, job_history=record)


def apply_missing_listing(state: ServiceState, at: datetime, policy: Policy) -> ServiceState:
    """Return the standing after a list of models that no longer names ours.

    It is cause to look, again each hour, until a delivery proves the list careless.
    """
    gone, delivery = state.retirement, state.job_history.last_delivery
    if gone is None:
        return state
    is_refuted = delivery is not None and delivery.at > gone.first.at
    told = gone.listing_counted_at
    if told is not None and (is_refuted or at - told < _LISTING_INTERVAL):
        return state
    added = secondhand_weight(MODEL_UNLISTED, is_bad=True)
    return replace(
        state,
        jobs=apply_secondhand(state.jobs, at, added, policy),
        retirement=replace(gone, listing_counted_at=at),
    )


def _apply_acceptance(state: ServiceState, evidence: Evidence, policy: Policy) -> ServiceState:
    layer = state.jobs
    added = secondhand_weight(policy.likelihoods[Source.ACCEPTANCE], is_bad=False)
    allowance, added = _capped(state.job_history.minute_cap, evidence.at, added, policy)
    return replace(
        state,
        at=max(state.at, evidence.at),
        jobs=apply_secondhand(layer, evidence.at, added, policy),
        job_history=replace(state.job_history, minute_cap=allowance),
    )


def _capped(cap: MinuteCap, at: datetime, added: float, policy: Policy) -> tuple[MinuteCap, float]:
    """Return what still counts of one more outcome in its minute (rule 4).

    As if the minute were judged at its end: of n outcomes the mean counts min(3, n) times, and
    each new one adds the difference that it makes.
    """
    minute = failure_rate.minute_of(at)
    if minute > cap.minute:
        cap = MinuteCap(minute)
    count, total = cap.outcomes + 1, cap.total + added
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
        return (
            replace(history, partial_failure_since=None)
            if history.partial_failure_since
            else history
        )
    if before.status is not LayerStatus.UP and after.since is not None:
        return failure_rate.without_failures_before(history, after.since)
    return failure_rate.update_partial_failure(history, after, after.at, policy)
