"""Measures: the members of a request that change what a service makes, and so what it bills.

Services read length, size, number and quality under many names, at the top of a request, inside
`metadata` or `parameters`, in JSON text, and some as flags in the prompt. The names below cover
the protocols of OpenAI, new-api and its channels, vLLM-Omni, SGLang, OpenRouter, Ark, DashScope,
Kling, MiniMax, Vidu, PixVerse, Runway, Luma, Veo, xAI, fal and Bedrock, and their likes: a name
counts by its words, in any spelling. Pure.
"""

import json
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from tallylight.model.member_names import MAX_NAME_LENGTH, folded_name


class MeasureKind(StrEnum):
    """What a measure says of the video."""

    LENGTH = "length"
    SIZE = "size"
    RATIO = "ratio"  # a size only where it is written in pixels, as Runway writes it
    NUMBER = "number"
    QUALITY = "quality"
    MODEL = "model"
    FILM = "film"  # an input film, whose own length many services bill
    PICTURE = "picture"  # an input picture, where a service bills each


class UnreckonedMeasure(NamedTuple):
    """A measure that a request holds beside those that the gateway reads.

    Args:
        path: Where it is: "metadata.parameters.duration".
        flag: The flag in a text, "--dur"; "" for a member.
        kind: What it says; None if the place cannot be read.
    """

    path: str
    flag: str
    kind: MeasureKind | None


_NAMES: Mapping[MeasureKind, str] = {
    MeasureKind.RATIO: "ratio aspectratio aspect videoratio videoaspectratio",
    MeasureKind.SIZE: "videosize imagesize framesize outputsize screensize",
    MeasureKind.NUMBER: "n num number",
    MeasureKind.MODEL: "model models modelname modelid modelversion modelkey videomodel basemodel",
    MeasureKind.FILM: (
        "video videos videourl videourls videolist inputvideo inputvideos referencevideo "
        "referencevideos videoreference videoreferences sourcevideo previousjobid drafttask"
    ),
}
"""Whole names, in lower case and without punctuation."""

_WORDS: Mapping[MeasureKind, str] = {
    MeasureKind.LENGTH: "sec secs ms milliseconds minutes frames fps",
    MeasureKind.NUMBER: "count quantity batch batches samples variants outputs copies",
    MeasureKind.SIZE: "size edge",
    MeasureKind.QUALITY: "hd fhd uhd tier mode priority",
}
"""Names that contain one of these as a word."""

_PARTS: Mapping[MeasureKind, str] = {
    MeasureKind.NUMBER: (
        "numvideo numberofvideo numberofoutput numberofsample numberofresult numberofgeneration "
        "numberofimage numberofvariant numoutput numsample numgeneration numvariant numimage "
        "nvariants videocount samplecount batchsize"
    ),
    MeasureKind.LENGTH: (
        "duration seconds length numframe offrames framecount framerate framespersecond"
    ),
    MeasureKind.SIZE: "resolution width height dimension pixels",
    MeasureKind.QUALITY: "quality upscal superres",
}
"""Names that contain one of these anywhere, also without a sign between the words."""

_PICTURE_PARTS = (
    "image img picture photo keyframe firstframe lastframe startframe endframe headframe "
    "tailframe frameurl references refurl referenceurl"
)
"""Parts of names that hold pictures, unless the name is another measure."""

