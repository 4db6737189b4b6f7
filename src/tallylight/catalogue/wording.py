"""Wording: how the measures of an order are spelled in a request, as data.

A protocol has a wording for its models; `wire` of a fact sheet or of a service replaces it, for
APIs that give each model a schema of its own. A wording only spells: it decides nothing.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatchcase

from tallylight.model.frames import AS_INPUT
from tallylight.model.member_names import folded_name
from tallylight.model.order import Order, Role


class Measure(StrEnum):
    """What a word of a wording tells."""

    MODEL = "model"
    PROMPT = "prompt"
    SECONDS = "seconds"
    RESOLUTION = "resolution"
    ASPECT = "aspect"
    PIXELS = "pixels"
    AUDIO = "audio"
    QUALITY = "quality"
    COUNT = "count"
    SEED = "seed"
    NEGATIVE = "negative"


class Spelling(StrEnum):
    """How a value is written."""

    PLAIN = "plain"  # as it is
    INTEGER = "integer"  # 5
    TEXT = "text"  # "5"
    SUFFIXED = "suffixed"  # "5s"
    CLASS = "class"  # "720p"
    CLASS_UPPER = "class_upper"  # "720P"
    RATIO = "ratio"  # "16:9"
    PIXELS_X = "pixels_x"  # "1280x720"
    PIXELS_STAR = "pixels_star"  # "1280*720"
    PIXELS_COLON = "pixels_colon"  # "1280:720"
    BOOLEAN = "boolean"  # true
    ON_OFF = "on_off"  # "on"
    TABLE = "table"  # by the word's own table


SPELLINGS: Mapping[Measure, frozenset[Spelling]] = {
    Measure.MODEL: frozenset({Spelling.PLAIN}),
    Measure.PROMPT: frozenset({Spelling.PLAIN}),
    Measure.NEGATIVE: frozenset({Spelling.PLAIN}),
    Measure.QUALITY: frozenset({Spelling.PLAIN, Spelling.TABLE}),
    Measure.SECONDS: frozenset(
        {Spelling.INTEGER, Spelling.TEXT, Spelling.SUFFIXED, Spelling.TABLE}
    ),
    Measure.RESOLUTION: frozenset({Spelling.CLASS, Spelling.CLASS_UPPER, Spelling.TABLE}),
    Measure.ASPECT: frozenset({Spelling.RATIO, Spelling.TABLE}),
    Measure.PIXELS: frozenset({Spelling.PIXELS_X, Spelling.PIXELS_STAR, Spelling.PIXELS_COLON}),
    Measure.AUDIO: frozenset({Spelling.BOOLEAN, Spelling.ON_OFF, Spelling.TABLE}),
    Measure.COUNT: frozenset({Spelling.INTEGER, Spelling.TEXT}),
    Measure.SEED: frozenset({Spelling.INTEGER, Spelling.TEXT}),
}
"""The spellings that fit the values of each measure."""

_PIXEL_SIGNS = {Spelling.PIXELS_STAR: "*", Spelling.PIXELS_COLON: ":"}


class UnspelledError(LookupError):
    """A wording has no word for a value."""

    def __init__(self, measure: Measure, value: str, known: tuple[str, ...]) -> None:
        super().__init__(f"no word for {measure} {value}; there is one for {', '.join(known)}")
        self.measure = measure
        self.value = value
        self.known = known


@dataclass(frozen=True, slots=True)
class Word:
    """The place of one measure in a request, and how its value is written there.

    Args:
        path: Names of members; a dot goes into an object, "[]" adds to a list: "input.images[]".
        table: For TABLE: what stands for each value, {"720p": "std"}.
        as_input: What stands for an aspect as that of the picture; None leaves the member out.
    """

    path: str
    spelling: Spelling = Spelling.PLAIN
    table: Mapping[str, object] = field(default_factory=dict)
    as_input: object = None


@dataclass(frozen=True, slots=True)
class Wording:
    """How orders are spelled.

    A measure without a word is not written: the model's own value holds.

    Args:
        words: The words of each measure; several write it to several places.
        inputs: The places of inputs by their roles, where a plain address is enough.
        fixed: Members that every request has.
        passes: Fields of callers that change neither price nor length, and are passed on.
        priced: Fields of callers that change the price, which no sheet reckons.
    """

    words: Mapping[Measure, tuple[Word, ...]] = field(default_factory=dict)
    inputs: Mapping[Role, str] = field(default_factory=dict)
    fixed: Mapping[str, object] = field(default_factory=dict)
    passes: frozenset[str] = frozenset()
    priced: frozenset[str] = frozenset()

    @property
    def knows_extras(self) -> bool:
        """Tell whether it names the further fields that the model has."""
        return bool(self.passes or self.priced)

    def without(self, measures: Collection[Measure]) -> "Wording":
        """Return the wording without the words of some measures."""
        words = {measure: each for measure, each in self.words.items() if measure not in measures}
        return replace(self, words=words)

    def write(self, order: Order) -> dict[str, object]:
        """Return the members of a request that this wording spells, and the order's extras.

        An extra that some server would take for one of these members is left out.

        Raises:
            UnspelledError: if a table lacks a value of the order.
        """
        ours = dict(self.fixed)
        for path, value in self._written(order):
            _put(ours, path, value)
        return _over(ours, order.extras)

    def _written(self, order: Order) -> Iterator[tuple[str, object]]:
        for measure, value in _values(order).items():
            for word in self.words.get(measure, ()):
                written = _spelled(measure, word, value)
                if written is not None:
                    yield word.path, written
        for each in order.inputs:
            if (path := self.inputs.get(each.role)) is not None:
                yield path, each.address


def find_wording(wordings: Mapping[str, Wording], model: str) -> Wording | None:
    """Return the wording of a model: that of its id, else of the first pattern that it matches.

    None if there is none: an order would leave out what costs, and the API would choose.
    """
    if (own := wordings.get(model)) is not None:
        return own
    return next((each for name, each in wordings.items() if fnmatchcase(model, name)), None)


def wording_for(wordings: Mapping[str, Wording], model: str) -> Wording:
    """Return the wording of a model.

    Raises:
        LookupError: if there is none.
    """
    if (found := find_wording(wordings, model)) is not None:
        return found
    raise LookupError(f"no wording for the model {model}")


def _values(order: Order) -> dict[Measure, object]:
    """Return the measures that an order decides."""
    frame = order.frame
    values: dict[Measure, object] = {
        Measure.MODEL: order.model,
        Measure.PROMPT: order.prompt,
        Measure.SECONDS: order.seconds,
        Measure.RESOLUTION: frame and frame.resolution,
        Measure.ASPECT: frame and frame.aspect,
        Measure.PIXELS: order.size or None,
        Measure.AUDIO: order.audio,
        Measure.QUALITY: order.quality or None,
        Measure.COUNT: order.count,
        Measure.SEED: order.seed,
        Measure.NEGATIVE: order.negative or None,
    }
    return {measure: value for measure, value in values.items() if value is not None}


def _spelled(measure: Measure, word: Word, value: object) -> object:  # noqa: PLR0911  # one for each
    if measure is Measure.ASPECT and value == AS_INPUT:
        return word.as_input
    text = str(value).lower() if isinstance(value, bool) else str(value)
    match word.spelling:
        case Spelling.TABLE:
            if text not in word.table:
                raise UnspelledError(measure, text, tuple(word.table))
            return word.table[text]
        case Spelling.TEXT | Spelling.CLASS | Spelling.RATIO | Spelling.PIXELS_X:
            return text
        case Spelling.SUFFIXED:
            return f"{text}s"
        case Spelling.CLASS_UPPER:
            return text.upper()
        case Spelling.PIXELS_STAR | Spelling.PIXELS_COLON:
            return text.replace("x", _PIXEL_SIGNS[word.spelling])
        case Spelling.ON_OFF:
            return "on" if value else "off"
        case Spelling.PLAIN | Spelling.INTEGER | Spelling.BOOLEAN:
            return value


def _over(ours: Mapping[str, object], theirs: Mapping[str, object]) -> dict[str, object]:
    """Return our members, and a caller's that no server would take for one of them."""
    known = set(map(folded_name, ours))
    kept = {name: value for name, value in theirs.items() if folded_name(name) not in known}
    return kept | {name: _within(value, theirs.get(name)) for name, value in ours.items()}


def _within(ours: object, theirs: object) -> object:
    """Return our value; objects have what a caller added to them."""
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        return _over(ours, theirs)
    return ours


def _put(body: dict[str, object], path: str, value: object) -> None:
    """Write a value at a path; objects on the way are copied, as they may be the wording's."""
    head, _, rest = path.partition(".")
    name = head.removesuffix("[]")
    if head != name:
        before = body.get(name)
        inner: dict[str, object] = {}
        if rest:
            _put(inner, rest, value)
        body[name] = [*(before if isinstance(before, list) else ()), inner if rest else value]
    elif rest:
        before = body.get(name)
        inner = dict(before) if isinstance(before, Mapping) else {}
        _put(inner, rest, value)
        body[name] = inner
    else:
        body[name] = value
