"""Refused orders in virtual time: when they are told, and when their end is known."""

import json

import pytest

from tallylight.model.status import Status
from tallylight.rehearsal.run import RehearsalOptions, run_rehearsal
from tallylight.rehearsal.trace import parse_trace
from tallylight.rehearsal.world import START, ShownStatus, rehearsed_services

DAY, HOUR = 86_400, 3600
POOL_FULL = {"http_status": 429, "body": '{"error": {"code": "too_many_requests"}}'}


def shown(begin: float, end: float, seed: int) -> tuple[ShownStatus, ...]:
    """Return what is shown of a service that refuses each order from one moment to another."""
    refusing = {
        "from": begin,
        "to": end,
        "status": "degraded",
        "accept": 0,
        "failure": POOL_FULL,
    }
    service = {"price": 0.4, "spells": [refusing]}
    trace = parse_trace(json.dumps({"duration": 5 * DAY, "services": {"sora": service}}), "test")
    (result,) = run_rehearsal(rehearsed_services(trace, seed), 5, RehearsalOptions())
    return result.changes


@pytest.mark.parametrize("seed", range(3))
def test_a_service_that_refuses_every_order_is_degraded_until_soon_after_it_accepts_again(
    seed: int,
) -> None:
    changes = shown(2 * DAY, 3 * DAY, seed)

    trouble = [each.at for each in changes if each.status is Status.DEGRADED]
    assert len(trouble) == 1
    assert Status.SUSPENDED not in {each.status for each in changes}
    back = next(
        each.at for each in changes if each.status is Status.OPERATIONAL and each.at > trouble[0]
    )
    hours_after_end = ((back - START).total_seconds() - 3 * DAY) / HOUR
    assert 0 < hours_after_end < 1.5
