"""A measure is found under any name, in any spelling, at any depth."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.gateway.routing.measures import (
    MeasureKind,
    UnreckonedMeasure,
    first_measure,
    first_picture,
    first_unreckoned,
    measure_kind,
)

PROMPT = "a paper boat"


def found(**extras: object) -> str | None:
    measure = first_measure(PROMPT, extras)
    return None if measure is None else measure.path


NAMES = {
    MeasureKind.LENGTH: """
        duration DURATION ſeconds durationSeconds duration_ms clip-length num_frames numFrames
        number_of_frames frames fps framespersecond frame_rate
    """,
    MeasureKind.SIZE: "size resolution outputResolution width dimension short_edge",
    MeasureKind.NUMBER: """
        n N count n_variants sampleCount numberOfVideos num_outputs_per_prompt batch_size
    """,
    MeasureKind.QUALITY: "quality mode motion_mode service_tier upscale_factor hd 4k 1080p",
    MeasureKind.MODEL: "model model_name",
    MeasureKind.FILM: "video_url video_list previous_job_id",
    MeasureKind.RATIO: "aspect_ratio aspectRatio ratio",
    MeasureKind.PICTURE: "image_urls imageTail first_frame_image keyframes ref_images last_frame",
    None: """
        seed negative_prompt style user watermark generate_audio sound audio callback_url cfg_scale
        guidance_scale num_inference_steps camera_fixed account_id discount
        strength external_task_id metadata parameters
    """,
}


@pytest.mark.parametrize(("kind", "names"), NAMES.items())
def test_a_name_counts_by_its_words_in_any_spelling(kind: MeasureKind | None, names: str) -> None:
    assert {name: measure_kind(name) for name in names.split()} == dict.fromkeys(
        names.split(), kind
    )


def test_a_picture_is_found_beside_the_measures() -> None:
    extras: dict[str, object] = {"metadata": {"last_frame": "https://a.example"}, "fps": 60}
    inner = {"image_options": {"duration": 15}}
    switch = {"return_last_frame": True, "images": [], "image_strength": 0.5}

    picture, measure = first_picture(extras), first_measure(PROMPT, extras)

    assert (picture and picture.path, measure and measure.path) == ("metadata.last_frame", "fps")
    assert first_measure(PROMPT, inner) == UnreckonedMeasure(
        "image_options.duration", "", MeasureKind.LENGTH
    )
    assert (first_picture(switch), first_measure(PROMPT, switch)) == (None, None)


def test_a_measure_is_found_at_any_depth_and_in_json_text() -> None:
    inner = json.dumps({"parameters": {"resolution": "1080P"}})

    assert found(metadata={"duration": 15}) == "metadata.duration"
    assert found(a={"b": [{"c": 1}, {"fps": 60}]}) == "a.b[].fps"
    assert found(extra_params=inner) == "extra_params.parameters.resolution"
    assert found(extra_params=json.dumps(inner)) == "extra_params.parameters.resolution"
    assert found(**{"a[b][c][duration]": "15"}) == "a[b][c][duration]"


@pytest.mark.parametrize(
    "extras",
    [
        {"seed": 7, "negative_prompt": "[blurry]", "style": {"tags": ["paper", "ink"]}},
        {"metadata": {"n": 1, "duration": None, "hd": False, "quality": ""}},
        {"aspect_ratio": "16:9", "metadata": {"ratio": "adaptive"}},
        {"note": '{"broken": duration}'},
    ],
)
def test_values_that_change_nothing_pass(extras: dict[str, object]) -> None:
    assert first_measure(PROMPT, extras) is None


@pytest.mark.parametrize("value", ["1920:1080", "3840x2160", 1.78, {"width": 3840}])
def test_a_ratio_in_pixels_is_a_size(value: object) -> None:
    assert found(ratio=value) == "ratio"


@pytest.mark.parametrize("flag", ["--dur", "--DURATION", "--rs", "--resolution", "--fps"])
def test_a_flag_in_a_prompt_is_a_measure(flag: str) -> None:
    prompt = f"a paper boat {flag} 15"

    assert first_measure(prompt, {}) == UnreckonedMeasure(
        "prompt", flag.lower(), MeasureKind.LENGTH
    )
    assert found(content=[{"text": prompt}]) == "content[].text"
    assert first_measure("a boat --during rain -- slow", {}) is None


def test_what_is_too_deep_too_long_or_too_much_to_read_counts_as_a_measure() -> None:
    deep: object = 1
    for _ in range(60):
        deep = [deep]

    assert found(a=deep)
    assert found(a="[" * 50_000 + "]" * 50_000) == "a"
    assert found(a=f"[{'1,' * 40_000}1]") == "a"
    assert found(a=list(range(20_000))) == "a[]"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(value=JSON, names=st.lists(st.text(min_size=1), max_size=5))
def test_a_duration_is_found_wherever_it_is(value: object, names: list[str]) -> None:
    tree: object = {"other": value, "duration": 15}
    for index, name in enumerate(names):
        tree = {name: tree} if index % 3 else [json.dumps({name: tree})]

    assert found(metadata=tree) is not None


@pytest.mark.parametrize("name", ["off_peak", "offPeak", "OFF_PEAK", "off-peak", "Off_Peak"])
def test_a_field_that_changes_the_price_counts_in_any_spelling(name: str) -> None:
    assert first_unreckoned({name: True}, (), {"off_peak"}) == UnreckonedMeasure(name, "", None)
    assert first_unreckoned({name: True}, {name}, {"off_peak"}) is None
