"""Suggests the nearest name when a file, a request or a command names something unknown."""

from collections.abc import Collection
from difflib import get_close_matches
from itertools import islice

_MAX_LISTED = 50
_MAX_COMPARED = 1000
_MAX_NAME_LENGTH = 255


def nearest_name(name: str, known: Collection[str]) -> str:
    """Return the known name that a misspelt one most likely means, "" if none is similar."""
    # Numbers are not misspelt: 24 is no slip for 42.
    is_name = name[:1].isalpha() and len(name) <= _MAX_NAME_LENGTH
    near = get_close_matches(name, islice(known, _MAX_COMPARED), n=1) if is_name else []
    return near[0] if near else ""


def did_you_mean(name: str, known: Collection[str]) -> str:
    """Return the question "Did you mean …?", "" if no known name is similar."""
    near = nearest_name(name, known)
    return f"Did you mean {near}?" if near else ""


def unknown_name_message(kind: str, name: str, known: Collection[str]) -> str:
    """Return "No such route: boat. Did you mean boats?", or the known names if none is similar."""
    hint = did_you_mean(name, known) or f"Known: {listed_names(known)}."
    return f"No such {kind}: {name}. {hint}"


def listed_names(names: Collection[str]) -> str:
    """Return names as a list for a message: all of a few, the first of many, "none" of none."""
    more = len(names) - _MAX_LISTED
    shown = ", ".join(islice(names, _MAX_LISTED)) or "none"
    return f"{shown} and {more} more" if more > 0 else shown
