"""DashScope's twin reads our creates as it reads those of the maker's own SDK."""

from collections.abc import Callable

from dashscope import AsyncClient

from tallylight.model.jobs import JobRef
from tallylight.model.order import Form, Role
from tallylight.model.wish import Wish, WishedMeasures
from tallylight.upstreams.steps import Accepted, Done
from tests.contract.services import picture
from tests.contract.site import Site

At = Callable[[str], Site]


async def test_a_task_of_the_sdk_is_read_like_ours_and_is_ours_to_poll(at: At) -> None:
    site = at("wan-3.0")
    frame = picture(Role.FIRST_FRAME, Form.INLINE)
    measures = WishedMeasures(10, resolution="720p")
    order = site.order(Wish(site.prompt, measures=measures, inputs=(frame,)))
    key = site.upstream.key
    assert key is not None

    client = AsyncClient(api_key=key.reveal(), base_url=site.upstream.base_url, max_retries=0)
    job = await client.videos.jobs.create(
        model=order.model,
        prompt=site.prompt,
        media=[{"type": "first_frame", "url": frame.address}],
        resolution="720P",
        duration=10,
    )
    await client.aclose()
    await site.accepted(order)

    theirs, ours = site.jobs
    assert theirs.reading == ours.reading
    assert isinstance(await site.end(Accepted(JobRef(job.task_id))), Done)
