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
from tallylight.verdicts.noise import forgotten, learned, with_result
from tallylight.verdicts.policy import Likelihood, Policy
from tallylight.verdicts.state import Answer, LayerStanding, Noise, Run, Seen, State

_REMEMBERED = 2
_RELAPSE = timedelta(hours=2)
_MOST_GOOD_IF_DOWN = 0.7
_LEAST_GOOD_IF_DOWN = 0.02
_STATES = frozenset(
    {FailureKind.RISK_CONTROL, FailureKind.SUSPENDED, FailureKind.MAINTENANCE, FailureKind.RETIRED}
)
_SHALLOW = frozenset({Source.REACH, Source.CREDENTIALS})
_USUAL_COUNTS = 2.0  # so many results is the usual figure worth


class Result(NamedTuple):
    """One good or bad result, ready to be counted."""

    at: datetime
    source: Source
    is_bad: bool
    answer: Answer | None = None


def probability(log_odds: float) -> float:
    """Return the probability that has these log-odds."""
    return 1 / (1 + math.exp(-log_odds))


def relaxed(layer: LayerStanding, at: datetime, policy: Policy) -> float:
    """Return the log-odds that are left at a later moment: old evidence fades to the prior."""
    elapsed = (at - layer.at).total_seconds()
    return _faded(layer.log_odds, elapsed, policy) if elapsed > 0 else layer.log_odds


def weight(layer: LayerStanding, likelihood: Likelihood, policy: Policy, *, is_bad: bool) -> float:
    """Return what a result adds to the log-odds, given what was learned of this layer."""
    bad_if_up = learned(layer.noise, likelihood.bad_if_up, policy)
    passes = good_if_down(layer, 1 - likelihood.bad_if_down)
    if is_bad:
        return max(0.0, math.log((1 - passes) / bad_if_up))
    return min(0.0, math.log(passes / (1 - bad_if_up)))


def hearsay(likelihood: Likelihood, *, is_bad: bool) -> float:
    """Return what a second-hand word adds: its noise is not the service's own."""
    if is_bad:
        return math.log(likelihood.bad_if_down / likelihood.bad_if_up)
    return math.log((1 - likelihood.bad_if_down) / (1 - likelihood.bad_if_up))


def knows(layer: LayerStanding, result: Result) -> bool:
    """Tell whether this very result has been counted already."""
    return result.at <= layer.at and Seen(result.at, result.source, result.is_bad) in layer.seen


def counted(layer: LayerStanding, result: Result, added: float, policy: Policy) -> LayerStanding:
    """Return the layer after a result that adds this much to its log-odds."""
    at = result.at
    if layer.state is State.UP and not result.is_bad:
        return stood(layer, at, result.source, added, policy)
    log_odds = _moved(layer, at, added, policy, _lowest(result.source, policy))
    state, since, noise = layer.state, layer.since, layer.noise
    bad_from, good_from = layer.bad_from, layer.good_from
    broken_good, broken_bad = layer.broken_good, layer.broken_bad
    if result.is_bad:
        bad_from = bad_from or at
        if state is State.DOWN:
            broken_bad += 1
            broken_good += 0 if layer.is_failing or not layer.good_run else layer.good_run.length
        elif log_odds >= policy.falls:
            if state is not State.UP or since is None or at - since > _RELAPSE:
                broken_good = broken_bad = 0
            broken_bad += 1
            state, since, noise = State.DOWN, bad_from, forgotten(noise)
        if log_odds >= policy.falls:
            good_from = None
    else:
        good_from = good_from or at
        if log_odds <= policy.rises:
            state, since, noise = State.UP, good_from, forgotten(noise)
            bad_from = good_from = None
    if state is State.UP and state is layer.state and not _tells(result.answer):
        noise = with_result(noise, is_bad=result.is_bad, is_settled=bad_from is None)
    return LayerStanding(
        at=max(at, layer.at),
        log_odds=log_odds,
        state=state,
        since=since,
        bad_from=bad_from,
        good_from=good_from,
        bad_run=_run(layer, at, is_bad=True) if result.is_bad else layer.bad_run,
        good_run=layer.good_run if result.is_bad else _run(layer, at, is_bad=False),
        broken_good=broken_good,
        broken_bad=broken_bad,
        noise=noise,
        seen=(*layer.seen[1 - _REMEMBERED :], Seen(at, result.source, result.is_bad)),
        is_failing=result.is_bad,
        answer=result.answer or layer.answer,
    )


