"""Spending at an unknown price is unknown, never zero."""

from dataclasses import replace
from decimal import Decimal

from tallylight.model.ledger import EntryState
from tallylight.status.json_shapes import ledger_response
from tests.builders import attempt_of, new_video

_, PRICED = attempt_of(new_video())
UNKNOWN = replace(PRICED, state=EntryState.SETTLED, estimate=None, amount=None)


def test_json_has_null_for_an_unknown_amount() -> None:
    told = replace(UNKNOWN, amount=Decimal("0.3"))
    free = replace(UNKNOWN, estimate=Decimal(0), amount=Decimal(0))

    rows = ledger_response((), (UNKNOWN, told, free, PRICED)).entries

    assert [(row.estimate_usd, row.amount_usd) for row in rows] == [
        (None, None),
        (None, 0.3),
        (0.0, 0.0),
        (0.4, 0.4),
    ]
