"""In what notation a status page is written, and how its text is decoded."""

from collections.abc import Callable
from dataclasses import dataclass

from tallylight.upstreams.feeds.syndication import parse_atom, parse_rss
from tallylight.upstreams.json_access import parse_json


@dataclass(frozen=True, slots=True)
class Notation:
    """A notation.

    Args:
        name: As it is told to the operator ("JSON").
        decode: From a text to its content; None if the text is not in this notation.
    """

    name: str
    decode: Callable[[str], object]


JSON = Notation("JSON", parse_json)
RSS = Notation("RSS", parse_rss)
ATOM = Notation("Atom", parse_atom)
