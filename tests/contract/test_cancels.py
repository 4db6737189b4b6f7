"""A cancel proves that nothing is billed, or it proves nothing; it never harms a result."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tallylight.model.order import Operation
from tallylight.upstreams.client import run_flow
from tallylight.upstreams.messages import Phase, Request
from tallylight.upstreams.protocol import Adapter
from tallylight.upstreams.steps import Accepted, Done, Failed, Step, Working
from tests.contract.altered import AlteredSender
from tests.contract.services import where
from tests.contract.site import CLOCK, PAUSE, Site
from tests.contract.waits import until_ended, until_started

At = Callable[[str], Site]


def _cancels(adapter: Adapter) -> object:
    return adapter.cancel


cancelling = where(_cancels)


async def cancel(site: Site, accepted: Accepted, sender: AlteredSender | None = None) -> Step:
    """Cancel a job; return its state afterwards."""
    assert site.adapter.cancel is not None
    flow = site.adapter.cancel(accepted.job)
    ran = await run_flow(flow, site.upstream, sender or AlteredSender(site.transport))
    assert ran.value is not None, ran.failure
    return ran.value


def proves_free(step: Step) -> bool:
    """Tell whether a state proves that nothing is billed."""
    return isinstance(step, Failed) and step.usage is not None and step.usage.amount == 0


@cancelling
async def test_a_queued_job_is_cancelled_and_not_billed(at: At, name: str) -> None:
    site = at(name)
    site.trouble(kind="slow", factor=500)
    accepted = await site.accepted()

    step = await cancel(site, accepted)

    assert proves_free(step), step
    assert site.jobs[0].is_cancelled
    assert site.billed == 0


@cancelling
async def test_a_cancel_of_a_running_job_claims_nothing_that_is_not_so(at: At, name: str) -> None:
    site = at(name)
    site.trouble(kind="stall")
    accepted = await site.accepted()
    await until_started(site, accepted)

    step = await cancel(site, accepted)

    assert proves_free(step) == site.jobs[0].is_cancelled
    assert await site.client.cancel(accepted.job, site.upstream) <= site.jobs[0].is_cancelled
    assert isinstance(step, Working | Failed)


@cancelling
async def test_a_finished_film_survives_a_cancel(at: At, name: str, tmp_path: Path) -> None:
    site = at(name)
    accepted = await site.accepted()
    done = await site.end(accepted)

    steps = [await cancel(site, accepted) for _ in range(2)]

    assert steps == [done, done]
    assert isinstance(done, Done)
    assert isinstance(await site.fetch(accepted.job, done, tmp_path / "film"), str)


@cancelling
async def test_a_cancelled_job_may_be_cancelled_again(at: At, name: str) -> None:
    site = at(name)
    site.trouble(kind="slow", factor=500)
    accepted = await site.accepted()
    await cancel(site, accepted)

    await cancel(site, accepted)

    assert site.billed == 0
    assert len(site.jobs) == 1


@cancelling
async def test_a_job_that_failed_by_itself_is_not_taken_for_a_cancelled_one(
    at: At, name: str
) -> None:
    site = at(name)
    site.trouble(kind="fail", after=40, code="moderation_blocked")  # queued for 40 ms
    accepted = await site.accepted()

    async def until_it_has_failed(request: Request) -> None:
        if request.phase is Phase.CANCEL:
            await until_ended(site)

    sender = AlteredSender(site.transport, before=until_it_has_failed)
    step = await cancel(site, accepted, sender)

    is_free = site.jobs[0].is_cancelled or site.jobs[0].price == 0
    assert proves_free(step) <= is_free, step


@cancelling
async def test_a_job_that_starts_between_the_look_and_the_cancel_is_not_called_free(
    at: At, name: str
) -> None:
    site = at(name)
    site.trouble(kind="slow", factor=20)  # queued for 40 ms
    accepted = await site.accepted()

    async def until_it_runs(request: Request) -> None:
        while request.phase is Phase.CANCEL and not _has_started(site):
            await CLOCK.sleep(PAUSE)

    step = await cancel(site, accepted, AlteredSender(site.transport, before=until_it_runs))

    assert proves_free(step) == site.jobs[0].is_cancelled
    if not site.jobs[0].is_cancelled:
        end = await site.end(accepted)  # some go on, others end and are billed
        assert isinstance(end, Done | Failed)
        assert not proves_free(end)


def _has_started(site: Site) -> bool:
    return site.jobs[0].progress_at(site.world.second()).percent > 0


@where(lambda adapter: adapter.delete)
async def test_a_finished_job_is_deleted(at: At, name: str) -> None:
    site = at(name)
    job, _ = await site.delivered()

    assert await site.client.delete(job, site.upstream)

    assert job.id not in site.world.jobs


@where(lambda adapter: not adapter.delete)
async def test_where_nothing_can_be_deleted_nothing_is_left_to_delete(at: At, name: str) -> None:
    site = at(name)
    job, _ = await site.delivered()
    sent = len(site.world.requests)

    assert await site.client.delete(job, site.upstream)

    assert len(site.world.requests) == sent


@where(lambda adapter: not adapter.cancel)
async def test_what_cannot_be_cancelled_proves_nothing(at: At, name: str) -> None:
    site = at(name)
    accepted = await site.accepted()

    assert not await site.client.cancel(accepted.job, site.upstream)

    assert not site.jobs[0].is_cancelled


@where()
@pytest.mark.parametrize("operation", [each for each in Operation if each is not Operation.CREATE])
async def test_an_operation_works_or_cannot_be_expressed(
    at: At, name: str, operation: Operation
) -> None:
    site = at(name)
    job, _ = await site.delivered()
    order = site.derived_order(operation, job.id)

    if operation not in site.adapter.features.operations:
        with pytest.raises(LookupError):
            site.adapter.submit(order, site.mark)
        return
    made, done = await site.delivered(order)

    assert isinstance(done, Done)
    assert made.id != job.id
    assert [each.prompt for each in site.jobs] == [site.prompt, site.prompt]


@where(lambda adapter: adapter.create_character)
async def test_a_character_is_created_and_appears(at: At, name: str) -> None:
    site = at(name)
    made = await site.character("Ann")
    assert isinstance(made, str), made

    _, done = await site.delivered(site.order_with_character(made))

    assert isinstance(done, Done)
