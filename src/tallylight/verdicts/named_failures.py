"""What upstreams say as they fail: names of states, signs that point at one, "it is gone".

A name is read from what an answer says, never from how many of them there are (rule 2).
"""

import math
from dataclasses import replace
from datetime import datetime

from tallylight.model.evidence import Evidence, FailureKind, Source
from tallylight.model.status import Access
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import FailureRecord, RetirementEvidence, ServiceState

_MAX_KEPT = 4
_NAMEABLE_KINDS = frozenset(
    {FailureKind.RISK_CONTROL, FailureKind.SUSPENDED, FailureKind.MAINTENANCE}
)
_WEIGHTED_KINDS = _NAMEABLE_KINDS | {FailureKind.RETIRED}
_DEPTH_RANK = {
    Source.REACH: 0,
    Source.CREDENTIALS: 1,
    Source.ACCEPTANCE: 2,
    Source.GENERATION: 2,
    Source.TRAFFIC: 2,
}


def failure_record(evidence: Evidence) -> FailureRecord | None:
    """Return the failing answer of a piece of evidence."""
    failure = evidence.failure
    if failure is None:
        return None
    return FailureRecord(
        at=evidence.at,
        source=evidence.source,
        kind=failure.kind,
        rule=failure.rule,
        text=failure.text,
        names_state=failure.names_state,
        http_status=failure.http_status,
    )


def named_failure_weight(failure: FailureRecord | None, policy: Policy) -> float:
    """Return what an answer adds for naming its own state, or pointing at it.

    No healthy service names one; and of a resold account, a challenge page is a sign.
    """
    if failure is None:
        return 0.0
    if failure.names_state and failure.kind in _WEIGHTED_KINDS:
        return math.log(policy.named_factor)
    return math.log(policy.sign_factor) if _is_sign(failure, policy) else 0.0


def add_named_failure(
    named: tuple[FailureRecord, ...], failure: FailureRecord | None, policy: Policy
) -> tuple[FailureRecord, ...]:
    """Return the marks with one more answer, if it names a state or points at risk control.

    Of signs that are not independent the first and the newest are enough, so that a burst of one
    cannot push the others out.
    """
    if failure is None or not (
        failure.kind is FailureKind.RISK_CONTROL or _does_name_state(failure)
    ):
        return named
    oldest = failure.at - policy.named_failures_ttl
    kept = [mark for mark in named if mark.at > oldest]
    like = [mark for mark in kept if _is_same_kind(mark, failure)]
    if len(like) > 1:
        kept.remove(like[-1])
    return tuple(sorted((*kept, failure), key=lambda mark: mark.at)[-_MAX_KEPT:])


def state_naming_failure(
    state: ServiceState, since: datetime, policy: Policy
) -> FailureRecord | None:
    """Return the newest answer of an outage that names its state.

    A pause or a maintenance that a delivery has refuted no longer names anything; under risk
    control some jobs are expected to pass.
    """
    delivery = state.job_history.last_delivery
    for mark in reversed(_recent_named_failures(state, since, policy)):
        is_refuted = delivery is not None and delivery.at > mark.at
        if _does_name_state(mark) and (mark.kind is FailureKind.RISK_CONTROL or not is_refuted):
            return mark
    return None


def risk_control_signs(
    state: ServiceState, since: datetime, policy: Policy
) -> tuple[FailureRecord, FailureRecord] | None:
    """Return two independent signs of risk control on a reverse service, newest last.

    Signs are independent if their rules or their sources differ, or if enough time lies between
    them: one challenge page twice in a minute is one sign.
    """
    if policy.access is not Access.REVERSE:
        return None
    found = [
        mark
        for mark in _recent_named_failures(state, since, policy)
        if mark.kind is FailureKind.RISK_CONTROL
    ]
    if not found:
        return None
    newest = found[-1]
    for mark in found[:-1]:
        if not _is_same_kind(mark, newest) or newest.at - mark.at >= policy.independent_sign_gap:
            return mark, newest
    return None


def add_retirement_evidence(
    retirement: RetirementEvidence | None, failure: FailureRecord | None
) -> RetirementEvidence | None:
    """Return the tally of "the model is no more" after one more failing answer."""
    if failure is None or failure.kind is not FailureKind.RETIRED:
        return retirement
    if retirement is None or retirement.first.rule != failure.rule:
        return RetirementEvidence(failure, failure.at)
    if failure.at <= retirement.last_at:
        return retirement
    return replace(retirement, last_at=failure.at, count=retirement.count + 1)


def is_retired(retirement: RetirementEvidence | None, policy: Policy) -> bool:
    """Tell whether the same unmistakable answer came often enough and over long enough."""
    return (
        retirement is not None
        and retirement.first.names_state
        and retirement.count >= policy.retired_min_answers
        and retirement.last_at - retirement.first.at >= policy.retired_min_duration
    )


def is_disproved_by(failure: FailureRecord, source: Source) -> bool:
    """Tell whether something good from this source disproves an earlier answer.

    A refusal at one depth is disproved at that depth or a deeper one: a listed model does not
    show a wallet to be full, a delivered video does.
    """
    return _DEPTH_RANK[source] >= _DEPTH_RANK[failure.source]


def is_deeper(one: Source, other: Source) -> bool:
    """Tell whether a source asks more of a service than another one."""
    return _DEPTH_RANK[one] > _DEPTH_RANK[other]


def _recent_named_failures(
    state: ServiceState, since: datetime, policy: Policy
) -> list[FailureRecord]:
    oldest = max(since, state.at - policy.named_failures_ttl)
    return [mark for mark in state.named_failures if mark.at >= oldest]


def _does_name_state(failure: FailureRecord) -> bool:
    return failure.names_state and failure.kind in _NAMEABLE_KINDS


def _is_sign(failure: FailureRecord, policy: Policy) -> bool:
    return policy.access is Access.REVERSE and failure.kind is FailureKind.RISK_CONTROL


def _is_same_kind(one: FailureRecord, other: FailureRecord) -> bool:
    return (one.kind, one.rule, one.source) == (other.kind, other.rule, other.source)
