"""The order in which words are looked for, in English and Chinese.

The first phrase that occurs decides, so the order is part of the rules: what narrows a meaning
stands before what it narrows ("quota resets in 20 s" before "quota", "content failed risk control"
before "risk control", a wallet that is empty before the account that is locked for it).
"""

from itertools import chain

from tallylight.upstreams.classify import phrases_caller, phrases_ours, phrases_upstream
from tallylight.upstreams.classify.phrases import Phrase
from tallylight.upstreams.classify.rules import Rule

#: Phrases that decide alone.
TELLING: tuple[Phrase, ...] = tuple(
    chain(
        phrases_caller.LOOKALIKES,
        phrases_upstream.LOOKALIKES,
        phrases_ours.MONEY,
        phrases_upstream.MAINTENANCE,
        phrases_ours.DISABLED_KEYS,
        phrases_upstream.STATES,
        phrases_upstream.ROBOTS,
        phrases_ours.PACE,
        phrases_caller.CONTENT,
        phrases_ours.KEYS,
        phrases_upstream.TROUBLE,
        phrases_caller.REQUEST,
    )
)
#: Phrases that are read after the statuses that tell more.
VAGUE: tuple[Phrase, ...] = phrases_upstream.GENERIC


def telling(words: str) -> Rule | None:
    """Return the rule of the first phrase that occurs in a folded text and decides alone."""
    return _first(TELLING, words)


def vague(words: str) -> Rule | None:
    """Return the rule for a folded text that at least says that something failed."""
    return _first(VAGUE, words)


def rule_of(words: str) -> Rule | None:
    """Return the rule of the first phrase of either table that occurs in a folded text."""
    return telling(words) or vague(words)


def _first(phrases: tuple[Phrase, ...], words: str) -> Rule | None:
    return next((phrase.rule for phrase in phrases if phrase.pattern.search(words)), None)
