"""The form of a wording in configuration and fact sheet files: `wire`."""

import re
from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import AfterValidator, Field, JsonValue, model_validator

from tallylight.catalogue.wording import SPELLINGS, Measure, Spelling, Word, Wording
from tallylight.documents.section import Section
from tallylight.model.order import Role

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}(?:\[\])?", re.ASCII)
_MAX_DEPTH = 8


def _checked_path(path: str) -> str:
    names = path.split(".")
    if len(names) > _MAX_DEPTH or not all(_NAME.fullmatch(name) for name in names):
        raise ValueError(f"'{path}' is not a path; write duration, input.duration or images[]")
    return path


WirePath = Annotated[str, AfterValidator(_checked_path)]
"""The place of a value: a dot goes into an object, "[]" adds to a list."""

Words = dict[WirePath, Spelling | dict[str, JsonValue]]
"""By places: how a value is spelled there, or a table of what stands for each value."""


class WireOptions(Section):
    """How orders of a model are spelled in its API's requests."""

    model: Words = Field(default_factory=dict, description="Places of the model's id.")
    prompt: Words = Field(
        {"prompt": Spelling.PLAIN}, description="Places of the prompt.", validate_default=True
    )
    seconds: Words = Field(
        default_factory=dict,
        description="Places of the length, as integer, text or suffixed: {duration: text}.",
    )
    resolution: Words = Field(
        default_factory=dict,
        description="Places of the resolution class, as class, class_upper or by a table: "
        "{mode: {720p: std, 1080p: pro}}.",
    )
    aspect: Words = Field(
        default_factory=dict, description="Places of the aspect ratio: {aspect_ratio: ratio}."
    )
    pixels: Words = Field(
        default_factory=dict,
        description="Places of the size, as pixels_x, pixels_star or pixels_colon.",
    )
    audio: Words = Field(
        default_factory=dict, description="Places of the switch for sound, as boolean or on_off."
    )
    quality: Words = Field(default_factory=dict, description="Places of the quality.")
    count: Words = Field(default_factory=dict, description="Places of how many are made.")
    seed: Words = Field(default_factory=dict, description="Places of the seed: {seed: integer}.")
    negative: Words = Field(default_factory=dict, description="Places of the negative prompt.")
    aspect_of_input: JsonValue = Field(
        None,
        description="What is written for an aspect ratio like that of the picture "
        "(default: nothing).",
    )
    inputs: dict[Role, WirePath] = Field(
        default_factory=dict,
        description="Places of the addresses of inputs: {first_frame: image_url}.",
    )
    fixed: dict[str, JsonValue] = Field(
        default_factory=dict, description="Members that every request has."
    )
    passes: tuple[str, ...] = Field(
        (), description="Callers' fields that change neither price nor length."
    )
    priced: tuple[str, ...] = Field(
        (), description="Callers' fields that change the price in a way that no rate tells."
    )

    @model_validator(mode="after")
    def _fitting_spellings(self) -> Self:
        for measure in Measure:
            for spelling in self._places(measure).values():
                if isinstance(spelling, Spelling) and spelling not in SPELLINGS[measure]:
                    allowed = ", ".join(sorted(SPELLINGS[measure] - {Spelling.TABLE}))
                    raise ValueError(f"{measure} cannot be spelled {spelling}; allowed: {allowed}")
                if isinstance(spelling, dict) and Spelling.TABLE not in SPELLINGS[measure]:
                    raise ValueError(f"{measure} cannot be spelled by a table")
        return self

    def _places(self, measure: Measure) -> Words:
        places: Words = getattr(self, measure.value)
        return places

    def wording(self) -> Wording:
        """Return the wording that these options describe."""
        return Wording(
            words={
                measure: words for measure in Measure if (words := tuple(self._words_of(measure)))
            },
            inputs=self.inputs,
            fixed=self.fixed,
            passes=frozenset(self.passes),
            priced=frozenset(self.priced),
        )

    def _words_of(self, measure: Measure) -> Iterator[Word]:
        as_input = self.aspect_of_input if measure is Measure.ASPECT else None
        for path, spelling in self._places(measure).items():
            if isinstance(spelling, dict):
                yield Word(path, Spelling.TABLE, spelling, as_input)
            else:
                yield Word(path, spelling, as_input=as_input)
