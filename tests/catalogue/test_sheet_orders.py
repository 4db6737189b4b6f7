"""What two orders cost apart is spelled apart: nothing that is priced is left to the service."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from itertools import product

import pytest

from tallylight.catalogue import facts
from tallylight.catalogue.modes import Mode, modes_for
from tallylight.catalogue.services import FactSheet
from tallylight.catalogue.wording import find_wording
from tallylight.model.money import cost_of
from tallylight.model.order import Form, Medium, Operation, Order, Role
from tallylight.upstreams.protocol import Adapter, Site
from tallylight.upstreams.protocols.registry import PROTOCOLS
from tests.contract.services import picture

TODAY = date(2026, 12, 1)
_MEDIA = {Role.SOURCE: Medium.VIDEO}


def is_live(sheet: FactSheet) -> bool:
    """Tell whether a model is sold today, as far as its sheet knows."""
    return sheet.shutdown_at is None or sheet.shutdown_at > TODAY


SPOKEN = tuple(
    each
    for each in facts.built_in_sheets().values()
    if is_live(each) and each.protocol in PROTOCOLS
)


def adapter_of(sheet: FactSheet) -> Adapter:
    """Return the adapter by which a provider's model is used, at an address where nothing is."""
    known = facts.built_in_upstreams().get(sheet.provider)
    dialects = PROTOCOLS[sheet.protocol].dialects
    is_own = known is not None and known.protocol == sheet.protocol
    dialect = (known.dialect if known is not None and is_own else "") or dialects[0]
    wordings = {} if sheet.wire is None else {sheet.model: sheet.wire}
    return PROTOCOLS[sheet.protocol].make(Site("http://127.0.0.1:9", dialect, wordings=wordings))


def orders(sheet: FactSheet) -> Iterator[Order]:
    """Yield orders of all that a sheet lets one choose."""
    for mode in modes_for(sheet.modes, Operation.CREATE):
        yield from _orders_in(sheet, mode)


def _orders_in(sheet: FactSheet, mode: Mode) -> Iterator[Order]:
    needed = mode.inputs[0] if mode.inputs else ()
    # A number, as an upload gives it where one has to come first.
    inputs = tuple(
        replace(picture(role, Form.URL), handle="1", medium=_MEDIA.get(role, Medium.IMAGE))
        for role, _ in needed
    )
    for seconds, frame, audio, quality, count in product(
        mode.seconds or (None,),
        mode.frames or (None,),
        mode.audio or (None,),
        mode.quality or ("",),
        (mode.count[0], mode.count[-1]),
    ):
        yield Order(
            sheet.model,
            "a paper boat",
            seconds=seconds,
            frame=frame,
            audio=audio,
            quality=quality,
            count=count,
            inputs=inputs,
        )


@pytest.mark.parametrize("sheet", SPOKEN, ids=lambda sheet: sheet.id)
def test_orders_of_different_prices_are_different_requests(sheet: FactSheet) -> None:
    adapter = adapter_of(sheet)
    if sheet.price is None or find_wording(adapter.features.wordings, sheet.model) is None:
        return
    costs: dict[object, object] = {}

    for order in orders(sheet):
        try:
            cost = cost_of(sheet.price, order)
        except LookupError:
            continue  # nothing is ordered whose price is not known
        request = adapter.submit(order, "vid_1.1_5f0a")
        sent = (request.url, request.json, request.form, _known(request.headers))
        assert costs.setdefault(sent, cost) == cost, order


@pytest.mark.parametrize("sheet", SPOKEN, ids=lambda sheet: sheet.id)
def test_each_mode_of_a_sheet_can_be_sent(sheet: FactSheet) -> None:
    adapter = adapter_of(sheet)

    for mode in sheet.modes:
        assert any(_is_sent(adapter, each) for each in _in_each_operation(sheet, mode)), mode


def _in_each_operation(sheet: FactSheet, mode: Mode) -> Iterator[Order]:
    order = next(_orders_in(sheet, mode))
    for operation in mode.operations or (Operation.CREATE,):
        yield replace(order, operation=operation)


def _is_sent(adapter: Adapter, order: Order) -> bool:
    try:
        adapter.submit(order, "vid_1.1_5f0a")
    except LookupError:
        return False
    features = adapter.features
    taken = all((each.role, each.medium) in features.inputs for each in order.inputs)
    return taken and order.operation in features.operations


def _known(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(headers.items()))
