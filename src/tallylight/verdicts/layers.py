"""The filter of one layer: P(down) from evidence that is sparse and sometimes wrong.

Between observations the layer is a two-state Markov chain (outages start once in `mtbf` and last
`mttr`); each observation is a Bayes update; hysteresis decides the status (rule 3 of
`docs/verdicts.md`). A layer also keeps when its status began: the point at which the evidence
turned, as a cumulative-sum chart estimates it (Page, Biometrika 41 (1954) 100-115).
"""

import math
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from tallylight.model.evidence import FREE_SOURCES, FailureKind, Source
from tallylight.verdicts.layer_state import (
    FailureRecord,
    FalseAlarmRate,
    LayerState,
    LayerStatus,
    ResultKey,
    Run,
)
from tallylight.verdicts.named_failures import STATE_KINDS
from tallylight.verdicts.noise import add_result, false_alarm_rate, without_pending
from tallylight.verdicts.policy import Likelihood, Policy

RELAPSE_WINDOW = timedelta(hours=2)
"""A layer that goes down again within this time after it came up continues the former outage."""

_MAX_RECENT_RESULTS = 2
_MAX_GOOD_IF_DOWN = 0.7
_MIN_GOOD_IF_DOWN = 0.02
_PRIOR_WEIGHT = 2.0  # the default counts as so many results


class LayerResult(NamedTuple):
    """One good or bad result, to be applied to a layer."""

    at: datetime
    source: Source
    is_bad: bool
    failure: FailureRecord | None = None


def probability(log_odds: float) -> float:
    """Return the probability that has these log-odds."""
    return 1 / (1 + math.exp(-log_odds))


def decayed_log_odds(layer: LayerState, at: datetime, policy: Policy) -> float:
    """Return the log-odds at a later moment: old evidence decays to the prior."""
    elapsed = (at - layer.at).total_seconds()
    return _decayed(layer.log_odds, elapsed, policy) if elapsed > 0 else layer.log_odds


def evidence_weight(
    layer: LayerState, likelihood: Likelihood, policy: Policy, *, is_bad: bool
) -> float:
    """Return what a result adds to the log-odds, given the rates that this layer has learned."""
    bad_if_up = false_alarm_rate(layer.false_alarms, likelihood.bad_if_up, policy)
    passes = good_if_down(layer, 1 - likelihood.bad_if_down)
    if is_bad:
        return max(0.0, math.log((1 - passes) / bad_if_up))
    return min(0.0, math.log(passes / (1 - bad_if_up)))


def secondhand_weight(likelihood: Likelihood, *, is_bad: bool) -> float:
    """Return what secondhand evidence adds: its errors are not the service's own."""
    if is_bad:
        return math.log(likelihood.bad_if_down / likelihood.bad_if_up)
    return math.log((1 - likelihood.bad_if_down) / (1 - likelihood.bad_if_up))


def contains_result(layer: LayerState, result: LayerResult) -> bool:
    """Tell whether this same result has been applied already."""
    return (
        result.at <= layer.at
        and ResultKey(result.at, result.source, result.is_bad) in layer.recent_results
    )


