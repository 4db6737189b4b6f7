"""What upstreams say as they fail: names of states, signs that point at one, "it is gone".

A name is read from what an answer says, never from how many of them there are (rule 2).
"""

import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from tallylight.model.evidence import Evidence, FailureKind, Source
from tallylight.model.status import Access
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import Answer, Gone, Standing

_KEPT = 4
_NAMES = frozenset({FailureKind.RISK_CONTROL, FailureKind.SUSPENDED, FailureKind.MAINTENANCE})
_TELLING = _NAMES | {FailureKind.RETIRED}
_DEEP = {
    Source.REACH: 0,
    Source.CREDENTIALS: 1,
    Source.ACCEPTANCE: 2,
    Source.GENERATION: 2,
    Source.TRAFFIC: 2,
}


def answer_of(evidence: Evidence) -> Answer | None:
    """Return the failing answer of a piece of evidence."""
    failure = evidence.failure
    if failure is None:
        return None
    return Answer(
        at=evidence.at,
        source=evidence.source,
        kind=failure.kind,
        rule=failure.rule,
        text=failure.text,
        named=failure.names_state,
        http_status=failure.http_status,
    )


def log_of_name(answer: Answer | None, policy: Policy) -> float:
    """Return what an answer adds for naming its own state, or pointing at it.

    No healthy service names one; and of a resold account, a challenge page is a sign.
    """
    if answer is None:
        return 0.0
    if answer.named and answer.kind in _TELLING:
        return math.log(policy.named_factor)
    return math.log(policy.sign_factor) if _is_sign(answer, policy) else 0.0


def marked(marks: tuple[Answer, ...], answer: Answer | None, policy: Policy) -> tuple[Answer, ...]:
    """Return the marks with one more answer, if it names a state or points at risk control.

    Of signs that are not independent the first and the newest are enough, so that a burst of one
    cannot push the others out.
    """
    if answer is None or not (answer.kind is FailureKind.RISK_CONTROL or _is_name(answer)):
        return marks
    oldest = answer.at - policy.hold_marks
    kept = [mark for mark in marks if mark.at > oldest]
    like = [mark for mark in kept if _is_like(mark, answer)]
    if len(like) > 1:
        kept.remove(like[-1])
    return tuple(sorted((*kept, answer), key=lambda mark: mark.at)[-_KEPT:])


def name(standing: Standing, since: datetime, policy: Policy) -> Answer | None:
    """Return the newest answer of an outage that names its state.

    A pause or a maintenance that a delivery has refuted no longer names anything; under risk
    control some jobs are expected to pass.
    """
    delivery = standing.record.delivery
    for mark in reversed(_fresh(standing, since, policy)):
        is_refuted = delivery is not None and delivery.at > mark.at
        if _is_name(mark) and (mark.kind is FailureKind.RISK_CONTROL or not is_refuted):
            return mark
    return None


def signs(standing: Standing, since: datetime, policy: Policy) -> tuple[Answer, Answer] | None:
    """Return two independent signs of risk control on a reverse service, newest last.

    Signs are independent if their rules or their sources differ, or if enough time lies between
    them: one challenge page twice in a minute is one sign.
    """
    if policy.access is not Access.REVERSE:
        return None
    found = [
        mark for mark in _fresh(standing, since, policy) if mark.kind is FailureKind.RISK_CONTROL
    ]
    if not found:
        return None
    newest = found[-1]
    for mark in found[:-1]:
        if not _is_like(mark, newest) or newest.at - mark.at >= policy.sign_gap:
            return mark, newest
    return None


def with_gone(gone: Gone | None, answer: Answer | None) -> Gone | None:
    """Return the tally of "the model is no more" after one more failing answer."""
    if answer is None or answer.kind is not FailureKind.RETIRED:
        return gone
    if gone is None or gone.first.rule != answer.rule:
        return Gone(answer, answer.at)
    if answer.at <= gone.last:
        return gone
    return replace(gone, last=answer.at, count=gone.count + 1)


def is_gone(gone: Gone | None, policy: Policy) -> bool:
    """Tell whether the same unmistakable answer came often enough and over long enough."""
    return (
        gone is not None
        and gone.first.named
        and gone.count >= policy.retired_least
        and gone.last - gone.first.at >= policy.retired_over
    )


def is_refuted(answer: Answer, source: Source) -> bool:
    """Tell whether something good from this source disproves an earlier answer.

    A refusal at one depth is disproved at that depth or a deeper one: a listed model does not
    show a wallet to be full, a delivered video does.
    """
    return _DEEP[source] >= _DEEP[answer.source]


def is_deeper(one: Source, other: Source) -> bool:
    """Tell whether a source asks more of a service than another one."""
    return _DEEP[one] > _DEEP[other]


def _fresh(standing: Standing, since: datetime, policy: Policy) -> list[Answer]:
    oldest = max(since, standing.at - policy.hold_marks)
    return [mark for mark in standing.marks if mark.at >= oldest]


def _is_name(mark: Answer) -> bool:
    return mark.named and mark.kind in _NAMES


def _is_sign(answer: Answer, policy: Policy) -> bool:
    return policy.access is Access.REVERSE and answer.kind is FailureKind.RISK_CONTROL


def _is_like(one: Answer, other: Answer) -> bool:
    return (one.kind, one.rule, one.source) == (other.kind, other.rule, other.source)


def newest(answers: Iterable[Answer | None]) -> Answer | None:
    """Return the newest of some answers."""
    return max((a for a in answers if a is not None), key=lambda a: a.at, default=None)
