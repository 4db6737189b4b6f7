"""What a wording lacks for the modes of a model: found when files are read, not when one orders."""

from collections.abc import Iterator, Mapping, Sequence

from tallylight.catalogue.modes import Mode, frames_of, lengths_of
from tallylight.catalogue.wording import Measure, Spelling, Wording
from tallylight.model.frames import AS_INPUT


def wording_gaps(modes: Sequence[Mode], wording: Wording) -> tuple[str, ...]:
    """Return what a wording cannot tell of what the modes of a model leave to choose, as clauses.

    A measure with one value needs no word: it is the model's own.
    """
    return (*_missing_words(modes, wording), *_missing_values(modes, wording))


def chosen_values(modes: Sequence[Mode]) -> Mapping[Measure, tuple[str, ...]]:
    """Return all values of each measure that modes know, as tables name them."""
    frames = frames_of(modes)
    audio = (each for mode in modes for each in mode.audio or ())
    found = {
        Measure.SECONDS: map(str, lengths_of(modes)),
        Measure.RESOLUTION: (each.resolution for each in frames),
        Measure.ASPECT: (each.aspect for each in frames if each.aspect != AS_INPUT),
        Measure.AUDIO: (str(each).lower() for each in audio),
        Measure.QUALITY: (each for mode in modes for each in mode.quality or ()),
        Measure.COUNT: (str(each) for mode in modes for each in mode.count),
    }
    return {measure: tuple(dict.fromkeys(values)) for measure, values in found.items()}


def _missing_words(modes: Sequence[Mode], wording: Wording) -> Iterator[str]:
    told = set(wording.words)
    if Measure.PIXELS in told:
        told |= {Measure.RESOLUTION, Measure.ASPECT}
    for measure, values in chosen_values(modes).items():
        if len(values) > 1 and measure not in told:
            yield f"has no word for {measure.value}, of which there are several"
    for measure, is_taken in (
        (Measure.SEED, any(mode.seed for mode in modes)),
        (Measure.NEGATIVE, any(mode.negative for mode in modes)),
    ):
        if is_taken and measure not in told:
            yield f"has no word for {measure.value}"


def _missing_values(modes: Sequence[Mode], wording: Wording) -> Iterator[str]:
    for measure, values in chosen_values(modes).items():
        for word in wording.words.get(measure, ()):
            missing = [each for each in values if each not in word.table]
            if word.spelling is Spelling.TABLE and missing:
                yield f"has no word in {word.path} for {measure.value} {', '.join(missing)}"