def apply_result(
    layer: LayerState, result: LayerResult, weight: float, policy: Policy
) -> LayerState:
    """Return the layer after a result that adds this much to its log-odds."""
    at = result.at
    if layer.status is LayerStatus.UP and not result.is_bad:
        return apply_success_while_up(layer, at, result.source, weight, policy)
    log_odds = _updated_log_odds(layer, at, weight, policy, _min_log_odds(result.source, policy))
    status, since, false_alarms = layer.status, layer.since, layer.false_alarms
    first_bad_at, first_good_at = layer.first_bad_at, layer.first_good_at
    outage_good, outage_bad = layer.outage_good, layer.outage_bad
    if result.is_bad:
        first_bad_at = first_bad_at or at
        if status is LayerStatus.DOWN:
            outage_bad += 1
            outage_good += 0 if layer.is_failing or not layer.good_run else layer.good_run.length
        elif log_odds >= policy.down_log_odds:
            if not _continues_outage(layer, at):
                outage_good = outage_bad = 0
            outage_bad += 1
            status, since = LayerStatus.DOWN, layer.lost_from or first_bad_at
            false_alarms = without_pending(false_alarms)
        if log_odds >= policy.down_log_odds:
            first_good_at = None
    else:
        first_good_at = first_good_at or at
        if log_odds <= policy.up_log_odds:
            status, since = LayerStatus.UP, first_good_at
            false_alarms = without_pending(false_alarms)
            first_bad_at = first_good_at = None
    if status is LayerStatus.UP and status is layer.status and not _points_to_state(result.failure):
        is_settled = first_bad_at is None
        false_alarms = add_result(false_alarms, is_bad=result.is_bad, is_settled=is_settled)
    return LayerState(
        at=max(at, layer.at),
        log_odds=log_odds,
        status=status,
        since=since,
        first_bad_at=first_bad_at,
        first_good_at=first_good_at,
        bad_run=_extended_bad_run(layer, result) if result.is_bad else layer.bad_run,
        good_run=layer.good_run if result.is_bad else _extended_run(layer, at, is_bad=False),
        outage_good=outage_good,
        outage_bad=outage_bad,
        false_alarms=false_alarms,
        recent_results=(
            *layer.recent_results[1 - _MAX_RECENT_RESULTS :],
            ResultKey(at, result.source, result.is_bad),
        ),
        is_failing=result.is_bad,
        last_failure=result.failure or layer.last_failure,
        lost_from=layer.lost_from if status is LayerStatus.UNDECIDED else None,
    )


def apply_success_while_up(
    layer: LayerState, at: datetime, source: Source, weight: float, policy: Policy
) -> LayerState:
    """Return a layer that is up after one more good result; most results are such."""
    log_odds = _updated_log_odds(layer, at, weight, policy, _min_log_odds(source, policy))
    first_bad_at, run = layer.first_bad_at, layer.good_run
    if log_odds <= policy.prior_log_odds:
        first_bad_at = None
    is_failing = False
    if run is None or layer.is_failing or at < run.last_at:
        run = _extended_run(layer, at, is_bad=is_failing)
    else:
        run = Run(run.since, at, run.length + 1)
    return LayerState(
        max(at, layer.at),
        log_odds,
        layer.status,
        layer.since,
        first_bad_at,
        layer.first_good_at,
        layer.bad_run,
        run,
        is_failing,
        layer.outage_good,
        layer.outage_bad,
        add_result(layer.false_alarms, is_bad=is_failing, is_settled=first_bad_at is None),
        (*layer.recent_results[1 - _MAX_RECENT_RESULTS :], ResultKey(at, source, is_failing)),
        layer.last_failure,
    )


def apply_secondhand(layer: LayerState, at: datetime, weight: float, policy: Policy) -> LayerState:
    """Return the layer after secondhand evidence: a feed's claim, an acceptance, a listing.

    Secondhand evidence confirms a result, or makes a layer uncertain enough for a probe. It changes
    no status alone: neither does a service that delivers go down by it, nor does a failing one come
    up.
    """
    log_odds = _updated_log_odds(layer, at, weight, policy, policy.min_log_odds)
    status, since = layer.status, layer.since
    down, up = policy.down_log_odds, policy.up_log_odds
    if weight > 0 and status is not LayerStatus.DOWN and log_odds >= down:
        if layer.first_bad_at is None:
            log_odds = max(down - 0.01, decayed_log_odds(layer, at, policy))
        else:
            status, since = LayerStatus.DOWN, layer.lost_from or layer.first_bad_at
            layer = replace(
                layer,
                first_good_at=None,
                outage_good=layer.outage_good if layer.is_lost else 0,
                outage_bad=layer.outage_bad + 1 if layer.is_lost else 1,
                false_alarms=without_pending(layer.false_alarms),
                lost_from=None,
            )
    if weight < 0 and status is not LayerStatus.UP:
        log_odds = max(log_odds, min(up + 0.01, decayed_log_odds(layer, at, policy)))
    return replace(layer, at=max(at, layer.at), log_odds=log_odds, status=status, since=since)


