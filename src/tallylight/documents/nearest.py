"""Suggests the nearest name when a file, a request or a command names something unknown."""

from collections.abc import Collection
from difflib import get_close_matches


def nearest_name(name: str, known: Collection[str]) -> str:
    """Return the known name that a misspelt one most likely means, "" if none is similar."""
    # Numbers are not misspelt: 24 is no slip for 42.
    near = get_close_matches(name, known, n=1) if name[:1].isalpha() else []
    return near[0] if near else ""


def did_you_mean(name: str, known: Collection[str]) -> str:
    """Return the question "Did you mean …?", "" if no known name is similar."""
    near = nearest_name(name, known)
    return f"Did you mean {near}?" if near else ""


def unknown_name_message(kind: str, name: str, known: Collection[str]) -> str:
    """Return "No such route: boat. Did you mean boats?", or the known names if none is similar."""
    hint = did_you_mean(name, known) or f"Known: {', '.join(known) or 'none'}."
    return f"No such {kind}: {name}. {hint}"
