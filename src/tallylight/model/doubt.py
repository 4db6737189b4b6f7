"""What is known of doubts: how often an attempt in doubt had been accepted after all.

A create is *in doubt* if its response does not tell whether it was accepted. Doubts are compared by
their kind: the upstream, and the rule of the failure behind the doubt.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from math import exp, lgamma, log, log1p
from typing import NamedTuple

from tallylight.model.attempt import Attempt
from tallylight.model.attempt_state import AttemptState
from tallylight.model.ids import ServiceId, UpstreamId

EXPERIENCE = timedelta(days=90)
"""How far back doubts count: upstreams change."""

_ERROR = 0.05  # the probability that the truth is above the bound
_PRECISION = 1e-9

_HAD_JOB = frozenset(
    {
        AttemptState.ACCEPTED,
        AttemptState.GIVEN_UP,
        AttemptState.CANCELLING,
        AttemptState.MISSING,
        AttemptState.RENDERED,
        AttemptState.DELIVERED,
        AttemptState.FAILED,
    }
)


class DoubtResult(StrEnum):
    """What came of an attempt that was in doubt."""

    ACCEPTED = "accepted"  # the upstream had a job for it
    REFUSED = "refused"  # the upstream had none: it said so, or its complete list shows none
    UNRESOLVED = "unresolved"  # it ended without an answer


@dataclass(frozen=True, slots=True)
class DoubtRecord:
    """A number of attempts at one service that were in doubt for one reason, with one result."""

    service: ServiceId
    rule: str
    result: DoubtResult
    count: int


@dataclass(frozen=True, slots=True)
class DoubtCounts:
    """How many doubts of one kind there were, by what came of them."""

    accepted: int = 0
    refused: int = 0
    unresolved: int = 0

    @property
    def total(self) -> int:
        """Return the number of doubts."""
        return self.accepted + self.refused + self.unresolved

    @property
    def acceptance_bound(self) -> float:
        """Return the upper bound of the probability that the next one was accepted.

        A doubt that was never resolved counts as accepted: otherwise only those would count of
        which a job was found, or whose upstream has a list.
        """
        return acceptance_bound(self.accepted + self.unresolved, self.total)

    def with_record(self, record: DoubtRecord) -> "DoubtCounts":
        """Return the counts with a record added."""
        count = record.count
        match record.result:
            case DoubtResult.ACCEPTED:
                return DoubtCounts(self.accepted + count, self.refused, self.unresolved)
            case DoubtResult.REFUSED:
                return DoubtCounts(self.accepted, self.refused + count, self.unresolved)
            case DoubtResult.UNRESOLVED:
                return DoubtCounts(self.accepted, self.refused, self.unresolved + count)


NO_DOUBTS = DoubtCounts()
"""The counts of a kind of doubt that never occurred."""


class DoubtKind(NamedTuple):
    """Doubts that are comparable: of one upstream, and by the same rule."""

    upstream: UpstreamId
    rule: str


def counts_by_kind(
    records: Iterable[DoubtRecord], upstreams: Mapping[ServiceId, UpstreamId]
) -> Mapping[DoubtKind, DoubtCounts]:
    """Return the counts of each kind of doubt, in the order of upstreams and rules.

    Args:
        records: What is stored.
        upstreams: The upstream of each service as configured now; other services do not count.
    """
    found: dict[DoubtKind, DoubtCounts] = {}
    for record in records:
        if record.service in upstreams:
            kind = DoubtKind(upstreams[record.service], record.rule)
            found[kind] = found.get(kind, NO_DOUBTS).with_record(record)
    return dict(sorted(found.items()))


def result_of_doubt(state: AttemptState, *, has_job: bool, is_released: bool) -> DoubtResult | None:
    """Return what came of an attempt that was in doubt; None while it is still looked for.

    Args:
        state: Its state now.
        has_job: A job of it was heard of, be it after its end.
        is_released: Its money was released.
    """
    if has_job or state in _HAD_JOB:
        return DoubtResult.ACCEPTED
    if state is AttemptState.REFUSED or is_released:
        return DoubtResult.REFUSED
    return DoubtResult.UNRESOLVED if state is AttemptState.UNRESOLVED else None


def has_job(attempt: Attempt) -> bool:
    """Tell whether it is certain that an upstream had a job for an attempt."""
    return attempt.job is not None or attempt.accepted_at is not None or attempt.state in _HAD_JOB


def acceptance_bound(accepted: int, total: int) -> float:
    """Return the 95 % upper bound of a probability, given what was counted.

    It is the exact one-sided bound of Clopper and Pearson: the probability at which so few
    successes, or fewer, are seen in 5 % of all cases. Approximations (Wilson, Jeffreys) are too low
    where little was counted, and that is where money is at stake: of one doubt that was refused
    Wilson makes 0.73, and this bound 0.95. Without experience it is 1.

    Source:
        Clopper, Pearson: "The use of confidence or fiducial limits illustrated in the case of the
        binomial", Biometrika 26 (1934).
    """
    if accepted >= total:
        return 1.0
    low, high = accepted / total, 1.0
    while high - low > _PRECISION:
        middle = (low + high) / 2
        if _binomial_at_most(accepted, total, middle) > _ERROR:
            low = middle
        else:
            high = middle
    return high


def _binomial_at_most(successes: int, total: int, chance: float) -> float:
    """Return the probability of at most so many successes; `successes` < `total` × `chance`."""
    ways = lgamma(total + 1) - lgamma(successes + 1) - lgamma(total - successes + 1)
    term = exp(ways + successes * log(chance) + (total - successes) * log1p(-chance))
    odds = (1 - chance) / chance
    found = 0.0
    for count in range(successes, -1, -1):  # the terms shrink on the way down
        found += term
        if term <= found * _PRECISION:
            break
        term *= count / (total - count + 1) * odds
    return found
