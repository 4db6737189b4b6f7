"""What it may cost to send a video on while an earlier attempt at it may be paid. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from tallylight.model.attempt import Attempt
from tallylight.model.attempt_state import AttemptState
from tallylight.model.doubt import has_job
from tallylight.model.ledger import EntryId, EntryState, LedgerEntry

_MICRO_USD = Decimal("0.000001")


_UNBOUNDED = Decimal("Infinity")
"""The risk of an attempt whose price is not known: no limit covers it."""


@dataclass(frozen=True, slots=True)
class SecondPayment:
    """The risk that an attempt is a second payment for its video.

    Args:
        chance: The upper bound of the probability that an earlier attempt was accepted.
        price: The price of the attempt in USD.
        earlier: What was risked by the attempts before it, in USD.
        rules: The rules of the doubts about those.
        is_looked_for: What became of an earlier attempt may still be found out.
    """

    chance: float
    price: Decimal
    earlier: Decimal
    rules: tuple[str, ...] = ()
    is_looked_for: bool = False

    @property
    def amount(self) -> Decimal:
        """Return what the attempt risks: its price times the chance, in USD."""
        return _product(self.price, self.chance)

    @property
    def total(self) -> Decimal:
        """Return what all attempts at the video risk, in USD."""
        return self.earlier + self.amount

    @property
    def note(self) -> str:
        """Return a line for the ledger."""
        why = ", ".join(self.rules) or "an earlier attempt may be paid"
        text = f"risks {self.amount} USD, {self.chance:.1%} of {self.price} USD ({why})"
        return f"{text}; with the attempts before it {self.total} USD" if self.earlier else text

    def is_within(self, limit: Decimal) -> bool:
        """Tell whether the attempt may be sent under a limit for all attempts at the video."""
        return not self.is_looked_for and self.total <= limit


def second_payment(
    attempts: Sequence[Attempt],
    risky: Sequence[Attempt],
    entries: Mapping[EntryId, LedgerEntry],
    price: Decimal,
    acceptance_bound: Callable[[Attempt], float],
) -> SecondPayment:
    """Return the risk of a further attempt at a video.

    The chances of several doubts of one video add up: the sum bounds the probability that one of
    them was accepted, however they depend on each other.

    Args:
        attempts: The attempts at the video, oldest first.
        risky: Those of them that may be paid for.
        entries: Their ledger entries.
        price: The price of the further attempt in USD.
        acceptance_bound: Returns the upper bound of the probability that an attempt in doubt was
            accepted.
    """
    chance, earlier = 0.0, Decimal(0)
    for attempt in attempts:
        entry = entries.get(attempt.entry)
        if chance and entry is not None:
            earlier += _product(_UNBOUNDED if entry.amount is None else entry.amount, chance)
        if attempt in risky:
            chance = min(chance + _chance(attempt, entry, acceptance_bound), 1.0)
    return SecondPayment(
        chance,
        price,
        earlier,
        tuple(dict.fromkeys(each.doubt_rule for each in risky if each.doubt_rule)),
        is_looked_for=any(each.state is not AttemptState.UNRESOLVED for each in risky),
    )


def _chance(
    attempt: Attempt, entry: LedgerEntry | None, acceptance_bound: Callable[[Attempt], float]
) -> float:
    if has_job(attempt):
        return 1.0
    if entry is not None and entry.state is EntryState.RELEASED:
        return 0.0  # it became known after its end that nothing was accepted
    return acceptance_bound(attempt)


def _product(amount: Decimal, chance: float) -> Decimal:
    return (amount * Decimal(chance)).quantize(_MICRO_USD, rounding=ROUND_CEILING)
