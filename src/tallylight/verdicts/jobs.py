"""What says something of jobs: paid probes, callers' jobs, acceptances, the feed, the listing.

Rules 1, 4 and 6 of `docs/verdicts.md`.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from tallylight.model.evidence import Evidence, Source
from tallylight.verdicts import durations, failure_rate
from tallylight.verdicts.layers import Result, counted, hearsay, knows, nudged, weight
from tallylight.verdicts.named_failures import answer_of, log_of_name
from tallylight.verdicts.noise import forgotten
from tallylight.verdicts.outage_history import lived
from tallylight.verdicts.policy import LISTING_GONE, Policy
from tallylight.verdicts.state import (
    Allowance,
    Delivery,
    JobsRecord,
    LayerStanding,
    Standing,
    State,
)

_LISTING_PACE = timedelta(hours=1)
_CALLERS = frozenset({Source.TRAFFIC, Source.ACCEPTANCE})


def with_job(standing: Standing, evidence: Evidence, policy: Policy) -> Standing:
    """Return the standing after a job that ended, was refused, or was accepted."""
    if evidence.source is Source.ACCEPTANCE and not evidence.is_bad:
        return _accepted(standing, evidence, policy)
    layer, record = standing.jobs, standing.record
    answer = answer_of(evidence)
    result = Result(evidence.at, evidence.source, evidence.is_bad, answer)
    if knows(layer, result):
        return standing
    added = weight(layer, policy.likelihoods[result.source], policy, is_bad=result.is_bad)
    added += log_of_name(answer, policy)
    allowance = record.allowance
    if result.source in _CALLERS:
        allowance, added = _allowed(allowance, evidence.at, added, policy)
    after = counted(layer, result, added, policy)
    if record.partly_since is not None:
        after = replace(after, noise=forgotten(layer.noise))  # trouble is no noise
    minutes, usual = failure_rate.with_job(record, layer, evidence.at, policy, is_bad=result.is_bad)
    delivery = record.delivery if result.is_bad else _delivery(record, evidence)
    record = JobsRecord(
        delivery,
        minutes,
        record.recent,
        record.days,
        record.median,
        record.partly_since,
        record.slow_since,
        allowance,
        lived(record.life, layer, after, evidence.at),
        usual,
    )
    if delivery is not None and delivery.at == evidence.at and not result.is_bad:
        record = durations.timed(record, delivery, policy)
    record = _compared(record, layer, after, policy)
    return Standing(
        standing.service,
        max(standing.at, evidence.at),
        standing.wake_at,
        standing.door,
        after,
        standing.verdict,
        record,
        standing.feed,
        standing.plans,
        standing.marks,
        standing.gone,
        standing.blocked,
        standing.cleared_by_probe,
        standing.recovery,
    )


def without_listing(standing: Standing, at: datetime, policy: Policy) -> Standing:
    """Return the standing after a list of models that no longer names ours.

    It is cause to look, again each hour, until a delivery proves the list careless.
    """
    gone, delivery = standing.gone, standing.record.delivery
    if gone is None:
        return standing
    is_refuted = delivery is not None and delivery.at > gone.first.at
    told = gone.counted_at
    if told is not None and (is_refuted or at - told < _LISTING_PACE):
        return standing
    added = hearsay(LISTING_GONE, is_bad=True)
    return replace(
        standing,
        jobs=nudged(standing.jobs, at, added, policy),
        gone=replace(gone, counted_at=at),
    )


def _accepted(standing: Standing, evidence: Evidence, policy: Policy) -> Standing:
    layer = standing.jobs
    added = hearsay(policy.likelihoods[Source.ACCEPTANCE], is_bad=False)
    allowance, added = _allowed(standing.record.allowance, evidence.at, added, policy)
    return replace(
        standing,
        at=max(standing.at, evidence.at),
        jobs=nudged(layer, evidence.at, added, policy),
        record=replace(standing.record, allowance=allowance),
    )


def _allowed(
    allowance: Allowance, at: datetime, added: float, policy: Policy
) -> tuple[Allowance, float]:
    """Return what still counts of one more outcome in its minute (rule 4).

    As if the minute were judged at its end: of n outcomes the mean counts min(3, n) times, and
    each new one adds the difference that it makes.
    """
    minute = failure_rate.minute_of(at)
    if minute > allowance.minute:
        allowance = Allowance(minute)
    count, total = allowance.outcomes + 1, allowance.total + added
    due = total * min(policy.traffic_per_minute, count) / count
    return Allowance(allowance.minute, count, total, due), due - allowance.applied


def _delivery(record: JobsRecord, evidence: Evidence) -> Delivery:
    """Return the newest delivery."""
    if record.delivery is not None and evidence.at < record.delivery.at:
        return record.delivery
    latency = evidence.latency
    seconds = None if latency is None else latency.total_seconds()
    return Delivery(evidence.at, evidence.source, seconds)


def _compared(
    record: JobsRecord, before: LayerStanding, after: LayerStanding, policy: Policy
) -> JobsRecord:
    if after.state is not State.UP:
        return replace(record, partly_since=None) if record.partly_since else record
    if before.state is not State.UP and after.since is not None:
        return failure_rate.since(record, after.since)
    return failure_rate.partly(record, after, after.at, policy)
