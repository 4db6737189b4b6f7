"""A video is tried at as many services as it needs, and paid at one of them."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import pytest

from tallylight.gateway.keys import ANONYMOUS
from tallylight.gateway.requests import ApiError
from tallylight.gateway.routing.circuit_breaker import CLOSED_BREAKER
from tallylight.model.attempt_state import AttemptState
from tallylight.model.evidence import Source
from tallylight.model.ids import ServiceId
from tallylight.model.ledger import EntryState
from tallylight.model.order import Input
from tallylight.model.video import VideoStatus
from tallylight.verdicts.blocking import EARLIER_KEY_RULE

from .conftest import Start

REFUSED, FAILED, DELIVERED = AttemptState.REFUSED, AttemptState.FAILED, AttemptState.DELIVERED

REFUSALS: Mapping[str, Mapping[str, object]] = {
    "rate limited": {"kind": "refuse", "sign": "rate_limited"},
    "overloaded": {"kind": "refuse", "sign": "overloaded"},
    "under risk control": {"kind": "refuse", "sign": "risk_control"},
    "suspended": {"kind": "refuse", "sign": "suspended"},
    "without our key": {"kind": "refuse", "sign": "auth"},
    "without money": {"kind": "refuse", "sign": "quota"},
}


async def test_a_video_is_made_by_the_first_service_that_works(start: Start) -> None:
    gateway = await start()

    video = await gateway.create()
    seen = await gateway.until_ended(video)

    assert seen.status is VideoStatus.COMPLETED
    assert (seen.service, seen.attempts, seen.progress) == ("a", 1, 100)
    assert await gateway.attempt_states(video) == [("a", DELIVERED)]
    assert gateway.billed_jobs("a paper boat") == 1


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS.keys())
async def test_a_refusal_costs_nothing_and_the_next_service_is_tried(
    start: Start, refusal: Mapping[str, object]
) -> None:
    gateway = await start()
    gateway.set_faults("a", refusal)

    video = await gateway.until_ended(await gateway.create())

    assert video.status is VideoStatus.COMPLETED
    assert await gateway.attempt_states(video) == [("a", REFUSED), ("b", DELIVERED)]
    entries = {entry.service: entry for entry in await gateway.storage.ledger.entries()}
    assert entries["a"].state is EntryState.RELEASED  # type: ignore[index]  # a name is an id
    assert str(video.cost) == "0.2"


async def test_an_unreachable_service_costs_nothing(start: Start) -> None:
    gateway = await start(upstreams={"first": {"base_url": "http://127.0.0.1:9/v1"}})

    video = await gateway.until_ended(await gateway.create())

    assert await gateway.attempt_states(video) == [("a", REFUSED), ("b", DELIVERED)]


async def test_a_callers_fault_is_not_retried_elsewhere(start: Start) -> None:
    gateway = await start()
    gateway.set_faults("a", {"kind": "refuse", "sign": "content_rejected"})

    with pytest.raises(ApiError) as refusal:
        await gateway.create()

    assert refusal.value.status == 400
    assert refusal.value.code == "moderation_blocked"
    assert gateway.create_count("b") == gateway.create_count("c") == 0


async def test_refused_content_is_retried_where_the_route_allows_it(start: Start) -> None:
    gateway = await start(route={"content_travels": True})
    gateway.set_faults("a", {"kind": "refuse", "sign": "content_rejected"})

    video = await gateway.until_ended(await gateway.create())

    assert (video.status, video.service) == (VideoStatus.COMPLETED, "b")


async def test_a_jobs_content_refusal_ends_the_video_with_its_code(start: Start) -> None:
    gateway = await start()

    video = await gateway.until_ended(await gateway.create("something forbidden"))

    assert video.status is VideoStatus.FAILED
    assert video.error is not None
    assert video.error.code == "moderation_blocked"
    assert gateway.create_count("b") == 0


async def test_a_job_that_fails_is_made_again_elsewhere_under_the_same_id(start: Start) -> None:
    gateway = await start()
    gateway.set_faults("a", {"kind": "fail", "after": 5})

    video = await gateway.create()
    seen = await gateway.until_ended(video)

    assert (seen.id, seen.service) == (video.id, "b")
    assert await gateway.attempt_states(video) == [("a", FAILED), ("b", DELIVERED)]
    assert gateway.billed_jobs("a paper boat") == 1


async def test_progress_never_decreases_for_the_caller(start: Start) -> None:
    gateway = await start()
    gateway.set_faults("a", {"kind": "fail", "after": 8})
    seen = [await gateway.create()]

    while not seen[-1].is_terminal:
        seen.append(
            await gateway.wiring.gateway.wait_for_change(
                seen[0].id, ANONYMOUS, timedelta(seconds=30)
            )
        )

    order = list(VideoStatus)
    ranks = [order.index(video.status) for video in seen]
    assert ranks == sorted(ranks)
    assert [video.progress for video in seen] == sorted(video.progress for video in seen)


async def test_a_create_in_doubt_is_found_in_the_list_and_never_sent_again(start: Start) -> None:
    gateway = await start()
    gateway.set_faults("a", {"kind": "reset", "accepts": True})

    video = await gateway.create()
    assert video.status is VideoStatus.QUEUED
    seen = await gateway.until_ended(video)

    assert (seen.status, seen.service) == (VideoStatus.COMPLETED, "a")
    assert gateway.create_count("a") == 1
    assert gateway.billed_jobs("a paper boat") == 1


async def test_two_doubts_of_equal_orders_claim_two_jobs(start: Start) -> None:
    gateway = await start()
    gateway.set_faults("a", {"kind": "reset", "accepts": True})

    videos = await asyncio.gather(gateway.create(), gateway.create())
    until_ended = await asyncio.gather(*map(gateway.until_ended, videos))

    assert {video.status for video in until_ended} == {VideoStatus.COMPLETED}
    jobs = {attempt.job_id for video in videos for attempt in await gateway.attempts(video)}
    assert len(jobs) == 2


async def test_a_doubt_that_no_list_resolves_is_not_paid_twice(start: Start) -> None:
    gateway = await start(route={"services": ["c", "a"], "explicit": True})
    gateway.set_faults("c", {"kind": "reset", "accepts": True})

    video = await gateway.until_ended(await gateway.create())

    assert video.status is VideoStatus.FAILED
    assert video.error is not None
    assert video.error.code == "outcome_unknown"
    assert gateway.create_count("a") == 0
    assert str(video.cost) == "0.3"  # it may have been billed


async def test_pay_twice_continues_at_once(start: Start) -> None:
    route = {"services": ["c", "a"], "explicit": True, "when_in_doubt": "pay_twice"}
    gateway = await start(route=route)
    gateway.set_faults("c", {"kind": "reset", "accepts": True})

    video = await gateway.until_ended(await gateway.create())

    assert (video.status, video.service) == (VideoStatus.COMPLETED, "a")
    assert str(video.cost) == "0.4"  # both, as in the ledger


async def test_what_a_complete_list_does_not_show_was_not_accepted(start: Start) -> None:
    gateway = await start(upstreams={"first": {"lists_all_jobs": True}})
    gateway.set_faults("a", {"kind": "reset", "accepts": False})

    video = await gateway.until_ended(await gateway.create())

    assert await gateway.attempt_states(video) == [("a", REFUSED), ("b", DELIVERED)]
    assert str(video.cost) == "0.2"


async def test_a_stalled_job_is_given_up_where_only_deliveries_are_billed(start: Start) -> None:
    gateway = await start(upstreams={"first": {"bills": "deliveries", "job_timeout": "60s"}})
    gateway.set_faults("a", {"kind": "stall"})

    video = await gateway.until_ended(await gateway.create())

    assert (video.status, video.service) == (VideoStatus.COMPLETED, "b")
    (stalled, delivered) = await gateway.attempts(video)
    assert stalled.state is AttemptState.UNRESOLVED
    assert delivered.state is DELIVERED


async def test_a_stalled_job_that_is_billed_is_kept(start: Start) -> None:
    gateway = await start(
        upstreams={"first": {"bills": "acceptances", "job_timeout": "30s"}},
        route={"deadline": "2m"},
    )
    gateway.set_faults("a", {"kind": "stall"})

    video = await gateway.until_ended(await gateway.create())

    assert video.status is VideoStatus.FAILED
    assert gateway.create_count("b") == 0


async def test_a_proxys_error_page_does_not_lose_a_job(start: Start) -> None:
    gateway = await start()
    page = "<html><body><h1>404 Not Found</h1></body></html>"
    gateway.set_faults("a", {"kind": "refuse", "http_status": 404, "body": page, "doors": ["poll"]})

    video = await gateway.create()
    await gateway.clock.sleep(timedelta(seconds=90))
    gateway.set_faults("a")
    seen = await gateway.until_ended(video)

    assert (seen.status, seen.service) == (VideoStatus.COMPLETED, "a")
    assert gateway.create_count("b") == 0


async def test_a_job_that_its_service_denies_is_in_doubt_and_not_made_again(start: Start) -> None:
    gateway = await start()
    denial = {"error": {"message": "Video not found.", "type": "invalid_request_error"}}
    gateway.set_faults(
        "a", {"kind": "refuse", "http_status": 404, "body": denial, "doors": ["poll"]}
    )

    video = await gateway.until_ended(await gateway.create())

    assert await gateway.attempt_states(video) == [("a", AttemptState.UNRESOLVED)]
    assert video.error is not None
    assert video.error.code == "outcome_unknown"


async def test_a_job_that_its_service_forgets_for_a_while_is_delivered(start: Start) -> None:
    gateway = await start()
    denial = {"error": {"message": "Video not found.", "type": "invalid_request_error"}}
    gateway.set_faults(
        "a", {"kind": "refuse", "http_status": 404, "body": denial, "doors": ["poll"]}
    )
    video = await gateway.create()
    while (await gateway.attempts(video))[0].state is not AttemptState.MISSING:
        await gateway.clock.sleep(timedelta(seconds=1))
    gateway.set_faults("a")

    seen = await gateway.until_ended(video)

    assert await gateway.attempt_states(seen) == [("a", DELIVERED)]


async def test_polling_uses_the_key_of_a_reload(start: Start) -> None:
    gateway = await start(route={"deadline": "2m"})
    gateway.set_faults("a", {"kind": "slow", "factor": 2})

    video = await gateway.create()
    await gateway.replace_key("first", "sk-renewed")
    seen = await gateway.until_ended(video)

    assert (seen.status, seen.service) == (VideoStatus.COMPLETED, "a")


async def test_a_job_of_the_earlier_key_says_nothing_about_a_replaced_key(start: Start) -> None:
    gateway = await start(route={"services": ["a"], "deadline": "2m"})
    gateway.set_faults("a", {"kind": "refuse", "sign": "auth", "doors": ["poll"]})
    service = ServiceId("a")

    video = await gateway.create()
    await gateway.replace_key("first", "sk-renewed")
    seen = await gateway.until_ended(video)
    while (reported := gateway.board.latest_evidence(service, Source.TRAFFIC)) is None:
        await gateway.clock.sleep(timedelta(seconds=1))

    assert seen.status is VideoStatus.FAILED
    assert reported.failure is not None
    assert reported.failure.rule == EARLIER_KEY_RULE
    assert gateway.board.verdict(service).blocked is None
    assert gateway.wiring.candidates._breaker.state(service) is CLOSED_BREAKER


async def test_a_late_delivery_replaces_the_other_attempt(start: Start) -> None:
    gateway = await start(
        upstreams={"first": {"bills": "deliveries", "job_timeout": "60s"}},
    )
    gateway.set_faults("a", {"kind": "slow", "factor": 20})
    gateway.set_faults("b", {"kind": "stall"})
    gateway.set_faults("c", {"kind": "refuse", "sign": "overloaded"})

    video = await gateway.until_ended(await gateway.create())

    assert (video.status, video.service) == (VideoStatus.COMPLETED, "a")
    assert gateway.billed_jobs("a paper boat") == 1


async def test_when_all_refuse_the_error_names_them_and_retry_after(
    start: Start,
) -> None:
    gateway = await start()
    for name, sign in (("a", "overloaded"), ("b", "suspended"), ("c", "rate_limited")):
        gateway.set_faults(name, {"kind": "refuse", "sign": sign})

    with pytest.raises(ApiError) as refusal:
        await gateway.create()

    assert refusal.value.status == 503
    assert refusal.value.retry_after is not None
    assert all(f"{name}:" in refusal.value.message for name in ("a", "b", "c"))
    entries = await gateway.storage.ledger.entries()
    assert {entry.state for entry in entries} == {EntryState.RELEASED}


async def test_one_failure_affects_the_next_request(start: Start) -> None:
    route = {"services": ["a", "b"], "explicit": False, "prefer": "most_reliable"}
    gateway = await start(route=route)
    for number in range(2):  # both have delivered before
        gateway.set_faults("ab"[1 - number], {"kind": "refuse", "sign": "rate_limited"})
        await gateway.until_ended(await gateway.create(f"known {number}"))
        gateway.set_faults("ab"[1 - number])
    await gateway.clock.sleep(timedelta(minutes=2))
    preferred = (await gateway.until_ended(await gateway.create("which"))).service
    gateway.set_faults(preferred, {"kind": "refuse", "sign": "overloaded"})
    before = gateway.create_count(preferred)
    for number in range(20):  # between equals chance decides
        await gateway.until_ended(await gateway.create(f"felt {number}"))
        if gateway.create_count(preferred) > before:
            break
    felt = gateway.create_count(preferred)

    await asyncio.gather(*(gateway.create(f"after {number}") for number in range(5)))

    assert felt == before + 1
    assert gateway.create_count(preferred) == felt


async def test_the_bytes_of_a_reference_reach_the_next_service(start: Start) -> None:
    gateway = await start()
    gateway.set_faults("a", {"kind": "fail", "after": 1})
    picture = Input(body=b"\x89PNG\r\n" + b"0" * 5000, media_type="image/png", name="boat.png")

    video = await gateway.until_ended(await gateway.create(inputs=(picture,)))
    await gateway.until_released(video)

    assert video.params.input_asset
    assert await gateway.store.size(video.params.input_asset) is None  # no longer needed
    assert video.service == "b"


async def test_an_order_that_a_dialect_cannot_express_is_not_sent(
    start: Start,
) -> None:
    from tallylight.model.order import Input, Operation  # noqa: PLC0415  # used here alone

    gateway = await start()
    film = Input(url="https://films.example/boat.mp4")  # an edit needs its bytes

    with pytest.raises(ApiError) as refusal:
        await gateway.create(operation=Operation.EDIT, inputs=(film,))

    assert refusal.value.status == 503
    assert all(f"{name}: " in refusal.value.message for name in ("a", "b"))
    entries = await gateway.storage.ledger.entries()
    assert {entry.state for entry in entries} == {EntryState.RELEASED}
    assert gateway.create_count("a") == gateway.create_count("b") == 0


async def test_a_video_that_all_refuse_for_now_is_held_where_the_route_allows_it(
    start: Start,
) -> None:
    gateway = await start(route={"hold": "3m"})
    for name, sign in (("a", "overloaded"), ("b", "maintenance"), ("c", "rate_limited")):
        gateway.set_faults(name, {"kind": "refuse", "sign": sign})

    video = await gateway.create()
    assert video.status is VideoStatus.QUEUED
    await gateway.clock.sleep(timedelta(seconds=20))
    for name in ("a", "b", "c"):
        gateway.set_faults(name)
    seen = await gateway.until_ended(video)

    assert seen.status is VideoStatus.COMPLETED
    assert gateway.billed_jobs("a paper boat") == 1


async def test_a_held_video_waits_for_the_first_available_service(start: Start) -> None:
    gateway = await start(route={"hold": "3m", "services": ["a", "b"]})
    headers = {"Retry-After": "1200"}
    body = {"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}
    gateway.set_faults(
        "a", {"kind": "refuse", "http_status": 429, "headers": headers, "body": body}
    )
    gateway.set_faults("b", {"kind": "refuse", "sign": "overloaded"})

    video = await gateway.create()
    gateway.set_faults("b")
    seen = await gateway.until_ended(video)

    assert (seen.status, seen.service) == (VideoStatus.COMPLETED, "b")


@pytest.mark.parametrize("hold", [{}, {"hold": "10m"}], ids=["refusing", "holding"])
@pytest.mark.parametrize("services", [["a"], ["a", "b"]])
async def test_a_video_fails_at_once_when_every_service_failed_it(
    start: Start, services: list[str], hold: Mapping[str, str]
) -> None:
    gateway = await start(route={"services": services, **hold})
    for name in services:
        gateway.set_faults(name, {"kind": "fail", "after": 5})

    video = await gateway.until_ended(await gateway.create())

    assert await gateway.attempt_states(video) == [(name, FAILED) for name in services]
    assert video.error is not None
    assert all(f"{name}: " in video.error.message for name in services)
    assert gateway.clock.now() - video.created_at < timedelta(minutes=2)


@pytest.mark.parametrize("sign", ["suspended", "quota", "auth"])
async def test_a_failed_job_does_not_wait_for_a_permanent_refusal(start: Start, sign: str) -> None:
    gateway = await start(route={"services": ["a", "b"]})
    gateway.set_faults("a", {"kind": "fail", "after": 5})
    gateway.set_faults("b", {"kind": "refuse", "sign": sign})

    video = await gateway.until_ended(await gateway.create())

    assert await gateway.attempt_states(video) == [("a", FAILED), ("b", REFUSED)]
    assert gateway.clock.now() - video.created_at < timedelta(minutes=2)


async def test_a_failed_job_does_not_wait_beyond_the_deadline(
    start: Start,
) -> None:
    gateway = await start(route={"services": ["a", "b"]})
    headers = {"Retry-After": "3600"}
    body = {"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}
    gateway.set_faults("a", {"kind": "fail", "after": 5})
    gateway.set_faults(
        "b", {"kind": "refuse", "http_status": 429, "headers": headers, "body": body}
    )

    video = await gateway.until_ended(await gateway.create())

    assert video.status is VideoStatus.FAILED
    assert gateway.clock.now() - video.created_at < timedelta(minutes=2)


async def test_a_failed_job_waits_for_a_service_that_refuses_for_now(start: Start) -> None:
    gateway = await start(route={"services": ["a", "b"]})
    gateway.set_faults("a", {"kind": "fail", "after": 5})
    gateway.set_faults("b", {"kind": "refuse", "sign": "rate_limited"})

    video = await gateway.create()
    await gateway.clock.sleep(timedelta(seconds=30))
    gateway.set_faults("b")
    seen = await gateway.until_ended(video)

    assert (seen.status, seen.service) == (VideoStatus.COMPLETED, "b")


async def test_the_reference_of_a_refused_video_is_not_kept(start: Start) -> None:
    gateway = await start(gateway={"budget": {"per_day": "0.05"}})
    picture = Input(body=b"\x89PNG\r\n" + b"0" * 5000, media_type="image/png", name="boat.png")

    with pytest.raises(ApiError):
        await gateway.create(inputs=(picture,))

    assert [path for path in gateway.assets.rglob("*") if path.is_file()] == []


async def test_a_transient_fault_of_the_store_loses_no_video(start: Start) -> None:
    gateway = await start()
    obstacle = gateway.assets / "videos"
    obstacle.parent.mkdir(parents=True, exist_ok=True)
    obstacle.write_bytes(b"in the way")

    video = await gateway.create()
    await gateway.clock.sleep(timedelta(seconds=10))  # a job takes six at most
    obstacle.unlink()
    seen = await gateway.until_ended(video)

    assert await gateway.store.size(seen.asset)


async def test_a_video_held_in_vain_fails_with_every_reason(start: Start) -> None:
    gateway = await start(route={"hold": "1m", "services": ["a", "b"]})
    for name in ("a", "b"):
        gateway.set_faults(name, {"kind": "refuse", "sign": "overloaded"})

    video = await gateway.until_ended(await gateway.create())

    assert video.status is VideoStatus.FAILED
    assert video.error is not None
    assert "a: " in video.error.message
    assert "b: " in video.error.message
    assert video.cost == 0
