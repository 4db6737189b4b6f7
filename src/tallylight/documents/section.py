"""Base of all sections of a file: frozen, and without unknown keys."""

import unicodedata
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=100)]
"""Name of a provider, an upstream, a receiver or a webhook."""


_CONTROLS: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
_DIRECTIONS: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def check_display_text(text: str) -> str:
    """Return a text that pages and terminals can show.

    Raises:
        ValueError: if it has control characters, or nothing that is visible.
    """
    for character in text:
        if unicodedata.category(character) in _CONTROLS or character in _DIRECTIONS:
            raise ValueError(
                f"contains the control character U+{ord(character):04X}; write it in one line of "
                "visible text"
            )
    if text and not any(each.isprintable() and not each.isspace() for each in text):
        raise ValueError("has no visible character")
    return text


DisplayText = Annotated[str, AfterValidator(check_display_text)]
"""A text that pages, messages and terminals show in one line."""


class Section(BaseModel):
    """A section of a document: a misspelt key is an error, not a default."""

    model_config = ConfigDict(frozen=True, extra="forbid")
