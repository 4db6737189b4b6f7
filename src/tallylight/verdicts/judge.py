"""Evidence in, verdict out: the one place where it is decided what a service is.

Pure: the same evidence in the same order gives the same standing, on any machine, at any time. The
rules stand in `docs/verdicts.md`; each has its own module, and this one folds them together.
"""

from dataclasses import replace
from datetime import datetime

from tallylight.model.evidence import Evidence, FailureKind, Fault, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Reason, ReasonCode, Verdict
from tallylight.verdicts import blocking, jobs, lifecycle, named_failures, status
from tallylight.verdicts.layers import (
    LayerResult,
    apply_result,
    apply_success_while_up,
    contains_result,
    decayed_log_odds,
    evidence_weight,
    expire,
    initial_layer,
    probability,
)
from tallylight.verdicts.named_failures import failure_record, named_failure_weight
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.reasons import reasons
from tallylight.verdicts.recovery import recovered
from tallylight.verdicts.state import LayerStatus, ServiceState, updated_state
from tallylight.verdicts.status import STATUS_RANK, DerivedStatus

_BLOCKING = frozenset({FailureKind.AUTH, FailureKind.QUOTA})
_FREE_SOURCES = frozenset({Source.REACH, Source.CREDENTIALS})
_MAX_CONFLICTING_RUN = 3  # so many like results in a row contradict nothing any more


def initial_state(service: ServiceId, at: datetime) -> ServiceState:
    """Return what stands before there is any evidence."""
    nothing = (Reason(ReasonCode.NO_EVIDENCE, at),)
    return ServiceState(
        service=service,
        at=at,
        next_change_at=None,
        api=initial_layer(at),
        jobs=initial_layer(at),
        verdict=Verdict(service, Status.UNKNOWN, at, 0.0, nothing),
    )


def judge(state: ServiceState, evidence: Evidence, policy: Policy) -> ServiceState:
    """Fold one piece of evidence into the standing of its service.

    Evidence may come slightly out of order. What time alone changed before it is folded in first;
    whoever records transitions calls `pass_time` himself before, or misses the one between.
    """
    if _is_routine_success(state, evidence):
        return _apply_routine_success(state, evidence, policy)
    if _is_ignored(evidence):
        return state
    if evidence.source is Source.CALENDAR:
        return _with_verdict(_apply_calendar(state, evidence, policy), policy)
    state = _advance_to(state, evidence.at, policy)
    return _with_verdict(_apply_evidence(state, evidence, policy), policy)


def advance_time(state: ServiceState, now: datetime, policy: Policy) -> ServiceState:
    """Let what time alone changes change: holds run out, plans begin and end, dates pass.

    Stops at the first change of status, so that a maintenance between two calls is not lost: what
    is due after it comes with the next call. Returns the same object if nothing was due;
    `standing.wake_at` says when something will be.
    """
    before = state.verdict.status
    while state.next_change_at is not None and state.next_change_at <= now:
        at = max(state.next_change_at, state.at)
        door = expire(state.api, at, policy.api_ttl)
        layer = expire(state.jobs, at, policy.jobs_ttl)
        state = updated_state(state, at, state.next_change_at, api=door, jobs=layer)
        state = _with_verdict(state, policy)
        if state.verdict.status is not before:
            break
    return state


def jobs_down_probability(state: ServiceState, now: datetime, policy: Policy) -> float:
    """Return how probable it is at a moment that the jobs of a service fail."""
    return probability(decayed_log_odds(state.jobs, now, policy))


def jobs_are_uncertain(state: ServiceState, now: datetime, policy: Policy) -> bool:
    """Tell whether a paid probe would teach much now (rule 5)."""
    p = jobs_down_probability(state, now, policy)
    return api_is_up(state) and policy.uncertain_above < p < policy.uncertain_below


