"""The name of the first file of an asset tells those of all."""

import pytest

from tallylight.gateway.assets.names import asset_media_type, asset_name, files_of, input_name
from tallylight.model.ids import AttemptId, VideoId

ONE = AttemptId("video_1.1")


@pytest.mark.parametrize(
    ("media_type", "count", "files"),
    [
        ("video/mp4", 1, ("videos/video_1.1",)),
        ("image/png", 1, ("videos/video_1.1.png",)),
        ("image/png", 2, ("videos/video_1.1.1of2.png", "videos/video_1.1.2of2.png")),
        ("video/mp4", 2, ("videos/video_1.1.1of2", "videos/video_1.1.2of2")),
    ],
)
def test_the_first_name_tells_all(media_type: str, count: int, files: tuple[str, ...]) -> None:
    name = asset_name(ONE, media_type, count)

    assert files_of(name) == files
    assert files[0] == name
    assert {asset_media_type(each) for each in files} == {media_type}


def test_ten_files_are_in_order() -> None:
    files = files_of(asset_name(ONE, "image/webp", 10))

    assert files[0].endswith(".1of10.webp")
    assert files[-1].endswith(".10of10.webp")
    assert len(set(files)) == 10


def test_no_asset_has_no_files() -> None:
    assert files_of("") == ()


def test_inputs_are_named_alike() -> None:
    assert files_of(input_name(VideoId("video_1"), 1)) == ("references/video_1",)
    assert files_of(input_name(VideoId("video_1"), 2)) == (
        "references/video_1.1of2",
        "references/video_1.2of2",
    )
