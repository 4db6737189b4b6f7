"""Paid probes over real HTTP: the video, the stored attempt and the cost."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tallylight.catalogue.services import BillingBasis
from tallylight.documents.secret import Secret
from tallylight.errors import BudgetError
from tallylight.i18n import Language, translator
from tallylight.i18n.reasons import reason_sentence
from tallylight.model.evidence import Evidence, FailureKind, Fault, Source
from tallylight.model.ids import ServiceId
from tallylight.model.ledger import EntryState
from tallylight.model.money import Budget
from tallylight.model.status import Status
from tallylight.model.verdict import Block, ReasonCode
from tallylight.simulator.scenario import Billing
from tallylight.verdicts.blocking import EARLIER_KEY_RULE
from tallylight.verdicts.options import PolicyOptions
from tallylight.verdicts.overdue import is_overdue

Start = Callable[..., Awaitable[Any]]
FaultSpec = Mapping[str, object]

OFFICIAL, RELAY, CHAT, IMAGE = (
    "sora-2-official",
    "veo-3.1-reverse",
    "sora-2-reverse",
    "gpt-image-reverse",
)
SETTLED, RELEASED = EntryState.SETTLED, EntryState.RELEASED
ACCEPTANCES = (BillingBasis.ACCEPTANCES, Billing.KEEPS_FAILURES)
DELIVERIES = (BillingBasis.DELIVERIES, Billing.BILLS_DELIVERIES)


def refuse(sign: str) -> FaultSpec:
    return {"kind": "refuse", "sign": sign}


def defective(defect: str) -> FaultSpec:
    return {"kind": "deliver_defective", "defect": defect}


@pytest.mark.parametrize("name", [OFFICIAL, RELAY, CHAT, IMAGE])
@pytest.mark.parametrize(("bills", "billing"), [ACCEPTANCES, DELIVERIES])
async def test_a_delivered_video_is_good_evidence_and_is_paid_for(
    start: Start, name: str, bills: BillingBasis, billing: Billing
) -> None:
    env = await start(name, bills=bills, billing=billing)

    found = await env.generate(name)

    assert found.failure is None
    assert found.latency is not None
    assert env.board.verdict(ServiceId(name)).status is Status.OPERATIONAL
    (entry,) = await env.entries(name)
    assert entry.state is SETTLED
    assert await env.paid_probes.open_probes() == ()
    await env.check_ledgers()


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
async def test_a_refusal_costs_nothing_and_names_whose_fault_it_was(
    start: Start, name: str, sign: str, fault: Fault
) -> None:
    env = await start(name, bills=BillingBasis.ACCEPTANCES, billing=Billing.KEEPS_FAILURES)
    env.set_faults(name, refuse(sign))

    found = await env.generate(name)

    assert found.failure is not None
    if (name, sign) == (CHAT, "auth"):  # in the stream: a token of the reseller's pool
        fault = Fault.UPSTREAM
    assert found.failure.fault is fault
    verdict = env.board.verdict(ServiceId(name))
    if sign in {"quota", "auth"}:
        assert verdict.blocked is (Block(sign) if fault is Fault.OURS else None)
    if fault is not Fault.UPSTREAM:
        assert verdict.status is Status.UNKNOWN
    (entry,) = await env.entries(name)
    # In a stream these words may concern an accepted job, so the attempt counts as paid.
    is_vague = (name, sign) == (CHAT, "overloaded")
    assert entry.state is (SETTLED if is_vague else RELEASED)
    await env.check_ledgers()


@pytest.mark.parametrize("name", [OFFICIAL, RELAY, CHAT])
@pytest.mark.parametrize(
    ("set_faults", "rule"),
    [
        (defective("broken"), "inspection:"),
        (defective("empty"), "delivery:nothing"),
        (defective("black"), "inspection:"),
        (defective("frozen"), "inspection:"),
        (defective("wrong_size"), "inspection:"),
        (defective("wrong_length"), "inspection:"),
        ({"kind": "expire"}, ""),
    ],
)
async def test_a_defective_video_is_a_failure_that_was_paid_for(
    start: Start, name: str, set_faults: FaultSpec, rule: str
) -> None:
    env = await start(name, bills=BillingBasis.DELIVERIES, billing=Billing.BILLS_DELIVERIES)
    env.set_faults(name, set_faults)

    found = await env.generate(name)

    assert found.failure is not None, set_faults
    assert found.is_bad
    assert found.failure.kind is FailureKind.DEGRADED
    assert found.failure.rule.startswith(rule)
    (entry,) = await env.entries(name)
    assert entry.state is SETTLED
    await env.check_ledgers()


async def test_a_video_that_comes_late_is_waited_for(start: Start) -> None:
    env = await start(OFFICIAL)
    env.set_faults(OFFICIAL, {"kind": "refuse", "doors": ["content"], "http_status": 404})

    probing = asyncio.create_task(env.generate(OFFICIAL))
    await env.wait_for_requests(OFFICIAL, "content", 3)
    env.set_faults(OFFICIAL)

    assert (await probing).failure is None
    await env.check_ledgers()


async def test_another_models_video_is_a_failure(start: Start) -> None:
    env = await start(OFFICIAL)
    env.set_faults(OFFICIAL, defective("other_model"))

    found = await env.generate(OFFICIAL)

    assert found.failure is not None
    assert found.failure.rule == "delivery:other_model"
    assert "some-other-model" in found.failure.text
    await env.check_ledgers()


@pytest.mark.parametrize(
    ("name", "form"),
    [(OFFICIAL, "error"), (RELAY, "error"), (CHAT, "text"), (CHAT, "error"), (CHAT, "close")],
)
@pytest.mark.parametrize(("bills", "billing"), [ACCEPTANCES, DELIVERIES])
async def test_a_job_that_fails_later_is_paid_for_by_what_the_upstream_bills(
    start: Start, name: str, form: str, bills: BillingBasis, billing: Billing
) -> None:
    env = await start(name, bills=bills, billing=billing)
    env.set_faults(name, {"kind": "fail", "form": form})

    found = await env.generate(name)

    assert found.is_bad
    (entry,) = await env.entries(name)
    # After a stream that just closes, the job may continue.
    is_free = bills is BillingBasis.DELIVERIES and form != "close"
    assert entry.state is (RELEASED if is_free else SETTLED)
    await env.check_ledgers()


async def test_rejected_content_does_not_count_against_the_service(start: Start) -> None:
    env = await start(OFFICIAL)
    set_faults = {"kind": "fail", "code": "moderation_blocked", "message": "blocked by moderation"}
    env.set_faults(OFFICIAL, set_faults)

    found = await env.generate(OFFICIAL)

    assert found.failure is not None
    assert found.failure.fault is Fault.CALLER
    assert env.board.verdict(ServiceId(OFFICIAL)).status is Status.UNKNOWN


@pytest.mark.parametrize(("bills", "billing"), [ACCEPTANCES, DELIVERIES])
@pytest.mark.parametrize("kind", ["hang", "reset"])
async def test_a_create_in_doubt_is_found_in_the_list_and_followed(
    start: Start, kind: str, bills: BillingBasis, billing: Billing
) -> None:
    env = await start(OFFICIAL, bills=bills, billing=billing)
    env.set_faults(OFFICIAL, {"kind": kind, "accepts": True})

    found = await env.generate(OFFICIAL)

    assert found.failure is None
    (entry,) = await env.entries(OFFICIAL)
    assert entry.state is SETTLED
    assert env.world.requests[OFFICIAL, "create"] == 1
    await env.check_ledgers()


@pytest.mark.parametrize("accepts", [True, False])
@pytest.mark.parametrize(
    ("name", "kind"),
    [(OFFICIAL, "hang"), (OFFICIAL, "reset"), (RELAY, "hang"), (RELAY, "reset"), (CHAT, "reset")],
)
async def test_an_unresolved_attempt_in_doubt_counts_as_paid_and_is_never_sent_again(
    start: Start, name: str, kind: str, *, accepts: bool
) -> None:
    env = await start(name, bills=BillingBasis.DELIVERIES, billing=Billing.KEEPS_FAILURES)
    # The list omits the job, which proves nothing.
    env.set_faults(
        name, {"kind": kind, "accepts": accepts}, {"kind": "incomplete_list", "omits": "all"}
    )

    found = await env.generate(name)

    assert found.is_bad
    (entry,) = await env.entries(name)
    assert entry.state is SETTLED
    assert env.world.requests[name, "create"] == 1
    await env.check_ledgers()


@pytest.mark.parametrize("name", [OFFICIAL, RELAY])
async def test_a_job_that_stalls_is_given_up_and_counts_as_paid(start: Start, name: str) -> None:
    env = await start(name, job_timeout=60.0)
    env.set_faults(name, {"kind": "stall"})

    found = await env.generate(name)

    assert found.failure is not None
    assert found.failure.rule == "job:stalled"
    assert found.is_bad
    (entry,) = await env.entries(name)
    assert entry.state is SETTLED
    await env.check_ledgers()


async def test_a_probe_that_takes_far_longer_than_usual_is_told_while_it_runs(
    start: Start,
) -> None:
    env = await start(RELAY, speed=300.0)
    service, now = ServiceId(RELAY), env.clock.now()
    for hours in range(12, 0, -1):
        at, latency = now - timedelta(hours=hours), timedelta(seconds=30)
        await env.board.report(Evidence(service, at, Source.GENERATION, latency=latency))
    env.set_faults(RELAY, {"kind": "stall"})

    async with env.board.subscribe() as events:
        generating = asyncio.create_task(env.generate(RELAY))
        event = await events.get()
        while not (isinstance(event, Evidence) and is_overdue(event)):
            event = await events.get()
        reasons = {reason.code: reason for reason in env.board.verdict(service).reasons}
        generating.cancel()
        await asyncio.wait([generating])

    sentence = reason_sentence(reasons[ReasonCode.JOBS_OVERDUE], translator(Language.EN))
    assert re.search(r"A job sent on .+ had no video after \d+ min", sentence)


async def test_a_stream_that_stalls_is_given_up_too(start: Start) -> None:
    env = await start(CHAT, job_timeout=2.0)
    env.set_faults(CHAT, {"kind": "stall"})

    found = await env.generate(CHAT)

    assert found.is_bad
    (entry,) = await env.entries(CHAT)
    assert entry.state is SETTLED


@pytest.mark.parametrize(
    "set_faults",
    [
        {"kind": "refuse", "http_status": 502, "body": "<html>Bad Gateway</html>"},
        {"kind": "refuse", "http_status": 404, "body": "<html>Not Found</html>"},
        {"kind": "refuse", "http_status": 429, "body": "", "headers": {"Retry-After": "2"}},
        {"kind": "hang"},
        {"kind": "reset"},
    ],
)
async def test_polls_that_fail_for_a_while_do_not_end_a_job(
    start: Start, set_faults: FaultSpec
) -> None:
    env = await start(OFFICIAL)
    env.set_faults(OFFICIAL, {**set_faults, "doors": ["poll"]})
    generating = asyncio.create_task(env.generate(OFFICIAL))
    await env.wait_for_requests(OFFICIAL, "poll")
    env.set_faults(OFFICIAL)

    found = await generating

    assert found.failure is None
    await env.check_ledgers()


async def test_a_job_that_the_upstream_keeps_denying_counts_as_lost(start: Start) -> None:
    env = await start(OFFICIAL)
    body = {"error": {"message": "Video not found", "type": "invalid_request_error"}}
    lost = {"kind": "refuse", "http_status": 404, "body": body, "doors": ["poll"]}
    env.set_faults(OFFICIAL, lost)

    found = await env.generate(OFFICIAL)

    assert found.failure is not None
    assert found.failure.rule == "job:lost"
    assert found.is_bad
    (entry,) = await env.entries(OFFICIAL)
    assert entry.state is SETTLED


async def test_a_key_that_is_refused_at_every_poll_is_our_own_fault(start: Start) -> None:
    env = await start(OFFICIAL, job_timeout=60.0)
    env.set_faults(OFFICIAL, {**refuse("auth"), "doors": ["poll"]})

    found = await env.generate(OFFICIAL)

    assert found.failure is not None
    assert (found.failure.kind, found.failure.fault) == (FailureKind.AUTH, Fault.OURS)


async def test_a_key_replaced_under_a_paid_probe_is_not_blocked_by_its_end(start: Start) -> None:
    env = await start(OFFICIAL, job_timeout=60.0)
    env.set_faults(OFFICIAL, {**refuse("auth"), "doors": ["poll"]})
    service = env.services[OFFICIAL]
    replaced = replace(service, upstream=replace(service.upstream, key=Secret("sk-renewed")))

    task = asyncio.create_task(env.generate(OFFICIAL))
    await env.wait_for_requests(OFFICIAL, "poll")
    await env.board.apply_config([replaced], PolicyOptions())
    found = await task

    assert found.failure is not None
    assert found.failure.rule == EARLIER_KEY_RULE
    assert env.board.verdict(service.id).blocked is None


async def test_a_budget_that_would_be_exceeded_withholds_the_probe_and_says_so(
    start: Start,
) -> None:
    env = await start(OFFICIAL, budget=Budget(per_day=Decimal("0.39")))

    with pytest.raises(BudgetError):
        await env.generate(OFFICIAL)

    assert "0.39" in env.prober.withheld_reasons()[ServiceId(OFFICIAL)]
    assert env.world.requests[OFFICIAL, "create"] == 0
    assert await env.entries(OFFICIAL) == ()
    assert await env.paid_probes.open_probes() == ()


async def test_a_total_budget_is_shared_by_all_services(start: Start) -> None:
    env = await start(OFFICIAL, RELAY, total=Budget(per_hour=Decimal("0.50")))

    await env.generate(OFFICIAL)
    with pytest.raises(BudgetError):
        await env.generate(RELAY)

    assert set(env.prober.withheld_reasons()) == {RELAY}
    await env.check_ledgers()


async def test_the_job_of_a_removed_service_is_settled(start: Start) -> None:
    env = await start(OFFICIAL, RELAY)
    env.set_faults(OFFICIAL, {"kind": "slow", "factor": 20})
    generating = asyncio.create_task(env.generate(OFFICIAL))
    await env.wait_for_requests(OFFICIAL, "poll", times=1)
    await env.board.apply_config([env.services[RELAY]], PolicyOptions())

    await generating

    (entry,) = await env.entries(OFFICIAL)
    assert entry.state is SETTLED
    assert await env.paid_probes.open_probes() == ()


async def test_the_outcome_is_stored_as_evidence(start: Start) -> None:
    env = await start(OFFICIAL)

    found = await env.generate(OFFICIAL)

    stored = await env.history.evidence(ServiceId(OFFICIAL))
    assert [piece.source for piece in stored] == [Source.GENERATION, Source.ACCEPTANCE]
    assert stored[0] == found
