"""How an order is spelled in a request."""

from dataclasses import replace

import pytest

from tallylight.catalogue.modes import Mode
from tallylight.catalogue.wording import (
    Measure,
    Spelling,
    UnspelledError,
    Word,
    Wording,
    wording_for,
)
from tallylight.catalogue.wording_gaps import wording_gaps
from tallylight.model.frames import Frame
from tallylight.model.order import Input, Order, Role

ORDER = Order("m", "a boat", seconds=5, frame=Frame("720p", "16:9"), audio=False, seed=7)
TIERS: dict[str, object] = {"720p": "std", "1080p": "pro"}


def word(measure: Measure, *words: Word) -> Wording:
    return Wording({measure: words})


@pytest.mark.parametrize(
    ("measure", "spelling", "written"),
    [
        (Measure.MODEL, Spelling.PLAIN, "m"),
        (Measure.PROMPT, Spelling.PLAIN, "a boat"),
        (Measure.SECONDS, Spelling.INTEGER, 5),
        (Measure.SECONDS, Spelling.TEXT, "5"),
        (Measure.SECONDS, Spelling.SUFFIXED, "5s"),
        (Measure.RESOLUTION, Spelling.CLASS, "720p"),
        (Measure.RESOLUTION, Spelling.CLASS_UPPER, "720P"),
        (Measure.ASPECT, Spelling.RATIO, "16:9"),
        (Measure.PIXELS, Spelling.PIXELS_X, "1280x720"),
        (Measure.PIXELS, Spelling.PIXELS_STAR, "1280*720"),
        (Measure.PIXELS, Spelling.PIXELS_COLON, "1280:720"),
        (Measure.AUDIO, Spelling.BOOLEAN, False),
        (Measure.AUDIO, Spelling.ON_OFF, "off"),
        (Measure.COUNT, Spelling.INTEGER, 1),
        (Measure.SEED, Spelling.TEXT, "7"),
    ],
)
def test_a_value_is_written_in_its_spelling(
    measure: Measure, spelling: Spelling, written: object
) -> None:
    assert word(measure, Word("x", spelling)).write(ORDER) == {"x": written}


def test_a_table_says_what_stands_for_a_value_and_refuses_others() -> None:
    wording = word(Measure.RESOLUTION, Word("mode", Spelling.TABLE, TIERS))
    switch = word(Measure.AUDIO, Word("tier", Spelling.TABLE, {"false": 0, "true": 1}))

    assert wording.write(ORDER) == {"mode": "std"}
    assert switch.write(ORDER) == {"tier": 0}
    with pytest.raises(UnspelledError, match=r"no word for resolution 4k; .* for 720p, 1080p"):
        wording.write(Order("m", "", frame=Frame("4k", "1:1")))


def test_a_path_goes_into_objects_and_lists() -> None:
    wording = Wording(
        {
            Measure.SECONDS: (Word("parameters.video.duration", Spelling.INTEGER),),
            Measure.SEED: (Word("parameters.seed", Spelling.INTEGER), Word("seeds[]")),
        },
        inputs={Role.FIRST_FRAME: "image_url", Role.REFERENCE: "images[].url"},
        fixed={"watermark": False},
    )
    references = (Input(url="b", role=Role.REFERENCE), Input(url="c", role=Role.REFERENCE))
    order = Order("m", "", seconds=5, seed=7, inputs=(Input(url="a"), *references))

    assert wording.write(order) == {
        "parameters": {"video": {"duration": 5}, "seed": 7},
        "seeds": [7],
        "image_url": "a",
        "images": [{"url": "b"}, {"url": "c"}],
        "watermark": False,
    }


def test_extras_are_written_too_but_never_over_a_measure() -> None:
    extras = {"parameters": {"duration": 30, "fps": 24}, "style": "ink"}
    wording = word(Measure.SECONDS, Word("parameters.duration", Spelling.INTEGER))

    body = wording.write(Order("m", "", seconds=5, extras=extras))

    assert body == {"parameters": {"duration": 5, "fps": 24}, "style": "ink"}
    assert extras["parameters"] == {"duration": 30, "fps": 24}


