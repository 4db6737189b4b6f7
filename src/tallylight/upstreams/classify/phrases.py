"""What an entry of the vocabulary is: a rule and the words it goes by.

A text is folded before it is searched (`wording.folded`), so patterns are written in lower case,
half-width, simplified characters. They are words and short phrases, never whole sentences.
"""

import re
from dataclasses import dataclass

from tallylight.model.evidence import FailureKind
from tallylight.upstreams.classify.rules import Rule

#: Where a phrase comes from if it names no other source.
VOCABULARY = "docs/classification.md, vocabulary"


@dataclass(frozen=True, slots=True)
class Phrase:
    """A rule and the pattern that its words make."""

    rule: Rule
    pattern: re.Pattern[str]


def phrase(
    name: str, kind: FailureKind, *patterns: str, named: bool = False, source: str = VOCABULARY
) -> Phrase:
    """Return the entry for any of some words.

    Args:
        name: What the words have in common.
        kind: What they tell.
        words: Patterns, of which one has to occur.
        named: They name the state of the service itself.
        source: Where they were met.
    """
    pattern = "|".join(f"(?:{word})" for word in patterns)
    return Phrase(Rule(name, kind, source, named), re.compile(pattern))
