"""Ark's twin reads our creates as it reads those of the maker's own SDK."""

from collections.abc import Callable
from typing import Any

from volcenginesdkarkruntime import AsyncArk  # type: ignore[import-untyped]

from tallylight.model.jobs import JobRef
from tallylight.model.order import Form, Role
from tallylight.model.wish import Wish, WishedMeasures
from tallylight.upstreams.steps import Accepted, Done
from tests.contract.services import picture
from tests.contract.site import Site

At = Callable[[str], Site]


async def test_a_task_of_the_sdk_is_read_like_ours_and_is_ours_to_poll(at: At) -> None:
    site = at("seedance-2.5")
    frame = picture(Role.FIRST_FRAME, Form.INLINE)
    measures = WishedMeasures(5, resolution="1080p", audio=False, seed=7)
    order = site.order(Wish(site.prompt, measures=measures, inputs=(frame,)))
    content: Any = [
        {"type": "text", "text": site.prompt},
        {"type": "image_url", "image_url": {"url": frame.address}, "role": "first_frame"},
    ]
    key = site.upstream.key
    assert key is not None

    async with AsyncArk(
        api_key=key.reveal(), base_url=site.upstream.base_url, max_retries=0, timeout=10
    ) as sdk:
        task = await sdk.content_generation.tasks.create(
            model=order.model,
            content=content,
            duration=5,
            resolution="1080p",
            ratio="adaptive",
            generate_audio=False,
            seed=7,
        )
    await site.accepted(order)

    theirs, ours = site.jobs
    assert theirs.reading == ours.reading
    assert isinstance(await site.end(Accepted(JobRef(task.id))), Done)
