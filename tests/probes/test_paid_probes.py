"""Paid probes over real HTTP: what became of the video, of the attempt and of the money."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest

from tallylight.catalogue.services import BillingBasis
from tallylight.errors import BudgetError
from tallylight.model.evidence import FailureKind, Fault, Source
from tallylight.model.ids import ServiceId
from tallylight.model.ledger import EntryState, Purpose
from tallylight.model.money import Budget
from tallylight.model.status import Status
from tallylight.simulator.scenario import Billing
from tallylight.verdicts.options import PolicyOptions

Start = Callable[..., Awaitable[Any]]
Trouble = Mapping[str, object]

OFFICIAL, RELAY, CHAT, IMAGE = (
    "sora-2-official",
    "veo-3.1-reverse",
    "sora-2-reverse",
    "gpt-image-reverse",
)
SETTLED, RELEASED = EntryState.SETTLED, EntryState.RELEASED
ACCEPTANCES = (BillingBasis.ACCEPTANCES, Billing.KEEPS_FAILURES)
DELIVERIES = (BillingBasis.DELIVERIES, Billing.BILLS_DELIVERIES)


def refuse(sign: str) -> Trouble:
    return {"kind": "refuse", "sign": sign}


def flawed(flaw: str) -> Trouble:
    return {"kind": "deliver_defective", "defect": flaw}


@pytest.mark.parametrize("name", [OFFICIAL, RELAY, CHAT, IMAGE])
@pytest.mark.parametrize(("bills", "billing"), [ACCEPTANCES, DELIVERIES])
async def test_a_video_that_arrives_speaks_for_the_service_and_is_paid_for(
    start: Start, name: str, bills: BillingBasis, billing: Billing
) -> None:
    house = await start(name, bills=bills, billing=billing)

    found = await house.generate(name)

    assert found.failure is None
    assert found.latency is not None
    assert house.board.verdict(ServiceId(name)).status is Status.OPERATIONAL
    (entry,) = await house.entries(name)
    assert entry.state is SETTLED
    assert await house.history.attempts.unfinished(Purpose.PROBE) == ()
    await house.check_books()


@pytest.mark.parametrize("name", [OFFICIAL, RELAY, CHAT])
@pytest.mark.parametrize(
    ("sign", "fault"),
    [
        ("overloaded", Fault.UPSTREAM),
        ("risk_control", Fault.UPSTREAM),
        ("suspended", Fault.UPSTREAM),
        ("maintenance", Fault.UPSTREAM),
        ("rate_limited", Fault.OURS),
        ("quota", Fault.OURS),
        ("auth", Fault.OURS),
        ("content_rejected", Fault.CALLER),
    ],
)
async def test_a_refusal_costs_nothing_and_is_blamed_on_whoever_it_was(
    start: Start, name: str, sign: str, fault: Fault
) -> None:
    house = await start(name, bills=BillingBasis.ACCEPTANCES, billing=Billing.KEEPS_FAILURES)
    house.trouble(name, refuse(sign))

    found = await house.generate(name)

    assert found.failure is not None
    if (name, sign) == (CHAT, "auth"):  # in the stream: a token of the reseller's pool
        fault = Fault.UPSTREAM
    assert found.failure.fault is fault
    verdict = house.board.verdict(ServiceId(name))
    if sign in {"quota", "auth"}:
        assert verdict.blocked is (FailureKind(sign) if fault is Fault.OURS else None)
    if fault is not Fault.UPSTREAM:
        assert verdict.status is Status.UNKNOWN
    (entry,) = await house.entries(name)
    # Inside a stream such words may be said of a job that was accepted: it counts as paid.
    is_vague = (name, sign) == (CHAT, "overloaded")
    assert entry.state is (SETTLED if is_vague else RELEASED)
    await house.check_books()


@pytest.mark.parametrize("name", [OFFICIAL, RELAY, CHAT])
@pytest.mark.parametrize(
    ("trouble", "rule"),
    [
        (flawed("broken"), "inspection:"),
        (flawed("empty"), "inspection:"),
        (flawed("black"), "inspection:"),
        (flawed("frozen"), "inspection:"),
        (flawed("wrong_size"), "inspection:"),
        (flawed("wrong_length"), "inspection:"),
        ({"kind": "expire"}, ""),
    ],
)
async def test_a_video_that_is_not_the_one_ordered_is_a_failure_that_was_paid_for(
    start: Start, name: str, trouble: Trouble, rule: str
) -> None:
    house = await start(name, bills=BillingBasis.DELIVERIES, billing=Billing.BILLS_DELIVERIES)
    house.trouble(name, trouble)

    found = await house.generate(name)

    assert found.failure is not None, trouble
    assert found.is_bad
    assert found.failure.kind is FailureKind.DEGRADED
    assert found.failure.rule.startswith(rule)
    (entry,) = await house.entries(name)
    assert entry.state is SETTLED
    await house.check_books()


async def test_another_models_video_is_a_failure(start: Start) -> None:
    house = await start(OFFICIAL)
    house.trouble(OFFICIAL, flawed("other_model"))

    found = await house.generate(OFFICIAL)

    assert found.failure is not None
    assert found.failure.rule == "delivery:other_model"
    assert "some-other-model" in found.failure.text
    await house.check_books()


@pytest.mark.parametrize(
    ("name", "form"),
    [(OFFICIAL, "error"), (RELAY, "error"), (CHAT, "text"), (CHAT, "error"), (CHAT, "close")],
)
@pytest.mark.parametrize(("bills", "billing"), [ACCEPTANCES, DELIVERIES])
async def test_a_job_that_fails_later_is_paid_for_by_what_the_upstream_bills(
    start: Start, name: str, form: str, bills: BillingBasis, billing: Billing
) -> None:
    house = await start(name, bills=bills, billing=billing)
    house.trouble(name, {"kind": "fail", "form": form})

    found = await house.generate(name)

    assert found.is_bad
    (entry,) = await house.entries(name)
    # A stream that just closes leaves open whether the job goes on.
    is_free = bills is BillingBasis.DELIVERIES and form != "close"
    assert entry.state is (RELEASED if is_free else SETTLED)
    await house.check_books()


async def test_refused_content_says_nothing_against_the_service(start: Start) -> None:
    house = await start(OFFICIAL)
    trouble = {"kind": "fail", "code": "moderation_blocked", "message": "blocked by moderation"}
    house.trouble(OFFICIAL, trouble)

    found = await house.generate(OFFICIAL)

    assert found.failure is not None
    assert found.failure.fault is Fault.CALLER
    assert house.board.verdict(ServiceId(OFFICIAL)).status is Status.UNKNOWN


@pytest.mark.parametrize(("bills", "billing"), [ACCEPTANCES, DELIVERIES])
@pytest.mark.parametrize("kind", ["hang", "reset"])
async def test_a_create_in_doubt_is_found_in_the_list_and_followed(
    start: Start, kind: str, bills: BillingBasis, billing: Billing
) -> None:
    house = await start(OFFICIAL, bills=bills, billing=billing)
    house.trouble(OFFICIAL, {"kind": kind, "accepts": True})

    found = await house.generate(OFFICIAL)

    assert found.failure is None
    (entry,) = await house.entries(OFFICIAL)
    assert entry.state is SETTLED
    assert house.world.requests[OFFICIAL, "create"] == 1
    await house.check_books()


@pytest.mark.parametrize("accepts", [True, False])
@pytest.mark.parametrize(
    ("name", "kind"),
    [(OFFICIAL, "hang"), (OFFICIAL, "reset"), (RELAY, "hang"), (RELAY, "reset"), (CHAT, "reset")],
)
async def test_a_doubt_that_nothing_resolves_counts_as_paid_and_is_never_sent_again(
    start: Start, name: str, kind: str, *, accepts: bool
) -> None:
    house = await start(name, bills=BillingBasis.DELIVERIES, billing=Billing.KEEPS_FAILURES)
    # The list leaves the job out: that it does not show one proves nothing.
    house.trouble(
        name, {"kind": kind, "accepts": accepts}, {"kind": "incomplete_list", "omits": "all"}
    )

    found = await house.generate(name)

    assert found.is_bad
    (entry,) = await house.entries(name)
    assert entry.state is SETTLED
    assert house.world.requests[name, "create"] == 1
    await house.check_books()


@pytest.mark.parametrize("name", [OFFICIAL, RELAY])
async def test_a_job_that_stalls_is_given_up_and_counts_as_paid(start: Start, name: str) -> None:
    house = await start(name)
    house.trouble(name, {"kind": "stall"})

    found = await house.generate(name)

    assert found.failure is not None
    assert found.failure.rule == "job:stalled"
    assert found.is_bad
    (entry,) = await house.entries(name)
    assert entry.state is SETTLED
    await house.check_books()


async def test_a_stream_that_stalls_is_given_up_too(start: Start) -> None:
    house = await start(CHAT, job_timeout=2.0)
    house.trouble(CHAT, {"kind": "stall"})

    found = await house.generate(CHAT)

    assert found.is_bad
    (entry,) = await house.entries(CHAT)
    assert entry.state is SETTLED


@pytest.mark.parametrize(
    "trouble",
    [
        {"kind": "refuse", "http_status": 502, "body": "<html>Bad Gateway</html>"},
        {"kind": "refuse", "http_status": 404, "body": "<html>Not Found</html>"},
        {"kind": "refuse", "http_status": 429, "body": "", "headers": {"Retry-After": "2"}},
        {"kind": "hang"},
        {"kind": "reset"},
    ],
)
async def test_polls_that_fail_for_a_while_do_not_end_a_job(start: Start, trouble: Trouble) -> None:
    house = await start(OFFICIAL, timeout=0.2)
    house.trouble(OFFICIAL, {**trouble, "doors": ["poll"]})
    generating = asyncio.create_task(house.generate(OFFICIAL))
    await house.knocked(OFFICIAL, "poll")
    house.trouble(OFFICIAL)

    found = await generating

    assert found.failure is None
    await house.check_books()


async def test_a_job_that_the_upstream_keeps_denying_is_lost_by_it(start: Start) -> None:
    house = await start(OFFICIAL, job_timeout=600.0)
    body = {"error": {"message": "Video not found", "type": "invalid_request_error"}}
    lost = {"kind": "refuse", "http_status": 404, "body": body, "doors": ["poll"]}
    house.trouble(OFFICIAL, lost)

    found = await house.generate(OFFICIAL)

    assert found.failure is not None
    assert found.failure.rule == "job:lost"
    assert found.is_bad
    (entry,) = await house.entries(OFFICIAL)
    assert entry.state is SETTLED


async def test_a_key_that_is_refused_at_every_poll_is_our_own_trouble(start: Start) -> None:
    house = await start(OFFICIAL)
    house.trouble(OFFICIAL, {**refuse("auth"), "doors": ["poll"]})

    found = await house.generate(OFFICIAL)

    assert found.failure is not None
    assert (found.failure.kind, found.failure.fault) == (FailureKind.AUTH, Fault.OURS)


async def test_a_budget_that_would_be_exceeded_withholds_the_probe_and_says_so(
    start: Start,
) -> None:
    house = await start(OFFICIAL, budget=Budget(per_day=Decimal("0.39")))

    with pytest.raises(BudgetError):
        await house.generate(OFFICIAL)

    assert "0.39" in house.prober.withheld()[ServiceId(OFFICIAL)]
    assert house.world.requests[OFFICIAL, "create"] == 0
    assert await house.entries(OFFICIAL) == ()
    assert await house.history.attempts.unfinished(Purpose.PROBE) == ()


async def test_a_total_budget_is_shared_by_all_services(start: Start) -> None:
    house = await start(OFFICIAL, RELAY, total=Budget(per_hour=Decimal("0.50")))

    await house.generate(OFFICIAL)
    with pytest.raises(BudgetError):
        await house.generate(RELAY)

    assert set(house.prober.withheld()) == {RELAY}
    await house.check_books()


async def test_a_service_that_leaves_the_catalogue_has_its_job_settled(start: Start) -> None:
    house = await start(OFFICIAL, RELAY)
    house.trouble(OFFICIAL, {"kind": "slow", "factor": 20})
    generating = asyncio.create_task(house.generate(OFFICIAL))
    await house.knocked(OFFICIAL, "poll", times=1)
    await house.board.seat([house.services[RELAY]], PolicyOptions())

    await generating

    (entry,) = await house.entries(OFFICIAL)
    assert entry.state is SETTLED
    assert await house.history.attempts.unfinished(Purpose.PROBE) == ()


async def test_the_outcome_lands_in_the_history(start: Start) -> None:
    house = await start(OFFICIAL)

    found = await house.generate(OFFICIAL)

    stored = await house.history.evidence(ServiceId(OFFICIAL))
    assert [piece.source for piece in stored] == [Source.GENERATION, Source.ACCEPTANCE]
    assert stored[0] == found
