from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.i18n import Language, translator
from tallylight.i18n.formatting import (
    format_day,
    format_duration,
    format_moment,
    format_moment_near,
    format_percent,
    format_relative,
    format_uptime,
)
from tallylight.i18n.prices import format_price, format_total, format_usd
from tallylight.model.ids import NO_KEY, ServiceId
from tallylight.model.ledger import Purpose, SpendingTotal
from tallylight.model.money import Price, PriceUnit

EN, HANT = translator(Language.EN), translator(Language.ZH_HANT)
NOW = datetime(2026, 1, 28, 14, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        (0.062, "62 ms", "62 毫秒"),
        (3.24, "3.2 s", "3.2 秒"),
        (74, "1 min 14 s", "1 分 14 秒"),
        (120, "2 min", "2 分"),
        (3600 * 5 + 120, "5 h 2 min", "5 小時 2 分"),
        (86400, "1 day", "1 天"),
        (86400 * 3 + 7200, "3 days 2 h", "3 天 2 小時"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds: float, english: str, chinese: str) -> None:
    length = timedelta(seconds=seconds)

    assert (format_duration(length, EN), format_duration(length, HANT)) == (english, chinese)


def test_a_relative_time_has_one_unit() -> None:
    assert format_relative(NOW - timedelta(seconds=2), NOW, EN) == "just now"
    assert format_relative(NOW - timedelta(hours=5, minutes=20), NOW, EN) == "5 h ago"
    assert format_relative(NOW + timedelta(seconds=40), NOW, EN) == "in 40 s"
    assert format_relative(NOW - timedelta(days=2), NOW, HANT) == "2 天前"


def test_times_omit_the_current_date_and_year() -> None:
    assert format_moment(NOW, EN) == "28 Jan 2026 at 14:00 UTC"
    assert format_moment_near(NOW - timedelta(hours=1), NOW, EN) == "13:00 UTC"
    assert format_moment_near(NOW - timedelta(days=2), NOW, EN) == "26 Jan at 14:00 UTC"
    assert format_moment_near(NOW - timedelta(days=40), NOW, HANT) == "2025年12月19日 14:00 UTC"
    assert format_day(date(2026, 9, 24), EN) == "24 September 2026"


def test_a_share_is_never_rounded_to_0_or_100_percent() -> None:
    assert format_percent(0.99987, EN) == ">99.9%"
    assert format_percent(0.0001, EN) == "<0.1%"
    assert format_percent(1.0, EN) == "100%"
    assert format_percent(0.873, EN, digits=0) == "87%"


@given(st.floats(0, 1), st.integers(0, 3))
def test_only_all_is_100_percent(ratio: float, digits: int) -> None:
    whole = format_percent(ratio, EN, digits=digits) == "100%"

    assert whole is (ratio * 100 == 100)


def test_an_uptime_is_shown_with_its_coverage() -> None:
    assert format_uptime("99.2 %", 0.87, None, EN) == "99.2% uptime (monitored 87% of the time)"
    assert format_uptime("99.2 %", 1.0, None, EN) == "99.2% uptime"
    assert format_uptime("", 0.0, None, EN) == "not monitored"
    hours = timedelta(hours=3)
    assert format_uptime("100 %", 1.0, hours, EN) == "100% of the 3 h monitored so far"


@pytest.mark.parametrize(
    ("amount", "written"),
    [("0.1", "$0.10"), ("0.0125", "$0.0125"), ("460", "$460.00"), ("12000", "$12,000.00")],
)
def test_amounts_have_two_decimal_places_or_more_if_needed(amount: str, written: str) -> None:
    assert format_usd(Decimal(amount)) == written


def test_prices_are_one_line() -> None:
    by_second = Price(
        PriceUnit.PER_SECOND,
        {"720p": Decimal("0.30"), "*": Decimal("0.50")},
        silent_rates={"720p": Decimal("0.20")},
        per_input_image=Decimal("0.01"),
    )
    by_block = Price(
        PriceUnit.PER_BLOCK, blocks={5: {"720p": Decimal("0.3")}, 10: {"720p": Decimal("0.9")}}
    )

    assert format_price(by_second, EN) == (
        "$0.30 per second (720p), $0.50 per second, without sound from $0.20, "
        "$0.01 more for each input image"
    )
    assert format_price(by_block, EN) == "$0.30 for 5 s (720p), $0.90 for 10 s (720p)"
    assert format_price(Price(PriceUnit.PER_CALL, {"*": Decimal("0.12")}), HANT) == "每次 $0.12"
    assert format_price(Price(PriceUnit.PER_CALL, {"*": Decimal(0)}), EN) == "free of charge"
    assert format_price(None, EN) == "price unknown"


@pytest.mark.parametrize(
    ("unknown", "english", "chinese"),
    [(0, "$1.20", "$1.20"), (1, "$1.20 or more", "至少 $1.20"), (2, "price unknown", "價格不明")],
)
def test_a_total_tells_that_amounts_are_missing(unknown: int, english: str, chinese: str) -> None:
    amount = Decimal(0) if unknown == 2 else Decimal("1.20")
    total = SpendingTotal(Purpose.TRAFFIC, NO_KEY, ServiceId("a"), 2, amount, unknown)

    assert (format_total(total, EN), format_total(total, HANT)) == (english, chinese)
