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
    Result,
    aged,
    counted,
    knows,
    opened,
    probability,
    relaxed,
    stood,
    weight,
)
from tallylight.verdicts.named_failures import answer_of, log_of_name
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.reasons import reasons
from tallylight.verdicts.recovery import recovered
from tallylight.verdicts.state import Standing, State
from tallylight.verdicts.status import RANK, Finding

_BLOCKING = frozenset({FailureKind.AUTH, FailureKind.QUOTA})
_SHALLOW = frozenset({Source.REACH, Source.CREDENTIALS})
_CONFIRMED = 3  # so many like results in a row contradict nothing any more


def opening(service: ServiceId, at: datetime) -> Standing:
    """Return what stands before there is any evidence."""
    nothing = (Reason(ReasonCode.NO_EVIDENCE, at),)
    return Standing(
        service=service,
        at=at,
        wake_at=None,
        door=opened(at),
        jobs=opened(at),
        verdict=Verdict(service, Status.UNKNOWN, at, 0.0, nothing),
    )


def judge(standing: Standing, evidence: Evidence, policy: Policy) -> Standing:
    """Fold one piece of evidence into the standing of its service.

    Evidence may come slightly out of order. What time alone changed before it is folded in first;
    whoever records transitions calls `pass_time` himself before, or misses the one between.
    """
    if _changes_nothing_shown(standing, evidence):
        return _stands_open(standing, evidence, policy)
    if _is_no_concern(evidence):
        return standing
    if evidence.source is Source.CALENDAR:
        return _judged(_planned(standing, evidence, policy), policy)
    standing = _brought_to(standing, evidence.at, policy)
    return _judged(_folded(standing, evidence, policy), policy)


def pass_time(standing: Standing, now: datetime, policy: Policy) -> Standing:
    """Let what time alone changes change: holds run out, plans begin and end, dates pass.

    Stops at the first change of status, so that a maintenance between two calls is not lost: what
    is due after it comes with the next call. Returns the same object if nothing was due;
    `standing.wake_at` says when something will be.
    """
    before = standing.verdict.status
    while standing.wake_at is not None and standing.wake_at <= now:
        at = max(standing.wake_at, standing.at)
        door = aged(standing.door, at, policy.hold_door)
        layer = aged(standing.jobs, at, policy.hold_jobs)
        standing = _judged(replace(standing, at=at, door=door, jobs=layer), policy)
        if standing.verdict.status is not before:
            break
    return standing


def jobs_down_probability(standing: Standing, now: datetime, policy: Policy) -> float:
    """Return how probable it is at a moment that the jobs of a service fail."""
    return probability(relaxed(standing.jobs, now, policy))


def jobs_are_in_doubt(standing: Standing, now: datetime, policy: Policy) -> bool:
    """Tell whether a paid probe would teach much now (rule 5)."""
    p = jobs_down_probability(standing, now, policy)
    return door_is_up(standing) and policy.doubt_above < p < policy.doubt_below


def jobs_are_at_odds(standing: Standing) -> bool:
    """Tell whether the newest jobs contradict the state of the jobs, and may be about to turn it.

    In an outage that has let some pass before, one more that passes is nothing new.
    """
    layer = standing.jobs
    run = layer.run
    if run is None or run.length > _CONFIRMED:
        return False
    if layer.state is State.DOWN:
        return not layer.is_failing and layer.broken_good == 0
    return layer.is_failing


def jobs_down_from(standing: Standing) -> datetime | None:
    """Return since when the jobs are held to fail, None while they are not."""
    layer = standing.jobs
    return layer.since if layer.state is State.DOWN else None


def door_is_up(standing: Standing) -> bool:
    """Tell whether nothing speaks against the door: a door that nobody watches is no closed one."""
    return standing.door.state is not State.DOWN


def is_worth_an_alert(standing: Standing, policy: Policy) -> bool:
    """Tell whether a layer is so surely down that people should be woken for it (rule 3)."""
    return any(
        layer.state is State.DOWN and probability(layer.log_odds) >= policy.alert_at
        for layer in (standing.door, standing.jobs)
    )


def _brought_to(standing: Standing, at: datetime, policy: Policy) -> Standing:
    while standing.wake_at is not None and standing.wake_at <= at:
        standing = pass_time(standing, at, policy)
    return standing


def _changes_nothing_shown(standing: Standing, evidence: Evidence) -> bool:
    # The short way for what comes most: another good answer of a door that stands open.
    return (
        evidence.source in _SHALLOW
        and evidence.failure is None
        and standing.verdict.status is Status.OPERATIONAL
        and standing.door.state is State.UP
        and standing.blocked is None
        and standing.gone is None
        and (standing.wake_at is None or evidence.at < standing.wake_at)
    )


def _stands_open(standing: Standing, evidence: Evidence, policy: Policy) -> Standing:
    door, at, source = standing.door, evidence.at, evidence.source
    last = door.last
    if last is None or at <= door.at or at >= last + policy.hold_door:
        return _knocked(standing, evidence, policy)  # it may be known, or the door too old to say
    added = weight(door, policy.likelihoods[source], policy, is_bad=False)
    return Standing(
        standing.service,
        max(standing.at, at),
        standing.wake_at,
        stood(door, at, source, added, policy),
        standing.jobs,
        standing.verdict,
        standing.record,
        standing.feed,
        standing.plans,
        standing.marks,
        standing.gone,
        standing.blocked,
        standing.cleared_by_probe,
        standing.recovery,
    )


