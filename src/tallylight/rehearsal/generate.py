"""Traces from distributions: the same recipe always makes the same trace."""

from collections.abc import Iterator, Sequence
from itertools import count

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
    """Return the trace that a recipe makes."""
    services, feeds, traffic = {}, {}, {}
    for name, cast in recipe.groups.items():
        for number in range(1, cast.count + 1):
            id_ = ServiceId(name if cast.count == 1 else f"{name}-{number}")
            services[id_] = _service(id_, cast, recipe)
            habits = cast.behaviour
            if habits.feed_lag_minutes is not None:
                feeds[id_] = TraceFeed(
                    lag=habits.feed_lag_minutes * _MINUTE, blind=habits.feed_blind
                )
            if habits.traffic:
                traffic[id_] = habits.traffic
    return Trace(duration=recipe.days * _DAY, services=services, feeds=feeds, traffic=traffic)


def _service(id_: ServiceId, group: ServiceGroup, recipe: Recipe) -> TraceService:
    luck = rng.RandomSequence(rng.purpose_seed(recipe.seed, id_, "life"))
    spells = tuple(_intervals(group.behaviour, recipe.days * _DAY, luck))
    for scripted in (*group.scripted, *recipe.scripted):
        spells = tuple(_overlay(spells, scripted))
    habits = group.behaviour
    return TraceService(access=habits.access, price=habits.price, spells=spells)


def _intervals(
    behaviour: Behaviour, end: float, draws: rng.RandomSequence
) -> Iterator[TraceInterval]:
    """Yield spells without gaps: operational ones, and what befalls the service between them."""
    at, rates = 0.0, _rates(behaviour)
    for _ in count():
        wait = draws.exponential(1 / sum(rates)) if sum(rates) else end
        begin = min(end, at + wait)
        yield _operational(behaviour, at, begin)
        if begin >= end:
            return
        trouble = _disruption(behaviour, rates, begin, draws)
        yield trouble if trouble.end <= end else trouble.model_copy(update={"end": end})
        at = trouble.end
        if at >= end:
            return


def _rates(behaviour: Behaviour) -> tuple[float, float, float]:
    between = behaviour.days_between_outages
    outages = 1 / (between * _DAY) if between else 0.0
    return outages, behaviour.risk_weekly / _WEEK, behaviour.suspended_weekly / _WEEK


def _disruption(
    behaviour: Behaviour, rates: Sequence[float], begin: float, draws: rng.RandomSequence
) -> TraceInterval:
    which = draws.uniform() * sum(rates)
    if which < rates[0]:
        return _outage(behaviour, begin, draws)
    if which < rates[0] + rates[1]:
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
    shows = draws.uniform() >= behaviour.hidden
    is_partial = draws.uniform() < behaviour.partial
    passes = draws.uniform_between(*behaviour.partial_passes) if is_partial else 0.0
    accepts = draws.uniform() < 0.5 or is_partial  # noqa: PLR2004  # half refuse, half fail later
    # What lets jobs pass has an open door.
    door = 0.0 if shows and not is_partial else 1 - behaviour.free_probe_noise
    return TraceInterval(
        start=begin,
        end=begin + length,
        status=Status.DEGRADED if is_partial else Status.SUSPENDED,
        accept=1.0 if accepts else 0.0,
        deliver=passes,
        latency=behaviour.latency,
        reach=door,
        credentials=door,
        failure=_OUTAGE_FAILURES[int(draws.uniform() * len(_OUTAGE_FAILURES))],
    )


def _risk_control(behaviour: Behaviour, begin: float, draws: rng.RandomSequence) -> TraceInterval:
    length = draws.uniform_between(*behaviour.risk_hours) * _HOUR
    passes = draws.uniform_between(*behaviour.risk_passes)
    at_the_door = draws.uniform() < 0.5  # noqa: PLR2004  # half refuse, half fail later
    return TraceInterval(
        start=begin,
        end=begin + length,
        status=Status.RISK_CONTROL,
        accept=passes if at_the_door else 1.0,
        deliver=1 - behaviour.noise if at_the_door else passes,
        latency=behaviour.latency,
        # Nobody reports that it shows at the free questions: the keys are good, the lists are full.
        reach=1 - behaviour.free_probe_noise,
        credentials=1 - behaviour.free_probe_noise,
        failure=_RISK_CONTROL_FAILURES[int(draws.uniform() * len(_RISK_CONTROL_FAILURES))],
    )


def _overlay(
    intervals: Sequence[TraceInterval], scripted: TraceInterval
) -> Iterator[TraceInterval]:
    for spell in intervals:
        if spell.start < scripted.start and spell.end > scripted.start:
            yield spell.model_copy(update={"end": scripted.start})
        elif spell.end <= scripted.start:
            yield spell
    yield scripted
    for spell in intervals:
        if spell.end > scripted.end:
            start = max(spell.start, scripted.end)
            yield spell.model_copy(update={"start": start})
