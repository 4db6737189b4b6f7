"""Jobs that still run long after any job of their service should have ended.

An overdue job is a bad result at that moment, not only when its time limit ends it. It is followed
on: if it delivers after all, the result is taken back, and its duration is compared with the usual
one (`durations`). However it ends, it counts once.
"""

import math
from dataclasses import replace
from datetime import datetime, timedelta

from tallylight.model.evidence import Evidence, Failure, FailureKind, Fault, Source
from tallylight.verdicts import durations
from tallylight.verdicts.job_history import JobHistory, OverdueJob
from tallylight.verdicts.layer_state import LayerState, LayerStatus
from tallylight.verdicts.layers import decayed_log_odds
from tallylight.verdicts.policy import Policy

OVERDUE_RULE = "job:overdue"
"""The rule of the failure of an accepted job that still runs, long after its usual time."""

STALLED_RULE = "job:stalled"
"""The rule of the failure of an accepted job whose time limit has passed; it may still deliver."""

RULES_WITHOUT_ANSWER = frozenset({OVERDUE_RULE, STALLED_RULE})
"""The rules of failures whose text is ours, since the upstream has said nothing."""

_P95 = 0.95
_P95_FACTOR = 4.0
_SHORTEST = timedelta(minutes=3)
_MAX_KEPT = 4
_SAME_JOB = timedelta(seconds=5)  # its end is reported a little after it was timed
_FORGOTTEN_AFTER = timedelta(days=1)


def overdue_failure(age: timedelta) -> Failure:
    """Return the failure of an accepted job that still runs at this age."""
    return Failure(
        kind=FailureKind.DEGRADED,
        fault=Fault.UPSTREAM,
        rule=OVERDUE_RULE,
        text=f"accepted, and still no video after {round(age.total_seconds())} s",
    )


def overdue_after(history: JobHistory, policy: Policy, job_timeout: timedelta) -> timedelta | None:
    """Return the age from which a job is overdue; None if its time limit comes first.

    Without a baseline of durations no job is overdue.
    """
    p95 = durations.duration_quantile(history.daily_sketches, _P95, policy)
    if p95 is None:
        return None
    limit = max(timedelta(seconds=_P95_FACTOR * p95), _SHORTEST)
    return limit if limit < job_timeout else None


def may_deliver_late(evidence: Evidence) -> bool:
    """Tell whether evidence reports a job that may still deliver, and when that job began."""
    failure = evidence.failure
    return (
        failure is not None
        and failure.rule in RULES_WITHOUT_ANSWER
        and evidence.latency is not None
    )


def is_overdue(evidence: Evidence) -> bool:
    """Tell whether evidence reports an overdue job."""
    return evidence.failure is not None and evidence.failure.rule == OVERDUE_RULE


def additional_weight(
    layer: LayerState, evidence: Evidence, policy: Policy, *, feed_reports: bool
) -> float:
    """Return what an overdue job weighs beyond a failed one, which is not as rare.

    It decides where the status page reports trouble. Callers' jobs are too many for that.
    """
    if not is_overdue(evidence):
        return 0.0
    weight = math.log(policy.overdue_factor)
    if not feed_reports or evidence.source is not Source.GENERATION:
        return weight
    return max(weight, policy.down_log_odds - decayed_log_odds(layer, evidence.at, policy))


def is_in_doubt(history: JobHistory, layer: LayerState) -> bool:
    """Tell whether the newest result is an overdue job that does not decide alone."""
    if layer.status is not LayerStatus.UP or not layer.is_failing or not history.overdue:
        return False
    return history.overdue[-1].at == layer.last_result_at


def jobs_without_video(
    history: JobHistory, layer: LayerState, after: datetime
) -> tuple[OverdueJob, ...]:
    """Return the overdue jobs of the current run of bad results that counted after a moment."""
    run = layer.bad_run
    if run is None or not layer.is_failing:
        return ()
    return tuple(job for job in history.overdue if job.at >= run.since and job.at > after)


def counted_job(history: JobHistory, evidence: Evidence) -> OverdueJob | None:
    """Return the overdue job that has counted and that evidence reports on, None if there is none.

    A job is recognised by when it began.
    """
    if evidence.latency is None or not history.overdue:
        return None
    began_at = evidence.began_at
    same = [
        job
        for job in history.overdue
        if job.source is evidence.source
        and job.at <= evidence.at
        and abs(began_at - job.began_at) <= _SAME_JOB
    ]
    return min(same, key=lambda job: abs(began_at - job.began_at), default=None)


def with_counted(history: JobHistory, evidence: Evidence, weight: float) -> JobHistory:
    """Return the history with an overdue job that has counted with this weight."""
    job = OverdueJob(
        evidence.began_at, evidence.source, evidence.at, weight, is_overdue=is_overdue(evidence)
    )
    kept = [each for each in history.overdue if evidence.at - each.at < _FORGOTTEN_AFTER]
    return replace(history, overdue=(*kept[1 - _MAX_KEPT :], job))


def without_counted(history: JobHistory, job: OverdueJob) -> JobHistory:
    """Return the history after an overdue job has ended."""
    return replace(history, overdue=tuple(each for each in history.overdue if each is not job))


def remaining_weight(job: OverdueJob, at: datetime, policy: Policy) -> float:
    """Return what is left of the weight of an overdue job: evidence decays."""
    elapsed = max(0.0, (at - job.at).total_seconds())
    return job.weight * math.exp(-policy.decay_rate * elapsed)


def uncounted(before: LayerState, after: LayerState) -> LayerState:
    """Return a layer after an overdue job, which is no false alarm if it delivers."""
    if after.status is not before.status:
        return after
    return replace(after, false_alarms=before.false_alarms)
