"""The filter of one layer: P(down) from evidence that comes now and then, and may err.

A two-state Markov chain between observations (outages begin once in `mtbf` and last `mttr`), Bayes
at each, hysteresis on top, as rule 3 of `docs/verdicts.md` has it. Beside the probability a layer
keeps where its present state began: the point at which the evidence turned, which is what a
cumulative-sum chart takes for the moment of change (Page, Biometrika 41 (1954) 100-115).
"""

import math
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from tallylight.model.evidence import FailureKind, Source
from tallylight.verdicts.noise import add_result, false_alarm_rate, without_pending
from tallylight.verdicts.policy import Likelihood, Policy
from tallylight.verdicts.state import (
    FailureRecord,
    FalseAlarmRate,
    LayerState,
    LayerStatus,
    ResultKey,
    Run,
)

_MAX_RECENT_RESULTS = 2
_RELAPSE_WINDOW = timedelta(hours=2)
_MAX_GOOD_IF_DOWN = 0.7
_MIN_GOOD_IF_DOWN = 0.02
_STATE_KINDS = frozenset(
    {FailureKind.RISK_CONTROL, FailureKind.SUSPENDED, FailureKind.MAINTENANCE, FailureKind.RETIRED}
)
_FREE_SOURCES = frozenset({Source.REACH, Source.CREDENTIALS})
_PRIOR_WEIGHT = 2.0  # so many results is the usual figure worth


class LayerResult(NamedTuple):
    """One good or bad result, ready to be counted."""

    at: datetime
    source: Source
    is_bad: bool
    failure: FailureRecord | None = None


def probability(log_odds: float) -> float:
    """Return the probability that has these log-odds."""
    return 1 / (1 + math.exp(-log_odds))


def decayed_log_odds(layer: LayerState, at: datetime, policy: Policy) -> float:
    """Return the log-odds that are left at a later moment: old evidence fades to the prior."""
    elapsed = (at - layer.at).total_seconds()
    return _decayed(layer.log_odds, elapsed, policy) if elapsed > 0 else layer.log_odds


def evidence_weight(
    layer: LayerState, likelihood: Likelihood, policy: Policy, *, is_bad: bool
) -> float:
    """Return what a result adds to the log-odds, given what was learned of this layer."""
    bad_if_up = false_alarm_rate(layer.false_alarms, likelihood.bad_if_up, policy)
    passes = good_if_down(layer, 1 - likelihood.bad_if_down)
    if is_bad:
        return max(0.0, math.log((1 - passes) / bad_if_up))
    return min(0.0, math.log(passes / (1 - bad_if_up)))


def secondhand_weight(likelihood: Likelihood, *, is_bad: bool) -> float:
    """Return what a second-hand word adds: its noise is not the service's own."""
    if is_bad:
        return math.log(likelihood.bad_if_down / likelihood.bad_if_up)
    return math.log((1 - likelihood.bad_if_down) / (1 - likelihood.bad_if_up))


def contains_result(layer: LayerState, result: LayerResult) -> bool:
    """Tell whether this very result has been counted already."""
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
    state, since, noise = layer.status, layer.since, layer.false_alarms
    bad_from, good_from = layer.first_bad_at, layer.first_good_at
    broken_good, broken_bad = layer.outage_good, layer.outage_bad
    if result.is_bad:
        bad_from = bad_from or at
        if state is LayerStatus.DOWN:
            broken_bad += 1
            broken_good += 0 if layer.is_failing or not layer.good_run else layer.good_run.length
        elif log_odds >= policy.down_log_odds:
            if state is not LayerStatus.UP or since is None or at - since > _RELAPSE_WINDOW:
                broken_good = broken_bad = 0
            broken_bad += 1
            state, since, noise = LayerStatus.DOWN, bad_from, without_pending(noise)
        if log_odds >= policy.down_log_odds:
            good_from = None
    else:
        good_from = good_from or at
        if log_odds <= policy.up_log_odds:
            state, since, noise = LayerStatus.UP, good_from, without_pending(noise)
            bad_from = good_from = None
    if state is LayerStatus.UP and state is layer.status and not _points_to_state(result.failure):
        noise = add_result(noise, is_bad=result.is_bad, is_settled=bad_from is None)
    return LayerState(
        at=max(at, layer.at),
        log_odds=log_odds,
        status=state,
        since=since,
        first_bad_at=bad_from,
        first_good_at=good_from,
        bad_run=_extended_run(layer, at, is_bad=True) if result.is_bad else layer.bad_run,
        good_run=layer.good_run if result.is_bad else _extended_run(layer, at, is_bad=False),
        outage_good=broken_good,
        outage_bad=broken_bad,
        false_alarms=noise,
        recent_results=(
            *layer.recent_results[1 - _MAX_RECENT_RESULTS :],
            ResultKey(at, result.source, result.is_bad),
        ),
        is_failing=result.is_bad,
        last_failure=result.failure or layer.last_failure,
    )


