"""Failures that name a state, point at one, or say that the model no longer exists.

A state is named by what a response says, never by the number of failures (rule 2).
"""

import math
from dataclasses import replace
from datetime import datetime

from tallylight.model.evidence import (
    FREE_SOURCES,
    NOT_LISTED_RULE,
    Evidence,
    Failure,
    FailureKind,
    Source,
)
from tallylight.model.status import Access
from tallylight.verdicts.job_history import DeliveredVideo
from tallylight.verdicts.layer_state import FailureRecord
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import RetirementEvidence, ServiceState

_MAX_KEPT = 4
_NAMEABLE_KINDS = frozenset(
    {FailureKind.RISK_CONTROL, FailureKind.SUSPENDED, FailureKind.MAINTENANCE}
)
STATE_KINDS = _NAMEABLE_KINDS | {FailureKind.RETIRED}
_DEPTH_RANK = {
    Source.REACH: 0,
    Source.CREDENTIALS: 1,
    Source.ACCEPTANCE: 2,
    Source.GENERATION: 2,
    Source.TRAFFIC: 2,
    Source.SIBLING: 2,
}


def failure_record(evidence: Evidence) -> FailureRecord | None:
    """Return the failure in a piece of evidence as a record, None for good evidence."""
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
        mend=evidence.note,
    )


def named_failure_weight(failure: FailureRecord | None, policy: Policy) -> float:
    """Return the additional weight of a failure that names a state or points at one.

    No healthy service names a state. On reverse access a challenge page points at risk control.
    """
    if failure is None:
        return 0.0
    if failure.names_state and failure.kind in STATE_KINDS:
        return math.log(policy.named_factor)
    return math.log(policy.sign_factor) if _is_sign(failure, policy) else 0.0


def add_named_failure(
    named: tuple[FailureRecord, ...], failure: FailureRecord | None, policy: Policy
) -> tuple[FailureRecord, ...]:
    """Return the named failures with one more, if it names a state or points at risk control.

    Of failures of the same kind, rule and source only the first and the newest are kept, so that a
    burst of one cannot displace the others.
    """
    if failure is None or not (
        failure.kind is FailureKind.RISK_CONTROL or _does_name_state(failure)
    ):
        return named
    oldest = failure.at - policy.named_failures_ttl
    kept = [each for each in named if each.at > oldest]
    same = [each for each in kept if _is_same_kind(each, failure)]
    if len(same) > 1:
        kept.remove(same[-1])
    return tuple(sorted((*kept, failure), key=lambda each: each.at)[-_MAX_KEPT:])


def state_naming_failure(
    state: ServiceState, since: datetime, policy: Policy
) -> FailureRecord | None:
    """Return the newest failure of an outage that names its state.

    A delivery disproves an earlier suspension or maintenance. It does not disprove risk control,
    under which some jobs are expected to pass.
    """
    delivery = state.job_history.last_delivery
    for each in reversed(_recent_named_failures(state, since, policy)):
        is_disproved = delivery is not None and delivery.at > each.at
        if _does_name_state(each) and (each.kind is FailureKind.RISK_CONTROL or not is_disproved):
            return each
    return None


def risk_control_signs(
    state: ServiceState, since: datetime, policy: Policy
) -> tuple[FailureRecord, FailureRecord] | None:
    """Return two independent signs of risk control on a reverse service, newest last.

    Signs are independent if their rules or their sources differ, or if enough time lies between
    them: the same challenge page twice in a minute is one sign. Challenge pages in place of free
    checks need less time, if nothing good came in between.
    """
    recent = _recent_named_failures(state, since, policy)
    signs = [each for each in recent if _is_sign(each, policy)]
    for sign in signs[:-1]:
        newest = signs[-1]
        gap = newest.at - sign.at
        is_challenged = gap >= policy.challenge_gap and _is_challenge_run(state, sign, newest)
        if is_challenged or gap >= policy.independent_sign_gap or not _is_same_kind(sign, newest):
            return sign, newest
    return None