def has_conflicting_evidence(state: ServiceState) -> bool:
    """Tell whether the newest jobs contradict the state of the jobs, and may be about to turn it.

    In an outage that has let some pass before, one more that passes is nothing new.
    """
    layer = state.jobs
    run = layer.current_run
    if run is None or run.length > _MAX_CONFLICTING_RUN:
        return False
    if layer.status is LayerStatus.DOWN:
        return not layer.is_failing and layer.outage_good == 0
    return layer.is_failing


def jobs_down_since(state: ServiceState) -> datetime | None:
    """Return since when the jobs are held to fail, None while they are not."""
    layer = state.jobs
    return layer.since if layer.status is LayerStatus.DOWN else None


def api_is_up(state: ServiceState) -> bool:
    """Tell whether nothing speaks against the door: a door that nobody watches is no closed one."""
    return state.api.status is not LayerStatus.DOWN


def is_alertable(state: ServiceState, policy: Policy) -> bool:
    """Tell whether a layer is so surely down that people should be woken for it (rule 3)."""
    return any(
        layer.status is LayerStatus.DOWN and probability(layer.log_odds) >= policy.alert_at
        for layer in (state.api, state.jobs)
    )


def _advance_to(state: ServiceState, at: datetime, policy: Policy) -> ServiceState:
    while state.next_change_at is not None and state.next_change_at <= at:
        state = advance_time(state, at, policy)
    return state


def _is_routine_success(state: ServiceState, evidence: Evidence) -> bool:
    # The short way for what comes most: another good answer of a door that stands open.
    return (
        evidence.source in _FREE_SOURCES
        and evidence.failure is None
        and state.verdict.status is Status.OPERATIONAL
        and state.api.status is LayerStatus.UP
        and state.blocked is None
        and state.retirement is None
        and (state.next_change_at is None or evidence.at < state.next_change_at)
    )


def _apply_routine_success(state: ServiceState, evidence: Evidence, policy: Policy) -> ServiceState:
    door, at, source = state.api, evidence.at, evidence.source
    last = door.last_result_at
    if last is None or at <= door.at or at >= last + policy.api_ttl:
        return _apply_api_result(
            state, evidence, policy
        )  # it may be known, or the door too old to say
    added = evidence_weight(door, policy.likelihoods[source], policy, is_bad=False)
    layer = apply_success_while_up(door, at, source, added, policy)
    return updated_state(state, max(state.at, at), state.next_change_at, api=layer)


def _is_ignored(evidence: Evidence) -> bool:
    """Tell whether it says nothing: a bad prompt, our own network, our own pace."""
    failure = evidence.failure
    if failure is None or failure.fault is Fault.UPSTREAM:
        return False
    return failure.fault is Fault.CALLER or failure.kind not in _BLOCKING


def _apply_evidence(state: ServiceState, evidence: Evidence, policy: Policy) -> ServiceState:
    failure = evidence.failure
    if failure is not None and failure.fault is Fault.OURS:
        return replace(_with_time(state, evidence), blocked=failure_record(evidence))
    if evidence.source is Source.FEED:
        return lifecycle.apply_feed(_with_time(state, evidence), evidence, policy)
    state = _apply_named_failure(state, evidence, policy)
    if evidence.source in _FREE_SOURCES:
        return _apply_api_result(state, evidence, policy)
    return jobs.apply_job(state, evidence, policy)


def _with_time(state: ServiceState, evidence: Evidence) -> ServiceState:
    if evidence.at <= state.at:
        return state
    return updated_state(state, evidence.at, state.next_change_at)


def _apply_api_result(state: ServiceState, evidence: Evidence, policy: Policy) -> ServiceState:
    """Return the standing with a shallow answer folded into the door."""
    failure = evidence.failure
    if failure is not None and failure.kind is FailureKind.RETIRED:
        # The door answered, and knew our key; only the model is missing in its list.
        return jobs.apply_missing_listing(_with_time(state, evidence), evidence.at, policy)
    answer = failure_record(evidence)
    result = LayerResult(evidence.at, evidence.source, evidence.is_bad, answer)
    door = expire(state.api, evidence.at, policy.api_ttl)
    if contains_result(door, result):
        return state
    likelihood = policy.likelihoods[evidence.source]
    added = evidence_weight(door, likelihood, policy, is_bad=result.is_bad) + named_failure_weight(
        answer, policy
    )
    layer = apply_result(door, result, added, policy)
    return updated_state(state, max(state.at, evidence.at), state.next_change_at, api=layer)


