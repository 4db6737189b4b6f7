"""All that an adapter asks for beside its creates."""

from collections.abc import Generator, Iterator
from typing import Any

from tallylight.model.jobs import JobRef
from tallylight.model.order import Input, Medium, Order, Role
from tallylight.upstreams.messages import Reply, Request
from tallylight.upstreams.protocol import Adapter, Doubt

AnyFlow = Generator[Request, Reply, Any]
FILM = Input(body=b"mp4", media_type="video/mp4", role=Role.SOURCE, medium=Medium.VIDEO)


def flows_of(adapter: Adapter, order: Order, mark: str, job: JobRef) -> Iterator[AnyFlow]:
    """Yield each flow that a dialect has, as it is asked for in the life of one job."""
    yield adapter.check(order.model)
    if adapter.find is not None:
        yield adapter.find(Doubt(order, mark), "")
    if adapter.upload is not None:
        yield adapter.upload(Input(body=b"png", media_type="image/png"))
    if adapter.create_character is not None:
        yield adapter.create_character("Ann", FILM)
    if adapter.poll is not None:
        yield adapter.poll(job)
    if adapter.cancel is not None:
        yield adapter.cancel(job)
    if adapter.delete is not None:
        yield adapter.delete(job)
