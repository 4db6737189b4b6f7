"""The state of an attempt as one pure table: what happened, and what it means for the money.

The table holds no clock; that a time has come is an event of the code around it. A *fact* is what
an upstream said, or what only the sender knows. Any process may record one, at any time: after an
end it corrects the money and never the state. A *decision* belongs to the owner of the video alone.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum


class AttemptState(StrEnum):
    """The state of an attempt."""

    INTENDED = "intended"  # about to be sent
    IN_DOUBT = "in_doubt"  # sent, but it is unknown whether the upstream has a job for it
    ACCEPTED = "accepted"  # the upstream has a job for it
    GIVEN_UP = "given_up"  # its result is no longer awaited, but may still arrive
    CANCELLING = "cancelling"  # its cancellation is announced, and perhaps sent
    MISSING = "missing"  # the upstream no longer knows its job: a doubt after acceptance
    RENDERED = "rendered"  # the upstream has made it; the result is not fetched yet
    REFUSED = "refused"  # the upstream has no job for it: nothing was billed
    DELIVERED = "delivered"
    FAILED = "failed"
    UNRESOLVED = "unresolved"  # ended without an answer; it counts as paid


class AttemptEvent(StrEnum):
    """What can happen to an attempt."""

    # Facts.
    NOT_SENT = "not_sent"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNCLEAR = "unclear"  # the response does not tell whether the create was accepted
    SHOWN = "shown"  # the upstream's list shows its job
    ABSENT = "absent"  # a list that shows all jobs, read to its end after the patience, does not
    WORKING = "working"
    DONE = "done"
    FAILED_FREE = "failed_free"
    FAILED_BILLED = "failed_billed"
    GONE = "gone"  # the upstream says that it knows no such job
    CANCELLED = "cancelled"
    NOT_CANCELLED = "not_cancelled"
    FETCHED = "fetched"
    # Decisions.
    LEAVE = "leave"  # its sender may be dead: treat it as in doubt
    GIVE_UP = "give_up"
    CANCEL = "cancel"
    CLOSE = "close"  # the video ended otherwise, or reached its deadline


class MoneyEffect(StrEnum):
    """What an event does to the money that is reserved for an attempt."""

    KEEP = "keep"
    RELEASE = "release"
    SETTLE = "settle"


_S, _E, _M = AttemptState, AttemptEvent, MoneyEffect

DECISIONS = frozenset({_E.LEAVE, _E.GIVE_UP, _E.CANCEL, _E.CLOSE})
"""The events that only the owner of a video may record."""

END_STATES = frozenset({_S.REFUSED, _S.DELIVERED, _S.FAILED, _S.UNRESOLVED})

MAY_BE_PAID = frozenset(_S) - {_S.REFUSED, _S.FAILED}
"""States in which the upstream may bill the attempt, or has billed it, for a result."""

_Cell = tuple[AttemptState, MoneyEffect]

_UNANSWERED: Mapping[AttemptEvent, _Cell] = {
    _E.NOT_SENT: (_S.REFUSED, _M.RELEASE),
    _E.REFUSED: (_S.REFUSED, _M.RELEASE),
    _E.ACCEPTED: (_S.ACCEPTED, _M.KEEP),
    _E.SHOWN: (_S.ACCEPTED, _M.KEEP),
    _E.DONE: (_S.RENDERED, _M.KEEP),
    _E.FAILED_FREE: (_S.FAILED, _M.RELEASE),
    _E.FAILED_BILLED: (_S.FAILED, _M.SETTLE),
}

_HAS_JOB: Mapping[AttemptEvent, _Cell] = {
    _E.DONE: (_S.RENDERED, _M.KEEP),
    _E.FAILED_FREE: (_S.FAILED, _M.RELEASE),
    _E.FAILED_BILLED: (_S.FAILED, _M.SETTLE),
    _E.CLOSE: (_S.UNRESOLVED, _M.SETTLE),
}

TRANSITIONS: Mapping[AttemptState, Mapping[AttemptEvent, _Cell]] = {
    _S.INTENDED: {
        **_UNANSWERED,
        _E.UNCLEAR: (_S.IN_DOUBT, _M.KEEP),
        _E.LEAVE: (_S.IN_DOUBT, _M.KEEP),
    },
    _S.IN_DOUBT: {
        **_UNANSWERED,
        _E.ABSENT: (_S.REFUSED, _M.RELEASE),
        _E.CLOSE: (_S.UNRESOLVED, _M.SETTLE),
    },
    _S.ACCEPTED: {
        **_HAS_JOB,
        _E.GIVE_UP: (_S.GIVEN_UP, _M.KEEP),
        _E.CANCEL: (_S.CANCELLING, _M.KEEP),
        _E.GONE: (_S.MISSING, _M.KEEP),
    },
    _S.GIVEN_UP: {
        **_HAS_JOB,
        _E.CANCEL: (_S.CANCELLING, _M.KEEP),
        _E.GONE: (_S.MISSING, _M.KEEP),
    },
    _S.CANCELLING: {
        **_HAS_JOB,
        _E.GONE: (_S.MISSING, _M.KEEP),
        _E.CANCELLED: (_S.FAILED, _M.RELEASE),
        _E.NOT_CANCELLED: (_S.ACCEPTED, _M.KEEP),
    },
    _S.MISSING: {
        **_HAS_JOB,
        _E.WORKING: (_S.ACCEPTED, _M.KEEP),
        _E.SHOWN: (_S.ACCEPTED, _M.KEEP),
        _E.CANCEL: (_S.CANCELLING, _M.KEEP),
        _E.CANCELLED: (_S.FAILED, _M.RELEASE),  # the poll that found it gone overtook this answer
    },
    _S.RENDERED: {
        _E.FETCHED: (_S.DELIVERED, _M.SETTLE),
        _E.CLOSE: (_S.DELIVERED, _M.SETTLE),  # it is paid for: relayed while it can be had
    },
    # What is heard after an end corrects the money, never the state.
    _S.REFUSED: {
        _E.ACCEPTED: (_S.REFUSED, _M.SETTLE),
        _E.SHOWN: (_S.REFUSED, _M.SETTLE),
        _E.WORKING: (_S.REFUSED, _M.SETTLE),
        _E.DONE: (_S.REFUSED, _M.SETTLE),
        _E.FAILED_BILLED: (_S.REFUSED, _M.SETTLE),
        _E.FAILED_FREE: (_S.REFUSED, _M.RELEASE),
    },
    _S.UNRESOLVED: {
        _E.ACCEPTED: (_S.UNRESOLVED, _M.SETTLE),
        _E.SHOWN: (_S.UNRESOLVED, _M.SETTLE),
        _E.WORKING: (_S.UNRESOLVED, _M.SETTLE),
        _E.DONE: (_S.UNRESOLVED, _M.SETTLE),
        _E.FAILED_BILLED: (_S.UNRESOLVED, _M.SETTLE),
        _E.ABSENT: (_S.UNRESOLVED, _M.RELEASE),
        _E.REFUSED: (_S.UNRESOLVED, _M.RELEASE),
        _E.NOT_SENT: (_S.UNRESOLVED, _M.RELEASE),
        _E.FAILED_FREE: (_S.UNRESOLVED, _M.RELEASE),
        _E.CANCELLED: (_S.UNRESOLVED, _M.RELEASE),
    },
    _S.FAILED: {
        _E.DONE: (_S.FAILED, _M.SETTLE),
        _E.FAILED_BILLED: (_S.FAILED, _M.SETTLE),
    },
    _S.DELIVERED: {},
}
"""The cells that do something; in all others nothing changes."""


def step(state: AttemptState, event: AttemptEvent) -> tuple[AttemptState, MoneyEffect]:
    """Return the state after an event, and what becomes of the reserved money."""
    return TRANSITIONS[state].get(event, (state, MoneyEffect.KEEP))


def may_send(states: Iterable[AttemptState], *, allows_second: bool = False) -> bool:
    """Tell whether a video may be sent to a further service.

    Args:
        states: The states of all its attempts.
        allows_second: The operator, or an upstream that bills deliveries alone, allows a second
            attempt while another may be paid.
    """
    return allows_second or MAY_BE_PAID.isdisjoint(states)
