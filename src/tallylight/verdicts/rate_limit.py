"""Orders that an upstream refuses as too many (429): what they block, and whose fault they are.

A refusal starts a rate limit, and an accepted order or a delivery clears it. After ten minutes of
refusals the service is blocked: nothing is sent there but the orders that test it.

Whether the refusals say something about the service depends on us. Our own pace may be the cause
while a job of ours is under way with the same key, or if an order was accepted with it shortly
before; who sends an order knows that, and marks its refusal (`attribute_to_pace`). Three refusals
in a row over ten minutes that our pace cannot have caused are the service's own: it takes no
orders. From then on each of them counts as a failed job.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from tallylight.model.evidence import Evidence, Failure, FailureKind, Fault, Source
from tallylight.verdicts import jobs
from tallylight.verdicts.layer_state import FailureRecord, RateLimit
from tallylight.verdicts.named_failures import failure_record
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import ServiceState

OWN_PACE_AFTER = timedelta(minutes=10)
"""An order that was accepted at most so long before may have used up what a key may send."""

_OWN_PACE = "pace:"
_ORDERS = frozenset({Source.GENERATION, Source.ACCEPTANCE, Source.TRAFFIC})
_MIN_TIMES = 3
_MIN_DURATION = timedelta(minutes=10)
_TOLERANCE = timedelta(seconds=15)
"""Three orders five minutes apart are not answered exactly ten minutes apart."""


def is_refused_order(evidence: Evidence) -> bool:
    """Tell whether evidence is an order that was refused because there are too many."""
    failure = evidence.failure
    return (
        failure is not None
        and failure.kind is FailureKind.RATE_LIMITED
        and failure.fault is Fault.OURS
        and evidence.source in _ORDERS
    )


def is_accepted_order(evidence: Evidence) -> bool:
    """Tell whether evidence shows that an order was accepted."""
    return evidence.failure is None and evidence.source in _ORDERS


def attribute_to_pace(evidence: Evidence) -> Evidence:
    """Return a refused order as one that our own pace may have caused."""
    failure = evidence.failure
    if failure is None or failure.rule.startswith(_OWN_PACE):
        return evidence
    return replace(evidence, failure=replace(failure, rule=_OWN_PACE + failure.rule))


def is_ours(limit: RateLimit) -> bool:
    """Tell whether our own pace may be the cause of the newest refusals."""
    return not limit.is_counted


def refused(state: ServiceState, evidence: Evidence, policy: Policy) -> ServiceState:
    """Return the state after a refused order."""
    record, failure = failure_record(evidence), evidence.failure
    if record is None or failure is None:
        return state
    before = state.rate_limit or RateLimit(record.at, record, times=0)
    if record.at < before.last.at or (before.times and record == before.last):
        return state  # a late one, or the same again
    is_pace = record.rule.startswith(_OWN_PACE)
    limit = replace(
        before,
        last=record,
        times=before.times + 1,
        retry_after=failure.retry_after or before.retry_after,
    )
    if before.is_counted:
        return _counted(replace(state, rate_limit=limit), (record,), policy)
    pending = () if is_pace else (*before.pending, record)
    if not _is_long(pending):
        limit = replace(limit, pending=pending[: _MIN_TIMES - 1])
        return replace(state, rate_limit=limit)
    limit = replace(limit, pending=(), is_counted=True)
    return _counted(replace(state, rate_limit=limit), pending, policy)


def without_limit(state: ServiceState, evidence: Evidence) -> ServiceState:
    """Return the state after a good result: an accepted order or a delivery ends a rate limit."""
    limit = state.rate_limit
    if limit is None or not is_accepted_order(evidence) or evidence.at < limit.last.at:
        return state
    return replace(state, rate_limit=None)


def blocks(limit: RateLimit | None) -> bool:
    """Tell whether orders have been refused for so long that none should be sent."""
    return limit is not None and limit.last.at - limit.since >= _MIN_DURATION - _TOLERANCE


def expires_at(limit: RateLimit, policy: Policy) -> datetime:
    """Return when a rate limit of which nothing was heard since says nothing any more."""
    return limit.last.at + policy.jobs_ttl


def expired(state: ServiceState, policy: Policy) -> ServiceState:
    """Return the state without a rate limit of which nothing was heard for long."""
    limit = state.rate_limit
    if limit is None or state.at < expires_at(limit, policy):
        return state
    return replace(state, rate_limit=None)


def _is_long(refusals: tuple[FailureRecord, ...]) -> bool:
    return (
        len(refusals) >= _MIN_TIMES
        and refusals[-1].at - refusals[0].at >= _MIN_DURATION - _TOLERANCE
    )


def _counted(
    state: ServiceState, refusals: tuple[FailureRecord, ...], policy: Policy
) -> ServiceState:
    for each in refusals:
        failure = Failure(
            each.kind, Fault.UPSTREAM, each.rule, each.text, http_status=each.http_status
        )
        piece = Evidence(state.service, each.at, each.source, failure)
        state = jobs.apply_job(state, piece, policy)
    return state
