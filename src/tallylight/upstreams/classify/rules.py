"""The rules of the classifier, and the fault that goes with a kind of failure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from tallylight.model.evidence import FailureKind, Fault
from tallylight.upstreams.normalize import simplified

#: The fault of each kind. An unknown failure counts against the upstream, since its answer is the
#: one that is unclear.
FAULT_BY_KIND: Mapping[FailureKind, Fault] = {
    FailureKind.RATE_LIMITED: Fault.OURS,
    FailureKind.QUOTA: Fault.OURS,
    FailureKind.AUTH: Fault.OURS,
    FailureKind.CONTENT_REJECTED: Fault.CALLER,
    FailureKind.INVALID_REQUEST: Fault.CALLER,
    FailureKind.RISK_CONTROL: Fault.UPSTREAM,
    FailureKind.DEGRADED: Fault.UPSTREAM,
    FailureKind.SUSPENDED: Fault.UPSTREAM,
    FailureKind.MAINTENANCE: Fault.UPSTREAM,
    FailureKind.RETIRED: Fault.UPSTREAM,
    FailureKind.UNKNOWN: Fault.UPSTREAM,
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a table of the classifier.

    Args:
        name: The code or the status that the rule matches, or a name for its pattern.
        named: The answer names the state of the service ("temporarily paused", 風控).
        fault: The fault, if it is not the one of `FAULT_BY_KIND`.
    """

    name: str
    kind: FailureKind
    source: str
    named: bool = False
    fault: Fault | None = None

    @property
    def effective_fault(self) -> Fault:
        """Return the party that caused the failure."""
        return FAULT_BY_KIND[self.kind] if self.fault is None else self.fault


@dataclass(frozen=True, slots=True)
class RuleMatch:
    """The rule that decided, and the part of the answer that it matched.

    Args:
        matched_on: "code", "type", "number", "words", "status", "state", "page", "stream",
            "exception" or "body".
    """

    matched_on: str
    rule: Rule


def rules_for(
    kind: FailureKind, source: str, names: str, *, named: bool = False
) -> tuple[Rule, ...]:
    """Return a rule for each name, separated by spaces, all with the same meaning and source."""
    return tuple(Rule(name, kind, source, named) for name in names.split())


@dataclass(frozen=True)
class Phrase:
    """A rule and the pattern of its phrases.

    It is compiled when it is first searched for: all of them take a tenth of a start, and most
    commands classify nothing.

    Texts are normalized before they are searched (`normalize.normalize_text`), so patterns are
    written in lower case and half-width; `phrase` turns their characters into simplified ones, so
    Japanese is written as it is read. They are words and short phrases.
    """

    rule: Rule
    expression: str

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Return the compiled expression."""
        return re.compile(self.expression)


#: The source of phrases that have no other one.
VOCABULARY = "docs/classification.md, vocabulary"


def phrase(
    name: str, kind: FailureKind, *patterns: str, named: bool = False, source: str = VOCABULARY
) -> Phrase:
    """Return an entry of the vocabulary; one of the patterns has to occur."""
    expression = simplified("|".join(f"(?:{each})" for each in patterns))
    return Phrase(Rule(name, kind, source, named), expression)
