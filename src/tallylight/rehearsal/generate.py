"""Traces from distributions: the same recipe always makes the same trace."""

from collections.abc import Iterator, Sequence
from itertools import count

from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.rehearsal import rng
from tallylight.rehearsal.behaviour import Cast, Habits, Recipe
from tallylight.rehearsal.trace import Trace, TraceFailure, TraceFeed, TraceService, TraceSpell

_MINUTE, _HOUR, _DAY, _WEEK = 60.0, 3600.0, 86_400.0, 604_800.0

_OUTAGES = (
    TraceFailure(
        http_status=500,
        body='{"error":{"message":"The server had an error processing your request",'
        '"type":"server_error"}}',
    ),
    TraceFailure(http_status=503, body='{"error":{"message":"Service temporarily overloaded"}}'),
    TraceFailure(http_status=502, body="<html><title>502 Bad Gateway</title></html>"),
)
_RISK = (
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
_SUSPENDED = (
    TraceFailure(
        http_status=503, body='{"error":{"code":"model_suspended","message":"该模型已暂停"}}'
    ),
    TraceFailure(
        http_status=503,
        body='{"error":{"code":"model_not_found","message":"No available channel for model",'
        '"type":"new_api_error"}}',
    ),
)


def generated(recipe: Recipe) -> Trace:
    """Return the trace that a recipe makes."""
    services, feeds, traffic = {}, {}, {}
    for name, cast in recipe.casts.items():
        for number in range(1, cast.count + 1):
            id_ = ServiceId(name if cast.count == 1 else f"{name}-{number}")
            services[id_] = _service(id_, cast, recipe)
            habits = cast.habits
            if habits.feed_lag_minutes is not None:
                feeds[id_] = TraceFeed(
                    lag=habits.feed_lag_minutes * _MINUTE, blind=habits.feed_blind
                )
            if habits.traffic:
                traffic[id_] = habits.traffic
    return Trace(duration=recipe.days * _DAY, services=services, feeds=feeds, traffic=traffic)


def _service(id_: ServiceId, cast: Cast, recipe: Recipe) -> TraceService:
    luck = rng.Sequence(rng.salt(recipe.seed, id_, "life"))
    spells = tuple(_life(cast.habits, recipe.days * _DAY, luck))
    for scripted in (*cast.scripted, *recipe.scripted):
        spells = tuple(_laid_over(spells, scripted))
    habits = cast.habits
    return TraceService(access=habits.access, price=habits.price, spells=spells)


def _life(habits: Habits, end: float, luck: rng.Sequence) -> Iterator[TraceSpell]:
    """Yield spells without gaps: operational ones, and what befalls the service between them."""
    at, rates = 0.0, _rates(habits)
    for _ in count():
        wait = luck.waiting(1 / sum(rates)) if sum(rates) else end
        begin = min(end, at + wait)
        yield _operational(habits, at, begin)
        if begin >= end:
            return
        trouble = _trouble(habits, rates, begin, luck)
        yield trouble if trouble.end <= end else trouble.model_copy(update={"end": end})
        at = trouble.end
        if at >= end:
            return


def _rates(habits: Habits) -> tuple[float, float, float]:
    between = habits.days_between_outages
    outages = 1 / (between * _DAY) if between else 0.0
    return outages, habits.risk_weekly / _WEEK, habits.suspended_weekly / _WEEK


def _trouble(
    habits: Habits, rates: Sequence[float], begin: float, luck: rng.Sequence
) -> TraceSpell:
    which = luck.share() * sum(rates)
    if which < rates[0]:
        return _outage(habits, begin, luck)
    if which < rates[0] + rates[1]:
        return _risk_control(habits, begin, luck)
    length = luck.between(*habits.suspended_days) * _DAY
    return TraceSpell(
        start=begin,
        end=begin + length,
        status=Status.SUSPENDED,
        accept=0.0,
        deliver=0.0,
        latency=habits.latency,
        credentials=1 - habits.shallow_noise,
        reach=1 - habits.shallow_noise,
        failure=_SUSPENDED[int(luck.share() * len(_SUSPENDED))],
    )


def _operational(habits: Habits, begin: float, end: float) -> TraceSpell:
    return TraceSpell(
        start=begin,
        end=max(end, begin + 0.001),
        status=Status.OPERATIONAL,
        accept=1.0,
        deliver=1 - habits.noise,
        latency=habits.latency,
        reach=1 - habits.shallow_noise,
        credentials=1 - habits.shallow_noise,
    )


def _outage(habits: Habits, begin: float, luck: rng.Sequence) -> TraceSpell:
    length = max(1.0, luck.waiting(habits.outage_minutes * _MINUTE))
    shows = luck.share() >= habits.hidden
    is_partial = luck.share() < habits.partial
    passes = luck.between(*habits.partial_passes) if is_partial else 0.0
    accepts = luck.share() < 0.5 or is_partial  # noqa: PLR2004  # half refuse, half fail later
    # What lets jobs pass has an open door.
    door = 0.0 if shows and not is_partial else 1 - habits.shallow_noise
    return TraceSpell(
        start=begin,
        end=begin + length,
        status=Status.DEGRADED if is_partial else Status.SUSPENDED,
        accept=1.0 if accepts else 0.0,
        deliver=passes,
        latency=habits.latency,
        reach=door,
        credentials=door,
        failure=_OUTAGES[int(luck.share() * len(_OUTAGES))],
    )


def _risk_control(habits: Habits, begin: float, luck: rng.Sequence) -> TraceSpell:
    length = luck.between(*habits.risk_hours) * _HOUR
    passes = luck.between(*habits.risk_passes)
    at_the_door = luck.share() < 0.5  # noqa: PLR2004  # half refuse, half fail later
    return TraceSpell(
        start=begin,
        end=begin + length,
        status=Status.RISK_CONTROL,
        accept=passes if at_the_door else 1.0,
        deliver=1 - habits.noise if at_the_door else passes,
        latency=habits.latency,
        # Nobody reports that it shows at the free questions: the keys are good, the lists are full.
        reach=1 - habits.shallow_noise,
        credentials=1 - habits.shallow_noise,
        failure=_RISK[int(luck.share() * len(_RISK))],
    )


def _laid_over(spells: Sequence[TraceSpell], scripted: TraceSpell) -> Iterator[TraceSpell]:
    for spell in spells:
        if spell.start < scripted.start and spell.end > scripted.start:
            yield spell.model_copy(update={"end": scripted.start})
        elif spell.end <= scripted.start:
            yield spell
    yield scripted
    for spell in spells:
        if spell.end > scripted.end:
            start = max(spell.start, scripted.end)
            yield spell.model_copy(update={"start": start})
