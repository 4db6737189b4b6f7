"""A create in doubt claims a listed job only if it cannot belong to another create."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from tallylight.catalogue.services import Upstream
from tallylight.model.attempt_state import AttemptState
from tallylight.model.evidence import Failure
from tallylight.model.video import Video, VideoStatus
from tallylight.simulator.files import parse_scenario
from tallylight.simulator.reading import sized_reading
from tallylight.simulator.scenario import Scenario
from tallylight.simulator.world import JobRequest
from tallylight.upstreams.client import UpstreamClient
from tallylight.upstreams.protocol import Doubt
from tallylight.upstreams.steps import Page

from .conftest import SCENARIO, RunningGateway, Start

TWINS = """
  twin: {<<: *service, name: Twin}
  pro: {<<: *service, name: Pro, model: sora-2-pro}
"""
ONE = {"services": ["a"], "explicit": True}
OTHERS = {"services": ["twin"], "explicit": True}


@pytest.fixture
def scenario() -> Scenario:
    return parse_scenario(SCENARIO + TWINS, "twins.yaml")


async def create_unresolved(gateway: RunningGateway, prompt: str = "a paper boat") -> Video:
    """Return a video whose create was interrupted before acceptance, once it has ended."""
    gateway.set_faults("a", {"kind": "reset", "accepts": False})
    return await gateway.until_ended(await gateway.create(prompt, size="720x1280", seconds=4))


async def assert_unresolved(gateway: RunningGateway, video: Video) -> None:
    (attempt,) = await gateway.attempts(video)
    assert (attempt.state, attempt.job_id) == (AttemptState.UNRESOLVED, "")
    assert video.error is not None
    assert video.error.code == "outcome_unknown"


@pytest.mark.parametrize(
    "other",
    [
        JobRequest("pro", sized_reading("a paper boat", "720x1280", 4, "sora-2-pro")),
        JobRequest("a", sized_reading("a paper boat", "1280x720", 4, "sora-2")),
        JobRequest("a", sized_reading("a paper boat", "720x1280", 8, "sora-2")),
    ],
    ids=["another model", "another size", "another length"],
)
async def test_a_job_of_other_measures_is_not_claimed(start: Start, other: JobRequest) -> None:
    gateway = await start(routes={"boats": ONE})
    gateway.simulation.accept_job(other, None, "video_other")

    video = await create_unresolved(gateway)

    await assert_unresolved(gateway, video)


async def test_a_dated_name_of_the_model_is_the_same_model(start: Start) -> None:
    gateway = await start(routes={"boats": ONE})
    dated = JobRequest("a", sized_reading("a paper boat", "720x1280", 4, "sora-2-2025-10-06"))
    gateway.simulation.accept_job(dated, None, "video_dated")

    video = await create_unresolved(gateway)

    (attempt,) = await gateway.attempts(video)
    assert (video.status, attempt.job_id) == (VideoStatus.COMPLETED, "video_dated")


async def test_a_job_of_another_service_of_the_upstream_is_already_claimed(start: Start) -> None:
    gateway = await start(routes={"boats": ONE, "kites": OTHERS})
    await gateway.create(model="kites", size="720x1280", seconds=4)

    video = await create_unresolved(gateway)

    await assert_unresolved(gateway, video)


async def test_a_job_may_belong_to_a_create_that_awaits_its_answer(start: Start) -> None:
    gateway = await start(routes={"boats": ONE})
    gateway.set_faults("a", {"kind": "hang", "accepts": True})
    asking = asyncio.create_task(gateway.create(size="720x1280", seconds=4))
    while not gateway.create_count("a"):  # a server tells no event
        await gateway.clock.sleep(timedelta(seconds=1))

    video = await create_unresolved(gateway)

    await assert_unresolved(gateway, video)
    asking.cancel()


async def test_a_job_that_may_belong_to_another_attempt_proves_no_refusal(start: Start) -> None:
    gateway = await start(upstreams={"first": {"lists_all_jobs": True}})
    other = JobRequest("a", sized_reading("a paper boat", "1280x720", 4, "sora-2"))
    gateway.simulation.accept_job(other, None, "video_other")

    video = await create_unresolved(gateway)

    await assert_unresolved(gateway, video)
    assert gateway.create_count("b") == 0


async def test_reconciliation_uses_the_key_of_a_reload(start: Start) -> None:
    gateway = await start(routes={"boats": ONE})
    gateway.set_faults("a", {"kind": "reset", "accepts": True}, {"kind": "incomplete_list"})

    video = await gateway.create()
    while not gateway.simulation.requests["a", "list"]:  # a server tells no event
        await gateway.clock.sleep(timedelta(seconds=1))
    await gateway.replace_key("first", "sk-renewed")
    gateway.set_faults("a")
    seen = await gateway.until_ended(video)

    assert (seen.status, seen.service) == (VideoStatus.COMPLETED, "a")


@pytest.fixture
def _no_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let lists show no prompts."""
    find = UpstreamClient.find

    async def without_prompts(
        client: UpstreamClient, doubt: Doubt, cursor: str, upstream: Upstream
    ) -> Page | Failure:
        page = await find(client, doubt, cursor, upstream)
        assert isinstance(page, Page)
        return Page(tuple(replace(each, prompt="") for each in page.jobs), page.cursor)

    monkeypatch.setattr(UpstreamClient, "find", without_prompts)


