"""What a budget buys, and the picture of it."""

from collections.abc import Callable
from decimal import Decimal
from xml.etree import ElementTree as ET

from tallylight.money import Budget
from tallylight.rehearsal.advice import what_budget_buys
from tallylight.rehearsal.picture import drawn
from tallylight.rehearsal.rules import compared
from tallylight.rehearsal.run import Means
from tallylight.rehearsal.stage import USUAL_PACE, service_of
from tallylight.rehearsal.trace import Trace
from tallylight.rehearsal.world import scenes

HOUR = 3600
HIDDEN = {"from": 4 * HOUR, "to": 9 * HOUR, "status": "suspended", "deliver": 0, "accept": 1}


def test_more_money_buys_more_knowledge_and_is_never_exceeded(
    told: Callable[..., Trace],
) -> None:
    service = service_of(scenes(told(price=0.1), 0)[0], USUAL_PACE, Budget())
    budgets = tuple(map(Decimal, ("0", "1")))

    nothing, something = what_budget_buys([service], budgets)

    assert nothing.spend == 0
    assert 0 < something.spend <= 1
    assert something.seen > nothing.seen
    assert something.wrong < nothing.wrong


def test_nothing_is_advised_for_services_without_a_price() -> None:
    assert what_budget_buys([]) == ()


def test_the_picture_is_well_formed_and_says_in_words_what_it_shows(
    told: Callable[..., Trace],
) -> None:
    lines = list(compared(told(HIDDEN, days=0.5), 0, Means()))

    root = ET.fromstring(drawn(lines, "a <test>"))  # noqa: S314  # our own text

    name = "{http://www.w3.org/2000/svg}"
    assert root.get("role") == "img"
    assert root.findtext(f"{name}title") == "a <test>"
    said = root.findtext(f"{name}desc") or ""
    assert all(line.rule in said for line in lines)
    assert len(lines) == 7
