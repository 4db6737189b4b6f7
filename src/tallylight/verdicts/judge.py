"""The judge: folds evidence into the state of a service, and derives the verdict from the state.

The judge is pure: the same evidence in the same order gives the same state, on any machine, at any
time. Its rules are those of `docs/verdicts.md`. Each has its own module; this one combines them.
"""

from dataclasses import replace
from datetime import datetime

from tallylight.model.evidence import FREE_SOURCES, Evidence, FailureKind, Fault, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Reason, ReasonCode, Verdict
from tallylight.verdicts import (
    blocking,
    durations,
    jobs,
    lifecycle,
    named_failures,
    overdue,
    rate_limit,
    setup,
    status,
)
from tallylight.verdicts.layer_state import LayerStatus
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
from tallylight.verdicts.retraction import retraction_of
from tallylight.verdicts.state import ServiceState, updated_state
from tallylight.verdicts.status import DerivedStatus

_MAX_CONFLICTING_RUN = 3  # after more equal results in a row the layer has been decided


def initial_state(service: ServiceId, at: datetime) -> ServiceState:
    """Return the state of a service without any evidence."""
    no_evidence = (Reason(ReasonCode.NO_EVIDENCE, at),)
    return ServiceState(
        service=service,
        at=at,
        next_change_at=None,
        api=initial_layer(at),
        jobs=initial_layer(at),
        verdict=Verdict(service, Status.UNKNOWN, at, 0.0, no_evidence),
        changed_at=at,
    )


def judge(state: ServiceState, evidence: Evidence, policy: Policy) -> ServiceState:
    """Fold one piece of evidence into the state of its service.

    Evidence may arrive slightly out of order. Changes that time alone has caused before it are
    applied first. A caller that records transitions must apply them itself with `advance_time`,
    because this function returns only the last of several changes.
    """
    if evidence.source is Source.RETRACTION:
        retraction = retraction_of(evidence)
        return state if retraction is None else retraction.state
    state = _released(state, evidence, policy)
    if _is_routine_success(state, evidence):
        return _apply_routine_success(state, evidence, policy)
    if _is_ignored(evidence) and not setup.is_setup_evidence(state, evidence):
        return state
    if evidence.source is Source.CALENDAR:
        return _with_verdict(_apply_calendar(state, evidence, policy), policy)
    state = advance_to(state, evidence.at, policy)
    return _with_verdict(_apply_evidence(state, evidence, policy), policy)


def advance_time(state: ServiceState, now: datetime, policy: Policy) -> ServiceState:
    """Apply what time alone changes: evidence expires, maintenance starts and ends, dates pass.

    Stops at the first change of status, so that a maintenance between two calls is not lost; later
    changes come with the next call. Returns the same object if nothing was due;
    `state.next_change_at` says when something will be.
    """
    before = state.verdict.status
    while state.next_change_at is not None and state.next_change_at <= now:
        at = max(state.next_change_at, state.at)
        if state.held_since is not None and at >= state.held_since + policy.api_ttl:
            state = replace(state, held_since=None)
        api = state.api if state.held_since else expire(state.api, at, policy.api_ttl)
        jobs_layer = expire(state.jobs, at, policy.jobs_ttl)
        state = updated_state(state, at, state.next_change_at, api=api, jobs=jobs_layer)
        state = _with_verdict(rate_limit.expired(state, policy), policy)
        if state.verdict.status is not before:
            break
    return state


def advance_before(state: ServiceState, evidence: Evidence, policy: Policy) -> ServiceState:
    """Apply what time alone changes before evidence, as `advance_time` does.

    A caller that records transitions repeats it until it returns the same object, then judges.
    """
    return advance_time(_released(state, evidence, policy), evidence.at, policy)


def advance_to(state: ServiceState, at: datetime, policy: Policy) -> ServiceState:
    """Apply everything that time alone changes up to a moment, whatever it does to the status."""
    while state.next_change_at is not None and state.next_change_at <= at:
        state = advance_time(state, at, policy)
    return state


def held(state: ServiceState, now: datetime, policy: Policy) -> ServiceState:
    """Return the state in a process that starts now: evidence of free checks does not expire yet.

    It expires as usual once the first free check of the new process has ended, or a TTL after the
    start. A pause that is shorter than the TTL therefore leaves no trace.
    """
    if state.api.status is LayerStatus.UNDECIDED or state.verdict.status is Status.OPERATIONAL:
        return state  # there is nothing to expire, or it would change nothing
    return _rescheduled(replace(state, held_since=now), policy)


def _released(state: ServiceState, evidence: Evidence, policy: Policy) -> ServiceState:
    """Return the state before evidence: the first free check after a start lets time pass again.

    If the former evidence was fresh at the start, a result of the service itself follows on it.
    """
    if state.held_since is None or evidence.source not in FREE_SOURCES:
        return state
    last = state.api.last_result_at
    was_fresh = last is not None and state.held_since < last + policy.api_ttl
    if was_fresh and not _is_ignored(evidence) and not blocking.is_refusal(evidence.failure):
        return state
    return _rescheduled(replace(state, held_since=None), policy)


