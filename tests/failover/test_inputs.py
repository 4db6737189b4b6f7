"""A derived video is made at the service of its source, with the same length and size."""

import pytest

from tallylight.gateway.requests import ApiError
from tallylight.model.order import Input, Operation
from tallylight.model.video import Video

from .conftest import RunningGateway, Start


async def source_of(gateway: RunningGateway) -> Video:
    return await gateway.until_ended(await gateway.create(seconds=8, size="1280x720"))


@pytest.mark.parametrize("operation", [Operation.REMIX, Operation.EDIT])
@pytest.mark.parametrize("measure", [{"seconds": 1}, {"size": "720x1280"}])
async def test_a_measure_that_is_not_sent_is_refused(
    start: Start, operation: Operation, measure: dict[str, object]
) -> None:
    gateway = await start()
    source = await source_of(gateway)

    with pytest.raises(ApiError) as refusal:
        await gateway.create(
            operation=operation,
            source=source.id,
            **measure,  # type: ignore[arg-type]  # a test's shorthand
        )

    assert (refusal.value.status, refusal.value.code) == (400, "invalid_value")
    assert refusal.value.param in measure


async def test_an_extension_sends_added_seconds_and_keeps_the_size(
    start: Start,
) -> None:
    gateway = await start()
    source = await source_of(gateway)

    async def extended(**more: object) -> Video:
        return await gateway.create(
            "longer", operation=Operation.EXTEND, source=source.id, seconds=4, **more
        )

    with pytest.raises(ApiError) as refusal:
        await extended(size="720x1280")
    video = await extended()

    assert refusal.value.param == "size"
    assert (video.seconds, video.size) == (12, "1280x720")


async def test_the_measures_of_the_source_may_be_repeated(start: Start) -> None:
    gateway = await start()
    source = await source_of(gateway)

    video = await gateway.create(
        "again", operation=Operation.REMIX, source=source.id, seconds=8, size="1280x720"
    )

    assert (video.seconds, video.size) == (8, "1280x720")


async def test_a_route_without_the_service_of_the_source_is_refused_by_its_name(
    start: Start,
) -> None:
    boats = {"services": ["a"], "explicit": True}
    gateway = await start(routes={"boats": boats, "kites": {"services": ["b"]}})
    source = await source_of(gateway)

    with pytest.raises(ApiError) as refusal:
        await gateway.create(operation=Operation.REMIX, source=source.id, model="kites")

    found = refusal.value
    assert (found.status, found.code, found.param) == (400, "invalid_value", "model")
    assert "'a', which 'kites' does not have" in found.message


async def test_a_source_at_a_removed_service_is_refused(
    start: Start,
) -> None:
    gateway = await start()
    source = await source_of(gateway)
    services = gateway.configuration.catalogue.services.values()
    left = [service for service in services if service.id != "a"]
    await gateway.board.apply_config(left, gateway.configuration.verdicts)

    with pytest.raises(ApiError) as refusal:
        await gateway.create(operation=Operation.REMIX, source=source.id)

    assert (refusal.value.status, refusal.value.param) == (400, "model")
    assert "'a', which was removed from the configuration" in refusal.value.message


async def test_the_length_of_an_uploaded_video_may_not_be_claimed(start: Start) -> None:
    gateway = await start()
    film = Input(body=b"film", media_type="video/mp4")

    with pytest.raises(ApiError) as refusal:
        await gateway.create(operation=Operation.EDIT, inputs=(film,), seconds=1)

    assert (refusal.value.status, refusal.value.param) == (400, "seconds")


@pytest.mark.parametrize(
    "extras",
    [
        {"metadata": {"duration": 8}},
        {"metadata": {"parameters": {"duration": 8, "resolution": "1080P"}}},
        {"extra_params": '{"n": 4}'},
        {"quality": "high"},
    ],
)
async def test_a_measure_beside_ours_is_refused_by_name_and_sent_to_no_service(
    start: Start, extras: dict[str, object]
) -> None:
    gateway = await start()

    with pytest.raises(ApiError) as refusal:
        await gateway.create(seconds=4, extras=extras)

    assert (refusal.value.status, refusal.value.code) == (400, "invalid_value")
    assert refusal.value.param.partition(".")[0] in extras
    assert not gateway.simulation.ledger.entries


async def test_fields_that_change_no_bill_are_passed_on(start: Start) -> None:
    gateway = await start(route={"services": ["c"]})

    video = await gateway.until_ended(
        await gateway.create(seconds=4, extras={"seed": 7, "metadata": {"style": "ink"}})
    )

    (entry,) = gateway.simulation.ledger.entries
    assert video.cost == entry.price
