"""What is sent, as read back, is what was ordered and priced: over all sheets and wordings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallylight.catalogue import facts
from tallylight.catalogue.choices import Mismatch
from tallylight.catalogue.fit import Expressible, Fitted, fit
from tallylight.catalogue.modes import Mode, modes_for
from tallylight.catalogue.services import FactSheet, Service
from tallylight.catalogue.wording import Measure, Spelling, Word, Wording
from tallylight.catalogue.wording_gaps import chosen_values, wording_gaps
from tallylight.model.frames import AS_INPUT, Frame, frame_of
from tallylight.model.money import Price, PriceUnit
from tallylight.model.order import Form, Input, Medium, Operation, Order, Role
from tallylight.model.wish import Wish, WishedMeasures
from tallylight.upstreams.protocol import FILM, Site
from tallylight.upstreams.protocols.registry import PROTOCOLS
from tests.builders import SERVICE
from tests.upstreams import mapping_readers as read
from tests.upstreams.mapping_readers import Body, ReadBack, Reader

SHEETS = tuple(facts.built_in_sheets().values())
LIVE_PROTOCOLS = {"openai_videos", "chat_video", "fal", "kling", "openai_images"}
ROLES = (Role.FIRST_FRAME, Role.LAST_FRAME, Role.REFERENCE)
INPUTS = {**{(role, Medium.IMAGE): frozenset(Form) for role in ROLES}, FILM: frozenset(Form)}
PICTURE = Input(url="https://a.example/b.png")


def words(**of: Word) -> Wording:
    return Wording({Measure(name): (word,) for name, word in of.items()})


# Of protocols whose adapters are still to be written: docs/reference of Kling and OpenAI images.
KLING = words(
    model=Word("model_name"),
    prompt=Word("prompt"),
    seconds=Word("duration", Spelling.TEXT),
    resolution=Word("mode", Spelling.TABLE, {"720p": "std", "1080p": "pro", "4k": "4k"}),
    aspect=Word("aspect_ratio", Spelling.RATIO),
    audio=Word("sound", Spelling.ON_OFF),
    negative=Word("negative_prompt"),
)
IMAGES = words(
    model=Word("model"),
    prompt=Word("prompt"),
    pixels=Word("size", Spelling.PIXELS_X),
    quality=Word("quality"),
    count=Word("n", Spelling.INTEGER),
)
PLAIN = words(
    **{
        each.value: Word(each.value, as_input=AS_INPUT)
        for each in Measure
        if each is not Measure.PIXELS
    }
)


@dataclass(frozen=True, slots=True)
class Way:
    """One way in which orders of some sheets are written, and how a server reads them."""

    sheets: tuple[FactSheet, ...]
    wording: Callable[[FactSheet], Wording]
    write: Callable[[Order, Wording], Body]
    read: Reader


def sheets_of(protocol: str) -> tuple[FactSheet, ...]:
    return tuple(each for each in SHEETS if each.protocol == protocol)


def adapter_way(protocol: str, dialect: str, reader: Reader) -> Way:
    """Return the way of a protocol with an adapter: its own submit writes the request."""
    adapter = PROTOCOLS[protocol].make(Site("http://a.example", dialect))

    def write(order: Order, _: Wording) -> Body:
        request = adapter.submit(order, "")
        return read.body_of(request.json, request.form)

    (wording,) = adapter.features.wordings.values()
    return Way(sheets_of(protocol), lambda _: wording, write, reader)


def wording_way(sheets: tuple[FactSheet, ...], wording: Wording | None, reader: Reader) -> Way:
    def of(sheet: FactSheet) -> Wording:
        found = wording or sheet.wire
        assert found is not None
        return found

    return Way(sheets, of, lambda order, spelled: spelled.write(order), reader)


OTHERS = tuple(each for each in SHEETS if each.protocol not in LIVE_PROTOCOLS)
WIRED = tuple(each for each in sheets_of("fal") if each.wire is not None)
WAYS: Mapping[str, Way] = {
    "openai": adapter_way("openai_videos", "openai", read.read_videos_api),
    "new_api": adapter_way("openai_videos", "new_api", read.read_new_api),
    "vllm_omni": adapter_way("openai_videos", "vllm_omni", read.read_videos_api),
    "sglang": adapter_way("openai_videos", "sglang", read.read_sglang),
    "chat": adapter_way("chat_video", "relay", read.read_chat),
    "fal": wording_way(WIRED, None, read.read_fal),
    "kling": wording_way(sheets_of("kling"), KLING, read.read_kling),
    "images": wording_way(sheets_of("openai_images"), IMAGES, read.read_images),
    "others": wording_way(OTHERS, PLAIN, read.read_plain),
}

SIZES = ("1280x720", "720x1280", "1920x1080", "854x480", "1024x1024", "1024x1536", "704x1280")
CLASSES = ("480p", "720p", "768p", "1080p", "2k", "4k", "1k")
SHAPES = ("16:9", "9:16", "1:1", "4:3")
FRAMES: st.SearchStrategy[dict[str, str]] = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"size": st.sampled_from(SIZES)}),
    st.fixed_dictionaries({"aspect": st.sampled_from(SHAPES)}),
    st.fixed_dictionaries(
        {"resolution": st.sampled_from(CLASSES), "aspect": st.sampled_from(SHAPES)}
    ),
)
LEVERS = st.fixed_dictionaries(
    {},
    optional={
        "seconds": st.sampled_from([3, 4, 5, 8, 10, 15]),
        "audio": st.booleans(),
        "quality": st.sampled_from(["low", "high", "max"]),
        "count": st.just(2),
        "seed": st.integers(0, 2**31),
        "negative": st.just("rain"),
    },
)
PICTURES = st.sampled_from([(), (PICTURE,), (PICTURE, replace(PICTURE, role=Role.LAST_FRAME))])
SUBSTITUTES = st.sampled_from([(), ("seconds",), ("seconds", "size")])


def service_of(sheet: FactSheet) -> Service:
    return replace(SERVICE, model=sheet.model, sheet=sheet)


def expressible(wording: Wording) -> Expressible:
    return Expressible(frozenset(Operation), INPUTS, characters=False, wording=wording)


def lies_in(order: Order, mode: Mode) -> bool:
    """Tell whether an order lies in a box."""
    roles = {each.role for each in order.inputs}
    takes_inputs = mode.inputs is None or any(
        {role for role, _ in allowed} == roles for allowed in mode.inputs
    )
    return (
        takes_inputs
        and (not mode.seconds or order.seconds in mode.seconds)
        and (not mode.frames or order.frame in mode.frames)
        and (mode.audio is None or order.audio in (mode.audio or (None,)))
        and (mode.quality is None or order.quality in (mode.quality or ("",)))
        and (order.count in mode.count)
        and not (order.seed is not None and mode.seed is False)
        and not (order.negative and mode.negative is False)
        and (mode.longest_prompt is None or len(order.prompt) <= mode.longest_prompt)
    )


def ordered(order: Order, wording: Wording) -> ReadBack:
    """Return what a server must read of an order, of the measures that the wording tells."""
    frame, told = order.frame, wording.words
    values: dict[Measure, tuple[str, object]] = {
        Measure.MODEL: ("model", order.model),
        Measure.PROMPT: ("prompt", order.prompt),
        Measure.SECONDS: ("seconds", order.seconds),
        Measure.PIXELS: ("size", order.size or None),
        Measure.RESOLUTION: ("resolution", frame and frame.resolution),
        Measure.ASPECT: ("aspect", frame and frame.aspect),
        Measure.AUDIO: ("audio", order.audio),
        Measure.QUALITY: ("quality", order.quality or None),
        Measure.COUNT: ("count", order.count),
        Measure.SEED: ("seed", order.seed),
        Measure.NEGATIVE: ("negative", order.negative or None),
    }
    return ReadBack(**{name: each for at, (name, each) in values.items() if at in told})  # type: ignore[arg-type]  # its fields


def class_read(back: ReadBack, sheet: FactSheet, order: Order) -> str | None:
    """Return the class that a server bills: as told, or of the pixels that it reads."""
    if back.resolution is not None:
        return back.resolution
    if back.size is None:  # the frame is the model's own
        return None if order.frame is None else order.frame.resolution
    pixels = frame_of(back.size)
    named = [
        each.resolution
        for mode in sheet.modes
        for each in mode.frames
        if (each.width, each.height) == (pixels.width, pixels.height)
    ]
    return named[0] if named else pixels.resolution


def bill(price: Price, back: ReadBack, sheet: FactSheet, order: Order) -> Decimal | None:
    """Return what a server bills for what it reads, by the price list; None if that says nothing.

    What no word tells is the model's own value.
    """
    seconds = back.seconds if back.seconds is not None else order.seconds
    resolution = class_read(back, sheet, order)
    quality = back.quality or ""

    def rate(table: Mapping[str, Decimal] | Mapping[str, int]) -> Decimal | None:
        found = table.get("*") if resolution is None else table.get(resolution, table.get("*"))
        only_all = resolution is not None or set(table) == {"*"}
        return None if found is None or not only_all else Decimal(found)

    silent = rate(price.silent_rates) if back.audio is False else None
    base = rate(price.rates) if silent is None else silent
    if quality and not price.quality_tokens:
        return None
    match price.unit:
        case PriceUnit.PER_SECOND:
            factor = None if not seconds else Decimal(seconds)
        case PriceUnit.PER_CALL:
            factor = Decimal(1)
        case PriceUnit.PER_BLOCK:
            blocks = [
                each for length, each in sorted(price.blocks.items()) if length >= (seconds or 0)
            ]
            base, factor = (rate(blocks[0]) if blocks and seconds else None), Decimal(1)
        case PriceUnit.PER_MILLION_TOKENS:
            tokens = rate(price.quality_tokens.get(quality, {}) if quality else price.tokens)
            factor = None if tokens is None else tokens * (seconds or 1) / 1_000_000
    if base is None or factor is None:
        return None
    pictures = price.per_input_image * order.input_images
    return base * factor * (back.count or 1) + pictures


def is_honoured(wish: Wish, order: Order, substitutes: tuple[str, ...]) -> bool:
    """Tell whether an order has what the wish names, unless a substitution is allowed."""
    asked, frame = wish.measures, order.frame or Frame("", "")
    is_length = asked.seconds is None or "seconds" in substitutes or order.seconds == asked.seconds
    is_frame = (
        "size" in substitutes
        or ((not asked.resolution or frame.resolution == asked.resolution) and not asked.size)
        or order.size in {asked.size, ""}
        or (not frame.width and frame_of(order.size).aspect == frame_of(asked.size).aspect)
    )
    return (
        is_length
        and is_frame
        and asked.audio in {None, order.audio}
        and asked.quality in {"", order.quality}
        and (asked.count, asked.seed) == (order.count, order.seed)
        and (asked.negative, wish.inputs) == (order.negative, order.inputs)
    )


@pytest.mark.parametrize("name", WAYS)
@settings(max_examples=250, deadline=None)
@given(data=st.data(), frame=FRAMES, levers=LEVERS, inputs=PICTURES, substitutes=SUBSTITUTES)
def test_what_is_sent_is_read_back_as_it_was_ordered_and_billed_as_it_was_priced(  # noqa: PLR0913, PLR0917  # hypothesis gives them
    name: str,
    data: st.DataObject,
    frame: dict[str, str],
    levers: dict[str, object],
    inputs: tuple[Input, ...],
    substitutes: tuple[str, ...],
) -> None:
    way = WAYS[name]
    sheet = data.draw(st.sampled_from(way.sheets))
    wording = way.wording(sheet)
    measures = WishedMeasures(**frame, **levers)  # type: ignore[arg-type]  # its fields
    wish = Wish("a paper boat", medium=sheet.medium, measures=measures, inputs=inputs)

    found = fit(wish, service_of(sheet), expressible(wording), substitutes)

    if isinstance(found, Mismatch):
        assert found.param
        return
    order = found.order
    assert any(lies_in(order, mode) for mode in modes_for(sheet.modes, Operation.CREATE))
    assert is_honoured(wish, order, substitutes)
    back = way.read(way.write(order, wording))
    assert back == ordered(order, wording)
    assert found.cost == (None if sheet.price is None else bill(sheet.price, back, sheet, order))


def input_of(role: Role) -> Input:
    """Return an input for a role; work on a film needs a film."""
    return replace(PICTURE, role=role, medium=FILM[1] if role is FILM[0] else PICTURE.medium)


@pytest.mark.parametrize("name", WAYS)
def test_every_sheet_can_be_ordered_and_its_default_order_is_told_whole(name: str) -> None:
    way = WAYS[name]

    for sheet in way.sheets:
        sets = [each for mode in sheet.modes for each in mode.inputs or ((),)]
        (roles, *_) = sorted(sets, key=len) or [()]
        inputs = tuple(input_of(role) for role, _ in roles)
        wish = Wish("a boat", medium=sheet.medium, inputs=inputs)
        found = fit(wish, service_of(sheet), expressible(way.wording(sheet)))
        assert isinstance(found, Fitted), (sheet.id, found)


@pytest.mark.parametrize("name", [each for each in WAYS if each != "chat"])
def test_a_wording_has_a_word_for_all_that_a_sheet_leaves_to_choose(name: str) -> None:
    way = WAYS[name]

    gaps = {sheet.id: wording_gaps(sheet.modes, way.wording(sheet)) for sheet in way.sheets}

    assert {id_: found for id_, found in gaps.items() if found} == {}


def test_a_model_whose_name_is_its_length_and_frame_has_one_value_of_each() -> None:
    for sheet in sheets_of("chat_video"):
        values = chosen_values(sheet.modes)
        assert all(len(values[each]) <= 1 for each in (Measure.SECONDS, Measure.RESOLUTION))


@pytest.mark.parametrize("sheet", WIRED, ids=lambda sheet: sheet.id)
def test_every_word_of_a_sheet_s_wording_has_a_measure_in_the_sheet(sheet: FactSheet) -> None:
    assert sheet.wire is not None
    levers = {
        Measure.AUDIO: any(mode.audio for mode in sheet.modes),
        Measure.QUALITY: any(mode.quality for mode in sheet.modes),
        Measure.SEED: any(mode.seed for mode in sheet.modes),
        Measure.NEGATIVE: any(mode.negative for mode in sheet.modes),
        Measure.RESOLUTION: any(mode.frames for mode in sheet.modes),
        Measure.ASPECT: any(mode.frames for mode in sheet.modes),
    }

    assert all(levers.get(measure, True) for measure in sheet.wire.words)
