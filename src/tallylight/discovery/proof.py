"""What answers to free questions prove of the API that gave them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from http import HTTPStatus

from tallylight.discovery.candidates import ApiCandidate
from tallylight.model.evidence import NOT_LISTED_RULE, Failure, FailureKind
from tallylight.upstreams.json_access import parse_json
from tallylight.upstreams.messages import Reply
from tallylight.upstreams.steps import CheckOutcome

_IS_NAME = re.compile(r"[A-Za-z_.]{1,60}")
_REFUSALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class Proof(IntEnum):
    """What the check of a candidate has proven; the most first."""

    ANSWERED = 1  # the key is accepted: it was told what no other is told
    NO_MONEY = 2  # the key is known, and has no money left
    DENIED = 3  # the API denies what is not there, which it tells no other key
    KEY_REFUSED = 4
    PUBLIC = 5  # the API speaks like that, but to anybody: nothing is known of the key
    ALL_REFUSED = 6  # whatever is asked with the key is refused, also what no API has
    NOTHING = 7


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A signed question of a check.

    Args:
        question: What tells it from all others, and is the same for those that ask the same.
        reply: Its answer.
        without_key: The answer to the same question without the key.
        elsewhere: The answer to a question for a path that no API has.
    """

    question: str
    reply: Reply
    without_key: Reply | None = None
    elsewhere: Reply | None = None

    @property
    def is_special(self) -> bool:
        """Tell whether the API answers so to this question alone."""
        return self.elsewhere is None or not are_alike(self.reply, self.elsewhere)

    @property
    def needs_key(self) -> bool:
        """Tell whether the API answers so to the key alone."""
        return self.without_key is None or not are_alike(self.reply, self.without_key)


@dataclass(frozen=True, slots=True)
class CheckedCandidate:
    """What became of the check of a candidate."""

    candidate: ApiCandidate
    outcome: CheckOutcome
    asked: tuple[AskedQuestion, ...]

    @property
    def proof(self) -> Proof:
        """Return what it proves."""
        if isinstance(self.outcome, Failure):
            return self._proof_of_failure(self.outcome)
        return self._proof_of_success()

    @property
    def proving(self) -> frozenset[str]:
        """Return the questions whose answers prove something."""
        good = [each for each in self.asked if each.is_special]
        return frozenset(
            each.question
            for each in good
            if self.candidate.upstream.key is None or each.needs_key or self.proof is Proof.PUBLIC
        )

    def _proof_of_failure(self, failure: Failure) -> Proof:
        if accepts_key(failure):
            return self._proof_of_success()
        if not self.asked:
            return Proof.NOTHING
        last = self.asked[-1]
        if failure.kind is FailureKind.QUOTA and last.is_special:
            return Proof.NO_MONEY
        is_told = last.reply.status in _REFUSALS or last.reply.is_success
        if failure.kind is FailureKind.AUTH and is_told:
            return Proof.KEY_REFUSED if last.is_special else Proof.ALL_REFUSED
        return Proof.NOTHING

    def _proof_of_success(self) -> Proof:
        good = [each for each in self.asked if each.is_special]
        own = [each for each in good if each.needs_key]
        if self.candidate.upstream.key is None:
            own = good
        if any(each.reply.is_success for each in own):
            return Proof.ANSWERED
        if any(each.reply.is_success for each in good):
            return Proof.PUBLIC
        return Proof.DENIED if own else Proof.NOTHING


def accepts_key(outcome: CheckOutcome) -> bool:
    """Tell whether an adapter took the answers for those to a good key, whatever the model is."""
    if not isinstance(outcome, Failure):
        return True
    return outcome.rule == NOT_LISTED_RULE or outcome.kind is FailureKind.RETIRED


def ranked(checked: Sequence[CheckedCandidate]) -> tuple[CheckedCandidate, ...]:
    """Return the candidates of which something is proven, the likeliest first.

    A question that few protocols ask proves more than one that many do. Those of which as much is
    proven keep their order.
    """
    found = [each for each in checked if each.proof is not Proof.NOTHING]
    return tuple(sorted(found, key=lambda each: (each.proof, _least_shared(each, found))))


def _least_shared(one: CheckedCandidate, found: Iterable[CheckedCandidate]) -> int:
    """Return how many protocols share the question of a candidate that the fewest share."""
    shares = (
        len({each.candidate.upstream.protocol for each in found if question in each.proving})
        for question in one.proving
    )
    return min(shares, default=len(list(found)))


def are_alike(one: Reply, other: Reply) -> bool:
    """Tell whether two answers say the same, but for ids, times and sentences."""
    return one.status == other.status and _outline(one) == _outline(other)


def _outline(reply: Reply) -> object:
    return _shape(parse_json(reply.body))


def _shape(value: object) -> object:
    match value:
        case dict():
            return {key: _shape(each) for key, each in value.items()}
        case list():
            return [_shape(each) for each in value[:1]]
        case str() if _IS_NAME.fullmatch(value):
            return value
        case bool() | None:
            return value
        case _:
            return "*"
