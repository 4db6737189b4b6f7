"""Standings as JSON, so that a restart goes on where the process ended."""

from pydantic import TypeAdapter

from tallylight.verdicts.state import Standing

_STANDING = TypeAdapter(Standing)


def dump(standing: Standing) -> str:
    """Return the standing as JSON, without what is at its default."""
    return _STANDING.dump_json(standing, exclude_defaults=True).decode()


def load(text: str) -> Standing:
    """Return the standing that `dump` wrote.

    Raises:
        pydantic.ValidationError: if the text is no standing, or one of another make.
    """
    return _STANDING.validate_json(text)
