"""What budgets buy is computed by a worker, once for each question, and only if somebody asks."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from tallylight.app.budget_advice import BudgetAdviser, run_advice_worker
from tallylight.catalogue.services import Catalogue
from tallylight.config.settings import Configuration
from tallylight.errors import TallylightError
from tallylight.model.money import Price, PriceUnit
from tallylight.model.status import Access
from tallylight.rehearsal.advice import BudgetQuestion, PricedService
from tallylight.status.advice import AdviceState

FREE = """
upstreams:
  lab: {provider: lab, base_url: "http://127.0.0.1:1/v1", protocol: openai_videos, key: sk-planted}
services:
  wan: {upstream: lab, model: wan-3.0, access: self_hosted, lengths: [4], sizes: [832x480]}
"""
ONE_MORE = (
    "  ltx: {upstream: lab, model: ltx-3, access: self_hosted, lengths: [4], sizes: [832x480]}\n"
)
PRICEY = BudgetQuestion(
    (PricedService(Access.OFFICIAL, Decimal("0.40"), has_feed=True),), 0, Decimal(2)
)

Load = Callable[..., Configuration]


class Office:
    """An adviser of a configuration that can be changed."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.adviser = BudgetAdviser(lambda: self.configuration)

    @property
    def state(self) -> AdviceState:
        """Return what who asks now is told."""
        return self.adviser.advice().state


@pytest.fixture
def office(load: Load) -> Office:
    """Return an adviser for one service of one's own, which costs nothing."""
    return Office(load(FREE))


async def test_who_asks_first_begins_the_computing_and_does_not_wait(office: Office) -> None:
    assert office.state is AdviceState.COMPUTING

    await office.adviser.compute_next()

    found = office.adviser.advice()
    assert found.state is AdviceState.READY
    assert found.rehearsed_services == found.priced == 1
    assert [row.budget for row in found.rows] == [0]
    assert found.outages > 0
    assert found.plain_script is not None
    assert found.plain_script.seen_share > found.rows[0].seen_share


async def test_a_question_is_answered_once_and_anew_when_it_changes(
    office: Office, load: Load
) -> None:
    assert office.state is AdviceState.COMPUTING
    await office.adviser.compute_next()

    office.configuration = load(FREE + "status: {title: Another title}\n")
    same = office.state
    office.configuration = load(FREE + ONE_MORE)
    other = office.state

    assert (same, other) == (AdviceState.READY, AdviceState.COMPUTING)
    await office.adviser.compute_next()
    assert office.adviser.advice().priced == 2


async def test_a_catalogue_without_a_price_needs_no_worker(office: Office) -> None:
    (service,) = office.configuration.catalogue.services.values()
    unpriced = replace(service, sheet=replace(service.sheet, price=None), probe_order=None)
    office.configuration = Configuration(None, Catalogue({service.id: unpriced}))

    found = office.adviser.advice()

    assert (found.state, found.priced, found.unpriced) == (AdviceState.UNPRICED, 0, 1)


async def test_a_worker_that_fails_is_told_of_and_not_tried_again(office: Office) -> None:
    (service,) = office.configuration.catalogue.services.values()
    nonsense = Price(PriceUnit.PER_CALL, {"*": Decimal(-1)})
    broken = replace(service, sheet=replace(service.sheet, price=nonsense))
    office.configuration = Configuration(None, Catalogue({service.id: broken}))

    before = office.state
    await office.adviser.compute_next()

    assert (before, office.state) == (AdviceState.COMPUTING, AdviceState.FAILED)


async def test_a_worker_that_fails_raises() -> None:
    nonsense = BudgetQuestion(
        (PricedService(Access.OFFICIAL, Decimal(-1), has_feed=False),), 0, None
    )

    with pytest.raises(TallylightError, match="the budget advice worker exited with code"):
        await run_advice_worker(nonsense)


async def test_a_worker_is_killed_with_whoever_waits_for_it() -> None:
    waiting = asyncio.create_task(run_advice_worker(PRICEY))
    async with asyncio.timeout(20):
        while not _workers():
            await asyncio.to_thread(_workers)  # a turn of the loop and of the machine

    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    assert not _workers()


def _workers() -> list[Path]:
    """Return the workers that are children of this process."""
    own = Path("/proc/self").resolve().name
    return [
        folder
        for folder in Path("/proc").glob("[0-9]*")
        if _told(folder / "stat").rpartition(")")[2].split()[1:2] == [own]
        and "advice_worker" in _told(folder / "cmdline")
    ]


def _told(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError:  # it has ended meanwhile
        return ""