def _apply_named_failure(state: ServiceState, evidence: Evidence, policy: Policy) -> ServiceState:
    """Return the standing with what a probe's or a job's answer says beside good and bad."""
    if evidence.is_bad:
        answer = failure_record(evidence)
        return replace(
            state,
            named_failures=named_failures.add_named_failure(state.named_failures, answer, policy),
            retirement=named_failures.add_retirement_evidence(state.retirement, answer),
        )
    state, gone = blocking.cleared(state, evidence), state.retirement
    if gone is None or evidence.at <= gone.last_at:
        return state
    is_refuted = named_failures.is_disproved_by(gone.first, evidence.source)
    return replace(state, retirement=None) if is_refuted else state


def _apply_calendar(state: ServiceState, evidence: Evidence, policy: Policy) -> ServiceState:
    plans = lifecycle.apply_calendar(state.calendar, evidence)
    if evidence.claimed_status is Status.MAINTENANCE:
        return replace(state, calendar=plans)  # its date may lie ahead: time does not move
    state = _advance_to(state, evidence.at, policy)
    return replace(state, at=max(state.at, evidence.at), calendar=plans)


def _with_verdict(state: ServiceState, policy: Policy) -> ServiceState:
    """Return the standing with the verdict that follows from it."""
    before, blocked = state.verdict, state.blocked
    finding = status.derive_status(state, policy)
    stays = finding.status is before.status
    since = before.since if stays else _status_began_at(state, finding)
    recovery = recovered(state, finding.status, since)
    verdict = Verdict(
        state.service,
        finding.status,
        since,
        finding.confidence,
        reasons(state, finding, policy, recovery.at),
        None if blocked is None else blocked.kind,
    )
    next_change_at = _next_change_at(state, verdict.status, policy)
    return updated_state(state, state.at, next_change_at, verdict=verdict, recovery=recovery)


def _status_began_at(state: ServiceState, derived: DerivedStatus) -> datetime:
    """Return when the new status began, never before the one that it follows.

    What gets worse is back-dated to its cause. What gets better may have a cause older than the
    trouble that hid it: then it begins where that trouble ended.
    """
    before, at = state.verdict, state.at
    if derived.since > before.since or STATUS_RANK[derived.status] > STATUS_RANK[before.status]:
        return min(at, max(derived.since, before.since))
    ends = [
        *(run.since for run in (state.jobs.good_run, state.api.good_run) if run),
        *(window.end for window in state.calendar.maintenance_windows),
        state.feed.until or before.since,
    ]
    return max((end for end in ends if before.since < end <= at), default=at)


def _next_change_at(state: ServiceState, status: Status, policy: Policy) -> datetime | None:
    door, layer, feed, plans = state.api, state.jobs, state.feed, state.calendar
    moments: list[datetime] = []
    for window in plans.maintenance_windows:
        moments += window.start, window.end
    if layer.status is not LayerStatus.UNDECIDED and layer.last_result_at is not None:
        moments.append(layer.last_result_at + policy.jobs_ttl)
    door_shows = door.status is LayerStatus.DOWN or status is Status.UNKNOWN
    if door_shows and door.status is not LayerStatus.UNDECIDED and door.last_result_at is not None:
        moments.append(door.last_result_at + policy.api_ttl)
    if feed.claimed_status is Status.MAINTENANCE and feed.until is not None:
        moments.append(feed.until)
    if plans.shutdown_at is not None:
        moments += [plans.shutdown_at - policy.shutdown_ahead, plans.shutdown_at]
    return min((m for m in moments if m > state.at), default=None)