def test_the_aspect_of_the_picture_has_a_word_of_its_own_or_none() -> None:
    order = Order("m", "", frame=Frame("720p", "input"))
    ratio = Word("ratio", Spelling.RATIO)

    assert word(Measure.ASPECT, ratio).write(order) == {}
    adaptive = Word("ratio", Spelling.RATIO, as_input="adaptive")
    assert word(Measure.ASPECT, adaptive).write(order) == {"ratio": "adaptive"}
    assert word(Measure.PIXELS, Word("size", Spelling.PIXELS_X)).write(order) == {}


def test_what_an_order_does_not_decide_is_not_written() -> None:
    everything = {measure: (Word(measure.value),) for measure in Measure}

    written = Wording(everything).write(Order("m", "a boat"))

    assert written == {"model": "m", "prompt": "a boat", "count": 1}


def test_a_model_has_its_own_wording_or_that_of_the_first_pattern() -> None:
    own, family, rest = (word(Measure.SEED, Word(name)) for name in ("a", "b", "c"))
    wordings = {"wan-2": own, "wan-*": family, "*": rest}

    assert [wording_for(wordings, name) for name in ("wan-2", "wan-3", "h3")] == [own, family, rest]
    with pytest.raises(LookupError, match="no wording for the model h3"):
        wording_for({"wan-*": family}, "h3")


def test_a_gap_is_a_choice_without_a_word_or_a_value_without_an_entry() -> None:
    frames = (Frame("720p", "16:9"), Frame("4k", "16:9"))
    modes = (Mode(seconds=(5, 10), frames=frames, seed=True), Mode(seconds=(5,)))
    table = Wording({Measure.RESOLUTION: (Word("mode", Spelling.TABLE, TIERS),)})

    assert wording_gaps(modes, table) == (
        "has no word for seconds, of which there are several",
        "has no word for seed",
        "has no word in mode for resolution 4k",
    )
    assert wording_gaps((Mode(seconds=(5,), frames=frames[:1]),), Wording()) == ()
    pixels = word(Measure.PIXELS, Word("size", Spelling.PIXELS_X))
    assert wording_gaps((Mode(frames=frames),), pixels) == ()


@pytest.mark.parametrize("name", ["Duration", "DURATION", "dura-tion", "TYPE", "iMage"])
def test_an_extra_in_another_spelling_replaces_no_member_of_ours(name: str) -> None:
    wording = Wording(
        words={Measure.SECONDS: (Word("duration", Spelling.INTEGER),)},
        inputs={Role.FIRST_FRAME: "image[].url"},
        fixed={"type": "video"},
    )
    picture = Input(url="https://x.test/a.png")
    order = Order("m", "a boat", seconds=5, inputs=(picture,), extras={name: 15, "style": 1})

    assert wording.write(order) == {
        "style": 1,
        "type": "video",
        "duration": 5,
        "image": [{"url": picture.url}],
    }


def test_an_extra_stays_where_we_write_nothing_in_its_place() -> None:
    wording = Wording(words={Measure.NEGATIVE: (Word("negative_prompt"),)})
    order = Order("m", "a boat", extras={"negativePrompt": "blur"})

    assert wording.write(order) == {"negativePrompt": "blur"}


def test_what_a_caller_adds_joins_no_list_of_ours_and_stands_in_for_nothing_within_an_object() -> (
    None
):
    wording = Wording(
        {Measure.SECONDS: (Word("parameters.duration", Spelling.INTEGER),)},
        inputs={Role.FIRST_FRAME: "images[]"},
    )
    theirs = {"images": ["theirs"], "parameters": {"Duration": 60, "duration": 60, "tone": "warm"}}
    picture = Input(url="https://pictures.test/boat.png")

    written = wording.write(replace(ORDER, inputs=(picture,), extras=theirs))

    assert written == {"images": [picture.url], "parameters": {"duration": 5, "tone": "warm"}}