def _is_no_concern(evidence: Evidence) -> bool:
    """Tell whether it says nothing: a bad prompt, our own network, our own pace."""
    failure = evidence.failure
    if failure is None or failure.fault is Fault.UPSTREAM:
        return False
    return failure.fault is Fault.CALLER or failure.kind not in _BLOCKING


def _folded(standing: Standing, evidence: Evidence, policy: Policy) -> Standing:
    failure = evidence.failure
    if failure is not None and failure.fault is Fault.OURS:
        return replace(_at(standing, evidence), blocked=answer_of(evidence))
    if evidence.source is Source.FEED:
        return lifecycle.with_feed(_at(standing, evidence), evidence, policy)
    standing = _heard(standing, evidence, policy)
    if evidence.source in _SHALLOW:
        return _knocked(standing, evidence, policy)
    return jobs.with_job(standing, evidence, policy)


def _at(standing: Standing, evidence: Evidence) -> Standing:
    return replace(standing, at=evidence.at) if evidence.at > standing.at else standing


def _knocked(standing: Standing, evidence: Evidence, policy: Policy) -> Standing:
    """Return the standing with a shallow answer folded into the door."""
    failure = evidence.failure
    if failure is not None and failure.kind is FailureKind.RETIRED:
        # The door answered, and knew our key; only the model is missing in its list.
        return jobs.without_listing(_at(standing, evidence), evidence.at, policy)
    answer = answer_of(evidence)
    result = Result(evidence.at, evidence.source, evidence.is_bad, answer)
    door = aged(standing.door, evidence.at, policy.hold_door)
    if knows(door, result):
        return standing
    likelihood = policy.likelihoods[evidence.source]
    added = weight(door, likelihood, policy, is_bad=result.is_bad) + log_of_name(answer, policy)
    return Standing(
        standing.service,
        max(standing.at, evidence.at),
        standing.wake_at,
        counted(door, result, added, policy),
        standing.jobs,
        standing.verdict,
        standing.record,
        standing.feed,
        standing.plans,
        standing.marks,
        standing.gone,
        standing.blocked,
        standing.cleared_by_probe,
        standing.recovery,
    )


def _heard(standing: Standing, evidence: Evidence, policy: Policy) -> Standing:
    """Return the standing with what a probe's or a job's answer says beside good and bad."""
    if evidence.is_bad:
        answer = answer_of(evidence)
        return replace(
            standing,
            marks=named_failures.marked(standing.marks, answer, policy),
            gone=named_failures.with_gone(standing.gone, answer),
        )
    standing, gone = blocking.cleared(standing, evidence), standing.gone
    if gone is None or evidence.at <= gone.last:
        return standing
    is_refuted = named_failures.is_refuted(gone.first, evidence.source)
    return replace(standing, gone=None) if is_refuted else standing


def _planned(standing: Standing, evidence: Evidence, policy: Policy) -> Standing:
    plans = lifecycle.with_calendar(standing.plans, evidence)
    if evidence.claimed_status is Status.MAINTENANCE:
        return replace(standing, plans=plans)  # its date may lie ahead: time does not move
    standing = _brought_to(standing, evidence.at, policy)
    return replace(standing, at=max(standing.at, evidence.at), plans=plans)


def _judged(standing: Standing, policy: Policy) -> Standing:
    """Return the standing with the verdict that follows from it."""
    before, blocked = standing.verdict, standing.blocked
    finding = status.found(standing, policy)
    stays = finding.status is before.status
    since = before.since if stays else _turning_point(standing, finding)
    recovery = recovered(standing, finding.status, since)
    verdict = Verdict(
        standing.service,
        finding.status,
        since,
        finding.confidence,
        reasons(standing, finding, policy, recovery.at),
        None if blocked is None else blocked.kind,
    )
    return Standing(
        standing.service,
        standing.at,
        _wake_at(standing, verdict.status, policy),
        standing.door,
        standing.jobs,
        verdict,
        standing.record,
        standing.feed,
        standing.plans,
        standing.marks,
        standing.gone,
        standing.blocked,
        standing.cleared_by_probe,
        recovery,
    )


def _turning_point(standing: Standing, finding: Finding) -> datetime:
    """Return when the new status began, never before the one that it follows.

    What gets worse is back-dated to its cause. What gets better may have a cause older than the
    trouble that hid it: then it begins where that trouble ended.
    """
    before, at = standing.verdict, standing.at
    if finding.since > before.since or RANK[finding.status] > RANK[before.status]:
        return min(at, max(finding.since, before.since))
    ends = [
        *(run.since for run in (standing.jobs.good_run, standing.door.good_run) if run),
        *(window.end for window in standing.plans.windows),
        standing.feed.until or before.since,
    ]
    return max((end for end in ends if before.since < end <= at), default=at)


def _wake_at(standing: Standing, status: Status, policy: Policy) -> datetime | None:
    door, layer, feed, plans = standing.door, standing.jobs, standing.feed, standing.plans
    moments: list[datetime] = []
    for window in plans.windows:
        moments += window.start, window.end
    if layer.state is not State.UNDECIDED and layer.last is not None:
        moments.append(layer.last + policy.hold_jobs)
    door_shows = door.state is State.DOWN or status is Status.UNKNOWN
    if door_shows and door.state is not State.UNDECIDED and door.last is not None:
        moments.append(door.last + policy.hold_door)
    if feed.says is Status.MAINTENANCE and feed.until is not None:
        moments.append(feed.until)
    if plans.shutdown_at is not None:
        moments += [plans.shutdown_at - policy.shutdown_ahead, plans.shutdown_at]
    return min((m for m in moments if m > standing.at), default=None)
