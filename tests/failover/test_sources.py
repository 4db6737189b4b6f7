"""What is made from another video is made where that is, and is as long and as large."""

import pytest

from tallylight.gateway.requests import ApiError
from tallylight.model.order import Operation, Reference
from tallylight.model.video import Video

from .conftest import Start, Studio


async def source_of(studio: Studio) -> Video:
    return await studio.ended(await studio.create(seconds=8, size="1280x720"))


@pytest.mark.parametrize("operation", [Operation.REMIX, Operation.EDIT])
@pytest.mark.parametrize("measure", [{"seconds": 1}, {"size": "720x1280"}])
async def test_no_measure_is_reckoned_that_no_service_is_told(
    start: Start, operation: Operation, measure: dict[str, object]
) -> None:
    studio = await start()
    source = await source_of(studio)

    with pytest.raises(ApiError) as refusal:
        await studio.create(
            operation=operation,
            source=source.id,
            **measure,  # type: ignore[arg-type]  # a test's shorthand
        )

    assert (refusal.value.status, refusal.value.code) == (400, "invalid_value")
    assert refusal.value.param in measure


async def test_an_extension_says_how_much_it_adds_and_has_the_size_of_its_source(
    start: Start,
) -> None:
    studio = await start()
    source = await source_of(studio)

    async def extended(**more: object) -> Video:
        return await studio.create(
            "longer", operation=Operation.EXTEND, source=source.id, seconds=4, **more
        )

    with pytest.raises(ApiError) as refusal:
        await extended(size="720x1280")
    video = await extended()

    assert refusal.value.param == "size"
    assert (video.seconds, video.size) == (12, "1280x720")


async def test_the_measures_of_the_source_may_be_said_again(start: Start) -> None:
    studio = await start()
    source = await source_of(studio)

    video = await studio.create(
        "again", operation=Operation.REMIX, source=source.id, seconds=8, size="1280x720"
    )

    assert (video.seconds, video.size) == (8, "1280x720")


async def test_a_route_without_the_service_of_the_source_is_refused_by_its_name(
    start: Start,
) -> None:
    boats = {"services": ["a"], "explicit": True}
    studio = await start(routes={"boats": boats, "kites": {"services": ["b"]}})
    source = await source_of(studio)

    with pytest.raises(ApiError) as refusal:
        await studio.create(operation=Operation.REMIX, source=source.id, model="kites")

    found = refusal.value
    assert (found.status, found.code, found.param) == (400, "invalid_value", "model")
    assert "'a', which 'kites' does not have" in found.message


async def test_a_source_whose_service_has_left_the_configuration_is_out_of_reach(
    start: Start,
) -> None:
    studio = await start()
    source = await source_of(studio)
    services = studio.configuration.catalogue.services.values()
    left = [service for service in services if service.id != "a"]
    await studio.board.apply_config(left, studio.configuration.verdicts)

    with pytest.raises(ApiError) as refusal:
        await studio.create(operation=Operation.REMIX, source=source.id)

    assert (refusal.value.status, refusal.value.param) == (400, "model")
    assert "'a', which was removed from the configuration" in refusal.value.message


async def test_nobody_is_believed_how_long_a_film_is_that_came_along(start: Start) -> None:
    studio = await start()
    film = Reference(body=b"film", media_type="video/mp4")

    with pytest.raises(ApiError) as refusal:
        await studio.create(operation=Operation.EDIT, reference=film, seconds=1)

    assert (refusal.value.status, refusal.value.param) == (400, "seconds")
