"""A twin reads our creates as it reads those of the maker's own SDK.

What the SDKs can do besides is in `tests/simulator`.
"""

import warnings
from collections.abc import AsyncIterator, Callable

import pytest
from openai import AsyncOpenAI, omit

from tallylight.model.jobs import JobRef
from tallylight.model.order import Form, Role
from tallylight.model.wish import Wish, WishedMeasures
from tallylight.upstreams.steps import Accepted, Done
from tests.contract.services import picture
from tests.contract.site import Site

At = Callable[[str], Site]


@pytest.fixture
async def sdk() -> AsyncIterator[Callable[[Site], AsyncOpenAI]]:
    clients: list[AsyncOpenAI] = []

    def client(site: Site) -> AsyncOpenAI:
        key = site.upstream.key
        assert key is not None
        one = AsyncOpenAI(
            base_url=site.upstream.base_url, api_key=key.reveal(), max_retries=0, timeout=10
        )
        clients.append(one)
        return one

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield client
    for each in clients:
        await each.close()


Sdk = Callable[[Site], AsyncOpenAI]


async def test_a_video_of_the_sdk_is_read_like_ours_and_is_ours_to_poll(at: At, sdk: Sdk) -> None:
    site = at("sora-2")
    order = site.order(Wish(site.prompt, measures=WishedMeasures(8, "1280x720")))

    video = await sdk(site).videos.create(
        prompt=site.prompt, model="sora-2", seconds="8", size="1280x720"
    )
    await site.accepted(order)

    theirs, ours = site.jobs
    assert theirs.reading == ours.reading
    assert isinstance(await site.end(Accepted(JobRef(video.id))), Done)


@pytest.mark.parametrize("has_picture", [False, True])
async def test_pictures_of_the_sdk_are_read_like_ours(
    at: At, sdk: Sdk, *, has_picture: bool
) -> None:
    site = at("gpt-image-2")
    inputs = (picture(Role.REFERENCE, Form.INLINE), picture(Role.MASK, Form.INLINE))
    measures = WishedMeasures(size="1536x1024", quality="low", count=2)
    wish = Wish(
        site.prompt,
        medium=site.service.sheet.medium,
        measures=measures,
        inputs=inputs if has_picture else (),
    )
    files = [(each.name, each.body, each.media_type) for each in inputs]
    images = sdk(site).images

    if has_picture:
        await images.edit(
            image=[files[0]],
            mask=files[1],
            prompt=site.prompt,
            model="gpt-image-2",
            size="1536x1024",
            quality="low",
            n=2,
        )
    else:
        await images.generate(
            prompt=site.prompt,
            model="gpt-image-2",
            size="1536x1024",
            quality="low",
            n=2,
            response_format=omit,
        )
    await site.accepted(site.order(wish))

    theirs, ours = site.jobs
    assert theirs.reading == ours.reading
