"""What Vidu's adapter alone knows: the kind is the path, the price is told at once."""

import json
from decimal import Decimal

import pytest

from tallylight.model.evidence import FailureKind
from tallylight.model.jobs import JobRef, Usage
from tallylight.model.order import Input, Order, Role
from tallylight.upstreams.auth import Wire
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.protocol import Site
from tallylight.upstreams.protocols.vidu import DEFINITION, ViduOptions
from tallylight.upstreams.steps import Accepted, Failed, Working

SITE = Site("http://127.0.0.1:9", "vidu", ViduOptions(usd_per_credit=Decimal("0.005")))
ADAPTER = DEFINITION.make(SITE)
FIRST, LAST, REFERENCE = (
    Input(url=f"https://x.test/{role}.png", role=role)
    for role in (Role.FIRST_FRAME, Role.LAST_FRAME, Role.REFERENCE)
)


@pytest.mark.parametrize(
    ("inputs", "kind"),
    [
        ((), "text2video"),
        ((FIRST,), "img2video"),
        ((LAST, FIRST), "start-end2video"),
        ((REFERENCE, REFERENCE), "reference2video"),
    ],
)
def test_the_kind_is_the_path_and_pictures_are_in_order(
    inputs: tuple[Input, ...], kind: str
) -> None:
    request = ADAPTER.submit(Order("viduq2", "a boat", inputs=inputs), "our-mark")

    body = json.loads(request.json)
    assert request.url == f"/ent/v2/{kind}"
    assert body["payload"] == "our-mark"
    assert len(body.get("images", [])) == len(inputs)
    if kind == "start-end2video":
        assert body["images"] == [FIRST.url, LAST.url]


def test_the_key_has_a_word_of_its_own_before_it() -> None:
    headers = DEFINITION.auth(SITE).headers(Wire("GET", "https://x.test/"), "vda_1", 0)

    assert headers == {"Authorization": "Token vda_1"}


def test_the_price_is_told_at_the_create() -> None:
    told = {"task_id": "7", "state": "created", "credits": 20}
    reply = Reply(Phase.CREATE, 200, {}, json.dumps(told))

    found = ADAPTER.accepted(Order("viduq2", "a boat"), reply)

    usage = Usage(Decimal("0.100"))
    assert found == Accepted(JobRef("7"), Working(is_started=False, usage=usage))


def test_a_failed_task_does_not_say_that_its_credits_were_taken() -> None:
    assert ADAPTER.poll is not None
    flow = ADAPTER.poll(JobRef("7"))
    next(flow)
    told = {"id": "7", "state": "failed", "err_code": "CreationPolicyViolation", "credits": 20}

    with pytest.raises(StopIteration) as end:
        flow.send(Reply(Phase.POLL, 200, {}, json.dumps(told)))

    step = end.value.value
    assert isinstance(step, Failed)
    assert step.failure.kind is FailureKind.CONTENT_REJECTED
    assert step.usage is None


def test_off_peak_work_counts_as_a_price() -> None:
    assert "off_peak" in ADAPTER.features.wordings["*"].priced