@pytest.mark.usefixtures("_no_prompts")
async def test_a_job_without_a_prompt_is_never_claimed_and_proves_no_refusal(start: Start) -> None:
    gateway = await start(upstreams={"first": {"lists_all_jobs": True}})
    gateway.set_faults("a", {"kind": "reset", "accepts": True})

    video = await gateway.until_ended(await gateway.create(size="720x1280", seconds=4))

    await assert_unresolved(gateway, video)
    assert gateway.create_count("b") == 0


@pytest.mark.usefixtures("_no_prompts")
async def test_jobs_of_other_measures_leave_no_doubt_where_the_list_is_complete(
    start: Start,
) -> None:
    gateway = await start(upstreams={"first": {"lists_all_jobs": True}})
    other = JobRequest("a", sized_reading("a kite", "720x1280", 8, "sora-2"))
    gateway.simulation.accept_job(other, None, "video_other")

    video = await create_unresolved(gateway)

    assert (video.status, video.service) == (VideoStatus.COMPLETED, "b")


@pytest.mark.usefixtures("_no_prompts")
async def test_our_own_jobs_leave_no_doubt_where_the_list_is_complete(start: Start) -> None:
    gateway = await start(upstreams={"first": {"lists_all_jobs": True}})
    await gateway.until_ended(await gateway.create(size="720x1280", seconds=4))

    video = await create_unresolved(gateway)

    assert (video.status, video.service) == (VideoStatus.COMPLETED, "b")


@pytest.fixture
def _other_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let lists repeat requests that are not what was ordered."""
    find = UpstreamClient.find

    async def differing(
        client: UpstreamClient, doubt: Doubt, cursor: str, upstream: Upstream
    ) -> Page | Failure:
        page = await find(client, doubt, cursor, upstream)
        assert isinstance(page, Page)
        return Page(tuple(replace(each, differs=True) for each in page.jobs), page.cursor)

    monkeypatch.setattr(UpstreamClient, "find", differing)


@pytest.mark.usefixtures("_other_requests")
async def test_a_job_whose_request_differs_is_ruled_out_whatever_its_prompt(start: Start) -> None:
    gateway = await start(upstreams={"first": {"lists_all_jobs": True}})
    other = JobRequest("a", sized_reading("a paper boat", "720x1280", 4, "sora-2"))
    gateway.simulation.accept_job(other, None, "video_other")

    video = await create_unresolved(gateway)

    assert (video.status, video.service) == (VideoStatus.COMPLETED, "b")


def _showing(monkeypatch: pytest.MonkeyPatch, shown: Callable[[str], str]) -> None:
    """Let lists show prompts otherwise."""
    find = UpstreamClient.find

    async def changed(
        client: UpstreamClient, doubt: Doubt, cursor: str, upstream: Upstream
    ) -> Page | Failure:
        page = await find(client, doubt, cursor, upstream)
        assert isinstance(page, Page)
        return Page(tuple(replace(each, prompt=shown(each.prompt)) for each in page.jobs), "")

    monkeypatch.setattr(UpstreamClient, "find", changed)


PROMPT = "a paper boat\ndrifts across  a calm pond in soft morning light, a steady camera"


async def test_a_prompt_that_a_list_shows_trimmed_is_the_same_prompt(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = await start(upstreams={"first": {"lists_all_jobs": True}})
    _showing(monkeypatch, lambda prompt: " ".join(prompt.split()))
    gateway.set_faults("a", {"kind": "reset", "accepts": True})

    video = await gateway.create(PROMPT, size="720x1280", seconds=4)
    gateway.set_faults("a")
    seen = await gateway.until_ended(video)

    assert (seen.status, seen.service) == (VideoStatus.COMPLETED, "a")
    assert gateway.create_count("b") == 0


@pytest.mark.parametrize("end", ["", "...", " …"])
async def test_a_prompt_that_a_list_cuts_off_proves_no_refusal(
    start: Start, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    gateway = await start(upstreams={"first": {"lists_all_jobs": True}})
    _showing(monkeypatch, lambda prompt: prompt[:30] + end)
    gateway.set_faults("a", {"kind": "reset", "accepts": True})

    video = await gateway.until_ended(await gateway.create(PROMPT, size="720x1280", seconds=4))

    await assert_unresolved(gateway, video)
    assert gateway.create_count("b") == 0
