"""What a rule of the classifier is, and who is to blame for a kind of failure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tallylight.model.evidence import FailureKind, Fault

#: The blame that goes with a kind. Where nobody can tell what went wrong, it counts against the
#: upstream: it is its answer that is unclear.
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
    """One line of a table: what it looks for and what it means.

    Args:
        name: What it looks for (a code, a status), or what a pattern stands for.
        kind: The failure it stands for.
        source: Where that meaning is written down.
        named: The answer itself names the state of the service ("temporarily paused", 風控).
        fault: Who is to blame, where it is not whom `FAULTS` says.
    """

    name: str
    kind: FailureKind
    source: str
    named: bool = False
    fault: Fault | None = None

    @property
    def effective_fault(self) -> Fault:
        """Return who caused the failure."""
        return FAULT_BY_KIND[self.kind] if self.fault is None else self.fault


@dataclass(frozen=True, slots=True)
class RuleMatch:
    """The rule that decided, and what it was read from.

    Args:
        by: What was read: "code", "type", "number", "words", "status", "state", "page",
            "stream", "exception", "body".
        rule: The rule.
    """

    matched_on: str
    rule: Rule


def rules_for(
    kind: FailureKind, source: str, names: Iterable[str], *, named: bool = False
) -> tuple[Rule, ...]:
    """Return one rule for each name, all with the same meaning and source."""
    return tuple(Rule(name, kind, source, named) for name in names)