def newest_challenge(state: ServiceState, since: datetime, policy: Policy) -> FailureRecord | None:
    """Return the newest challenge page of an outage that came in place of a free check."""
    recent = _recent_named_failures(state, since, policy)
    return next((each for each in reversed(recent) if _is_challenged_check(each)), None)


def add_retirement_evidence(
    retirement: RetirementEvidence | None, failure: FailureRecord | None
) -> RetirementEvidence | None:
    """Return the evidence that the model no longer exists, after one more failure.

    What a list lacks is weaker than what an answer says, and replaces no evidence of that.
    """
    if failure is None or not (failure.kind is FailureKind.RETIRED or is_unlisted(failure)):
        return retirement
    if retirement is not None and is_unlisted(failure) and not is_unlisted(retirement.first):
        return retirement
    if retirement is None or retirement.first.rule != failure.rule:
        return RetirementEvidence(failure, failure.at)
    if failure.at <= retirement.last_at:
        return retirement
    return replace(retirement, last_at=failure.at, count=retirement.count + 1)


def is_contradicted(retirement: RetirementEvidence, delivery: DeliveredVideo | None) -> bool:
    """Tell whether a job has delivered since the model was first said to be gone."""
    return delivery is not None and delivery.at > retirement.first.at


def is_retired(retirement: RetirementEvidence | None, policy: Policy) -> bool:
    """Tell whether the same named failure came often enough and over a long enough time."""
    return (
        retirement is not None
        and retirement.first.names_state
        and retirement.count >= policy.retired_min_answers
        and retirement.last_at - retirement.first.at >= policy.retired_min_duration
    )


def is_unlisted(failure: Failure | FailureRecord) -> bool:
    """Tell whether a free check found that the list of models lacks ours."""
    return failure.rule == NOT_LISTED_RULE and failure.kind is FailureKind.UNKNOWN


def is_disproved_by(failure: FailureRecord, source: Source) -> bool:
    """Tell whether a good result of a source disproves an earlier failure.

    A failure is disproved at its own depth or a deeper one: a list of models does not show that the
    balance suffices, a delivered video does. A list without the model stays what it is until one
    has it: a delivery shows that the list is wrong, and the next list is wrong as well.
    """
    if is_unlisted(failure):
        return source is failure.source
    return _DEPTH_RANK[source] >= _DEPTH_RANK[failure.source]


def is_deeper(one: Source, other: Source) -> bool:
    """Tell whether a source tests a service more deeply than another one."""
    return _DEPTH_RANK[one] > _DEPTH_RANK[other]


def _recent_named_failures(
    state: ServiceState, since: datetime, policy: Policy
) -> list[FailureRecord]:
    oldest = max(since, state.at - policy.named_failures_ttl)
    return [each for each in state.named_failures if each.at >= oldest]


def _does_name_state(failure: FailureRecord) -> bool:
    return failure.names_state and failure.kind in _NAMEABLE_KINDS


def _is_sign(failure: FailureRecord, policy: Policy) -> bool:
    return policy.access is Access.REVERSE and failure.kind is FailureKind.RISK_CONTROL


def _is_challenged_check(failure: FailureRecord) -> bool:
    is_challenge = failure.kind is FailureKind.RISK_CONTROL and failure.rule.endswith(":challenge")
    return is_challenge and failure.source in FREE_SOURCES


def _is_challenge_run(state: ServiceState, first: FailureRecord, newest: FailureRecord) -> bool:
    """Tell whether two challenge pages came in place of free checks, and nothing good between."""
    run = state.api.bad_run
    is_unbroken = run is not None and run.since <= first.at
    return is_unbroken and _is_challenged_check(first) and _is_challenged_check(newest)


def _is_same_kind(one: FailureRecord, other: FailureRecord) -> bool:
    return (one.kind, one.rule, one.source) == (other.kind, other.rule, other.source)
