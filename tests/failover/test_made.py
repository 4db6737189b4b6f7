"""What was asked, ordered and made are three things; an unknown price is none of zero."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tallylight.gateway.http.serialize import video_headers, video_json
from tallylight.model.video import Video, VideoStatus
from tallylight.simulator.files import parse_scenario
from tallylight.simulator.scenario import Scenario

from .conftest import SCENARIO, RunningGateway, Start

_CHANGES = {
    'price: {unit: per_call, rates: {"*": 0.10}}': 'price: {unit: per_second, rates: {"*": 0.10}}',
    "latency: [4, 6]": "latency: [40, 60]",  # time to change what the first service makes
    "name: B, upstream: second": "name: B, upstream: second, lengths: [4, 8, 12]",
}
_UNPRICED = "catalogue: {services: {b: {price: null}, c: {price: null, access: self_hosted}}}\n"
ROUTE = {"services": ["a", "b"], "explicit": True, "substitutes": ["seconds"]}


@pytest.fixture
def scenario() -> Scenario:
    """Return services that sell by the second, and two whose price tallylight does not know."""
    text = SCENARIO
    for before, after in _CHANGES.items():
        assert before in text
        text = text.replace(before, after)
    return parse_scenario(text + _UNPRICED, "made.yaml")


def headers_of(video: Video) -> dict[bytes, bytes]:
    return dict(video_headers(video))


def make_instead(gateway: RunningGateway, seconds: int) -> None:
    """Let the simulated services make another length than they accepted."""
    jobs = gateway.simulation.jobs
    for id_, job in jobs.items():
        jobs[id_] = replace(job, reading=replace(job.reading, seconds=seconds))


async def test_each_service_is_asked_for_what_the_caller_wished(start: Start) -> None:
    gateway = await start(route=ROUTE)
    gateway.set_faults("a", {"kind": "fail", "after": 5, "code": "internal", "message": "oops"})

    begun = await gateway.create(seconds=12)
    video = await gateway.until_ended(begun)

    assert headers_of(begun)[b"x-tallylight-substituted"] == b"seconds=12->8"
    assert '"seconds":"8"' in video_json(begun)
    assert [(each.service, each.order.seconds) for each in await gateway.attempts(video)] == [
        ("a", 8),
        ("b", 12),
    ]
    assert (video.status, video.service) == (VideoStatus.COMPLETED, "b")
    assert b"x-tallylight-substituted" not in headers_of(video)
    assert '"seconds":"12"' in video_json(video)


async def test_what_a_service_says_it_made_is_told_and_settled(start: Start) -> None:
    gateway = await start(route={"services": ["a"]})

    begun = await gateway.create(seconds=8)
    make_instead(gateway, 4)
    video = await gateway.until_ended(begun)

    (attempt,) = await gateway.attempts(video)
    (entry,) = await gateway.storage.ledger.entries()
    assert attempt.order.seconds == 8
    assert attempt.made is not None
    assert attempt.made.seconds == 4
    assert (entry.estimate, entry.amount, video.cost) == (
        Decimal("0.8"),
        Decimal("0.4"),
        Decimal("0.4"),
    )
    assert headers_of(video)[b"x-tallylight-substituted"] == b"seconds=8->4"
    assert '"seconds":"4"' in video_json(video)


async def test_an_unknown_price_is_told_as_unknown(start: Start) -> None:
    gateway = await start(route={"services": ["b"]})

    begun = await gateway.create(seconds=4)
    video = await gateway.until_ended(begun)

    (entry,) = await gateway.storage.ledger.entries()
    assert (entry.estimate, entry.amount) == (None, None)
    assert begun.cost is video.cost is None
    assert headers_of(video)[b"x-tallylight-cost"] == b"unknown"


async def test_a_refused_attempt_at_an_unknown_price_cost_nothing(start: Start) -> None:
    gateway = await start(route={"services": ["b", "a"], "explicit": True})
    gateway.set_faults("b", {"kind": "refuse", "sign": "overloaded"})

    video = await gateway.until_ended(await gateway.create(seconds=4))

    assert (video.service, video.cost) == ("a", Decimal("0.4"))


async def test_a_self_hosted_service_costs_zero(start: Start) -> None:
    gateway = await start(route={"services": ["c"]})

    video = await gateway.until_ended(await gateway.create(seconds=4))

    (entry,) = await gateway.storage.ledger.entries()
    assert entry.estimate == entry.amount == video.cost == 0
    assert headers_of(video)[b"x-tallylight-cost"] == b"0"
