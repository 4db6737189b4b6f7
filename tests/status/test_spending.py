"""Spending at an unknown price is unknown, never zero."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tallylight.catalogue.services import Service
from tallylight.model.ids import NO_KEY
from tallylight.model.ledger import EntryId, EntryState, LedgerEntry, Purpose, SpendingTotal
from tallylight.model.status import Access
from tallylight.status.json_shapes import ledger_response
from tallylight.status.spending import known_amount, known_total
from tests.builders import priced_service

ZERO = Decimal(0)
UNPRICED = priced_service(price=None)
PRICED = priced_service()
FREE = priced_service(price="0")
OWN = priced_service(price=None, access=Access.SELF_HOSTED)
ENTRY = LedgerEntry(
    EntryId("e"),
    PRICED.id,
    Purpose.TRAFFIC,
    "",
    EntryState.SETTLED,
    ZERO,
    ZERO,
    datetime(2026, 11, 22, tzinfo=UTC),
)


@pytest.mark.parametrize(
    ("service", "amount"),
    # A priced service has no rate for some sizes, nor for a film of unknown length.
    [(UNPRICED, None), (PRICED, None), (None, None), (FREE, ZERO), (OWN, ZERO)],
)
def test_nothing_is_known_of_an_entry_without_a_price(
    service: Service | None, amount: Decimal | None
) -> None:
    total = SpendingTotal(Purpose.TRAFFIC, NO_KEY, ENTRY.service, 1, ZERO)

    assert known_amount(ENTRY, service) == known_total(total, service) == amount


@pytest.mark.parametrize(
    "entry",
    [
        replace(ENTRY, amount=Decimal("0.40")),
        replace(ENTRY, estimate=Decimal("0.40")),
        replace(ENTRY, state=EntryState.RELEASED),
    ],
)
def test_what_was_reserved_charged_or_released_is_known(entry: LedgerEntry) -> None:
    assert known_amount(entry, UNPRICED) == entry.amount


def test_json_has_null_for_an_unknown_amount() -> None:
    paid = replace(ENTRY, amount=Decimal("0.40"), estimate=Decimal("0.50"))

    rows = ledger_response((), (ENTRY, paid), [UNPRICED]).entries

    assert [(row.estimate_usd, row.amount_usd) for row in rows] == [(None, None), (0.5, 0.4)]
