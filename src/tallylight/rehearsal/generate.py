"""Traces from recipes: the same recipe always generates the same trace."""

from collections.abc import Iterator, Sequence

from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.rehearsal import rng
from tallylight.rehearsal.behaviour import Behaviour, Recipe, ServiceGroup
from tallylight.rehearsal.trace import Trace, TraceFailure, TraceFeed, TraceInterval, TraceService

_MINUTE, _HOUR, _DAY, _WEEK = 60.0, 3600.0, 86_400.0, 604_800.0

_OUTAGE_FAILURES = (
    TraceFailure(
        http_status=500,
        body='{"error":{"message":"The server had an error processing your request",'
        '"type":"server_error"}}',
    ),
    TraceFailure(http_status=503, body='{"error":{"message":"Service temporarily overloaded"}}'),
    TraceFailure(http_status=502, body="<html><title>502 Bad Gateway</title></html>"),
)
_RISK_CONTROL_FAILURES = (
    TraceFailure(
        http_status=429,
        body='{"error":{"message":"账号触发风控，请稍后再试","type":"new_api_error"}}',
    ),
    TraceFailure(http_status=403, body="<html><title>Just a moment...</title></html>"),
    TraceFailure(
        http_status=400, body='{"error":{"code":"sentinel_block","message":"sentinel_block"}}'
    ),
    TraceFailure(
        http_status=500,
        body='{"error":{"message":"Token invalid: 403 cf_shield","type":"server_error"}}',
    ),
)
_SUSPENSION_FAILURES = (
    TraceFailure(
        http_status=503, body='{"error":{"code":"model_suspended","message":"该模型已暂停"}}'
    ),
    TraceFailure(
        http_status=503,
        body='{"error":{"code":"model_not_found","message":"No available channel for model",'
        '"type":"new_api_error"}}',
    ),
)


def generate_trace(recipe: Recipe) -> Trace:
    """Return the trace of a recipe."""
    services, feeds, traffic = {}, {}, {}
    for name, group in recipe.groups.items():
        behaviour = group.behaviour
        for number in range(1, group.count + 1):
            id_ = ServiceId(name if group.count == 1 else f"{name}-{number}")
            services[id_] = _service(id_, group, recipe)
            if behaviour.feed_lag_minutes is not None:
                lag = behaviour.feed_lag_minutes * _MINUTE
                feeds[id_] = TraceFeed(lag=lag, blind=behaviour.feed_blind)
            if behaviour.traffic:
                traffic[id_] = behaviour.traffic
    return Trace(duration=recipe.days * _DAY, services=services, feeds=feeds, traffic=traffic)


def _service(id_: ServiceId, group: ServiceGroup, recipe: Recipe) -> TraceService:
    behaviour = group.behaviour
    # The purpose is hashed: another word would change every generated trace.
    draws = rng.RandomSequence(rng.purpose_seed(recipe.seed, id_, "life"))
    intervals = tuple(_intervals(behaviour, recipe.days * _DAY, draws))
    for scripted in (*group.scripted, *recipe.scripted):
        intervals = tuple(_overlay(intervals, scripted))
    return TraceService(access=behaviour.access, price=behaviour.price, intervals=intervals)


def _intervals(
    behaviour: Behaviour, end: float, draws: rng.RandomSequence
) -> Iterator[TraceInterval]:
    """Yield intervals without gaps: operational ones, and disruptions between them."""
    at, rates = 0.0, _rates(behaviour)
    while True:
        wait = draws.exponential(1 / sum(rates)) if sum(rates) else end
        begin = min(end, at + wait)
        yield _operational(behaviour, at, begin)
        if begin >= end:
            return
        disruption = _disruption(behaviour, rates, begin, draws)
        yield disruption.model_copy(update={"end": min(disruption.end, end)})
        at = disruption.end
        if at >= end:
            return


