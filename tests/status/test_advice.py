"""What your budget buys: on the page, in the API, and while it is being computed."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING

import aiohttp
import pytest
from starlette.applications import Starlette

from tallylight.i18n import Language, translator
from tallylight.status.advice import Advice, AdviceRow, AdviceState
from tallylight.status.application import make_status_app
from tallylight.status.views.advice import BASELINE_Y, advice_view

if TYPE_CHECKING:
    from tests.status.conftest import Backend

Get = Callable[..., Awaitable[aiohttp.ClientResponse]]

EN = translator(Language.EN)


ROWS = (
    AdviceRow(Decimal(0), 0.0, 0.0, None, 0.0699),
    AdviceRow(Decimal("0.50"), 0.41, 0.334, 22.7, 0.05),
    AdviceRow(Decimal(3), 1.64, 0.8, 9.4, 0.0037),
)
SCRIPT = AdviceRow(None, 115.054, 0.995, 2.4, 0.0206)
COMPUTING = Advice(AdviceState.COMPUTING, Decimal(3), priced=4, unpriced=1)
READY = replace(
    COMPUTING,
    state=AdviceState.READY,
    rows=ROWS,
    plain_script=SCRIPT,
    rehearsed_services=4,
    days=30.0,
    outages=42,
)


@dataclass(slots=True)
class StubAdviceSource:
    """Returns the advice that a test sets."""

    current: Advice = field(default=COMPUTING)

    def advice(self) -> Advice:
        return self.current


@pytest.fixture
def advice_source() -> StubAdviceSource:
    """Return a source that is still computing."""
    return StubAdviceSource()


@pytest.fixture
def app(backend: "Backend", advice_source: StubAdviceSource) -> Starlette:
    """Return the app with an advice source."""
    return make_status_app(replace(backend.sources, advice=advice_source.advice))


async def test_the_page_says_that_it_is_being_computed(get: Get) -> None:
    page = await (await get("/")).text()
    body = await (await get("/api/advice")).json()

    assert "This is being computed for your services" in page
    assert "data-pending" in page
    assert (body["state"], body["rows"], body["plain_script"]) == ("computing", [], None)
    assert (body["own_usd_per_day"], body["priced"], body["unpriced"]) == (3.0, 4, 1)


async def test_the_page_shows_table_charts_and_assumptions_when_ready(
    get: Get, advice_source: StubAdviceSource
) -> None:
    advice_source.current = READY

    page = await (await get("/")).text()
    part = await (await get("/advice")).text()

    assert part.strip() in page
    assert "data-pending" not in page
    assert "Your budgets allow $3.00 per day." in part
    assert part.count("<tr>") == 5
    assert part.count('role="img"') == 2
    assert "Assumptions" in part


async def test_the_api_returns_the_same_figures(get: Get, advice_source: StubAdviceSource) -> None:
    advice_source.current = READY

    body = await (await get("/api/advice")).json()

    assert (body["state"], body["days"], body["outages"], body["rehearsed"]) == ("ready", 30, 42, 4)
    assert body["rows"][1] == {
        "budget_usd_per_day": 0.5,
        "spend_usd_per_day": 0.41,
        "seen_share": 0.334,
        "median_delay_minutes": 22.7,
        "wrong_share": 0.05,
    }
    assert body["plain_script"]["budget_usd_per_day"] is None


@pytest.mark.parametrize(
    ("language", "title"), [("zh-Hant", "您的預算能換來什麼"), ("zh-Hans", "您的预算能换来什么")]
)
async def test_the_section_is_translated(
    get: Get, advice_source: StubAdviceSource, language: str, title: str
) -> None:
    advice_source.current = READY

    part = await (await get(f"/advice?lang={language}")).text()

    assert title in part
    assert "outages" not in part.lower()


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (AdviceState.UNPRICED, "No service has a probe of known price"),
        (AdviceState.FAILED, "could not be computed"),
    ],
)
def test_what_cannot_be_computed_says_why(state: AdviceState, expected: str) -> None:
    view = advice_view(replace(COMPUTING, state=state), EN)

    assert expected in view.summary[0]
    assert len(view.summary) == 1
    assert not view.is_computing
    assert (view.rows, view.charts, view.assumptions) == ((), (), ())


def test_rows_are_text_and_mark_the_operators_own() -> None:
    nothing, _, own, script = advice_view(READY, EN).rows

    assert (nothing.budget, nothing.spend, nothing.median_delay) == ("$0.00", "$0.00", "–")
    assert (own.budget, own.is_own, own.spend, own.median_delay) == (
        "$3.00",
        True,
        "$1.64",
        "9 min 24 s",
    )
    assert (script.budget, script.is_own, script.spend) == ("Plain script", False, "$115.05")
    assert own.wrong_time == "5 min 20 s"


def test_charts_have_text_alternatives_and_mark_the_operators_own() -> None:
    seen, wrong = advice_view(READY, EN).charts

    assert [bar.kind for bar in seen.bars] == ["budget", "budget", "own", "script"]
    assert "$0.50: 33" in seen.text
    assert "script: 30" in wrong.text
    assert max(bar.height for bar in wrong.bars) == wrong.bars[0].height
    assert all(bar.y + bar.height == pytest.approx(BASELINE_Y) for bar in (*seen.bars, *wrong.bars))
    assert seen.bars[0].height == 0


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"rehearsed_services": 12, "priced": 100},
            "12 services were rehearsed as a sample of all 100.",
        ),
        ({"unpriced": 1}, "1 service without a known price is left out."),
        ({"unpriced": 7}, "7 services without a known price are left out."),
    ],
)
def test_assumptions_name_the_services_left_out(change: Mapping[str, int], expected: str) -> None:
    assert expected in advice_view(replace(READY, **change), EN).assumptions  # type: ignore[arg-type]
    plain = advice_view(replace(READY, unpriced=0), EN).assumptions
    assert not any("left out" in each or "a sample of all" in each for each in plain)


@pytest.mark.parametrize(
    ("own", "expected", "marked"),
    [
        (None, "Your configuration sets no limit.", 0),
        (Decimal(0), "Your configuration allows free probes only.", 1),
        (Decimal(3), "Your budgets allow $3.00 per day.", 1),
    ],
)
def test_the_summary_names_the_operators_own_limit(
    own: Decimal | None, expected: str, marked: int
) -> None:
    view = advice_view(replace(READY, own_budget=own), EN)

    assert view.summary[1] == expected
    assert sum(row.is_own for row in view.rows) == marked
