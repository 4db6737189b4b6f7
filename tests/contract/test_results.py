"""The result of a finished job, which is paid for, is brought home."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tallylight.clock import Clock
from tallylight.model.evidence import Failure, Fault
from tallylight.model.jobs import JobRef, Unit
from tallylight.simulator.faults import Endpoint
from tallylight.upstreams.acceptance import InDoubt, Refused
from tallylight.upstreams.download import ResultFetcher
from tallylight.upstreams.inline_files import InlineFile
from tallylight.upstreams.messages import Reply
from tallylight.upstreams.steps import Accepted, Done, Failed, Step
from tests.contract.altered import altered_poll, with_values
from tests.contract.services import each_dialect, everywhere, plain_wish, where
from tests.contract.site import CLOCK, LIMIT_BYTES, PAUSE, Site
from tests.contract.waits import until_ended

At = Callable[[str], Site]
Hurried = Callable[[float], Clock]
PAGE = "<html><body>Please wait…</body></html>"
PATIENCE = timedelta(minutes=2)
LENGTHS = frozenset({"seconds", "duration", "output_seconds", "output_video_duration"})
MIB = 1024 * 1024


def is_here(done: Done) -> bool:
    """Tell whether the answer itself held the result."""
    return any(each.is_sold and isinstance(each.at, InlineFile) for each in done.outputs)


async def fetched_in_time(
    site: Site, job: JobRef, done: Done, target: Path, clock: Clock
) -> object:
    """Download a result with the patience of a service that is late."""
    fetcher = ResultFetcher(site.transport, clock)
    return await fetcher.fetch(job, done, site.service, target, LIMIT_BYTES, PATIENCE)


@each_dialect
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "expire"},
        {"kind": "result_late", "after": 5000},
        {"kind": "cut"},
        {"kind": "reset", "doors": ["content"]},
        {"kind": "refuse", "http_status": 200, "body": PAGE, "doors": ["content"]},
        {"kind": "refuse", "http_status": 200, "body": "", "doors": ["content"]},
        {"kind": "refuse", "http_status": 500, "body": PAGE, "doors": ["content"]},
    ],
    ids=lambda fault: "-".join(str(each)[:8] for each in fault.values()),
)
async def test_a_result_that_cannot_be_had_leaves_nothing_and_is_had_later(
    at: At, name: str, fault: Mapping[str, object], tmp_path: Path
) -> None:
    site, target = at(name), tmp_path / "result"
    job, done = await site.delivered()
    site.trouble(fault)

    missed = await site.fetch(job, done, target)

    if not is_here(done):
        assert isinstance(missed, Failure), missed
        assert missed.fault is Fault.UPSTREAM
        assert not any(tmp_path.iterdir())  # noqa: ASYNC240  # an empty folder of ours
    site.trouble()
    assert isinstance(await site.fetch(job, done, target), str)
    assert len(site.jobs) == 1


@each_dialect
async def test_a_film_is_known_by_its_bytes_whatever_it_is_called(
    at: At, name: str, tmp_path: Path
) -> None:
    site = at(name)
    job, done = await site.delivered()
    site.trouble(kind="mislabel", media_type="text/plain")

    assert isinstance(await site.fetch(job, done, tmp_path / "result"), str)


@each_dialect
async def test_a_late_result_is_waited_for(
    at: At, name: str, tmp_path: Path, hurried: Hurried
) -> None:
    site, target = at(name), tmp_path / "result"
    site.trouble(kind="result_late", after=20)
    job, done = await site.delivered()

    found = await fetched_in_time(site, job, done, target, hurried(200))

    assert isinstance(found, str), found


@each_dialect
async def test_an_address_that_has_expired_is_had_anew_from_the_job(
    at: At, name: str, tmp_path: Path, hurried: Hurried
) -> None:
    site, target = at(name), tmp_path / "result"
    job, done = await site.delivered()
    requests = site.world.requests
    contents, polls = requests[name, Endpoint.CONTENT], requests[name, Endpoint.POLL]
    site.trouble(kind="expire")

    async with asyncio.TaskGroup() as tasks:
        fetching = tasks.create_task(fetched_in_time(site, job, done, target, hurried(200)))
        while requests[name, Endpoint.CONTENT] == contents and not fetching.done():
            await CLOCK.sleep(PAUSE)
        site.trouble()

    assert isinstance(fetching.result(), str), fetching.result()
    if site.adapter.poll is not None and not is_here(done):
        assert requests[name, Endpoint.POLL] > polls


@each_dialect
async def test_a_result_of_20_mib_arrives_whole(at: At, name: str, tmp_path: Path) -> None:
    site, target = at(name), tmp_path / "result"
    site.trouble(kind="large_file", bytes=20 * MIB)
    job, done = await site.delivered()

    found = await site.fetch(job, done, target)

    assert isinstance(found, str), found
    assert target.stat().st_size == 20 * MIB


@where(lambda adapter: adapter.poll)
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "refuse", "http_status": 404, "body": {"detail": "not here"}},
        {"kind": "refuse", "http_status": 404, "body": PAGE},
        {"kind": "refuse", "http_status": 500, "body": {"detail": "oops"}},
        {"kind": "refuse", "http_status": 503, "body": PAGE},
        {"kind": "refuse", "http_status": 504, "body": "Gateway Time-out"},
        {"kind": "refuse", "http_status": 200, "body": PAGE},
        {"kind": "refuse", "http_status": 200, "body": ""},
        {"kind": "cut"},
        {"kind": "reset"},
    ],
    ids=lambda fault: "-".join(str(each)[:8] for each in fault.values()),
)
async def test_a_result_document_that_cannot_be_read_ends_no_job(
    at: At, name: str, fault: Mapping[str, object]
) -> None:
    site = at(name)
    accepted = await site.accepted()
    site.trouble({**fault, "doors": ["result"]})
    await until_ended(site)

    met = await site.poll(accepted.job)

    assert not isinstance(met, Failed), met
    site.trouble()
    assert isinstance(await site.end(accepted), Done)


@where(lambda adapter: adapter.poll)
async def test_a_result_document_that_comes_later_is_waited_for(at: At, name: str) -> None:
    site = at(name)
    accepted = await site.accepted()
    site.trouble(kind="result_late", after=10, doors=["result"])

    step: Step = accepted.step
    while not isinstance(step, Done):
        assert not isinstance(step, Failed), step
        await CLOCK.sleep(PAUSE)
        step = await site.poll(accepted.job)

    assert len(site.jobs) == 1


@everywhere
async def test_each_of_several_results_has_its_index_and_its_file(
    at: At, name: str, tmp_path: Path
) -> None:
    site = at(name)
    most = max(number for mode in site.service.sheet.modes for number in mode.count)
    number = min(most, 3)
    wish = plain_wish(site.service, site.prompt)
    wish = replace(wish, measures=replace(wish.measures, count=number))

    job, done = await site.delivered(site.order(wish))

    assert sorted({each.index for each in done.outputs if each.is_sold}) == list(range(number))
    for index in range(number):
        own = tuple(each for each in done.outputs if each.index == index)
        found = await site.fetch(job, replace(done, outputs=own), tmp_path / str(index))
        assert isinstance(found, str), found


@each_dialect
async def test_what_lies_beside_a_result_is_forwarded_completely_and_in_ranges(
    at: At, name: str
) -> None:
    site = at(name)
    _, done = await site.delivered()

    for output in done.outputs:
        if isinstance(output.at, InlineFile):
            continue
        async with site.transport.proxy(output.at, site.upstream) as relay:
            whole = b"".join([piece async for piece in relay])
            if not relay.reply.is_success:
                continue  # another way leads to the same file
            length = relay.content_length
        wanted = {"range": "bytes=10-19"}
        async with site.transport.proxy(output.at, site.upstream, wanted) as relay:
            part = b"".join([piece async for piece in relay])

        assert length == len(whole) > 100
        assert (relay.reply.status, part) == (206, whole[10:20])


@each_dialect
@pytest.mark.parametrize(
    "fault",
    [{}, {"defect": "other_model"}, {"defect": "wrong_length", "seconds": 1}],
    ids=["as_ordered", "other_model", "other_length"],
)
async def test_what_is_told_of_a_result_is_what_the_service_says(
    at: At, name: str, fault: Mapping[str, object]
) -> None:
    site = at(name)
    if fault:
        site.trouble({"kind": "deliver_defective", **fault})

    _, done = await site.delivered()
    made, (job,) = done.made, site.jobs

    assert made.model in {"", job.outcome.output.model}
    assert made.size in {"", job.requested.size}
    assert made.seconds in {0, job.outcome.output.seconds, job.requested.seconds}


@where(lambda adapter: adapter.poll)
@pytest.mark.parametrize(
    ("given", "told"), [(4.96, 5), ("5.04", 5), (-1, 0), (10**9, 0), (True, 0)]
)
async def test_a_length_that_is_told_is_rounded_and_what_is_none_is_not_believed(
    at: At, name: str, given: object, told: int
) -> None:
    site = at(name)
    accepted = await site.accepted()
    end = await site.end(accepted)
    assert isinstance(end, Done)

    def lengthened(reply: Reply) -> Reply:
        return with_values(reply, lambda member, value: given if member in LENGTHS else value)

    step = await altered_poll(site, accepted.job, lengthened)

    assert isinstance(step, Done), step
    assert step.made.seconds in {0, told} if end.made.seconds else step.made.seconds == 0


@everywhere
async def test_a_cost_that_is_told_is_the_one_that_is_billed(at: At, name: str) -> None:
    site = at(name)

    _, done = await site.delivered()

    if done.usage is not None and done.usage.unit is Unit.USD:
        assert done.usage.amount == site.billed


@where(lambda adapter: adapter.poll)
@pytest.mark.parametrize("form", ["text", "error", "close"])
@pytest.mark.parametrize("prompt", ["", " with a lot of gore"], ids=["fails", "is_refused"])
async def test_a_failed_job_says_that_it_took_what_is_billed_or_nothing_of_that(
    at: At, name: str, form: str, prompt: str
) -> None:
    site = at(name)
    site.prompt += prompt
    if not prompt:
        site.trouble(kind="fail", form=form)

    found = await site.create()
    step = await site.end(found) if isinstance(found, Accepted) else found

    assert isinstance(step, Failed | Refused | InDoubt), step
    if isinstance(step, Refused):
        assert site.billed == 0
    elif isinstance(step, Failed) and step.usage is not None:
        is_told = step.usage.unit is Unit.USD or not step.usage.amount
        assert step.usage.amount == site.billed or not is_told
