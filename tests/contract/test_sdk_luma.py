"""Luma's own SDK completes a job at the twin, and its create is read like ours."""

import base64
from collections.abc import AsyncIterator, Callable

import pytest
from luma_agents import AsyncLuma
from luma_agents.types import ImageRefParam

from tallylight.model.jobs import JobRef
from tallylight.model.order import Form, Input, Role
from tallylight.model.wish import Wish, WishedMeasures
from tallylight.upstreams.steps import Accepted, Done
from tests.contract.services import picture
from tests.contract.site import CLOCK, PAUSE, Site

At = Callable[[str], Site]
Sdk = Callable[[Site], AsyncLuma]


@pytest.fixture
async def sdk() -> AsyncIterator[Sdk]:
    clients: list[AsyncLuma] = []

    def client(site: Site) -> AsyncLuma:
        assert site.upstream.key is not None
        one = AsyncLuma(
            auth_token=site.upstream.key.reveal(), base_url=site.upstream.base_url, max_retries=0
        )
        clients.append(one)
        return one

    yield client
    for each in clients:
        await each.close()


async def test_a_film_of_the_sdk_is_read_like_ours_and_is_ours_to_poll(at: At, sdk: Sdk) -> None:
    site = at("ray-3.2")
    order = site.order(Wish(site.prompt, measures=WishedMeasures(10, "720x1280")))
    luma = sdk(site)

    film = await luma.generations.create(
        prompt=site.prompt,
        model="ray-3.2",
        type="video",
        aspect_ratio="9:16",
        video={"duration": "10s", "resolution": "720p"},
    )
    await site.accepted(order)
    while film.state not in {"completed", "failed"}:
        await CLOCK.sleep(PAUSE)
        film = await luma.generations.get(film.id)

    theirs, ours = site.jobs
    assert theirs.reading == ours.reading
    assert film.output is not None
    assert film.output[0].url == site.world.file_url(theirs)
    assert isinstance(await site.end(Accepted(JobRef(film.id))), Done)


def reference(given: Input) -> ImageRefParam:
    if given.form is Form.URL:
        return {"url": given.url}
    return {"data": base64.b64encode(given.body).decode(), "media_type": given.media_type}


@pytest.mark.parametrize("form", Form)
async def test_pictures_of_the_sdk_are_read_like_ours(at: At, sdk: Sdk, form: Form) -> None:
    site = at("ray-3.2")
    inputs = (picture(Role.FIRST_FRAME, form), picture(Role.LAST_FRAME, form))
    order = site.order(Wish(site.prompt, measures=WishedMeasures(5, "1280x720"), inputs=inputs))
    start, end = map(reference, inputs)

    await sdk(site).generations.create(
        prompt=site.prompt,
        model="ray-3.2",
        type="video",
        aspect_ratio="16:9",
        video={"duration": "5s", "resolution": "720p", "start_frame": start, "end_frame": end},
    )
    await site.accepted(order)

    theirs, ours = site.jobs
    assert theirs.reading == ours.reading
