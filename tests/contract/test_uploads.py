"""Inputs that are handed over before a create cost nothing, and are named by it."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tallylight.model.evidence import Failure
from tallylight.model.order import Form, Order
from tallylight.upstreams.messages import Phase
from tests.contract.altered import AlteredSender
from tests.contract.services import picture, where
from tests.contract.site import Site

At = Callable[[str], Site]
uploading = where(lambda adapter: adapter.upload)


def with_picture(site: Site, form: Form = Form.INLINE) -> Order:
    """Return an order with the first picture that its service takes."""
    role = next(iter(site.adapter.features.inputs))[0]
    return replace(site.order(), inputs=(picture(role, form),))


@uploading
@pytest.mark.parametrize("form", Form)
async def test_an_upload_is_no_create_and_gives_a_name(at: At, name: str, form: Form) -> None:
    site = at(name)
    assert site.adapter.upload is not None
    sender = AlteredSender(site.transport)

    ran = await site.drive(site.adapter.upload(with_picture(site, form).inputs[0]), sender)

    assert not isinstance(ran.value, Failure | None)
    assert ran.value.handle
    assert {request.phase for request, _ in sender.sent} == {Phase.UPLOAD}
    assert site.jobs == []


@uploading
async def test_a_picture_that_was_not_uploaded_is_not_ordered_with(at: At, name: str) -> None:
    site = at(name)

    with pytest.raises(LookupError):
        site.adapter.submit(with_picture(site), site.mark)


@uploading
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "refuse", "sign": "content_rejected"},
        {"kind": "refuse", "http_status": 500, "body": "<html>"},
        {"kind": "refuse", "http_status": 200, "body": {}},
        {"kind": "reset"},
    ],
    ids=lambda fault: "-".join(str(each)[:16] for each in fault.values()),
)
async def test_a_refused_upload_says_why_and_nothing_is_ordered(
    at: At, name: str, fault: dict[str, object]
) -> None:
    site = at(name)
    site.trouble({**fault, "doors": ["upload"]})

    found = await site.client.upload_inputs(with_picture(site), site.upstream)

    assert isinstance(found, Failure), found
    assert site.jobs == []
