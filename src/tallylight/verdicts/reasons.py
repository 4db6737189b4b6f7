"""Why a verdict stands: the evidence that decided, as codes and facts, most telling first.

The facts of each code are listed in `docs/verdicts.md`; `languages` turns them into sentences.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime

from tallylight.model.evidence import FailureKind
from tallylight.model.status import Status
from tallylight.model.verdict import Reason, ReasonCode
from tallylight.verdicts import durations, failure_rate
from tallylight.verdicts.intervals import wilson
from tallylight.verdicts.lifecycle import is_in_maintenance, window_at
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import Answer, Gone, LayerStanding, Standing, State
from tallylight.verdicts.status import Finding

Facts = dict[str, str | int | float]


def reasons(
    standing: Standing, finding: Finding, policy: Policy, recovered_at: datetime | None
) -> tuple[Reason, ...]:
    """Return why this was found; never empty.

    Args:
        standing: What is remembered.
        finding: The status.
        policy: The figures.
        recovered_at: When trouble ended that free checks alone had seen; None where none has.
    """
    status = _of_status(standing, finding, policy)
    if recovered_at is not None:
        status = _recovered(standing, recovered_at, policy)
    told = [*status, *_beside(standing, finding, policy)]
    if finding.status is Status.UNKNOWN and standing.blocked is not None:
        told.sort(key=lambda reason: reason.code not in _OURS)  # what keeps us out comes first
    return tuple(told) or (Reason(ReasonCode.NO_EVIDENCE, standing.at),)


_OURS = frozenset({ReasonCode.KEY_REFUSED, ReasonCode.BALANCE_EMPTY})


def _of_status(standing: Standing, finding: Finding, policy: Policy) -> Iterator[Reason]:
    match finding.status:
        case Status.RETIRED:
            yield from _retired(standing, policy)
        case Status.MAINTENANCE:
            yield from _maintenance(standing, finding)
            yield from _of_door(standing)
        case Status.OPERATIONAL:
            yield from _delivered(standing, policy)
        case Status.UNKNOWN:
            yield from _unknown(standing, policy)
            yield from _of_door(standing)
        case Status.DEGRADED | Status.RISK_CONTROL | Status.SUSPENDED:
            yield from _named(finding)
            yield from _of_jobs(standing, policy)
            yield from _of_door(standing)


def _beside(standing: Standing, finding: Finding, policy: Policy) -> Iterator[Reason]:
    blocked, feed, plans, gone = standing.blocked, standing.feed, standing.plans, standing.gone
    if blocked is not None:
        is_key = blocked.kind is FailureKind.AUTH
        code = ReasonCode.KEY_REFUSED if is_key else ReasonCode.BALANCE_EMPTY
        yield Reason(code, blocked.at, _said(blocked))
    if gone is not None and finding.status not in {Status.RETIRED, Status.OPERATIONAL}:
        yield _gone(gone)
    if feed.at is not None and feed.says is not Status.OPERATIONAL:
        is_told = finding.status is Status.MAINTENANCE and is_in_maintenance(standing)
        if not is_told:
            facts: Facts = {"says": feed.says.value, "since": _iso(feed.at), "note": feed.note}
            yield Reason(ReasonCode.FEED_NOT_OPERATIONAL, feed.at, facts)
    if not feed.is_readable:
        yield Reason(ReasonCode.FEED_UNREADABLE, standing.at)
    date = plans.shutdown_at
    is_ahead = date is not None and standing.at >= date - policy.shutdown_ahead
    if date is not None and is_ahead and finding.status is not Status.RETIRED:
        yield Reason(ReasonCode.SHUTDOWN_AHEAD, standing.at, _shutdown(standing, date))


def _retired(standing: Standing, policy: Policy) -> Iterator[Reason]:
    plans, delivery = standing.plans, standing.record.delivery
    date = plans.shutdown_at
    if date is not None and plans.is_certain and standing.at >= date:
        yield Reason(ReasonCode.SHUTDOWN_PASSED, date, _shutdown(standing, date))
    if standing.gone is not None:
        yield _gone(standing.gone)
    if delivery is not None and date is not None and delivery.at > date:
        yield from _delivered(standing, policy)


def _maintenance(standing: Standing, finding: Finding) -> Iterator[Reason]:
    window, feed = window_at(standing.plans, standing.at), standing.feed
    if window is not None:
        facts: Facts = {"until": _iso(window.end), "note": window.note, "by": "calendar"}
        yield Reason(ReasonCode.MAINTENANCE_SCHEDULED, window.start, facts)
    elif feed.at is not None and is_in_maintenance(standing):
        facts = {"note": feed.note, "by": "feed"}
        if feed.until is not None:
            facts["until"] = _iso(feed.until)
        yield Reason(ReasonCode.MAINTENANCE_SCHEDULED, feed.at, facts)
    yield from _named(finding)


def _named(finding: Finding) -> Iterator[Reason]:
    if finding.named_by is not None:
        answer = finding.named_by
        yield Reason(_NAME_CODES[answer.kind], answer.at, _said(answer))
    if finding.signs is not None:
        first, second = finding.signs
        facts: Facts = {"signs": 2, "first_rule": first.rule, "first_at": _iso(first.at)}
        yield Reason(ReasonCode.RISK_CONTROL_SUSPECTED, second.at, facts | _said(second))


_NAME_CODES: Mapping[FailureKind, ReasonCode] = {
    FailureKind.RISK_CONTROL: ReasonCode.RISK_CONTROL_REPORTED,
    FailureKind.SUSPENDED: ReasonCode.SUSPENSION_REPORTED,
    FailureKind.MAINTENANCE: ReasonCode.MAINTENANCE_REPORTED,
}


def _unknown(standing: Standing, policy: Policy) -> Iterator[Reason]:
    jobs = standing.jobs
    if jobs.last is not None and standing.at >= jobs.last + policy.hold_jobs:
        facts: Facts = {
            "last_at": _iso(jobs.last),
            "hold_seconds": int(policy.hold_jobs.total_seconds()),
        }
        yield Reason(ReasonCode.NO_RECENT_JOBS, jobs.last, facts)
    elif jobs.bad_run is not None:
        yield _failing(ReasonCode.JOBS_FAILING, jobs)
    elif standing.door.last is not None:
        yield Reason(ReasonCode.NO_RECENT_JOBS, standing.at)


def _recovered(standing: Standing, at: datetime, policy: Policy) -> Iterator[Reason]:
    door = standing.door
    if door.state is not State.UP or door.good_run is None:
        yield from _unknown(standing, policy)
        yield from _of_door(standing)
        return
    facts: Facts = {"answers": door.good_run.length, "since": _iso(at)}
    yield Reason(ReasonCode.DOOR_REOPENED, door.good_run.last, facts)
    if standing.jobs.last is not None:
        yield from _unknown(standing, policy)


def _of_jobs(standing: Standing, policy: Policy) -> Iterator[Reason]:
    layer, record = standing.jobs, standing.record
    if layer.state is State.DOWN:
        is_mixed = layer.broken_good > 0
        code = ReasonCode.JOBS_PARTLY_FAILING if is_mixed else ReasonCode.JOBS_FAILING
        yield _failing(code, layer)
    elif layer.state is State.UP:
        if record.partly_since is not None:
            yield _partly(standing, policy)
        pace = durations.pace(record, policy, policy.sure)
        if record.slow_since is not None and pace is not None:
            facts: Facts = {
                "slowest_seconds": round(pace.slowest, 1),
                "median_seconds": round(pace.median, 1),
                "times": round(pace.slowest / pace.median, 1),
                "of": pace.of,
            }
            yield Reason(ReasonCode.JOBS_SLOW, record.recent[-1].at, facts)
        if record.partly_since is None:
            yield from _delivered(standing, policy)


def _of_door(standing: Standing) -> Iterator[Reason]:
    door = standing.door
    if door.state is State.DOWN:
        partly = door.broken_good > 0
        yield _failing(ReasonCode.API_PARTLY_FAILING if partly else ReasonCode.API_DOWN, door)
    elif door.state is State.UP and door.good_run is not None:
        run = door.good_run
        facts: Facts = {"answers": run.length, "since": _iso(run.since)}
        yield Reason(ReasonCode.API_RESPONDING, run.last, facts)
    elif door.state is State.UNDECIDED and door.is_failing:
        yield _failing(ReasonCode.API_PARTLY_FAILING, door)


def _delivered(standing: Standing, policy: Policy) -> Iterator[Reason]:
    delivery = standing.record.delivery
    if delivery is None:
        return
    share = failure_rate.share(standing.record, standing.at, policy.degraded_long)
    facts: Facts = {
        "last_at": _iso(delivery.at),
        "source": delivery.source.value,
        "delivered": max(1, share.of - share.bad),
        "of": max(1, share.of),
        "minutes": int(policy.degraded_long.total_seconds()) // 60,
    }
    if share.of == share.bad:  # the newest is older than the window
        facts = {"last_at": facts["last_at"], "source": facts["source"]}
    if delivery.seconds is not None:
        facts["seconds"] = round(delivery.seconds, 1)
    yield Reason(ReasonCode.JOBS_DELIVERED, delivery.at, facts)


def _failing(code: ReasonCode, layer: LayerStanding) -> Reason:
    """Return "last m of n failed over t, the last with this answer"."""
    run, good = layer.bad_run, layer.good_run
    recovering = 0 if layer.is_failing or good is None else good.length
    if run is None or layer.broken_good:
        failed, passed = layer.broken_bad, layer.broken_good + recovering
        since = layer.since or layer.at
    else:
        failed, passed, since = run.length, recovering, run.since
    last = layer.last or layer.at
    facts: Facts = {
        "failed": failed,
        "of": failed + passed,
        "since": _iso(since),
        "seconds": int((last - since).total_seconds()),
    }
    return Reason(code, last, facts | (_said(layer.answer) if layer.answer else {}))


def _partly(standing: Standing, policy: Policy) -> Reason:
    layer = standing.jobs
    share = failure_rate.share(standing.record, layer.at, policy.degraded_long)
    facts: Facts = {
        "failed": share.bad,
        "of": share.of,
        "share": round(share.bad / max(1, share.of), 3),
        "at_least": round(wilson(share.bad, share.of, policy.sure).low, 3),
        "seconds": int(policy.degraded_long.total_seconds()),
    }
    said = _said(layer.answer) if layer.answer else {}
    return Reason(ReasonCode.JOBS_PARTLY_FAILING, layer.last or layer.at, facts | said)


def _gone(gone: Gone) -> Reason:
    facts: Facts = {"times": gone.count, "since": _iso(gone.first.at)}
    return Reason(ReasonCode.RETIREMENT_REPORTED, gone.last, facts | _said(gone.first))


def _shutdown(standing: Standing, date: datetime) -> Facts:
    plans = standing.plans
    facts: Facts = {"date": date.date().isoformat(), "certain": int(plans.is_certain)}
    return facts | ({"replacement": plans.replacement} if plans.replacement else {})


def _said(answer: Answer) -> Facts:
    """Return the upstream's own words, as far as there are any."""
    facts: Facts = {"kind": answer.kind.value, "source": answer.source.value, "rule": answer.rule}
    if answer.text:
        facts["answer"] = answer.text
    if answer.http_status is not None:
        facts["http_status"] = answer.http_status
    return facts


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
