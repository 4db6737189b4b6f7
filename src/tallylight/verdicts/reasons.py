"""The reasons of a verdict: the decisive evidence as codes and facts, most relevant first.

`docs/verdicts.md` lists the facts of each code; `i18n.reasons` turns them into sentences.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from statistics import median

from tallylight.model.evidence import FailureKind
from tallylight.model.status import Status
from tallylight.model.verdict import Reason, ReasonCode
from tallylight.verdicts import failure_rate, overdue, rate_limit, setup
from tallylight.verdicts.intervals import wilson_interval
from tallylight.verdicts.job_history import OverdueJob
from tallylight.verdicts.layer_state import FailureRecord, LayerState, LayerStatus, RateLimit
from tallylight.verdicts.lifecycle import (
    feed_claims_maintenance,
    feed_is_shown,
    maintenance_at,
)
from tallylight.verdicts.named_failures import is_contradicted, is_unlisted
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import RetirementEvidence, ServiceState
from tallylight.verdicts.status import DerivedStatus, has_shut_down

ReasonFacts = dict[str, str | int | float]


def reasons(
    state: ServiceState, derived: DerivedStatus, policy: Policy, recovered_at: datetime | None
) -> tuple[Reason, ...]:
    """Return the reasons of a status, at least one."""
    main = _status_reasons(state, derived, policy)
    if recovered_at is not None:
        main = _recovered(state, recovered_at, policy)
    result = [*main, *_additional_reasons(state, derived, policy)]
    if derived.status is Status.UNKNOWN or _is_limited_alone(state.jobs):
        result.sort(key=lambda reason: reason.code not in _BLOCKED_CODES)  # the block comes first
    elif _is_shown_by_feed(state, derived, policy):
        result.sort(key=lambda reason: reason.code is not ReasonCode.FEED_NOT_OPERATIONAL)
    return tuple(result) or (Reason(ReasonCode.NO_EVIDENCE, state.at),)


_BLOCKED_CODES = frozenset(
    {
        ReasonCode.SETUP_PROBLEM,
        ReasonCode.KEY_REFUSED,
        ReasonCode.BALANCE_EMPTY,
        ReasonCode.RATE_LIMITED,
    }
)


def _is_shown_by_feed(state: ServiceState, derived: DerivedStatus, policy: Policy) -> bool:
    """Tell whether the status is that of a believed page, while neither layer is in trouble."""
    is_up = state.jobs.status is LayerStatus.UP and state.api.status is not LayerStatus.DOWN
    is_degraded = derived.status is Status.DEGRADED and state.feed.at == derived.since
    return is_up and is_degraded and feed_is_shown(state, policy)


def _status_reasons(
    state: ServiceState, derived: DerivedStatus, policy: Policy
) -> Iterator[Reason]:
    match derived.status:
        case Status.RETIRED:
            yield from _retirement_reasons(state, policy)
        case Status.MAINTENANCE:
            yield from _maintenance_reasons(state, derived)
            yield from _api_reasons(state)
        case Status.OPERATIONAL:
            yield from _operational_reasons(state, policy)
        case Status.UNKNOWN:
            yield from _unknown_reasons(state, policy)
            yield from _api_reasons(state)
        case Status.DEGRADED | Status.RISK_CONTROL | Status.SUSPENDED:
            yield from _named_failure_reasons(derived)
            by_layer = [_jobs_reasons(state, policy), _api_reasons(state)]
            for each in reversed(by_layer) if derived.is_of_api else by_layer:
                yield from each


def _operational_reasons(state: ServiceState, policy: Policy) -> Iterator[Reason]:
    """Return why it works; after an outage of the API only what is newer than the outage."""
    api, delivery = state.api, state.job_history.last_delivery
    is_older = (
        api.status is LayerStatus.UP
        and api.bad_run is not None
        and delivery is not None
        and api.since is not None
        and delivery.at < api.bad_run.last_at < api.since
    )
    yield from _api_reasons(state) if is_older else _delivery_reasons(state, policy)


def _additional_reasons(
    state: ServiceState, derived: DerivedStatus, policy: Policy
) -> Iterator[Reason]:
    blocked, feed = state.blocked, state.feed
    late = overdue.jobs_without_video(state.job_history, state.jobs, state.at - policy.jobs_ttl)
    if late and derived.status not in {Status.RETIRED, Status.MAINTENANCE}:
        yield _overdue_reason(late, state.job_history.median_seconds)
    if state.setup is not None and not _is_explained(state.setup, derived.status):
        yield _setup_reason(state.setup)
    if blocked is not None:
        is_key = blocked.kind is FailureKind.AUTH
        code = ReasonCode.KEY_REFUSED if is_key else ReasonCode.BALANCE_EMPTY
        yield Reason(code, blocked.at, _failure_facts(blocked))
    if state.rate_limit is not None and rate_limit.blocks(state.rate_limit):
        yield _rate_limit_reason(state.rate_limit)
    if derived.status not in {Status.RETIRED, Status.OPERATIONAL}:
        yield from _reported_retirement(state)
    if feed.at is not None and feed.claimed_status is not Status.OPERATIONAL:
        is_given = derived.status is Status.MAINTENANCE and feed_claims_maintenance(state)
        if not is_given:
            facts: ReasonFacts = {
                "says": feed.claimed_status.value,
                "since": _iso(feed.at),
                "note": feed.note,
            }
            yield Reason(ReasonCode.FEED_NOT_OPERATIONAL, feed.at, facts)
    if not feed.is_readable:
        yield Reason(ReasonCode.FEED_UNREADABLE, state.at)
    date = state.calendar.shutdown_at
    is_ahead = date is not None and state.at >= date - policy.shutdown_ahead
    if date is not None and is_ahead and derived.status is not Status.RETIRED:
        code = ReasonCode.SHUTDOWN_DISPROVED if has_shut_down(state) else ReasonCode.SHUTDOWN_AHEAD
        yield Reason(code, state.at, _shutdown_facts(state, date))


def _reported_retirement(state: ServiceState) -> Iterator[Reason]:
    """Return what says that the model is gone, unless it is a list that a delivery proves wrong."""
    retirement, delivery = state.retirement, state.job_history.last_delivery
    if retirement is None:
        return
    if not (is_unlisted(retirement.first) and is_contradicted(retirement, delivery)):
        yield _retirement_reason(retirement)


def _retirement_reasons(state: ServiceState, policy: Policy) -> Iterator[Reason]:
    calendar, delivery = state.calendar, state.job_history.last_delivery
    date = calendar.shutdown_at
    if date is not None and calendar.shutdown_is_certain and state.at >= date:
        yield Reason(ReasonCode.SHUTDOWN_PASSED, date, _shutdown_facts(state, date))
    if state.retirement is not None:
        yield _retirement_reason(state.retirement)
    if delivery is not None and date is not None and delivery.at > date:
        yield from _delivery_reasons(state, policy)


def _maintenance_reasons(state: ServiceState, derived: DerivedStatus) -> Iterator[Reason]:
    window, feed = maintenance_at(state.calendar, state.at), state.feed
    if window is not None:
        facts: ReasonFacts = {"until": _iso(window.end), "note": window.note, "by": "calendar"}
        yield Reason(ReasonCode.MAINTENANCE_SCHEDULED, window.start, facts)
    elif feed.at is not None and feed_claims_maintenance(state):
        facts = {"note": feed.note, "by": "feed"}
        if feed.until is not None:
            facts["until"] = _iso(feed.until)
        yield Reason(ReasonCode.MAINTENANCE_SCHEDULED, feed.at, facts)
    yield from _named_failure_reasons(derived)


def _named_failure_reasons(derived: DerivedStatus) -> Iterator[Reason]:
    if derived.named_by is not None:
        failure = derived.named_by
        yield Reason(_NAME_CODES[failure.kind], failure.at, _failure_facts(failure))
    if derived.signs is not None:
        first, second = derived.signs
        facts: ReasonFacts = {"signs": 2, "first_rule": first.rule, "first_at": _iso(first.at)}
        yield Reason(ReasonCode.RISK_CONTROL_SUSPECTED, second.at, facts | _failure_facts(second))
    if derived.challenge is not None:
        challenge = derived.challenge
        yield Reason(ReasonCode.CHALLENGED, challenge.at, _failure_facts(challenge))


_NAME_CODES: Mapping[FailureKind, ReasonCode] = {
    FailureKind.RISK_CONTROL: ReasonCode.RISK_CONTROL_REPORTED,
    FailureKind.SUSPENDED: ReasonCode.SUSPENSION_REPORTED,
    FailureKind.MAINTENANCE: ReasonCode.MAINTENANCE_REPORTED,
}


def _unknown_reasons(state: ServiceState, policy: Policy) -> Iterator[Reason]:
    jobs = state.jobs
    for layer in (state.api, jobs):
        if layer.lost_from is not None and layer.last_result_at is not None:
            facts: ReasonFacts = {
                "status": (state.recovery.status or Status.SUSPENDED).value,
                "last_at": _iso(layer.last_result_at),
                "since": _iso(layer.lost_from),
            }
            yield Reason(ReasonCode.LAST_SEEN, layer.last_result_at, facts)
            break
    if jobs.last_result_at is not None and state.at >= jobs.last_result_at + policy.jobs_ttl:
        facts = {
            "last_at": _iso(jobs.last_result_at),
            "hold_seconds": int(policy.jobs_ttl.total_seconds()),
        }
        yield Reason(ReasonCode.NO_RECENT_JOBS, jobs.last_result_at, facts)
    elif jobs.bad_run is not None:
        yield _failing_reason(ReasonCode.JOBS_FAILING, jobs)
    elif state.api.status is LayerStatus.UP:
        yield Reason(ReasonCode.NO_RECENT_JOBS, state.at)


def _recovered(state: ServiceState, at: datetime, policy: Policy) -> Iterator[Reason]:
    api = state.api
    if api.status is not LayerStatus.UP or api.good_run is None:
        yield from _unknown_reasons(state, policy)
        yield from _api_reasons(state)
        return
    facts: ReasonFacts = {"answers": api.good_run.length, "since": _iso(at)}
    yield Reason(ReasonCode.API_RECOVERED, api.good_run.last_at, facts)
    if state.jobs.last_result_at is not None:
        yield from _unknown_reasons(state, policy)


def _jobs_reasons(state: ServiceState, policy: Policy) -> Iterator[Reason]:
    layer, history = state.jobs, state.job_history
    if layer.status is LayerStatus.DOWN:
        if state.rate_limit is not None and _is_limited_alone(layer):
            return  # the rate limit is the reason
        is_mixed = layer.outage_good > 0
        code = ReasonCode.JOBS_PARTLY_FAILING if is_mixed else ReasonCode.JOBS_FAILING
        yield _failing_reason(code, layer)
    elif layer.status is LayerStatus.UP:
        if history.partial_failure_since is not None:
            yield _partial_failure_reason(state, policy)
        compared, usual = history.slowness.compared, history.median_seconds
        if history.slow_since is not None and usual is not None and compared:
            typical = median(compared)
            facts: ReasonFacts = {
                "typical_seconds": round(typical, 1),
                "median_seconds": round(usual, 1),
                "times": round(typical / usual, 1),
                "of": len(compared),
            }
            yield Reason(ReasonCode.JOBS_SLOW, history.recent_deliveries[-1].at, facts)
        if history.partial_failure_since is None:
            yield from _delivery_reasons(state, policy)


def _api_reasons(state: ServiceState) -> Iterator[Reason]:
    api = state.api
    if api.status is LayerStatus.DOWN:
        is_mixed = api.outage_good > 0
        code = ReasonCode.API_PARTLY_FAILING if is_mixed else ReasonCode.API_DOWN
        yield _failing_reason(code, api)
    elif api.status is LayerStatus.UP and api.good_run is not None:
        run = api.good_run
        facts: ReasonFacts = {"answers": run.length, "since": _iso(run.since)}
        yield Reason(ReasonCode.API_RESPONDING, run.last_at, facts)
    elif api.status is LayerStatus.UNDECIDED and api.is_failing:
        yield _failing_reason(ReasonCode.API_PARTLY_FAILING, api)


def _delivery_reasons(state: ServiceState, policy: Policy) -> Iterator[Reason]:
    delivery = state.job_history.last_delivery
    if delivery is None:
        return
    share = failure_rate.failure_rate_over(state.job_history, state.at, policy.degraded_long_window)
    facts: ReasonFacts = {
        "last_at": _iso(delivery.at),
        "source": delivery.source.value,
        "delivered": max(1, share.total - share.bad),
        "of": max(1, share.total),
        "minutes": int(policy.degraded_long_window.total_seconds()) // 60,
    }
    if share.total == share.bad:  # the newest delivery is older than the window
        facts = {"last_at": facts["last_at"], "source": facts["source"]}
    if delivery.seconds is not None:
        facts["seconds"] = round(delivery.seconds, 1)
    yield Reason(ReasonCode.JOBS_DELIVERED, delivery.at, facts)


def _failing_reason(code: ReasonCode, layer: LayerState) -> Reason:
    """Return how many of the newest results failed, over which time, with the newest failure."""
    run, good = layer.bad_run, layer.good_run
    recovering = 0 if layer.is_failing or good is None else good.length
    if run is None or layer.outage_good:
        failed, passed = layer.outage_bad, layer.outage_good + recovering
        since = layer.since or layer.at
    else:
        failed, passed, since = run.length, recovering, run.since
    last = layer.last_result_at or layer.at
    facts: ReasonFacts = {
        "failed": failed,
        "of": failed + passed,
        "since": _iso(since),
        "seconds": int((last - since).total_seconds()),
    }
    return Reason(code, last, facts | _last_failure_facts(layer))


def _partial_failure_reason(state: ServiceState, policy: Policy) -> Reason:
    layer = state.jobs
    share = failure_rate.failure_rate_over(state.job_history, layer.at, policy.degraded_long_window)
    facts: ReasonFacts = {
        "failed": share.bad,
        "of": share.total,
        "share": round(share.bad / max(1, share.total), 3),
        "at_least": round(wilson_interval(share.bad, share.total, policy.confidence_level).low, 3),
        "seconds": int(policy.degraded_long_window.total_seconds()),
    }
    at = layer.last_result_at or layer.at
    return Reason(ReasonCode.JOBS_PARTLY_FAILING, at, facts | _last_failure_facts(layer))


def _overdue_reason(late: Sequence[OverdueJob], usual: float | None) -> Reason:
    newest = late[-1]
    facts: ReasonFacts = {
        "jobs": len(late),
        "sent_at": _iso(newest.began_at),
        "seconds": round((newest.at - newest.began_at).total_seconds()),
        "source": newest.source.value,
    }
    if usual is not None:
        facts["median_seconds"] = round(usual, 1)
    return Reason(ReasonCode.JOBS_OVERDUE, newest.at, facts)


def _is_limited_alone(layer: LayerState) -> bool:
    """Tell whether the failures of an outage are orders that were refused as too many."""
    run, is_down = layer.bad_run, layer.status is LayerStatus.DOWN
    return is_down and layer.is_failing and run is not None and run.length == run.limited


def _rate_limit_reason(limit: RateLimit) -> Reason:
    facts: ReasonFacts = {
        "times": limit.times,
        "since": _iso(limit.since),
        "own_pace": int(rate_limit.is_ours(limit)),
    }
    if limit.retry_after is not None:
        facts["retry_seconds"] = int(limit.retry_after.total_seconds())
    return Reason(ReasonCode.RATE_LIMITED, limit.last.at, facts | _failure_facts(limit.last))


def _is_explained(record: FailureRecord, status: Status) -> bool:
    """Tell whether a key cannot use a model because nobody can any more."""
    problem = setup.setup_problem_of(record)
    return status is Status.RETIRED and problem is setup.SetupProblem.MODEL


def _setup_reason(failure: FailureRecord) -> Reason:
    facts: ReasonFacts = {"problem": setup.setup_problem_of(failure).value}
    if failure.mend:
        facts["mend"] = failure.mend
    return Reason(ReasonCode.SETUP_PROBLEM, failure.at, facts | _failure_facts(failure))


def _retirement_reason(retirement: RetirementEvidence) -> Reason:
    facts: ReasonFacts = {"times": retirement.count, "since": _iso(retirement.first.at)}
    return Reason(
        ReasonCode.RETIREMENT_REPORTED, retirement.last_at, facts | _failure_facts(retirement.first)
    )


def _shutdown_facts(state: ServiceState, date: datetime) -> ReasonFacts:
    calendar = state.calendar
    facts: ReasonFacts = {
        "date": date.date().isoformat(),
        "certain": int(calendar.shutdown_is_certain),
    }
    return facts | ({"replacement": calendar.replacement} if calendar.replacement else {})


def _last_failure_facts(layer: LayerState) -> ReasonFacts:
    return {} if layer.last_failure is None else _failure_facts(layer.last_failure)


def _failure_facts(failure: FailureRecord) -> ReasonFacts:
    """Return the facts of a failure, with the upstream's text and HTTP status if it has them."""
    facts: ReasonFacts = {
        "kind": failure.kind.value,
        "source": failure.source.value,
        "rule": failure.rule,
    }
    if failure.text and failure.rule not in overdue.RULES_WITHOUT_ANSWER:
        facts["answer"] = failure.text
    if failure.http_status is not None:
        facts["http_status"] = failure.http_status
    return facts


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
