"""What an attempt ordered reads back from its columns, all but what its video has."""

from dataclasses import replace
from typing import NamedTuple

import pytest

from tallylight.model.frames import Frame
from tallylight.model.order import Input, Medium, Operation, Order, Role
from tallylight.storage.database import Storage
from tallylight.storage.order_rows import order_from_row, order_values
from tallylight.storage.transaction import NewVideo, Write
from tests.builders import new_video, order_of
from tests.storage.writes import new_attempt, recorded

PICTURE = Input(media_type="image/png", body=b"png", url="https://a.example/b.png")
FILM = Input(role=Role.SOURCE, medium=Medium.VIDEO)


class Row(NamedTuple):
    prompt: str
    seconds: int
    size: str
    model: str
    ordered: str


@pytest.mark.parametrize(
    "order",
    [
        order_of(""),
        Order("m", "", seconds=5, frame=Frame("720p", "16:9"), audio=False, seed=7),
        Order("m", "", seconds=5, frame=Frame("480p", "16:9", 864, 496), audio=True),
        Order("m", "", frame=Frame("1k", "1:1", 1024, 1024), quality="low", count=3),
        Order("m", "", Operation.EDIT, inputs=(FILM,)),
        Order("m", "", seconds=4, frame=Frame("720p", "input"), inputs=(Input(), Input())),
    ],
)
def test_an_order_reads_back_as_it_was_written(order: Order) -> None:
    row = Row(**order_values(order))  # type: ignore[arg-type]  # its columns

    assert order_from_row(row) == order  # type: ignore[arg-type]  # as a row


def test_texts_and_files_lie_with_the_video_only() -> None:
    order = order_of("a boat", negative="rain", source="job_1", inputs=(PICTURE,), extras={"x": 1})

    values = order_values(order)

    assert not any(text in str(values) for text in ("a boat", "rain", "job_1", "a.example", "png"))


async def test_an_attempt_reads_back_with_all_that_was_ordered(history: Storage) -> None:
    video = new_video()
    new = new_attempt(video, 1)
    order = replace(new.attempt.order, frame=Frame("720p", "16:9"), audio=False, quality="low")
    new = new._replace(attempt=replace(new.attempt, order=order))

    await recorded(history, Write(video.id, new=NewVideo("a token", video, new)))

    (found,) = await history.attempts.for_video(video.id)
    assert found.order == order