def stood(
    layer: LayerStanding, at: datetime, source: Source, added: float, policy: Policy
) -> LayerStanding:
    """Return a layer that is up after one more good result: what comes most."""
    log_odds = _moved(layer, at, added, policy, _lowest(source, policy))
    bad_from, run = layer.bad_from, layer.good_run
    if log_odds <= policy.forgets:
        bad_from = None
    is_failing = False
    if run is None or layer.is_failing or at < run.last:
        run = _run(layer, at, is_bad=is_failing)
    else:
        run = Run(run.since, at, run.length + 1)
    return LayerStanding(
        max(at, layer.at),
        log_odds,
        layer.state,
        layer.since,
        bad_from,
        layer.good_from,
        layer.bad_run,
        run,
        is_failing,
        layer.broken_good,
        layer.broken_bad,
        with_result(layer.noise, is_bad=is_failing, is_settled=bad_from is None),
        (*layer.seen[1 - _REMEMBERED :], Seen(at, source, is_failing)),
        layer.answer,
    )


def nudged(layer: LayerStanding, at: datetime, added: float, policy: Policy) -> LayerStanding:
    """Return the layer after hearsay: a feed's word, an acceptance, a listing.

    Hearsay confirms, and gives cause to look; alone it turns no state: neither does a service that
    delivers go down by it, nor does one that fails come up.
    """
    log_odds = _moved(layer, at, added, policy, policy.lowest)
    state, since = layer.state, layer.since
    down, up = policy.falls, policy.rises
    if added > 0 and state is not State.DOWN and log_odds >= down:
        if layer.bad_from is None:
            log_odds = max(down - 0.01, relaxed(layer, at, policy))
        else:
            layer = replace(
                layer, good_from=None, broken_good=0, broken_bad=1, noise=forgotten(layer.noise)
            )
            state, since = State.DOWN, layer.bad_from
    if added < 0 and state is not State.UP:
        log_odds = max(log_odds, min(up + 0.01, relaxed(layer, at, policy)))
    newest = max(at, layer.at)
    return replace(layer, at=newest, log_odds=log_odds, state=state, since=since)


def aged(layer: LayerStanding, at: datetime, hold: timedelta) -> LayerStanding:
    """Return the layer at a moment: once its newest result is too old, it says nothing more."""
    if layer.state is State.UNDECIDED or layer.last is None or at < layer.last + hold:
        return layer
    return replace(
        layer,
        state=State.UNDECIDED,
        since=layer.last + hold,
        bad_from=None,
        good_from=None,
        broken_good=0,
        broken_bad=0,
        noise=forgotten(layer.noise),
    )


def _lowest(source: Source, policy: Policy) -> float:
    return policy.lowest_door if source in _SHALLOW else policy.lowest


def _moved(
    layer: LayerStanding, at: datetime, added: float, policy: Policy, lowest: float
) -> float:
    log_odds, elapsed = layer.log_odds, (at - layer.at).total_seconds()
    if elapsed > 0:
        log_odds = _faded(log_odds, elapsed, policy)
    else:  # time never runs backwards: what comes late has faded on its way
        added *= math.exp(policy.fading * elapsed)
    log_odds += added
    if log_odds < lowest:
        return lowest
    return min(policy.highest, log_odds)


def _faded(log_odds: float, seconds: float, policy: Policy) -> float:
    p, prior = 1 / (1 + math.exp(-log_odds)), policy.prior
    p = prior + (p - prior) * math.exp(-policy.fading * seconds)
    return math.log(p / (1 - p))


def _tells(answer: Answer | None) -> bool:
    """Tell whether an answer speaks of a state, which is no noise, however it ends.

    If it counted as such, each spell of risk control that was missed would make the judge deafer
    to the next.
    """
    return answer is not None and answer.kind in _STATES


def _run(layer: LayerStanding, at: datetime, *, is_bad: bool) -> Run:
    run = layer.run
    if run is None or layer.is_failing is not is_bad:
        # What comes late must not seem older than the run that it ends.
        other = layer.good_run if is_bad else layer.bad_run
        start = at if other is None else max(at, other.last)
        return Run(start, start)
    return Run(min(run.since, at), max(run.last, at), run.length + 1)


def good_if_down(layer: LayerStanding, usual: float) -> float:
    """Return how often this outage lets a result pass, as far as it has shown."""
    good, bad = layer.broken_good, layer.broken_bad
    if layer.state is not State.DOWN and not good:
        return usual
    share = (good + _USUAL_COUNTS * usual) / (good + bad + _USUAL_COUNTS)
    return min(_MOST_GOOD_IF_DOWN, max(_LEAST_GOOD_IF_DOWN, share))


def opened(at: datetime) -> LayerStanding:
    """Return a layer of which nothing is known, not even that outages are rare here."""
    return LayerStanding(at=at, log_odds=0.0, noise=Noise())
