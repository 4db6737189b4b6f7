"""The pages in a real browser."""

import re
from collections.abc import Awaitable, Callable
from typing import Protocol

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from tallylight.i18n import Language

OpenPage = Callable[..., Awaitable[Page]]
Fail = Callable[[str], Awaitable[None]]


class StubAdviceSource(Protocol):
    """Returns the advice that a test sets."""

    def set_computing(self) -> None:
        """Report from now on that the advice is being computed."""
        ...

    def set_ready(self) -> None:
        """Return the advice from now on."""
        ...


_OVERLAPPING = """
[...document.querySelectorAll("#advice svg")].flatMap((svg) => {
  const texts = [...svg.querySelectorAll("text")];
  const boxes = texts.map((each) => [each.textContent, each.getBoundingClientRect()]);
  return boxes.flatMap(([a, p], i) => boxes.slice(i + 1)
    .filter(([, q]) => p.left < q.right && q.left < p.right && p.top < q.bottom && q.top < p.bottom)
    .map(([b]) => `${a} / ${b}`));
})
"""

_SIDEWAYS = """
[document.documentElement, ...document.querySelectorAll("main *")]
  .filter((each) => !each.closest(".visually-hidden, thead, svg"))
  .filter((each) => each.scrollWidth > Math.max(each.clientWidth, each.offsetWidth))
  .map((each) => each.outerHTML.slice(0, 200))
"""
"""The parts of the page that are wider than their box."""

PATHS = [
    "/",
    "/services/sora-reverse",
    "/services/sora",
    "/?lang=zh-Hant",
    "/recommend",
    "/report",
    "/report?lang=zh-Hant",
]


async def test_the_page_shows_an_icon_and_a_label_for_every_service(open_page: OpenPage) -> None:
    page = await open_page()

    await expect(page.locator("article.service")).to_have_count(4)
    await expect(
        page.locator("#service-sora .service-header .status-icon-operational")
    ).to_be_visible()
    await expect(page.locator("#service-sora .status-label")).to_have_text("Operational")
    await expect(page.locator("#service-sora-reverse .status-label")).to_have_text("Suspended")
    await expect(page.locator("#service-veo .status-label")).to_have_text("Unknown")
    await expect(page.locator("#service-sora .feed")).to_contain_text("“Slow <jobs>”")


async def test_a_transition_shows_without_a_reload(open_page: OpenPage, fail: Fail) -> None:
    page = await open_page()
    await expect(page.locator("body")).to_have_class("is-live")
    await page.evaluate("window.neverReloaded = true")

    await fail("runway")

    await expect(page.locator("#service-runway .status-label")).to_have_text("Suspended")
    await expect(
        page.locator("#service-runway .service-header .status-icon-suspended")
    ).to_be_visible()
    await expect(page.locator("#headline")).to_have_text("1 of 4 services are operational.")
    await expect(page.locator("#announcer")).to_have_text("Runway Gen-4: Suspended")
    assert await page.evaluate("window.neverReloaded") is True


async def test_a_transition_shows_on_the_services_own_page(open_page: OpenPage, fail: Fail) -> None:
    page = await open_page("/services/runway?lang=zh-Hant")
    await expect(page.locator("body")).to_have_class("is-live")
    await page.locator("details summary").click()

    await fail("runway")

    await expect(page.locator("main .state .status-label")).to_have_text("暫停")
    assert await page.locator("details").get_attribute("open") is not None


async def test_a_disconnected_page_says_so_and_reconnects(open_page: OpenPage, fail: Fail) -> None:
    page = await open_page()
    await expect(page.locator("body")).to_have_class("is-live")

    await page.evaluate("source.close(); source.dispatchEvent(new Event('error'))")
    await expect(page.locator("[data-live-indicator]")).to_have_text("Reconnecting…")
    await fail("runway")
    await page.evaluate("listen()")

    await expect(page.locator("body")).to_have_class("is-live")
    await expect(page.locator("#service-runway .status-label")).to_have_text("Suspended")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("path", PATHS)
async def test_axe_finds_nothing(open_page: OpenPage, path: str, *, dark: bool) -> None:
    page = await open_page(path, dark=dark)

    found = await Axe().run(page)

    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("path", [*PATHS, "/services/veo"])
async def test_a_narrow_screen_never_scrolls_sideways(open_page: OpenPage, path: str) -> None:
    page = await open_page(path, width=320)

    assert await page.evaluate("document.documentElement.scrollWidth") <= 320


