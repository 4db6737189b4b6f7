"""A program creates videos through whichever service works."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from tallylight import ApiError, AsyncVideoClient, AsyncVideoHandle, VideoFailedError
from tallylight.model.video import VideoStatus
from tallylight.simulator.world import Simulation

from .conftest import Open, SetFaults

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 64


def is_mp4(path: Path) -> bool:
    """Tell whether a file starts like an MP4 file."""
    return path.read_bytes()[4:8] == b"ftyp"


def hidden_files(folder: Path) -> list[Path]:
    """Return the hidden files of a folder, such as unfinished downloads."""
    return list(folder.glob(".*"))


async def test_a_video_is_created_awaited_and_saved(
    client: AsyncVideoClient, tmp_path: Path
) -> None:
    video = await client.create("A sunset over the ocean", seconds=8, size="1280x720")
    await video.wait()
    saved = await video.save(tmp_path / "films" / "sunset.mp4")

    assert (video.status, video.progress, video.error) == (VideoStatus.COMPLETED, 100, None)
    assert (video.service, video.attempts, video.cost) == ("official", 1, Decimal("0.40"))
    assert (video.model, video.seconds, video.size) == ("boats", 8, "1280x720")
    assert is_mp4(saved)
    assert [path.name for path in saved.parent.iterdir()] == ["sunset.mp4"]


async def test_a_video_whose_content_comes_late_is_waited_for(
    client: AsyncVideoClient, set_faults: SetFaults, world: Simulation, tmp_path: Path
) -> None:
    set_faults("official", {"kind": "refuse", "doors": ["content"], "http_status": 404})
    video = await (await client.create("a paper boat")).wait()
    before = world.requests["official", "content"]

    saving = asyncio.create_task(video.save(tmp_path / "boat.mp4"))
    while world.requests["official", "content"] == before:
        await video.refresh()
    set_faults("official")

    assert is_mp4(await saving)


async def test_progress_is_reported_at_once_and_at_each_change_and_never_decreases(
    client: AsyncVideoClient,
) -> None:
    reported: list[tuple[VideoStatus, int]] = []
    video = await client.create("a paper boat")

    async def report(seen: AsyncVideoHandle) -> None:
        reported.append((seen.status, seen.progress))

    await video.wait(on_progress=report)

    assert reported[0][0] is not VideoStatus.COMPLETED
    assert reported[-1] == (VideoStatus.COMPLETED, 100)
    assert [progress for _, progress in reported] == sorted(progress for _, progress in reported)
    assert len(set(reported)) == len(reported)


async def test_a_refusal_leads_to_the_next_service_and_the_handle_shows_it(
    client: AsyncVideoClient, set_faults: SetFaults
) -> None:
    set_faults("official", {"kind": "refuse", "sign": "suspended"})

    video = await (await client.create("a paper boat")).wait()

    assert (video.status, video.service, video.attempts) == ("completed", "forwarded", 2)
    assert video.cost == Decimal("0.50")


async def test_a_failed_job_is_made_by_another_service_under_the_same_id(
    client: AsyncVideoClient, set_faults: SetFaults
) -> None:
    set_faults("official", {"kind": "fail", "after": 5})

    video = await client.create("a paper boat")
    before = video.id
    await video.wait()

    assert (video.id, video.service, video.attempts) == (before, "forwarded", 2)


async def test_the_same_idempotency_key_is_the_same_video(
    client: AsyncVideoClient, world: Simulation
) -> None:
    first = await client.create("a paper boat", idempotency_key="order-1")
    again = await client.create("a paper boat", idempotency_key="order-1")
    other = await client.create("a paper boat")

    with pytest.raises(ApiError, match="used for a request with other content") as refusal:
        await client.create("a tin boat", idempotency_key="order-1")

    assert again.id == first.id != other.id
    assert (first.idempotency_key, other.idempotency_key) == ("order-1", "")
    assert refusal.value.code == "idempotency_key_reused"
    assert world.requests["official", "create"] == 2


@pytest.mark.parametrize(
    ("options", "service"),
    [
        ({}, "official"),
        ({"policy": "production"}, "official"),
        ({"policy": "budget"}, "reverse"),
        ({"prefer": "official"}, "official"),
        ({"prefer": "reverse"}, "reverse"),
        ({"prefer": "cheapest"}, "reverse"),
    ],
)
async def test_policy_and_preference_choose_the_service(
    client: AsyncVideoClient, options: Mapping[str, str], service: str
) -> None:
    video = await client.create("a paper boat", **options)  # type: ignore[arg-type]  # all are texts

    assert video.service == service


async def test_policy_and_preference_exclude_each_other(client: AsyncVideoClient) -> None:
    with pytest.raises(ValueError, match="not both"):
        await client.create("a paper boat", policy="production", prefer="reverse")


async def test_production_uses_no_reverse_service(open_client: Open, world: Simulation) -> None:
    client = open_client(routes={"resold": {"services": ["reverse"]}})

    with pytest.raises(ApiError, match="No service of 'resold'"):
        await client.create("a paper boat", policy="production")

    assert world.requests["reverse", "create"] == 0


@pytest.mark.parametrize(
    ("options", "param", "message"),
    [
        ({"prompt": ""}, "prompt", "Missing required parameter"),
        ({"model": "kites"}, "model", "No such route: kites. Known: boats"),
        ({"prompt": "caf\udce9"}, "prompt", "half a surrogate pair"),
        ({"extras": {"style": ["a\x00"]}}, "style", "NUL character"),
        ({"size": "wide"}, "size", "WIDTHxHEIGHT"),
        ({"policy": "haste"}, "policy", "No such policy: haste"),
        ({"reference": b""}, "input_reference", "an empty file"),
        ({"idempotency_key": "ключ"}, "Idempotency-Key", "printable ASCII"),
        ({"idempotency_key": "\ud800"}, "Idempotency-Key", "printable ASCII"),
    ],
)
async def test_an_invalid_value_is_refused_and_the_valid_ones_are_named(
    client: AsyncVideoClient,
    world: Simulation,
    options: Mapping[str, object],
    param: str,
    message: str,
) -> None:
    with pytest.raises(ApiError, match=message) as refusal:
        await client.create(**{"prompt": "a paper boat", **options})  # type: ignore[arg-type]  # a test's shorthand

    assert (refusal.value.status, refusal.value.param) == (400, param)
    assert sum(world.requests.values()) == 0
    assert await client.list() == []


async def test_an_unknown_argument_is_refused_and_the_nearest_is_named(
    client: AsyncVideoClient, world: Simulation
) -> None:
    with pytest.raises(
        TypeError, match=r"No such argument of create\(\): second\. Did you mean seconds"
    ):
        await client.create("a paper boat", second=8)  # type: ignore[call-arg]  # the mistake

    assert sum(world.requests.values()) == 0


async def test_rejected_content_is_reported_at_once(
    client: AsyncVideoClient, set_faults: SetFaults
) -> None:
    set_faults("official", {"kind": "refuse", "sign": "content_rejected"})

    with pytest.raises(ApiError) as refusal:
        await client.create("a paper boat")

    assert refusal.value.code == "moderation_blocked"


async def test_a_video_that_fails_says_why_and_saves_nothing(
    client: AsyncVideoClient, tmp_path: Path
) -> None:
    video = await (await client.create("something forbidden")).wait()

    with pytest.raises(VideoFailedError, match=f"video {video.id} failed: official: ") as failure:
        await video.save(tmp_path / "nothing.mp4")

    assert video.status is VideoStatus.FAILED
    assert failure.value.code == "moderation_blocked"
    assert video.error is not None
    assert failure.value.message == video.error.message
    assert not (tmp_path / "nothing.mp4").exists()


async def test_an_unfinished_video_can_be_neither_saved_nor_deleted(
    client: AsyncVideoClient, tmp_path: Path
) -> None:
    video = await client.create("a paper boat")

    with pytest.raises(ApiError, match="it has no content yet"):
        await video.save(tmp_path / "early.mp4")
    with pytest.raises(ApiError, match="only completed or failed videos can be deleted"):
        await video.delete()


async def test_after_a_timeout_the_program_can_wait_again(
    client: AsyncVideoClient, set_faults: SetFaults
) -> None:
    set_faults("official", {"kind": "slow", "factor": 5})
    video = await client.create("a paper boat")

    with pytest.raises(TimeoutError, match=f"video {video.id} is "):
        await video.wait(timeout=0.05)
    await video.wait(timeout=30)

    assert video.status is VideoStatus.COMPLETED
    assert video.attempts == 1


async def test_an_existing_file_is_replaced_or_kept_by_the_mode(
    client: AsyncVideoClient, tmp_path: Path
) -> None:
    video = await (await client.create("a paper boat")).wait()
    path = tmp_path / "boat.mp4"
    path.write_text("mine")

    with pytest.raises(FileExistsError, match=r"boat\.mp4 exists already"):
        await video.save(path, mode="x")
    assert path.read_text() == "mine"
    await video.save(path)
    await video.save(tmp_path / "other.mp4", mode="x")

    assert is_mp4(path)
    assert is_mp4(tmp_path / "other.mp4")
    assert hidden_files(tmp_path) == []


async def test_videos_are_found_by_id_and_in_the_list(client: AsyncVideoClient) -> None:
    first = await client.create("a paper boat")
    second = await client.create("a tin boat")
    await asyncio.gather(first.wait(), second.wait())

    found = await client.video(first.id)
    newest = await client.list(limit=1)
    rest = await client.list(after=newest[0].id)

    assert (found.prompt, found.status) == ("a paper boat", VideoStatus.COMPLETED)
    assert [one.id for one in (*newest, *rest)] == [second.id, first.id]
    assert client.models() == ["boats"]


async def test_a_deleted_video_does_not_exist_any_more(client: AsyncVideoClient) -> None:
    video = await (await client.create("a paper boat")).wait()

    await video.delete()

    with pytest.raises(ApiError, match="not found"):
        await client.video(video.id)
    with pytest.raises(ApiError, match="not found"):
        await video.refresh()


async def test_a_remix_is_made_where_its_source_was(client: AsyncVideoClient) -> None:
    video = await (await client.create("a paper boat", prefer="official", seconds=8)).wait()

    remix = await (await video.remix("a tin boat")).wait()

    assert (remix.status, remix.service, remix.prompt) == ("completed", "official", "a tin boat")
    assert (remix.id != video.id, remix.seconds) == (True, 8)
    with pytest.raises(ApiError, match="half a surrogate pair"):
        await video.remix("caf\udce9")


@pytest.mark.parametrize("kind", ["bytes", "path", "text"])
async def test_a_reference_image_is_given_as_bytes_or_as_a_file(
    client: AsyncVideoClient, world: Simulation, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "boat.png"
    path.write_bytes(PNG)
    references: Mapping[str, str | Path | bytes]
    references = {"bytes": PNG, "path": path, "text": str(path)}

    video = await (await client.create("it sails away", reference=references[kind])).wait()

    assert video.status is VideoStatus.COMPLETED
    assert world.requests["official", "create"] == 1


async def test_a_missing_reference_image_costs_nothing(
    client: AsyncVideoClient, world: Simulation, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        await client.create("it sails away", reference=tmp_path / "nowhere.png")

    assert sum(world.requests.values()) == 0


async def test_without_a_model_the_only_route_or_sora_2_is_used(
    open_client: Open,
) -> None:
    routes = {"ships": {"services": ["official"]}, "boats": {"services": ["forwarded"]}}
    usual = {"sora-2": {"services": ["official"]}}

    alone, known, open_ = (
        open_client(routes={"ships": routes["ships"]}),
        open_client(routes=routes | usual),
        open_client(routes=routes),
    )

    assert (await alone.create("a paper boat")).model == "ships"
    assert (await known.create("a paper boat")).model == "sora-2"
    with pytest.raises(ApiError, match="name a model, one of: ships, boats"):
        await open_.create("a paper boat")


async def test_a_substitution_is_reported(open_client: Open) -> None:
    route = {"services": ["official"], "substitutes": ["seconds"]}
    client = open_client(routes={"boats": route})

    video = await client.create("a paper boat", seconds=7)

    assert video.substituted == {"seconds": "7→8"}
    assert video.seconds == 8