def expire(layer: LayerState, at: datetime, ttl: timedelta) -> LayerState:
    """Return the layer at a moment: UNDECIDED once its newest result is older than `ttl`.

    An outage that goes stale is remembered (`lost_from`) until the layer is decided again.
    """
    if (
        layer.status is LayerStatus.UNDECIDED
        or layer.last_result_at is None
        or at < layer.last_result_at + ttl
    ):
        return layer
    is_lost = layer.status is LayerStatus.DOWN
    return replace(
        layer,
        status=LayerStatus.UNDECIDED,
        since=layer.last_result_at + ttl,
        first_bad_at=None,
        first_good_at=None,
        outage_good=layer.outage_good if is_lost else 0,
        outage_bad=layer.outage_bad if is_lost else 0,
        false_alarms=without_pending(layer.false_alarms),
        lost_from=layer.since if is_lost else None,
    )


def _continues_outage(layer: LayerState, at: datetime) -> bool:
    """Tell whether a layer that goes down continues its former outage: a relapse, or a lost one."""
    if layer.is_lost:
        return True
    is_up = layer.status is LayerStatus.UP
    return is_up and layer.since is not None and at - layer.since <= RELAPSE_WINDOW


def _min_log_odds(source: Source, policy: Policy) -> float:
    return policy.min_api_log_odds if source in FREE_SOURCES else policy.min_log_odds


def _updated_log_odds(
    layer: LayerState, at: datetime, weight: float, policy: Policy, lowest: float
) -> float:
    log_odds, elapsed = layer.log_odds, (at - layer.at).total_seconds()
    if elapsed > 0:
        log_odds = _decayed(log_odds, elapsed, policy)
    else:  # time never runs backwards: late evidence has decayed on its way
        weight *= math.exp(policy.decay_rate * elapsed)
    log_odds += weight
    if log_odds < lowest:
        return lowest
    return min(policy.max_log_odds, log_odds)


def _decayed(log_odds: float, seconds: float, policy: Policy) -> float:
    p, prior = 1 / (1 + math.exp(-log_odds)), policy.prior
    p = prior + (p - prior) * math.exp(-policy.decay_rate * seconds)
    return math.log(p / (1 - p))


def _points_to_state(failure: FailureRecord | None) -> bool:
    """Tell whether a failure indicates a state such as risk control, which is never a false alarm.

    If it were counted as one, each undetected risk control would make the judge less sensitive.
    """
    return failure is not None and failure.kind in STATE_KINDS


def _extended_run(layer: LayerState, at: datetime, *, is_bad: bool) -> Run:
    run = layer.current_run
    if run is None or layer.is_failing is not is_bad:
        # A late result must not seem older than the run that it ends.
        other = layer.good_run if is_bad else layer.bad_run
        start = at if other is None else max(at, other.last_at)
        return Run(start, start)
    return Run(min(run.since, at), max(run.last_at, at), run.length + 1, run.limited)


def _extended_bad_run(layer: LayerState, result: LayerResult) -> Run:
    run, failure = _extended_run(layer, result.at, is_bad=True), result.failure
    if failure is None or failure.kind is not FailureKind.RATE_LIMITED:
        return run
    return run._replace(limited=run.limited + 1)


def good_if_down(layer: LayerState, default: float) -> float:
    """Return the probability that the next result of this outage is good.

    The share that passes is unknown: it has a beta distribution with the mean `default`, which the
    results of the outage update, those of the newest run of good ones included. Each further one
    thus says less about the end of the outage and more about a large share.
    """
    good, bad, run = layer.outage_good, layer.outage_bad, layer.good_run
    is_down = layer.status is LayerStatus.DOWN
    if not is_down and not good:
        return default
    if is_down and not layer.is_failing and run is not None:
        good += run.length
    share = (good + _PRIOR_WEIGHT * default) / (good + bad + _PRIOR_WEIGHT)
    return min(_MAX_GOOD_IF_DOWN, max(_MIN_GOOD_IF_DOWN, share))


def initial_layer(at: datetime) -> LayerState:
    """Return a layer without evidence: P(down) is one half, not the prior."""
    return LayerState(at=at, log_odds=0.0, false_alarms=FalseAlarmRate())