def apply_success_while_up(
    layer: LayerState, at: datetime, source: Source, weight: float, policy: Policy
) -> LayerState:
    """Return a layer that is up after one more good result: what comes most."""
    log_odds = _updated_log_odds(layer, at, weight, policy, _min_log_odds(source, policy))
    bad_from, run = layer.first_bad_at, layer.good_run
    if log_odds <= policy.prior_log_odds:
        bad_from = None
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
        bad_from,
        layer.first_good_at,
        layer.bad_run,
        run,
        is_failing,
        layer.outage_good,
        layer.outage_bad,
        add_result(layer.false_alarms, is_bad=is_failing, is_settled=bad_from is None),
        (*layer.recent_results[1 - _MAX_RECENT_RESULTS :], ResultKey(at, source, is_failing)),
        layer.last_failure,
    )


def apply_secondhand(layer: LayerState, at: datetime, weight: float, policy: Policy) -> LayerState:
    """Return the layer after hearsay: a feed's word, an acceptance, a listing.

    Hearsay confirms, and gives cause to look; alone it turns no state: neither does a service that
    delivers go down by it, nor does one that fails come up.
    """
    log_odds = _updated_log_odds(layer, at, weight, policy, policy.min_log_odds)
    state, since = layer.status, layer.since
    down, up = policy.down_log_odds, policy.up_log_odds
    if weight > 0 and state is not LayerStatus.DOWN and log_odds >= down:
        if layer.first_bad_at is None:
            log_odds = max(down - 0.01, decayed_log_odds(layer, at, policy))
        else:
            layer = replace(
                layer,
                first_good_at=None,
                outage_good=0,
                outage_bad=1,
                false_alarms=without_pending(layer.false_alarms),
            )
            state, since = LayerStatus.DOWN, layer.first_bad_at
    if weight < 0 and state is not LayerStatus.UP:
        log_odds = max(log_odds, min(up + 0.01, decayed_log_odds(layer, at, policy)))
    newest = max(at, layer.at)
    return replace(layer, at=newest, log_odds=log_odds, status=state, since=since)


def expire(layer: LayerState, at: datetime, ttl: timedelta) -> LayerState:
    """Return the layer at a moment: once its newest result is too old, it says nothing more."""
    if (
        layer.status is LayerStatus.UNDECIDED
        or layer.last_result_at is None
        or at < layer.last_result_at + ttl
    ):
        return layer
    return replace(
        layer,
        status=LayerStatus.UNDECIDED,
        since=layer.last_result_at + ttl,
        first_bad_at=None,
        first_good_at=None,
        outage_good=0,
        outage_bad=0,
        false_alarms=without_pending(layer.false_alarms),
    )


def _min_log_odds(source: Source, policy: Policy) -> float:
    return policy.min_api_log_odds if source in _FREE_SOURCES else policy.min_log_odds


def _updated_log_odds(
    layer: LayerState, at: datetime, weight: float, policy: Policy, lowest: float
) -> float:
    log_odds, elapsed = layer.log_odds, (at - layer.at).total_seconds()
    if elapsed > 0:
        log_odds = _decayed(log_odds, elapsed, policy)
    else:  # time never runs backwards: what comes late has faded on its way
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
    """Tell whether an answer speaks of a state, which is no noise, however it ends.

    If it counted as such, each spell of risk control that was missed would make the judge deafer
    to the next.
    """
    return failure is not None and failure.kind in _STATE_KINDS


def _extended_run(layer: LayerState, at: datetime, *, is_bad: bool) -> Run:
    run = layer.current_run
    if run is None or layer.is_failing is not is_bad:
        # What comes late must not seem older than the run that it ends.
        other = layer.good_run if is_bad else layer.bad_run
        start = at if other is None else max(at, other.last_at)
        return Run(start, start)
    return Run(min(run.since, at), max(run.last_at, at), run.length + 1)


def good_if_down(layer: LayerState, default: float) -> float:
    """Return how often this outage lets a result pass, as far as it has shown."""
    good, bad = layer.outage_good, layer.outage_bad
    if layer.status is not LayerStatus.DOWN and not good:
        return default
    share = (good + _PRIOR_WEIGHT * default) / (good + bad + _PRIOR_WEIGHT)
    return min(_MAX_GOOD_IF_DOWN, max(_MIN_GOOD_IF_DOWN, share))


def initial_layer(at: datetime) -> LayerState:
    """Return a layer of which nothing is known, not even that outages are rare here."""
    return LayerState(at=at, log_odds=0.0, false_alarms=FalseAlarmRate())
