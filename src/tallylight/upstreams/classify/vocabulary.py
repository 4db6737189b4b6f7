"""The order in which phrases are searched for, in English, Chinese and Japanese.

The first phrase that occurs decides, so the order is part of the rules: the narrower phrase comes
first ("quota resets in 20 s" before "quota", "content failed risk control" before "risk control",
an empty balance before the account that is locked for it).
"""

from tallylight.upstreams.classify import phrases_caller, phrases_ours, phrases_upstream
from tallylight.upstreams.classify.rules import Phrase, Rule

#: Phrases with one meaning.
SPECIFIC_PHRASES: tuple[Phrase, ...] = (
    *phrases_caller.CALLER_LOOKALIKES,
    *phrases_upstream.UPSTREAM_LOOKALIKES,
    *phrases_ours.BALANCE,
    *phrases_upstream.MAINTENANCE_NOTICES,
    *phrases_ours.DISABLED_KEYS,
    *phrases_upstream.SERVICE_STATES,
    *phrases_upstream.BOT_DETECTION,
    *phrases_ours.RATE_LIMITS,
    *phrases_caller.CONTENT_REJECTIONS,
    *phrases_ours.KEY_REFUSALS,
    *phrases_upstream.SERVICE_FAILURES,
    *phrases_caller.INVALID_REQUESTS,
)
#: Phrases that are only read if no status with one meaning decides.
GENERIC_PHRASES: tuple[Phrase, ...] = phrases_upstream.GENERIC_FAILURES


def specific_phrase_rule(text: str) -> Rule | None:
    """Return the rule of the first specific phrase in a normalized text."""
    return _first_rule(SPECIFIC_PHRASES, text)


def generic_phrase_rule(text: str) -> Rule | None:
    """Return the rule of the first generic phrase in a normalized text."""
    return _first_rule(GENERIC_PHRASES, text)


def phrase_rule(text: str) -> Rule | None:
    """Return the rule of the first specific, else of the first generic phrase in a text."""
    return specific_phrase_rule(text) or generic_phrase_rule(text)


def _first_rule(phrases: tuple[Phrase, ...], text: str) -> Rule | None:
    return next((phrase.rule for phrase in phrases if phrase.pattern.search(text)), None)
