"""The order in which words are looked for, in English and Chinese.

The first phrase that occurs decides, so the order is part of the rules: what narrows a meaning
stands before what it narrows ("quota resets in 20 s" before "quota", "content failed risk control"
before "risk control", a wallet that is empty before the account that is locked for it).
"""

from itertools import chain

from tallylight.upstreams.classify import phrases_caller, phrases_ours, phrases_upstream
from tallylight.upstreams.classify.rules import Phrase, Rule

#: Phrases that decide alone.
SPECIFIC_PHRASES: tuple[Phrase, ...] = tuple(
    chain(
        phrases_caller.CALLER_LOOKALIKES,
        phrases_upstream.UPSTREAM_LOOKALIKES,
        phrases_ours.BALANCE,
        phrases_upstream.MAINTENANCE_NOTICES,
        phrases_ours.DISABLED_KEYS,
        phrases_upstream.SERVICE_STATES,
        phrases_upstream.BOT_DETECTION,
        phrases_ours.RATE_LIMITS,
        phrases_caller.CONTENT_REJECTIONS,
        phrases_ours.KEY_REFUSALS,
        phrases_upstream.SERVICE_FAILURES,
        phrases_caller.INVALID_REQUESTS,
    )
)
#: Phrases that are read after the statuses that tell more.
GENERIC_PHRASES: tuple[Phrase, ...] = phrases_upstream.GENERIC_FAILURES


def specific_phrase_rule(text: str) -> Rule | None:
    """Return the rule of the first phrase that occurs in a folded text and decides alone."""
    return _first_rule(SPECIFIC_PHRASES, text)


def generic_phrase_rule(text: str) -> Rule | None:
    """Return the rule for a folded text that at least says that something failed."""
    return _first_rule(GENERIC_PHRASES, text)


def phrase_rule(text: str) -> Rule | None:
    """Return the rule of the first phrase of either table that occurs in a folded text."""
    return specific_phrase_rule(text) or generic_phrase_rule(text)


def _first_rule(phrases: tuple[Phrase, ...], text: str) -> Rule | None:
    return next((phrase.rule for phrase in phrases if phrase.pattern.search(text)), None)
