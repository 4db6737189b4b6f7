"""What fal's adapter alone knows: the answer to a create names the addresses of its request."""

import json

import pytest

from tallylight.model.jobs import JobRef
from tallylight.model.order import Order
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.protocol import Site
from tallylight.upstreams.protocols.fal import DEFINITION
from tests.upstreams.flows import finished

ADAPTER = DEFINITION.make(Site("https://queue.fal.test", "fal"))
PATH = "/fal-ai/kling-video/requests"


def accepted(**answer: str) -> JobRef:
    """Return the job of an answer to a create."""
    order = Order("fal-ai/kling-video/v3/pro/text-to-video", "a boat")
    found = ADAPTER.accepted(order, Reply(Phase.CREATE, 200, {}, json.dumps(answer)))
    assert found is not None
    return found.job


@pytest.mark.parametrize(
    ("named", "asked"),
    [
        ("", f"{PATH}/r1/status"),
        (f"{PATH}/r1/status?logs=0", f"{PATH}/r1/status?logs=0"),
        (f"https://queue.fal.test{PATH}/r1/status", f"https://queue.fal.test{PATH}/r1/status"),
        ("https://queue.fal.elsewhere/a/b/requests/r1/status", f"{PATH}/r1/status"),
        ("//elsewhere.test/status", f"{PATH}/r1/status"),
    ],
)
def test_a_request_is_asked_for_where_our_key_goes(named: str, asked: str) -> None:
    job = accepted(request_id="r1", status_url=named)
    assert ADAPTER.poll is not None

    _, requests = finished(ADAPTER.poll(job), Reply(Phase.POLL, 200, {}, '{"status": "IN_QUEUE"}'))

    assert [each.url for each in requests] == [asked]


def test_an_id_is_one_segment_of_the_path() -> None:
    assert accepted(request_id="../../x?a#b").extra["status_url"] == (
        f"{PATH}/%2E%2E%2F%2E%2E%2Fx%3Fa%23b/status"
    )
