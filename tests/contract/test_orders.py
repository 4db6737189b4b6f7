"""What is ordered arrives as it was ordered, and costs what was reserved for it."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tallylight.catalogue.choices import Mismatch
from tallylight.catalogue.fit import Fitted
from tallylight.catalogue.wording import Measure
from tallylight.model.frames import Frame
from tallylight.model.order import Form, Input, Medium, Order
from tallylight.simulator.reading import InputReading, OrderReading
from tallylight.upstreams.acceptance import Refused
from tests.contract.services import everywhere, picture, where
from tests.contract.site import Place, Site, running_place
from tests.contract.wishes import wishes


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place() -> AsyncIterator[Place]:
    async with running_place(speed=1000) as place:
        yield place


@everywhere
@settings(
    max_examples=20,
    phases=[Phase.explicit, Phase.generate],  # to shrink an example, it is sent again and again
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
async def test_a_wish_misfits_or_is_read_as_ordered_and_billed_as_reserved(
    place: Place, name: str, data: st.DataObject
) -> None:
    site = place.site(name)
    wish = data.draw(wishes(site.service, site.prompt))
    fitted = site.fitted(wish)
    if isinstance(fitted, Mismatch):
        return

    submission = await site.create(fitted.order)

    if isinstance(submission, Refused):
        assert fitted.cost is None, submission  # the sheet says nothing of what was asked
        return
    (job,) = [each for each in site.world.ledger.entries if each.prompt == wish.prompt]
    assert_read(fitted.order, job.reading, site)
    assert fitted.cost is None or job.price == fitted.cost


@everywhere
def test_a_wish_that_leaves_all_to_the_service_has_a_price(place: Place, name: str) -> None:
    fitted = place.site(name).fitted()

    assert isinstance(fitted, Fitted)
    assert fitted.cost is not None


@where(lambda adapter: adapter.features.inputs)
@pytest.mark.parametrize("form", Form)
async def test_a_picture_arrives_whole_in_the_dialects_form_or_is_not_sent_at_all(
    place: Place, name: str, form: Form
) -> None:
    site = place.site(name)
    inputs = site.adapter.features.inputs
    role = next(role for role, medium in inputs if medium is Medium.IMAGE)
    order = replace(site.order(), inputs=(picture(role, form),))

    if form not in inputs[role, Medium.IMAGE]:
        with pytest.raises(LookupError):
            site.adapter.submit(order, site.mark)
        return
    await site.accepted(order)

    (job,) = site.jobs
    assert tuple(map(described_input, job.reading.inputs)) == (known_input(order.inputs[0]),)


@where(lambda adapter: adapter.features.inputs)
def test_an_input_is_in_the_request_or_nothing_is_sent(place: Place, name: str) -> None:
    site = place.site(name)

    for (role, medium), forms in site.adapter.features.inputs.items():
        if Form.URL not in forms:
            continue
        given = picture(role, Form.URL, medium)
        try:
            request = site.adapter.submit(replace(site.order(), inputs=(given,)), site.mark)
        except LookupError:
            continue
        assert given.url in f"{request.json} {request.form}", role


def assert_read(order: Order, read: OrderReading, site: Site) -> None:
    """Compare an order with what an upstream understood, as far as the protocol has words."""
    words = site.can.wording.words if site.can.wording else {}
    assert read.model == order.model
    assert read.prompt == order.prompt
    assert read.seconds == (order.seconds or 0)
    assert frame_read(order.frame, read) == order.frame
    assert read.count == order.count
    assert tuple(map(known_input, order.inputs)) == tuple(map(described_input, read.inputs))
    if Measure.AUDIO in words and order.audio is not None:
        assert read.audio is order.audio
    if order.quality:
        assert read.quality == order.quality
    if order.seed is None and site.adapter.features.draws_seed:
        assert read.seed is not None
    else:
        assert read.seed == order.seed
    assert read.negative == order.negative


def frame_read(ordered: Frame | None, read: OrderReading) -> Frame | None:
    """Return the frame that was read, in the class of the sheet if the pixels are the same."""
    if ordered is None:
        return None
    if ordered.width:
        return Frame(ordered.resolution, ordered.aspect, read.width, read.height)
    return Frame(read.resolution, read.aspect)


def known_input(given: Input) -> tuple[str, str, str]:
    """Return what an upstream has to know of an input."""
    source = given.url if given.form is Form.URL else f"{len(given.body)} bytes"
    return given.role.value, given.medium.value, source


def described_input(read: InputReading) -> tuple[str, str, str]:
    """Return the same of what it read; some name the media type, too."""
    return read.role, read.medium, read.source.rpartition(", ")[2]