def jobs_down_probability(state: ServiceState, now: datetime, policy: Policy) -> float:
    """Return P(jobs are down) at a moment."""
    return probability(decayed_log_odds(state.jobs, now, policy))


def jobs_are_uncertain(state: ServiceState, now: datetime, policy: Policy) -> bool:
    """Tell whether the state of the jobs is uncertain enough for a paid probe (rule 5)."""
    p = jobs_down_probability(state, now, policy)
    is_uncertain = policy.uncertain_above < p < policy.uncertain_below
    history = state.job_history
    return api_is_up(state) and (
        is_uncertain
        or durations.pace_is_uncertain(history)
        or overdue.is_in_doubt(history, state.jobs)
    )


def has_conflicting_evidence(state: ServiceState) -> bool:
    """Tell whether the newest jobs contradict the state of the jobs and may soon change it.

    In an outage that has let jobs pass before, another good job is no contradiction.
    """
    layer = state.jobs
    run = layer.current_run
    if run is None or run.length > _MAX_CONFLICTING_RUN:
        return False
    if layer.status is LayerStatus.DOWN:
        return not layer.is_failing and layer.outage_good == 0
    return layer.is_failing


def jobs_down_since(state: ServiceState) -> datetime | None:
    """Return since when the jobs are down, None while they are not."""
    layer = state.jobs
    return layer.since if layer.status is LayerStatus.DOWN else None


def api_is_up(state: ServiceState) -> bool:
    """Tell whether the API layer is not down; without evidence it counts as up."""
    return state.api.status is not LayerStatus.DOWN


def is_alertable(state: ServiceState, policy: Policy) -> bool:
    """Tell whether a layer is down with the probability that alerts require (rule 3)."""
    return any(
        layer.status is LayerStatus.DOWN and probability(layer.log_odds) >= policy.alert_at
        for layer in (state.api, state.jobs)
    )


def _is_routine_success(state: ServiceState, evidence: Evidence) -> bool:
    # A shortcut for most evidence: another good free check of an API that is up.
    return (
        evidence.source in FREE_SOURCES
        and evidence.failure is None
        and state.verdict.status is Status.OPERATIONAL
        and state.api.status is LayerStatus.UP
        and state.blocked is None
        and state.retirement is None
        and not lifecycle.tells_other_date(state, evidence)
        and (state.next_change_at is None or evidence.at < state.next_change_at)
    )


def _apply_routine_success(state: ServiceState, evidence: Evidence, policy: Policy) -> ServiceState:
    api, at, source = state.api, evidence.at, evidence.source
    last = api.last_result_at
    if last is None or at <= api.at or at >= last + policy.api_ttl:
        # The result may be a known one, or the former ones may have expired.
        return _apply_api_result(state, evidence, policy)
    weight = evidence_weight(api, policy.likelihoods[source], policy, is_bad=False)
    layer = apply_success_while_up(api, at, source, weight, policy)
    return updated_state(state, max(state.at, at), state.next_change_at, api=layer)


def _is_ignored(evidence: Evidence) -> bool:
    """Tell whether evidence says nothing: a bad prompt, our own network, our own request rate."""
    failure = evidence.failure
    if failure is None or failure.fault is Fault.UPSTREAM:
        return False
    return not (blocking.is_refusal(failure) or rate_limit.is_refused_order(evidence))


def _apply_evidence(state: ServiceState, evidence: Evidence, policy: Policy) -> ServiceState:
    state = lifecycle.apply_told_date(state, evidence)
    if setup.is_setup_evidence(state, evidence):
        return setup.apply_setup_evidence(_with_time(state, evidence), evidence)
    if setup.explains(state, evidence) and not blocking.is_refusal(evidence.failure):
        return _with_time(state, evidence)
    return _apply_observation(setup.after_other_evidence(state, evidence), evidence, policy)


def _apply_observation(state: ServiceState, evidence: Evidence, policy: Policy) -> ServiceState:
    if evidence.source is Source.SIBLING:
        return blocking.accepted_elsewhere(_with_time(state, evidence))
    if blocking.is_refusal(evidence.failure):
        return blocking.blocked(_with_time(state, evidence), evidence)
    if rate_limit.is_refused_order(evidence):
        return rate_limit.refused(_with_time(state, evidence), evidence, policy)
    if evidence.source is Source.FEED:
        return lifecycle.apply_feed(_with_time(state, evidence), evidence, policy)
    state = _apply_named_failure(state, evidence, policy)
    if evidence.source in FREE_SOURCES:
        return _apply_api_result(state, evidence, policy)
    return jobs.apply_job(state, evidence, policy)


def _with_time(state: ServiceState, evidence: Evidence) -> ServiceState:
    if evidence.at <= state.at:
        return state
    return updated_state(state, evidence.at, state.next_change_at)


