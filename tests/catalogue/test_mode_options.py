"""Modes and wordings in fact sheet files."""

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from tallylight.catalogue.mode_options import ModeOptions, overlaid_modes
from tallylight.catalogue.modes import Mode, narrowed_modes, short_modes
from tallylight.catalogue.prices import PriceOptions
from tallylight.catalogue.services import FactSheet
from tallylight.catalogue.updates import parse_sheets
from tallylight.catalogue.wire_options import WireOptions
from tallylight.catalogue.wording import Measure, Spelling, Word
from tallylight.errors import ConfigurationError
from tallylight.model.frames import Frame
from tallylight.model.order import Operation, Role

HEAD = """
provider: p
protocol: x
as_of: 2026-11-29
sources: [a test]
models:
  - model: m
    title: M
"""


def sheet(rest: str) -> FactSheet:
    (found,) = parse_sheets(HEAD + rest, "p.yaml")
    return found


def reason(rest: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        sheet(rest)
    return str(refused.value)


def test_a_mode_says_what_may_be_ordered_together() -> None:
    (mode,) = sheet("""
    modes:
      - operations: [create, extend]
        inputs: [[], [first_frame, last_frame], ["reference<=7"]]
        seconds: 4-6
        frames: {720p: {16:9: 1248x704, 9:16: 704x1248}, 4k: [1:1, input]}
        audio: [true, false]
        quality: [low, high]
        count: [1, 2]
        seed: true
        negative: true
        longest_prompt: 2500
""").modes

    assert mode == Mode(
        operations=(Operation.CREATE, Operation.EXTEND),
        inputs=(
            (),
            ((Role.FIRST_FRAME, 1), (Role.LAST_FRAME, 1)),
            ((Role.REFERENCE, 7),),
        ),
        seconds=(4, 5, 6),
        frames=(
            Frame("720p", "16:9", 1248, 704),
            Frame("720p", "9:16", 704, 1248),
            Frame("4k", "1:1"),
            Frame("4k", "input"),
        ),
        audio=(True, False),
        quality=("low", "high"),
        count=(1, 2),
        seed=True,
        negative=True,
        longest_prompt=2500,
    )


def test_a_mode_knows_that_a_lever_it_does_not_name_is_not_there() -> None:
    (mode,) = sheet("    modes: [{seconds: [5]}]\n").modes

    assert (mode.inputs, mode.frames, mode.longest_prompt) == (None, (), None)
    assert (mode.audio, mode.quality, mode.seed, mode.negative) == ((), (), False, False)


def test_lengths_and_sizes_are_the_short_form_of_one_mode_that_knows_no_levers() -> None:
    found = sheet("    lengths: [4, 8]\n    sizes: [720p, 1024x1024]\n")

    assert found.modes == short_modes((4, 8), ("1280x720", "720x1280", "1024x1024"))
    assert (found.modes[0].audio, found.modes[0].seed) == (None, None)
    assert (found.lengths, found.sizes) == ((4, 8), ("1280x720", "720x1280", "1024x1024"))


@pytest.mark.parametrize(
    ("rest", "text"),
    [
        ("    modes: [{frames: [720p]}]", "write {720p: [16:9]}"),
        ("    modes: [{frames: {huge: [16:9]}}]", "'huge' is not a resolution"),
        ("    modes: [{frames: {720p: [wide]}}]", '"wide" is not an aspect ratio'),
        ("    modes: [{frames: {720p: {16:9: big}}}]", '"big" is not a size'),
        ("    modes: [{frames: {720p: 16:9}}]", "'720p' needs aspect ratios"),
        ("    modes: [{inputs: [first_frame]}]", "write [[], [first_frame]]"),
        ("    modes: [{inputs: [[picture]]}]", "'picture' is not an input; write one of first_fra"),
        ("    modes: [{longest_prompt: 0}]", "longest_prompt"),
        ("    modes: []", "modes"),
        ("    modes: [{}]\n    lengths: [4]", "lengths and sizes are the short form"),
        ("    wire: {seconds: {duration: class}}", "seconds cannot be spelled class"),
        ("    wire: {prompt: {text: {a: b}}}", "prompt cannot be spelled by a table"),
        ("    wire: {seed: {'a b': integer}}", "'a b' is not a path"),
        ("    wire: {seed: {seed: loud}}", "wire.seed"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_to_write(rest: str, text: str) -> None:
    assert text in reason(rest)


def test_a_wire_says_how_orders_are_spelled() -> None:
    wording = sheet("""
    wire:
      model: {model_name: plain}
      seconds: {input.duration: text, length: integer}
      resolution: {mode: {720p: std, 1080p: pro}}
      aspect: {ratio: ratio}
      aspect_of_input: adaptive
      inputs: {first_frame: image, reference: "images[]"}
      fixed: {watermark: false}
      passes: [style]
      priced: [service_tier]
""").wire
    assert wording is not None

    assert wording.words == {
        Measure.MODEL: (Word("model_name"),),
        Measure.PROMPT: (Word("prompt"),),
        Measure.SECONDS: (Word("input.duration", Spelling.TEXT), Word("length", Spelling.INTEGER)),
        Measure.RESOLUTION: (Word("mode", Spelling.TABLE, {"720p": "std", "1080p": "pro"}),),
        Measure.ASPECT: (Word("ratio", Spelling.RATIO, as_input="adaptive"),),
    }
    assert wording.inputs == {Role.FIRST_FRAME: "image", Role.REFERENCE: "images[]"}
    assert wording.fixed == {"watermark": False}
    assert wording.passes == {"style"}
    assert wording.priced == {"service_tier"}


def test_the_operator_s_lengths_and_sizes_replace_those_of_each_mode() -> None:
    base = (Mode(seconds=(4,), audio=(True,)), Mode(seconds=(8,), frames=(Frame("4k", "1:1"),)))

    longer = overlaid_modes(base, None, (5, 6), None)
    both = overlaid_modes((), None, (5,), ("1280x720",))
    other = overlaid_modes(base, (ModeOptions(seconds=(3,)),), None, None)

    assert [each.seconds for each in longer] == [(5, 6), (5, 6)]
    assert (longer[0].audio, longer[1].frames) == ((True,), base[1].frames)
    assert both == short_modes((5,), ("1280x720",))
    assert [each.seconds for each in other] == [(3,)]
    assert overlaid_modes(base, None, None, None) == base


def test_modes_are_narrowed_to_a_length_and_a_size_that_they_allow() -> None:
    wide, square = Frame("720p", "16:9"), Frame("720p", "1:1", 960, 960)
    modes = (Mode(seconds=(4, 8), frames=(wide, square)), Mode(seconds=(8,), frames=(wide,)))

    assert narrowed_modes(modes, 4, "1280x720") == (Mode(seconds=(4,), frames=(wide,)),)
    assert narrowed_modes(modes, 8, None) == (
        Mode(seconds=(8,), frames=(wide, square)),
        modes[1],
    )
    assert narrowed_modes(modes, 5, None) == ()
    assert narrowed_modes((), 5, "960x960")[0].seconds == (5,)
    assert narrowed_modes(modes, None, None) == modes


@pytest.mark.parametrize("build", [ModeOptions, WireOptions, PriceOptions])
def test_a_misspelt_key_is_an_error(build: Callable[..., object]) -> None:
    with pytest.raises(ValidationError):
        build(sizse=1)


def test_silent_rates_alone_are_a_price_by_the_second() -> None:
    price = sheet("    price: {silent: {720p: 0.042}}").price
    assert price is not None

    assert (price.rates, str(price.silent_rates["720p"])) == ({}, "0.042")


def test_tokens_by_quality_need_the_most_of_them() -> None:
    assert "quality_tokens needs tokens" in reason(
        "    price: {per_second: 0.1, quality_tokens: {low: 5}}"
    )
