"""Replicate's own SDK completes a job at the twin, and its create is read like ours."""

from collections.abc import Callable

import pytest
from replicate.client import Client

from tallylight.model.jobs import JobRef
from tallylight.model.order import Form, Role
from tallylight.model.wish import Wish, WishedMeasures
from tallylight.upstreams.steps import Accepted, Done
from tests.contract.services import picture
from tests.contract.site import CLOCK, PAUSE, Site

At = Callable[[str], Site]


def sdk(site: Site) -> Client:
    assert site.upstream.key is not None
    root = site.upstream.base_url.removesuffix("/v1")
    return Client(api_token=site.upstream.key.reveal(), base_url=root)


@pytest.mark.parametrize("form", Form)
async def test_a_film_of_the_sdk_is_read_like_ours_and_is_ours_to_poll(at: At, form: Form) -> None:
    site = at("veo-on-replicate")
    image = picture(Role.FIRST_FRAME, form)
    measures = WishedMeasures(8, "1280x720", audio=False, seed=7, negative="rain")
    given = {
        "prompt": site.prompt,
        "duration": 8,
        "resolution": "720p",
        "aspect_ratio": "16:9",
        "generate_audio": False,
        "seed": 7,
        "negative_prompt": "rain",
        "image": image.address,
    }

    film = await sdk(site).predictions.async_create(model="google/veo-3.1", input=given)
    ours = await site.accepted(site.order(Wish(site.prompt, measures=measures, inputs=(image,))))
    while film.status not in {"succeeded", "failed"}:
        await CLOCK.sleep(PAUSE)
        await film.async_reload()

    one, other = site.jobs
    assert one.reading == other.reading
    assert film.output == site.world.file_url(one)
    assert isinstance(await site.end(Accepted(JobRef(film.id, ours.job.extra))), Done)


@pytest.mark.parametrize("name", ["version-on-replicate", "deployed-on-replicate"])
async def test_versions_and_deployments_of_the_sdk_are_read_like_ours(at: At, name: str) -> None:
    site = at(name)
    order = site.order()
    assert order.frame is not None
    aspect = order.frame.aspect
    given = {"prompt": site.prompt, "duration": order.seconds, "aspect_ratio": aspect}

    if ":" in order.model:
        await sdk(site).predictions.async_create(version=order.model, input=given)
    else:
        model = order.model.removeprefix("deployments/")
        await sdk(site).predictions.async_create(deployment=model, input=given)
    await site.delivered(order)

    one, other = site.jobs
    assert one.reading == other.reading


async def test_the_sdk_reads_our_job_in_its_list(at: At) -> None:
    site = at("seedance-on-replicate")
    job, _ = await site.delivered()

    listed = await sdk(site).predictions.async_list()

    assert listed.results[0].id == job.id
    assert listed.results[0].input is not None
    assert listed.results[0].input["prompt"] == site.prompt
