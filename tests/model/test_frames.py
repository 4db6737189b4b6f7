"""Classes, aspect ratios and pixels of frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.model.frames import (
    Frame,
    frame_of,
    resolution_of,
    same_aspect,
    size_of,
    usual_frame,
)

CLASSES = ["360p", "480p", "540p", "720p", "768p", "1080p", "2k", "4k"]
ASPECTS = ["16:9", "9:16", "1:1", "4:3", "3:4", "21:9"]


@pytest.mark.parametrize(
    ("size", "resolution"),
    [
        ("1280x720", "720p"),
        ("720x1280", "720p"),
        ("1792x1024", "1024p"),
        ("2560x1440", "2k"),
        ("3840x2160", "4k"),
        ("4096x2304", "4k"),
    ],
)
def test_the_shorter_side_names_the_resolution(size: str, resolution: str) -> None:
    assert resolution_of(size) == resolution


@pytest.mark.parametrize("size", ["", "auto", "1280", "1280x", "x720", "-1x720", "1280X720"])
def test_an_invalid_size_has_no_resolution(size: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        resolution_of(size)


@pytest.mark.parametrize(
    ("size", "aspect"),
    [
        ("1280x720", "16:9"),
        ("854x480", "16:9"),
        ("1792x1024", "16:9"),
        ("720x1280", "9:16"),
        ("960x960", "1:1"),
        ("1104x832", "4:3"),
        ("704x1280", "11:20"),
    ],
)
def test_the_aspect_of_a_size_is_the_usual_one_that_it_rounds_to(size: str, aspect: str) -> None:
    assert frame_of(size).aspect == aspect


@given(st.sampled_from(CLASSES), st.sampled_from(ASPECTS))
def test_the_usual_size_of_a_class_and_an_aspect_has_both(resolution: str, aspect: str) -> None:
    frame = frame_of(size_of(resolution, aspect))

    assert frame == usual_frame(resolution, aspect)


def test_a_frame_without_pixels_has_the_usual_size_unless_it_is_shaped_like_the_picture() -> None:
    assert Frame("480p", "16:9").size == "854x480"
    assert Frame("480p", "input").size == ""


def test_aspects_are_the_same_but_for_rounding() -> None:
    assert same_aspect("7:3", "21:9")
    assert same_aspect("427:240", "16:9")
    assert not same_aspect("16:9", "9:16")
    assert not same_aspect("16:9", "input")


@pytest.mark.parametrize(("resolution", "aspect"), [("huge", "16:9"), ("9k", "1:1"), ("720p", "w")])
def test_what_is_no_class_or_aspect_has_no_usual_size(resolution: str, aspect: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        size_of(resolution, aspect)