_CLASS_WORD = re.compile(r"[0-9]{3,4}p|[1-9]k")
_WORD = re.compile(r"[0-9]+[a-z]\b|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_FLAG = re.compile(r"--(?:rs|resolution|dur|duration|frames|fps|framespersecond)\b", re.IGNORECASE)
"""Flags that Ark reads in the prompt."""

_PLAIN_RATIO = re.compile(r"[0-9]{1,2}(?:\.[0-9]+)?[:x/][0-9]{1,2}(?:\.[0-9]+)?|[A-Za-z_ -]+")
_MAX_DEPTH = 40
_MAX_VALUES = 10_000
_MAX_JSON_LENGTH = 64 * 1024
"""What is larger is not read, which would delay other requests, but counts as a measure."""

_ADVICE: Mapping[MeasureKind | None, str] = {
    MeasureKind.LENGTH: "send 'seconds' in its place",
    MeasureKind.SIZE: "send 'size' in its place",
    MeasureKind.RATIO: "send 'size' in its place",
    MeasureKind.NUMBER: "send one request for each video",
    MeasureKind.MODEL: "send 'model' in its place",
    MeasureKind.PICTURE: "send one picture as 'input_reference' in its place",
}


def measure_kind(name: str) -> MeasureKind | None:
    """Return which measure a member of this name is, None for none."""
    return _measure_kind(name[-MAX_NAME_LENGTH:])


@lru_cache(maxsize=4096)
def _measure_kind(name: str) -> MeasureKind | None:
    whole = folded_name(name)
    spelled = unicodedata.normalize("NFKC", name)
    words = {word.casefold() for word in _WORD.findall(spelled)} | {whole}
    for kind, names in _NAMES.items():
        if whole in names.split():
            return kind
    for kind, parts in _PARTS.items():
        if any(part in whole for part in parts.split()):
            return kind
    for kind, known in _WORDS.items():
        if not words.isdisjoint(known.split()):
            return kind
    if any(_CLASS_WORD.fullmatch(word) for word in words):
        return MeasureKind.QUALITY
    holds_picture = any(part in whole for part in _PICTURE_PARTS.split())
    return MeasureKind.PICTURE if holds_picture else None


def first_measure(prompt: str, extras: Mapping[str, object]) -> UnreckonedMeasure | None:
    """Return the first measure in the prompt and the further fields of a wish, None for none.

    A picture is none: few services bill it.
    """
    if (flag := _FLAG.search(prompt)) is not None:
        return UnreckonedMeasure("prompt", flag[0].lower(), MeasureKind.LENGTH)
    found = _MeasureSearch().below(extras)
    return next((each for each in found if each.kind is not MeasureKind.PICTURE), None)


def first_picture(extras: Mapping[str, object]) -> UnreckonedMeasure | None:
    """Return the first picture in the further fields of a wish, None for none."""
    found = _MeasureSearch().below(extras)
    return next((each for each in found if each.kind is MeasureKind.PICTURE), None)


def first_unreckoned(
    extras: Mapping[str, object], passes: Collection[str], priced: Collection[str]
) -> UnreckonedMeasure | None:
    """Return the first field that changes the price of a model whose fields are known.

    Args:
        extras: The further fields of a wish.
        passes: Fields of the model that change neither price nor length.
        priced: Fields of the model that change the price.
    """
    known = set(map(folded_name, priced))
    for name in extras:
        if name not in passes and folded_name(name) in known:
            return UnreckonedMeasure(name, "", None)
    return first_measure("", {name: each for name, each in extras.items() if name not in passes})


def measure_advice(measure: UnreckonedMeasure) -> str:
    """Return what a caller can do in place of a measure, as a clause."""
    return _ADVICE.get(measure.kind, "leave it out")


class _MeasureSearch:
    """One search, which ends at a limit of values."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = _MAX_VALUES

    def below(
        self, value: object, path: str = "", depth: int = _MAX_DEPTH
    ) -> Iterator[UnreckonedMeasure]:
        """Yield the measures in a value and below it."""
        self._left -= 1
        if depth == 0 or self._left < 0:
            yield UnreckonedMeasure(path, "", None)
            return
        match value:
            case Mapping():
                for name, member in value.items():
                    yield from self._member(str(name), member, path, depth)
            case list() | tuple():
                for one in value:
                    yield from self.below(one, f"{path}[]", depth - 1)
            case str():
                yield from self._in_text(value, path, depth)
            case _:
                pass

    def _member(
        self, name: str, member: object, path: str, depth: int
    ) -> Iterator[UnreckonedMeasure]:
        shown = name[:MAX_NAME_LENGTH]
        where = f"{path}.{shown}" if path else shown
        kind = measure_kind(name)
        is_measure = kind is not None and not is_harmless(kind, member)
        if is_measure:
            yield UnreckonedMeasure(where, "", kind)
        # What lies in a picture may be a measure of another kind.
        if not is_measure or kind is MeasureKind.PICTURE:
            yield from self.below(member, where, depth - 1)

    def _in_text(self, text: str, path: str, depth: int) -> Iterator[UnreckonedMeasure]:
        if (flag := _FLAG.search(text)) is not None:
            yield UnreckonedMeasure(path, flag[0].lower(), MeasureKind.LENGTH)
        # A form, and members such as `extra_params`, carry JSON as text.
        start = text[:MAX_NAME_LENGTH].lstrip()[:1]
        if start not in {"{", "[", '"'}:
            return
        if len(text) > _MAX_JSON_LENGTH:
            yield UnreckonedMeasure(path, "", None)
            return
        try:
            value = json.loads(text)
        except RecursionError:
            yield UnreckonedMeasure(path, "", None)
        except ValueError:
            return
        else:
            yield from self.below(value, path, depth - 1)


def is_harmless(kind: MeasureKind, value: object) -> bool:
    """Tell whether a value of a measure changes nothing: none, "off", one video, a plain ratio."""
    if value in (None, "", [], {}) or value is False or value == "false":
        return True
    match kind:
        case MeasureKind.NUMBER:
            return value is not True and value in (1, "1")
        case MeasureKind.PICTURE:
            return not isinstance(value, str | list | dict)
        case MeasureKind.RATIO:
            return isinstance(value, str) and _PLAIN_RATIO.fullmatch(value.strip()) is not None
        case _:
            return False