async def test_the_report_is_cards_on_a_phone_in_every_language(open_page: OpenPage) -> None:
    page = await open_page("/report", width=390)

    for language in Language:
        await page.goto(f"{page.url.partition('?')[0]}?lang={language}")

        assert await page.evaluate(_SIDEWAYS) == []
        await expect(page.locator(".cards tbody tr").first).to_have_css("display", "grid")
        found = await Axe().run(page)
        assert found.violations_count == 0, found.generate_report()


async def test_the_page_shows_what_a_budget_buys(open_page: OpenPage) -> None:
    page = await open_page()

    section = page.locator("#advice")
    await expect(section.get_by_role("heading")).to_have_text("What your budget buys")
    await expect(section.locator("tbody tr")).to_have_count(7)
    await expect(section.get_by_role("row", name="yours")).to_contain_text("$8.00")
    await expect(section.get_by_role("img")).to_have_count(2)
    await section.locator("summary").click()
    await expect(section.locator("details li").first).to_be_visible()


async def test_the_chart_is_readable_without_colour(open_page: OpenPage) -> None:
    page = await open_page()

    chart = page.get_by_role("img", name="Outages detected")
    await expect(chart).to_have_accessible_name(re.compile(r"\$10: 57%, .*script: 100%"))
    await expect(chart.locator("text", has_text="▲ yours")).to_have_count(1)
    await expect(chart.locator("text.value")).to_have_count(7)


async def test_labels_of_the_chart_do_not_overlap(open_page: OpenPage) -> None:
    page = await open_page("/?lang=zh-Hant")

    overlapping = await page.evaluate(_OVERLAPPING)

    assert overlapping == []


async def test_advice_shows_without_a_reload(
    open_page: OpenPage, advice_source: StubAdviceSource
) -> None:
    advice_source.set_computing()
    page = await open_page()
    await expect(page.locator("#advice")).to_contain_text("This is being computed")
    await page.evaluate("window.neverReloaded = true")

    advice_source.set_ready()

    await expect(page.locator("#advice tbody tr")).to_have_count(7, timeout=15_000)
    assert await page.evaluate("window.neverReloaded") is True
    assert await page.locator("[data-pending]").count() == 0


async def test_axe_finds_nothing_while_it_is_computed(
    open_page: OpenPage, advice_source: StubAdviceSource
) -> None:
    advice_source.set_computing()
    page = await open_page()

    found = await Axe().run(page)

    assert found.violations_count == 0, found.generate_report()


async def test_the_page_switches_to_traditional_chinese(open_page: OpenPage) -> None:
    page = await open_page()

    await page.get_by_role("link", name="繁體中文").click()

    await expect(page.locator("html")).to_have_attribute("lang", "zh-Hant")
    await expect(page.locator("#headline")).to_have_text("4 個服務中有 2 個正常。")
    await page.locator("#service-sora h2 a").click()
    await expect(page.locator("html")).to_have_attribute("lang", "zh-Hant")


async def test_the_page_is_complete_without_script(open_page: OpenPage) -> None:
    page = await open_page(script=False)

    await expect(page.locator("#service-sora .since, #service-sora time").first).to_be_visible()
    await expect(page.locator("#headline")).to_have_text("2 of 4 services are operational.")
    await expect(page.locator("[data-live-indicator]")).to_contain_text("14:00 UTC")


async def test_a_reader_asks_which_service_to_use_with_the_keyboard_alone(
    open_page: OpenPage,
) -> None:
    page = await open_page("/recommend")

    await page.get_by_label("Purpose").select_option("Production")
    await page.get_by_label("Seconds").fill("4")
    await page.get_by_label("Seconds").press("Enter")

    await expect(page.get_by_role("heading", level=2).first).to_have_text("Production")
    await expect(page.get_by_role("table")).to_contain_text("Cost per delivered video")
    await expect(page.get_by_label("Purpose")).to_have_value("production")
    await expect(page.get_by_label("Seconds")).to_have_value("4")
    assert "for=production" in page.url


async def test_an_invalid_size_is_told_above_the_form_which_keeps_it(open_page: OpenPage) -> None:
    page = await open_page("/recommend")

    await page.get_by_label("Size").fill("wide")
    await page.get_by_role("button", name="Compare").click()

    await expect(page.get_by_role("alert")).to_contain_text("1280x720")
    await expect(page.get_by_label("Size")).to_have_value("wide")
