"""Length, size and number are read under the names that services give them."""

import pytest

from tallylight.gateway.http import parse
from tallylight.gateway.http.forms import FieldTree
from tallylight.gateway.http.parse import RequestContext
from tallylight.gateway.requests import ApiError, CreateRequest
from tallylight.model.ids import VideoId
from tallylight.model.wish import NOTHING_ASKED

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

    assert (request.measures.seconds, request.extras) == (15, {})


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

    says_nothing = request.measures == NOTHING_ASKED
    assert ("" if says_nothing else request.measures.shown_size, request.extras) == (size, {})


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"seconds": "4", "duration": 12}, ("'seconds' (4)", "'duration' (12)")),
        ({"duration": 12, "seconds": "4s"}, ("'seconds' (4)", "'duration' (12)")),
        ({"size": "16:9", "width": 720, "height": 1280}, ("720x1280", "'size' (16:9)")),
        ({"size": "1280*720", "resolution": "1080p"}, ("'size' (1280x720)", "1080p")),
        (
            {"size": "720p", "aspect_ratio": "16:9", "ratio": "9:16"},
            ("'aspect_ratio' (16:9)", "'ratio' (9:16)"),
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
    extras = {"style": "ink", "outputs": ["mp4"], "metadata": {"duration": 4}}

    assert read(**extras).extras == extras


def test_an_extension_and_a_remix_read_the_same_names() -> None:
    fields: FieldTree = {"prompt": "x", "video": "video_1", "duration": 8}

    extension = parse.extend_request(fields, CONTEXT)
    remix = parse.remix_request({"prompt": "x", "duration": 8}, CONTEXT, VideoId("video_1"))

    assert (extension.measures.seconds, remix.measures.seconds) == (8, 8)


def test_a_length_under_another_name_is_the_same_request() -> None:
    assert read(duration=8).fingerprint == read(seconds="8").fingerprint


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"resolution": "480p", "aspect_ratio": "16:9"}, ("", "480p", "16:9")),
        ({"resolution": "4K"}, ("", "4k", "9:16")),
        ({"aspectRatio": "1:1"}, ("", "", "1:1")),
        ({"size": "1280x720", "ratio": "16:9", "resolution": "720p"}, ("1280x720", "", "")),
        ({"size": "854x480", "aspect_ratio": "16:9"}, ("854x480", "", "")),
    ],
)
def test_a_frame_is_told_in_pixels_or_by_class_and_shape(
    fields: FieldTree, expected: tuple[str, str, str]
) -> None:
    measures = read(**fields).measures

    assert (measures.size, measures.resolution, measures.aspect) == expected


@pytest.mark.parametrize(
    "fields", [{"size": "1280x720", "aspect_ratio": "9:16"}, {"ratio": "1:1", "aspect": "16:9"}]
)
def test_a_shape_that_contradicts_another_is_refused(fields: FieldTree) -> None:
    with pytest.raises(ApiError, match="contradict each other"):
        read(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"generate_audio": True},
        {"sound": "on"},
        {"audio": "true"},
        {"generateAudioSwitch": True, "with_audio": "ON"},
    ],
)
def test_a_switch_for_sound_is_read_under_many_names(fields: FieldTree) -> None:
    request = read(**fields)

    assert (request.measures.audio, request.extras) == (True, {})


def test_a_sound_track_is_no_switch() -> None:
    request = read(audio="https://a.example/b.mp3")

    assert request.measures.audio is None
    assert request.extras == {"audio": "https://a.example/b.mp3"}


def test_seed_quality_and_negative_prompt_are_read() -> None:
    measures = read(seed="7", quality="high", negativePrompt="rain").measures

    assert (measures.seed, measures.quality, measures.negative) == (7, "high", "rain")
    assert read(seed=None, quality="", negative_prompt=None).measures == NOTHING_ASKED


@pytest.mark.parametrize(
    "fields",
    [{"seed": "x"}, {"seed": True}, {"seed": 1.5}, {"quality": 3}, {"negative_prompt": ["rain"]}],
)
def test_a_seed_a_quality_or_a_negative_prompt_of_another_kind_is_refused(
    fields: FieldTree,
) -> None:
    with pytest.raises(ApiError) as refused:
        read(**fields)

    assert refused.value.param in fields
