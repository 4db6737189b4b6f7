"""Worlds in which verdicts go wrong easily, written by hand: one kind of trouble each.

Other worlds come from the built-in recipes and from `tallylight rehearse generate`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from tallylight.model.ids import ServiceId
from tallylight.model.status import Access, Status
from tallylight.rehearsal.behaviour import Behaviour, Recipe, ServiceGroup
from tallylight.rehearsal.generate import generate_trace
from tallylight.rehearsal.recipes import load_trace, recipe_names
from tallylight.rehearsal.trace import (
    Trace,
    TraceFailure,
    TraceFeed,
    TraceInterval,
    TraceService,
)

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
OFFICIAL_PRICE, REVERSE_PRICE = Decimal("0.40"), Decimal("0.12")
RECIPE_DAYS = 20.0
"""Built-in traces are cut to this length."""

_UNNAMED = (500, "upstream error: do request failed", "upstream_error")
_RISK_CONTROL = (403, "Unusual activity has been detected from your device.", "risk_control")
_PAUSED = (503, "No available channel for model sora-2 under group default", "model_not_found")
_EMPTY_WALLET = (403, "用户额度不足", "insufficient_user_quota")
_POOL_FULL = (429, "当前排队任务过多, 请稍后再试", "too_many_requests")
_NO_SUCH_MODEL = (404, "The model `sora-2` has been deprecated", "model_not_found")
_SILENCE = TraceFailure(http_status=None, body="TimeoutError: ")
_NO_NETWORK = TraceFailure(
    http_status=None, body="ClientConnectorDNSError: Temporary failure in name resolution"
)


def worlds() -> Mapping[str, Callable[[], Trace]]:
    """Return every world by its name."""
    recipes = {name: _recipe(name) for name in recipe_names()}
    return {**recipes, **_GENERATED, **_BY_HAND}


def _recipe(name: str) -> Callable[[], Trace]:
    def cut() -> Trace:
        trace = load_trace(name)
        return trace.model_copy(update={"duration": min(trace.duration, RECIPE_DAYS * DAY)})

    return cut


def _generated(seed: int, days: float, services: int, behaviour: Behaviour) -> Trace:
    groups = {"service": ServiceGroup(count=services, behaviour=behaviour)}
    return generate_trace(Recipe(days=days, seed=seed, groups=groups))


_GENERATED: Mapping[str, Callable[[], Trace]] = {
    "generated-11": lambda: _generated(
        11,
        40,
        3,
        Behaviour(
            access=Access.REVERSE,
            price=REVERSE_PRICE,
            risk_weekly=3,
            noise=0.08,
            feed_lag_minutes=None,
        ),
    ),
    "generated-12": lambda: _generated(
        12,
        60,
        2,
        Behaviour(days_between_outages=10, outage_minutes=20, noise=0.01, hidden=0.3),
    ),
    "generated-13": lambda: _generated(
        13,
        30,
        4,
        Behaviour(days_between_outages=1, outage_minutes=120, partial=0.6, noise=0.05, hidden=0.9),
    ),
    "generated-14": lambda: _generated(
        14,
        90,
        1,
        Behaviour(access=Access.REVERSE, risk_weekly=0.5, risk_hours=(24, 72), noise=0.03),
    ),
}


def _failure(answer: tuple[int, str, str]) -> TraceFailure:
    status, message, code = answer
    error = {"message": message, "code": code}
    return TraceFailure(http_status=status, body=json.dumps({"error": error}, ensure_ascii=False))


def _failed_job() -> TraceFailure:
    error = {"code": "internal", "message": "worker lost"}
    job = {"id": "task_9", "object": "video", "status": "failed", "error": error}
    return TraceFailure(http_status=200, body=json.dumps(job))


def _spell(start: float, hours: float, status: Status, **keys: object) -> TraceInterval:
    """Return an interval with more keys of a trace; no job passes unless it says so."""
    end = start + hours * HOUR
    jobs = {"accept": 0, "deliver": 0}
    return TraceInterval.model_validate(
        {"from": start, "to": end, "status": status, **jobs, **keys}
    )


def _service(access: Access, *spells: TraceInterval) -> TraceService:
    price = REVERSE_PRICE if access is Access.REVERSE else OFFICIAL_PRICE
    return TraceService(access=access, price=price, intervals=spells)


def _world(
    days: float,
    services: Mapping[str, TraceService],
    *,
    jobs_per_hour: float = 0,
    feeds: Mapping[str, TraceFeed] | None = None,
) -> Trace:
    return Trace(
        duration=days * DAY,
        services={ServiceId(name): service for name, service in services.items()},
        feeds={ServiceId(name): feed for name, feed in (feeds or {}).items()},
        traffic={ServiceId(name): jobs_per_hour for name in services} if jobs_per_hour else {},
    )


def _slow(jobs_per_hour: float) -> Trace:
    """Twice: within five hours jobs become four times as slow, for 18 hours in all."""

    def spells(start: float) -> Sequence[TraceInterval]:
        ramp = [
            _spell(
                start + hour * HOUR,
                13 if hour == 5 else 1,
                Status.DEGRADED if hour >= 2 else Status.OPERATIONAL,
                accept=1,
                deliver=1,
                latency=(60.0 + 30 * hour if hour < 5 else 240.0, 120.0 + 60 * hour),
            )
            for hour in range(6)
        ]
        ramp[-1] = ramp[-1].model_copy(update={"latency": (240.0, 480.0)})
        return ramp

    both = (*spells(9 * DAY), *spells(13 * DAY))
    services = {access.value: _service(access, *both) for access in _TWO}
    return _world(16, services, jobs_per_hour=jobs_per_hour)


def _risk_control(jobs_per_hour: float) -> Trace:
    """Two days, twice, in which 40 % of the jobs pass."""
    refused = [
        _spell(
            day * DAY,
            48,
            Status.RISK_CONTROL,
            accept=0.4,
            deliver=1,
            failure=_failure(_RISK_CONTROL),
        )
        for day in (5, 15)
    ]
    failing = [
        _spell(
            day * DAY, 48, Status.RISK_CONTROL, accept=1, deliver=0.4, failure=_failure(_UNNAMED)
        )
        for day in (5, 15)
    ]
    services = {
        "named-refusals": _service(Access.REVERSE, *refused),
        "unnamed-failures": _service(Access.REVERSE, *failing),
    }
    return _world(21, services, jobs_per_hour=jobs_per_hour)


def _flapping() -> Trace:
    """A day of five minutes down and five minutes up."""

    def spells(free: float) -> Sequence[TraceInterval]:
        return [
            _spell(
                5 * DAY + n * 10 * MINUTE, 1 / 12, Status.SUSPENDED, reach=free, credentials=free
            )
            for n in range(144)
        ]

    services = {
        "visible": _service(Access.OFFICIAL, *spells(0)),
        "hidden": _service(Access.OFFICIAL, *spells(1)),
        "visible-reverse": _service(Access.REVERSE, *spells(0)),
    }
    return _world(10, services)


def _paused_model() -> Trace:
    spell = _spell(4 * DAY, 120, Status.SUSPENDED, failure=_failure(_PAUSED))
    return _world(14, {access.value: _service(access, spell) for access in _TWO})


def _empty_wallet() -> Trace:
    """A day without money, which is no outage; one service is down meanwhile, too."""
    empty = _failure(_EMPTY_WALLET)

    def empty_from(start: float, hours: float) -> TraceInterval:
        return _spell(start, hours, Status.OPERATIONAL, accept=0, deliver=1, failure=empty)

    down = _spell(4 * DAY + 6 * HOUR, 8, Status.SUSPENDED, reach=0, credentials=0)
    services = {access.value: _service(access, empty_from(4 * DAY, 24)) for access in _TWO}
    services["down-meanwhile"] = _service(
        Access.OFFICIAL, empty_from(4 * DAY, 6), down, empty_from(4 * DAY + 14 * HOUR, 10)
    )
    return _world(10, services)


def _retired() -> Trace:
    gone = _spell(5 * DAY, 9 * 24, Status.RETIRED, failure=_failure(_NO_SUCH_MODEL))
    services = {access.value: _service(access, gone) for access in _TWO}
    return _world(14, {**services, "stays": _service(Access.OFFICIAL)})


def _silent(silent: int, others: int, hours: float, days: float) -> Trace:
    """Several providers give no answer at the same time; the others do."""
    spell = _spell(2 * DAY, hours, Status.SUSPENDED, reach=0, credentials=0, failure=_SILENCE)
    services = {f"silent-{n}": _service(Access.OFFICIAL, spell) for n in range(silent)}
    services |= {f"answers-{n}": _service(Access.OFFICIAL) for n in range(others)}
    return _world(days, services)


def _line_cut(providers: int) -> Trace:
    """Our own line is cut twice for 35 minutes: no outage of any service."""
    cuts = [
        _spell(at, 35 / 60, Status.OPERATIONAL, reach=0, credentials=0, failure=_NO_NETWORK)
        for at in (DAY + 4 * HOUR, 6 * DAY + 90 * MINUTE)
    ]
    return _world(9, {f"p-{n}": _service(Access.OFFICIAL, *cuts) for n in range(providers)})


def _weekly_stalls() -> Trace:
    """Three hours a week in which accepted jobs never end; two official, two reverse services."""

    def spells(phase: float) -> Sequence[TraceInterval]:
        return [
            _spell(
                week * 7 * DAY + phase,
                3,
                Status.SUSPENDED,
                accept=1,
                deliver=0,
                latency=(7200, 7200),
            )
            for week in range(4)
        ]

    services = {
        f"{access.value}-{n}": _service(access, *spells((2 + n) * DAY + (5 + 7 * n) * HOUR))
        for access in _TWO
        for n in range(2)
    }
    return _world(28, services)


def _silent_nights() -> Trace:
    """Five hours each five days in which accepted jobs end as failed."""

    def spells(phase: float) -> Sequence[TraceInterval]:
        return [
            _spell(
                (5 * n + 1) * DAY + phase,
                5,
                Status.SUSPENDED,
                accept=1,
                deliver=0,
                failure=_failed_job(),
            )
            for n in range(4)
        ]

    accesses = (Access.OFFICIAL, Access.OFFICIAL, Access.REVERSE)
    services = {
        f"{access.value}-{n}": _service(access, *spells(n * 7 * HOUR))
        for n, access in enumerate(accesses)
    }
    return _world(21, services)


def _every_order_limited(days: float, hours: float) -> Trace:
    """Every order is answered with 429, while free probes pass."""
    spell = _spell(
        3 * DAY, hours, Status.DEGRADED, accept=0, deliver=1, failure=_failure(_POOL_FULL)
    )
    return _world(days, {access.value: _service(access, spell) for access in _TWO})


_TWO = (Access.OFFICIAL, Access.REVERSE)

_BY_HAND: Mapping[str, Callable[[], Trace]] = {
    "slow-x4": lambda: _slow(0),
    "slow-x4-traffic": lambda: _slow(12),
    "risk-control-40": lambda: _risk_control(0),
    "risk-control-40-traffic": lambda: _risk_control(12),
    "flapping": _flapping,
    "paused-model": _paused_model,
    "empty-wallet": _empty_wallet,
    "retired": _retired,
    "three-of-six-silent": lambda: _silent(3, 3, 3, 4),
    "forty-of-42-silent": lambda: _silent(40, 2, 2, 4),
    "line-cut-4": lambda: _line_cut(4),
    "line-cut-6": lambda: _line_cut(6),
    "weekly-stalls": _weekly_stalls,
    "silent-nights": _silent_nights,
    "limited-four-days": lambda: _every_order_limited(9, 96),
    "pool-is-full": lambda: _every_order_limited(7, 30),
}