def _rates(behaviour: Behaviour) -> tuple[float, float, float]:
    between = behaviour.days_between_outages
    outages = 1 / (between * _DAY) if between else 0.0
    return outages, behaviour.risk_weekly / _WEEK, behaviour.suspended_weekly / _WEEK


def _disruption(
    behaviour: Behaviour, rates: Sequence[float], begin: float, draws: rng.RandomSequence
) -> TraceInterval:
    kind = draws.uniform() * sum(rates)
    if kind < rates[0]:
        return _outage(behaviour, begin, draws)
    if kind < rates[0] + rates[1]:
        return _risk_control(behaviour, begin, draws)
    length = draws.uniform_between(*behaviour.suspended_days) * _DAY
    return TraceInterval(
        start=begin,
        end=begin + length,
        status=Status.SUSPENDED,
        accept=0.0,
        deliver=0.0,
        latency=behaviour.latency,
        credentials=1 - behaviour.free_probe_noise,
        reach=1 - behaviour.free_probe_noise,
        failure=_SUSPENSION_FAILURES[int(draws.uniform() * len(_SUSPENSION_FAILURES))],
    )


def _operational(behaviour: Behaviour, begin: float, end: float) -> TraceInterval:
    return TraceInterval(
        start=begin,
        end=max(end, begin + 0.001),
        status=Status.OPERATIONAL,
        accept=1.0,
        deliver=1 - behaviour.noise,
        latency=behaviour.latency,
        reach=1 - behaviour.free_probe_noise,
        credentials=1 - behaviour.free_probe_noise,
    )


def _outage(behaviour: Behaviour, begin: float, draws: rng.RandomSequence) -> TraceInterval:
    length = max(1.0, draws.exponential(behaviour.outage_minutes * _MINUTE))
    is_visible = draws.uniform() >= behaviour.hidden
    is_partial = draws.uniform() < behaviour.partial
    passes = draws.uniform_between(*behaviour.partial_passes) if is_partial else 0.0
    accepts = draws.uniform() < 0.5 or is_partial  # noqa: PLR2004  # half refuse the job, half fail it later
    # A service that accepts some jobs also answers free probes.
    free_probes = 0.0 if is_visible and not is_partial else 1 - behaviour.free_probe_noise
    return TraceInterval(
        start=begin,
        end=begin + length,
        status=Status.DEGRADED if is_partial else Status.SUSPENDED,
        accept=1.0 if accepts else 0.0,
        deliver=passes,
        latency=behaviour.latency,
        reach=free_probes,
        credentials=free_probes,
        failure=_OUTAGE_FAILURES[int(draws.uniform() * len(_OUTAGE_FAILURES))],
    )


def _risk_control(behaviour: Behaviour, begin: float, draws: rng.RandomSequence) -> TraceInterval:
    length = draws.uniform_between(*behaviour.risk_hours) * _HOUR
    passes = draws.uniform_between(*behaviour.risk_passes)
    refuses = draws.uniform() < 0.5  # noqa: PLR2004  # half refuse the job, half fail it later
    return TraceInterval(
        start=begin,
        end=begin + length,
        status=Status.RISK_CONTROL,
        accept=passes if refuses else 1.0,
        deliver=1 - behaviour.noise if refuses else passes,
        latency=behaviour.latency,
        # Free probes succeed: no report says that keys are refused or lists shortened.
        reach=1 - behaviour.free_probe_noise,
        credentials=1 - behaviour.free_probe_noise,
        failure=_RISK_CONTROL_FAILURES[int(draws.uniform() * len(_RISK_CONTROL_FAILURES))],
    )


def _overlay(
    intervals: Sequence[TraceInterval], scripted: TraceInterval
) -> Iterator[TraceInterval]:
    """Yield intervals with a scripted one in place of those that it overlaps."""
    for interval in intervals:
        if interval.start < scripted.start:
            yield interval.model_copy(update={"end": min(interval.end, scripted.start)})
    yield scripted
    for interval in intervals:
        if interval.end > scripted.end:
            yield interval.model_copy(update={"start": max(interval.start, scripted.end)})