def _apply_api_result(state: ServiceState, evidence: Evidence, policy: Policy) -> ServiceState:
    """Return the state with a free check applied to the API layer."""
    failure = evidence.failure
    if failure is not None and (
        failure.kind is FailureKind.RETIRED or named_failures.is_unlisted(failure)
    ):
        # The API responded and accepted our key; only the model is missing in its list.
        return jobs.apply_missing_listing(_with_time(state, evidence), evidence.at, policy)
    record = failure_record(evidence)
    result = LayerResult(evidence.at, evidence.source, evidence.is_bad, record)
    if state.held_since is None:
        api = expire(state.api, evidence.at, policy.api_ttl)
    else:
        api, state = state.api, replace(state, held_since=None)
    if contains_result(api, result):
        return state
    likelihood = policy.likelihoods[evidence.source]
    weight = evidence_weight(api, likelihood, policy, is_bad=result.is_bad)
    layer = apply_result(api, result, weight + named_failure_weight(record, policy), policy)
    return updated_state(state, max(state.at, evidence.at), state.next_change_at, api=layer)


def _apply_named_failure(state: ServiceState, evidence: Evidence, policy: Policy) -> ServiceState:
    """Return the state with named failures, retirement and block updated by a response."""
    if evidence.is_bad:
        record = failure_record(evidence)
        return replace(
            state,
            named_failures=named_failures.add_named_failure(state.named_failures, record, policy),
            retirement=named_failures.add_retirement_evidence(state.retirement, record),
        )
    state = rate_limit.without_limit(blocking.cleared(state, evidence), evidence)
    retirement = state.retirement
    if retirement is None or evidence.at <= retirement.last_at:
        return state
    is_disproved = named_failures.is_disproved_by(retirement.first, evidence.source)
    return replace(state, retirement=None) if is_disproved else state


def _apply_calendar(state: ServiceState, evidence: Evidence, policy: Policy) -> ServiceState:
    calendar = lifecycle.apply_calendar(state.calendar, evidence)
    if evidence.claimed_status is Status.MAINTENANCE:
        # `at` is the start of the maintenance, which may be in the future: time does not move.
        return replace(state, calendar=calendar)
    state = advance_to(state, evidence.at, policy)
    return replace(state, at=max(state.at, evidence.at), calendar=calendar)


def _with_verdict(state: ServiceState, policy: Policy) -> ServiceState:
    """Return the state with the verdict that follows from it."""
    before = state.verdict
    derived = status.derive_status(state, policy)
    since, changed_at = before.since, state.changed_at
    if derived.status is not before.status:
        since = changed_at = _status_began_at(state, derived)
        if derived.resumed_at is not None and derived.status.rank > before.status.rank:
            since = min(since, derived.since)  # the trouble reaches back over the UNKNOWN in it
    recovery = recovered(state, derived.status, since)
    verdict = Verdict(
        state.service,
        derived.status,
        since,
        derived.confidence,
        reasons(state, derived, policy, recovery.at),
        blocking.block_of(state),
    )
    next_change_at = _next_change_at(state, verdict.status, policy)
    return updated_state(
        state, state.at, next_change_at, verdict=verdict, recovery=recovery, changed_at=changed_at
    )


def _status_began_at(state: ServiceState, derived: DerivedStatus) -> datetime:
    """Return when the new status began, never before the last change of status.

    A worse status is back-dated to its cause. The cause of a better status may be older than the
    trouble that hid it; the status then begins where that trouble ended.
    """
    before, at = state.verdict, state.at
    earliest = state.changed_at or before.since
    cause = derived.resumed_at or derived.since
    if cause > earliest or derived.status.rank > before.status.rank:
        return min(at, max(cause, earliest))
    ends = [
        *(run.since for run in (state.jobs.good_run, state.api.good_run) if run),
        *(window.end for window in state.calendar.maintenance_windows),
        state.feed.until or earliest,
    ]
    return max((end for end in ends if earliest < end <= at), default=at)


def _rescheduled(state: ServiceState, policy: Policy) -> ServiceState:
    moment = _next_change_at(state, state.verdict.status, policy)
    return replace(state, next_change_at=moment)


def _next_change_at(state: ServiceState, status: Status, policy: Policy) -> datetime | None:
    api, layer, feed, calendar = state.api, state.jobs, state.feed, state.calendar
    windows = calendar.maintenance_windows
    moments: list[datetime] = []
    if layer.status is not LayerStatus.UNDECIDED and layer.last_result_at is not None:
        moments.append(max(layer.last_result_at + policy.jobs_ttl, state.at))
    # An API that is up affects only what is shown under UNKNOWN, so its expiry matters only there.
    api_matters = api.status is LayerStatus.DOWN or status is Status.UNKNOWN
    if api_matters and api.status is not LayerStatus.UNDECIDED and api.last_result_at is not None:
        due_at = api.last_result_at + policy.api_ttl
        if state.held_since is not None:
            due_at = max(due_at, state.held_since + policy.api_ttl)
        moments.append(max(due_at, state.at))
    dates = [moment for window in windows for moment in (window.start, window.end)]
    if feed.claimed_status is Status.MAINTENANCE and feed.until is not None:
        dates.append(feed.until)
    if state.rate_limit is not None:
        dates.append(rate_limit.expires_at(state.rate_limit, policy))
    if calendar.shutdown_at is not None:
        dates += [calendar.shutdown_at - policy.shutdown_ahead, calendar.shutdown_at]
    return min((*moments, *(date for date in dates if date > state.at)), default=None)
