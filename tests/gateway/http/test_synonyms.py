"""Length, size and number are read under the names that services give them."""

import pytest

from tallylight.gateway.http import parse
from tallylight.gateway.http.forms import FieldTree
from tallylight.gateway.http.parse import RequestContext
from tallylight.gateway.requests import ApiError, CreateRequest
from tallylight.model.ids import VideoId

CONTEXT = RequestContext()


def read(**fields: object) -> CreateRequest:
    return parse.create_request({"model": "m", "prompt": "a boat", **fields}, CONTEXT)


@pytest.mark.parametrize(
    "fields",
    [
        {"duration": 15},
        {"duration": "15s"},
        {"durationSeconds": 15.0},
        {"Seconds": "15"},
        {"seconds": "15", "duration": 15, "video_length": "15"},
        {"seconds": None, "duration_seconds": "15 seconds"},
    ],
)
def test_another_name_of_the_length_is_read_as_seconds(fields: FieldTree) -> None:
    request = read(**fields)

    assert (request.seconds, request.extras) == (15, {})


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({"width": 1280, "height": "720"}, "1280x720"),
        ({"resolution": "1280*720"}, "1280x720"),
        ({"resolution": "720p"}, "720x1280"),
        ({"resolution": "1080P", "aspect_ratio": "16:9"}, "1920x1080"),
        ({"resolution": "480p", "ratio": "16:9"}, "854x480"),
        ({"resolution": "4K", "aspectRatio": "1:1"}, "2160x2160"),
        ({"resolution": "720p", "size": "1280x720"}, "1280x720"),
        ({"Size": "1280x720", "size": "1280x720"}, "1280x720"),
        ({"size": "", "resolution": None}, ""),
        ({"size": "720p", "aspect_ratio": "16:9"}, "1280x720"),
        ({"size": "16:9", "resolution": "720p"}, "1280x720"),
        ({"size": "16 / 9", "width": 1280, "height": "720.0"}, "1280x720"),
        ({"size": "720p", "resolution": "720p"}, "720x1280"),
        ({"size": "1080p", "resolution": "16:9"}, "1920x1080"),
        ({"size": "720p", "videoSize": "1280*720"}, "1280x720"),
    ],
)
def test_another_name_of_the_size_is_read_as_size(fields: FieldTree, size: str) -> None:
    request = read(**fields)

    assert request.size == size
    assert not request.extras.keys() - {"aspect_ratio", "aspectRatio", "ratio"}


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"seconds": "4", "duration": 12}, ("'seconds' (4)", "'duration' (12)")),
        ({"duration": 12, "seconds": "4s"}, ("'seconds' (4)", "'duration' (12)")),
        ({"size": "16:9", "width": 720, "height": 1280}, ("720x1280", "'size' (16:9)")),
        ({"size": "1280*720", "resolution": "1080p"}, ("'size' (1280x720)", "1080p")),
        (
            {"size": "720p", "aspect_ratio": "16:9", "ratio": "9:16"},
            ("'aspect_ratio' (16/9)", "'ratio' (9/16)"),
        ),
        ({"duration": 4, "length": 12}, ("'duration' (4)", "'length' (12)")),
        (
            {"size": "1280x720", "resolution": "1080p"},
            ("'size' (1280x720)", "'resolution' (1080p)"),
        ),
        (
            {"size": "1280x720", "width": 1920, "height": 1080},
            ("'size' (1280x720)", "'width and height' (1920x1080)"),
        ),
    ],
)
def test_values_that_contradict_each_other_are_refused_by_name(
    fields: FieldTree, names: tuple[str, str]
) -> None:
    with pytest.raises(ApiError, match="contradict each other") as refusal:
        read(**fields)

    assert refusal.value.status == 400
    assert all(name in refusal.value.message for name in names)


@pytest.mark.parametrize("name", ["n", "N", "count", "num_videos", "sampleCount", "n_variants"])
def test_more_than_one_video_is_refused(name: str) -> None:
    with pytest.raises(ApiError, match="one video a request") as refusal:
        read(**{name: 2})

    assert (refusal.value.status, refusal.value.param) == (400, name)
    assert read(**{name: "1"}).extras == {}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"duration": "auto"}, "duration"),
        ({"duration": -1}, "duration"),
        ({"duration": 0}, "duration"),
        ({"duration": 4.5}, "duration"),
        ({"duration": {"seconds": 4}}, "duration"),
        ({"duration": True}, "duration"),
        ({"resolution": "high"}, "resolution"),
        ({"resolution": 720}, "resolution"),
        ({"resolution": "16:9"}, "resolution"),
        ({"size": "720p", "aspect_ratio": "auto"}, "size"),
        ({"size": "16:9", "aspect_ratio": "16:9"}, "size"),
        ({"width": 1280, "height": 0}, "height"),
        ({"width": 1280}, "width"),
        ({"width": "wide", "height": 720}, "width"),
        ({"n": 0}, "n"),
        ({"n": "-1"}, "n"),
    ],
)
def test_a_value_that_cannot_be_read_is_refused(fields: FieldTree, param: str) -> None:
    with pytest.raises(ApiError) as refusal:
        read(**fields)

    assert (refusal.value.status, refusal.value.param) == (400, param)


def test_a_number_that_is_none_and_all_other_fields_are_passed_on() -> None:
    extras = {"seed": 7, "style": "ink", "outputs": ["mp4"], "metadata": {"duration": 4}}

    assert read(**extras).extras == extras


def test_an_extension_and_a_remix_read_the_same_names() -> None:
    fields: FieldTree = {"prompt": "x", "video": "video_1", "duration": 8}

    extension = parse.extend_request(fields, CONTEXT)
    remix = parse.remix_request({"prompt": "x", "duration": 8}, CONTEXT, VideoId("video_1"))

    assert (extension.seconds, remix.seconds) == (8, 8)


def test_a_length_under_another_name_is_the_same_request() -> None:
    assert read(duration=8).fingerprint == read(seconds="8").fingerprint
