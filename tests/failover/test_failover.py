"""A video goes through as many services as it needs, and one of them is paid for it."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

import pytest

from tallylight.gateway.keys import ANONYMOUS
from tallylight.gateway.requests import ApiError
from tallylight.model.attempt import AttemptState
from tallylight.model.ledger import EntryState
from tallylight.model.order import Reference
from tallylight.model.video import VideoStatus

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
    studio = await start()

    video = await studio.create()
    seen = await studio.ended(video)

    assert seen.status is VideoStatus.COMPLETED
    assert (seen.service, seen.attempts, seen.progress) == ("a", 1, 100)
    assert await studio.tried(video) == [("a", DELIVERED)]
    assert studio.deliveries("a paper boat") == 1


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS.keys())
async def test_who_refuses_costs_nothing_and_the_next_is_asked(
    start: Start, refusal: Mapping[str, object]
) -> None:
    studio = await start()
    studio.trouble("a", refusal)

    video = await studio.ended(await studio.create())

    assert video.status is VideoStatus.COMPLETED
    assert await studio.tried(video) == [("a", REFUSED), ("b", DELIVERED)]
    entries = {entry.service: entry for entry in await studio.history.ledger.entries()}
    assert entries["a"].state is EntryState.RELEASED  # type: ignore[index]  # a name is an id
    assert str(video.cost) == "0.2"


async def test_nobody_at_the_door_costs_nothing(start: Start) -> None:
    studio = await start(upstreams={"first": {"base_url": "http://127.0.0.1:9/v1"}})

    video = await studio.ended(await studio.create())

    assert await studio.tried(video) == [("a", REFUSED), ("b", DELIVERED)]


async def test_what_the_caller_did_wrong_travels_nowhere(start: Start) -> None:
    studio = await start()
    studio.trouble("a", {"kind": "refuse", "sign": "content_rejected"})

    with pytest.raises(ApiError) as refusal:
        await studio.create()

    assert refusal.value.status == 400
    assert refusal.value.code == "moderation_blocked"
    assert studio.creates("b") == studio.creates("c") == 0


async def test_refused_content_travels_where_the_route_says_so(start: Start) -> None:
    studio = await start(route={"content_travels": True})
    studio.trouble("a", {"kind": "refuse", "sign": "content_rejected"})

    video = await studio.ended(await studio.create())

    assert (video.status, video.service) == (VideoStatus.COMPLETED, "b")


async def test_content_that_a_job_fails_for_ends_the_video_with_its_code(start: Start) -> None:
    studio = await start()

    video = await studio.ended(await studio.create("something forbidden"))

    assert video.status is VideoStatus.FAILED
    assert video.error is not None
    assert video.error.code == "moderation_blocked"
    assert studio.creates("b") == 0


async def test_a_job_that_fails_is_made_again_elsewhere_under_the_same_id(start: Start) -> None:
    studio = await start()
    studio.trouble("a", {"kind": "fail", "after": 5})

    video = await studio.create()
    seen = await studio.ended(video)

    assert (seen.id, seen.service) == (video.id, "b")
    assert await studio.tried(video) == [("a", FAILED), ("b", DELIVERED)]
    assert studio.deliveries("a paper boat") == 1


async def test_towards_its_caller_a_video_never_runs_backwards(start: Start) -> None:
    studio = await start()
    studio.trouble("a", {"kind": "fail", "after": 8})
    seen = [await studio.create()]

    while not seen[-1].is_terminal:
        seen.append(
            await studio.switchboard.gateway.wait_for_change(
                seen[0].id, ANONYMOUS, timedelta(seconds=30)
            )
        )

    order = list(VideoStatus)
    ranks = [order.index(video.status) for video in seen]
    assert ranks == sorted(ranks)
    assert [video.progress for video in seen] == sorted(video.progress for video in seen)


async def test_a_create_in_doubt_is_found_in_the_list_and_never_sent_again(start: Start) -> None:
    studio = await start()
    studio.trouble("a", {"kind": "reset", "accepts": True})

    video = await studio.create()
    assert video.status is VideoStatus.QUEUED
    seen = await studio.ended(video)

    assert (seen.status, seen.service) == (VideoStatus.COMPLETED, "a")
    assert studio.creates("a") == 1
    assert studio.deliveries("a paper boat") == 1


async def test_two_doubts_of_the_same_words_take_two_jobs(start: Start) -> None:
    studio = await start()
    studio.trouble("a", {"kind": "reset", "accepts": True})

    videos = await asyncio.gather(studio.create(), studio.create())
    ended = await asyncio.gather(*map(studio.ended, videos))

    assert {video.status for video in ended} == {VideoStatus.COMPLETED}
    jobs = {attempt.job for video in videos for attempt in await studio.attempts(video)}
    assert len(jobs) == 2


async def test_a_doubt_that_no_list_resolves_is_not_paid_twice(start: Start) -> None:
    studio = await start(route={"services": ["c", "a"], "explicit": True})
    studio.trouble("c", {"kind": "reset", "accepts": True})

    video = await studio.ended(await studio.create())

    assert video.status is VideoStatus.FAILED
    assert video.error is not None
    assert video.error.code == "outcome_unknown"
    assert studio.creates("a") == 0
    assert str(video.cost) == "0.3"  # it may have been


async def test_who_may_pay_twice_goes_on_at_once(start: Start) -> None:
    route = {"services": ["c", "a"], "explicit": True, "when_in_doubt": "pay_twice"}
    studio = await start(route=route)
    studio.trouble("c", {"kind": "reset", "accepts": True})

    video = await studio.ended(await studio.create())

    assert (video.status, video.service) == (VideoStatus.COMPLETED, "a")
    assert str(video.cost) == "0.4"  # both, and the ledger says so


async def test_what_a_complete_list_does_not_show_was_not_accepted(start: Start) -> None:
    studio = await start(upstreams={"first": {"lists_all_jobs": True}})
    studio.trouble("a", {"kind": "reset", "accepts": False})

    video = await studio.ended(await studio.create())

    assert await studio.tried(video) == [("a", REFUSED), ("b", DELIVERED)]
    assert str(video.cost) == "0.2"


async def test_a_stalled_job_is_given_up_where_only_deliveries_are_billed(start: Start) -> None:
    studio = await start(upstreams={"first": {"bills": "deliveries", "job_timeout": "60s"}})
    studio.trouble("a", {"kind": "stall"})

    video = await studio.ended(await studio.create())

    assert (video.status, video.service) == (VideoStatus.COMPLETED, "b")
    (stalled, delivered) = await studio.attempts(video)
    assert stalled.given_up_at is not None
    assert stalled.state is FAILED
    assert delivered.state is DELIVERED


async def test_a_stalled_job_that_is_paid_for_is_waited_for(start: Start) -> None:
    studio = await start(
        upstreams={"first": {"bills": "acceptances", "job_timeout": "30s"}},
        route={"deadline": "2m"},
    )
    studio.trouble("a", {"kind": "stall"})

    video = await studio.ended(await studio.create())

    assert video.status is VideoStatus.FAILED
    assert studio.creates("b") == 0


async def test_a_job_is_not_lost_for_a_page_that_a_proxy_shows_meanwhile(start: Start) -> None:
    studio = await start()
    page = "<html><body><h1>404 Not Found</h1></body></html>"
    studio.trouble("a", {"kind": "refuse", "http_status": 404, "body": page, "doors": ["poll"]})

    video = await studio.create()
    await studio.clock.sleep(timedelta(seconds=90))
    studio.trouble("a")
    seen = await studio.ended(video)

    assert (seen.status, seen.service) == (VideoStatus.COMPLETED, "a")
    assert studio.creates("b") == 0


async def test_a_job_that_its_service_denies_for_a_minute_is_lost(start: Start) -> None:
    studio = await start()
    denial = {"error": {"message": "Video not found.", "type": "invalid_request_error"}}
    studio.trouble("a", {"kind": "refuse", "http_status": 404, "body": denial, "doors": ["poll"]})

    video = await studio.ended(await studio.create())

    assert await studio.tried(video) == [("a", FAILED), ("b", DELIVERED)]


async def test_a_job_is_asked_for_with_the_key_that_a_reload_has_brought(start: Start) -> None:
    studio = await start(route={"deadline": "2m"})
    studio.trouble("a", {"kind": "slow", "factor": 2})

    video = await studio.create()
    await studio.renew_key("first", "sk-renewed")
    seen = await studio.ended(video)

    assert (seen.status, seen.service) == (VideoStatus.COMPLETED, "a")


async def test_a_late_delivery_is_taken_in_place_of_the_other(start: Start) -> None:
    studio = await start(
        upstreams={"first": {"bills": "deliveries", "job_timeout": "60s"}},
    )
    studio.trouble("a", {"kind": "slow", "factor": 20})
    studio.trouble("b", {"kind": "stall"})
    studio.trouble("c", {"kind": "refuse", "sign": "overloaded"})

    video = await studio.ended(await studio.create())

    assert (video.status, video.service) == (VideoStatus.COMPLETED, "a")
    assert studio.deliveries("a paper boat") == 1


async def test_when_all_refuse_the_caller_is_told_whom_and_when_to_come_again(
    start: Start,
) -> None:
    studio = await start()
    for name, sign in (("a", "overloaded"), ("b", "suspended"), ("c", "rate_limited")):
        studio.trouble(name, {"kind": "refuse", "sign": sign})

    with pytest.raises(ApiError) as refusal:
        await studio.create()

    assert refusal.value.status == 503
    assert refusal.value.retry_after is not None
    assert all(f"{name}:" in refusal.value.message for name in ("a", "b", "c"))
    entries = await studio.history.ledger.entries()
    assert {entry.state for entry in entries} == {EntryState.RELEASED}


async def test_one_failure_is_felt_by_the_very_next_request(start: Start) -> None:
    route = {"services": ["a", "b"], "explicit": False, "prefer": "most_reliable"}
    studio = await start(route=route)
    for number in range(2):  # both are known to deliver
        studio.trouble("ab"[1 - number], {"kind": "refuse", "sign": "rate_limited"})
        await studio.ended(await studio.create(f"known {number}"))
        studio.trouble("ab"[1 - number])
    await studio.clock.sleep(timedelta(minutes=2))
    preferred = (await studio.ended(await studio.create("which"))).service
    studio.trouble(preferred, {"kind": "refuse", "sign": "overloaded"})
    before = studio.creates(preferred)
    for number in range(20):  # where both are as good, chance decides
        await studio.ended(await studio.create(f"felt {number}"))
        if studio.creates(preferred) > before:
            break
    felt = studio.creates(preferred)

    await asyncio.gather(*(studio.create(f"after {number}") for number in range(5)))

    assert felt == before + 1
    assert studio.creates(preferred) == felt


async def test_the_bytes_of_a_reference_reach_the_next_service(start: Start) -> None:
    studio = await start()
    studio.trouble("a", {"kind": "fail", "after": 1})
    picture = Reference(body=b"\x89PNG\r\n" + b"0" * 5000, media_type="image/png", name="boat.png")

    video = await studio.ended(await studio.create(reference=picture))
    await studio.left_alone(video)

    assert video.params.reference_asset
    assert await studio.store.size(video.params.reference_asset) is None  # of no more use
    assert video.service == "b"


async def test_what_a_dialect_has_no_words_for_is_never_sent_and_costs_nothing(
    start: Start,
) -> None:
    from tallylight.model.order import Operation, Reference  # noqa: PLC0415  # used here alone

    studio = await start()
    film = Reference(url="https://films.example/boat.mp4")  # an edit needs its bytes

    with pytest.raises(ApiError) as refusal:
        await studio.create(operation=Operation.EDIT, reference=film)

    assert refusal.value.status == 503
    assert all(f"{name}: " in refusal.value.message for name in ("a", "b"))
    entries = await studio.history.ledger.entries()
    assert {entry.state for entry in entries} == {EntryState.RELEASED}
    assert studio.creates("a") == studio.creates("b") == 0


async def test_a_video_that_all_refuse_for_the_moment_is_held_where_the_route_says_so(
    start: Start,
) -> None:
    studio = await start(route={"hold": "3m"})
    for name, sign in (("a", "overloaded"), ("b", "maintenance"), ("c", "rate_limited")):
        studio.trouble(name, {"kind": "refuse", "sign": sign})

    video = await studio.create()
    assert video.status is VideoStatus.QUEUED
    await studio.clock.sleep(timedelta(seconds=20))
    for name in ("a", "b", "c"):
        studio.trouble(name)
    seen = await studio.ended(video)

    assert seen.status is VideoStatus.COMPLETED
    assert studio.deliveries("a paper boat") == 1


async def test_what_is_held_waits_no_longer_than_the_first_that_may_take_it(start: Start) -> None:
    studio = await start(route={"hold": "3m", "services": ["a", "b"]})
    headers = {"Retry-After": "1200"}
    body = {"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}
    studio.trouble("a", {"kind": "refuse", "http_status": 429, "headers": headers, "body": body})
    studio.trouble("b", {"kind": "refuse", "sign": "overloaded"})

    video = await studio.create()
    studio.trouble("b")
    seen = await studio.ended(video)

    assert (seen.status, seen.service) == (VideoStatus.COMPLETED, "b")


@pytest.mark.parametrize("hold", [{}, {"hold": "10m"}], ids=["refusing", "holding"])
@pytest.mark.parametrize("services", [["a"], ["a", "b"]])
async def test_when_every_service_failed_the_job_the_caller_is_told_at_once(
    start: Start, services: list[str], hold: Mapping[str, str]
) -> None:
    studio = await start(route={"services": services, **hold})
    for name in services:
        studio.trouble(name, {"kind": "fail", "after": 5})

    video = await studio.ended(await studio.create())

    assert await studio.tried(video) == [(name, FAILED) for name in services]
    assert video.error is not None
    assert all(f"{name}: " in video.error.message for name in services)
    assert studio.clock.now() - video.created_at < timedelta(minutes=2)


@pytest.mark.parametrize("sign", ["suspended", "quota", "auth"])
async def test_a_failed_job_does_not_wait_for_a_service_that_did_not_refuse_for_the_moment(
    start: Start, sign: str
) -> None:
    studio = await start(route={"services": ["a", "b"]})
    studio.trouble("a", {"kind": "fail", "after": 5})
    studio.trouble("b", {"kind": "refuse", "sign": sign})

    video = await studio.ended(await studio.create())

    assert await studio.tried(video) == [("a", FAILED), ("b", REFUSED)]
    assert studio.clock.now() - video.created_at < timedelta(minutes=2)


async def test_a_failed_job_does_not_wait_for_a_service_that_is_left_alone_beyond_the_deadline(
    start: Start,
) -> None:
    studio = await start(route={"services": ["a", "b"]})
    headers = {"Retry-After": "3600"}
    body = {"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}
    studio.trouble("a", {"kind": "fail", "after": 5})
    studio.trouble("b", {"kind": "refuse", "http_status": 429, "headers": headers, "body": body})

    video = await studio.ended(await studio.create())

    assert video.status is VideoStatus.FAILED
    assert studio.clock.now() - video.created_at < timedelta(minutes=2)


async def test_a_failed_job_waits_for_a_service_that_refuses_for_the_moment(start: Start) -> None:
    studio = await start(route={"services": ["a", "b"]})
    studio.trouble("a", {"kind": "fail", "after": 5})
    studio.trouble("b", {"kind": "refuse", "sign": "rate_limited"})

    video = await studio.create()
    await studio.clock.sleep(timedelta(seconds=30))
    studio.trouble("b")
    seen = await studio.ended(video)

    assert (seen.status, seen.service) == (VideoStatus.COMPLETED, "b")


async def test_a_picture_whose_video_nobody_pays_for_is_not_kept(start: Start) -> None:
    studio = await start(gateway={"budget": {"per_day": "0.05"}})
    picture = Reference(body=b"\x89PNG\r\n" + b"0" * 5000, media_type="image/png", name="boat.png")

    with pytest.raises(ApiError):
        await studio.create(reference=picture)

    assert [path for path in studio.assets.rglob("*") if path.is_file()] == []


async def test_a_moments_trouble_of_the_store_loses_no_video(start: Start) -> None:
    studio = await start()
    obstacle = studio.assets / "videos"
    obstacle.parent.mkdir(parents=True, exist_ok=True)
    obstacle.write_bytes(b"in the way")

    video = await studio.create()
    await studio.clock.sleep(timedelta(seconds=10))  # a job takes six at most
    obstacle.unlink()
    seen = await studio.ended(video)

    assert await studio.store.size(seen.asset)


async def test_what_is_held_in_vain_fails_with_everybodys_reason(start: Start) -> None:
    studio = await start(route={"hold": "1m", "services": ["a", "b"]})
    for name in ("a", "b"):
        studio.trouble(name, {"kind": "refuse", "sign": "overloaded"})

    video = await studio.ended(await studio.create())

    assert video.status is VideoStatus.FAILED
    assert video.error is not None
    assert "a: " in video.error.message
    assert "b: " in video.error.message
    assert video.cost == 0
