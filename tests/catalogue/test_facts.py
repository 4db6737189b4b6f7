from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from tallylight.catalogue import facts
from tallylight.catalogue.fit import PROBE_PROMPT, cheapest_order
from tallylight.catalogue.modes import made_frame
from tallylight.catalogue.services import FactSheet, ShutdownPrecision
from tallylight.model.frames import Frame
from tallylight.model.money import PriceUnit, cost_of, cost_of_tokens
from tallylight.model.order import Input, Medium, Order
from tallylight.model.status import Access
from tallylight.upstreams.feeds.detection import AUTO
from tallylight.upstreams.feeds.reader import page_root
from tallylight.upstreams.feeds.registry import FEED_READERS
from tests.builders import SERVICE, order_of

TODAY = date(2026, 12, 1)

# Every live video model of November 2026 by provider: size, seconds, USD.
LIVE = {
    "google/gemini-omni-1.2-flash": ("1280x720", 10, "0.69504"),
    "vertex/gemini-omni-1.1-flash": ("640x360", 10, "0.30415"),
    "vertex/veo-3.1-generate-001": ("3840x2160", 8, "4.80"),
    "vertex/veo-3.1-fast-generate-001": ("1920x1080", 8, "0.96"),
    "vertex/veo-3.1-lite-generate-001": ("1920x1080", 8, "0.64"),
    "kling/kling-v3": ("1280x720", 5, "0.63"),
    "kling/kling-3.0-turbo": ("1920x1080", 5, "0.70"),
    "kling/kling-v3-omni": ("1280x720", 5, "0.56"),
    "kling/kling-video-o1": ("1280x720", 5, "0.42"),
    "kling/kling-v2-5-turbo": ("1280x720", 5, "0.21"),
    "minimax/MiniMax-H3": ("2560x1440", 4, "0.52"),
    "minimax/MiniMax-H3-Max": ("854x480", 4, "0.20"),
    "fal/minimax/h3/text-to-video": ("3840x2160", 5, "0.80"),
    "saygm/minimax/h3": ("1536x672", 4, "0.288"),
    "runway/gen4_turbo": ("1280x720", 10, "0.50"),
    "runway/gen4.5": ("1280x720", 10, "1.20"),
    "runway/aleph2": ("1280x720", 10, "2.80"),
    "runway/act_two": ("1280x720", 10, "0.50"),
    "runway/seedance2_5": ("1920x1080", 5, "3.40"),
    "runway/seedance2": ("3840x2160", 5, "7.50"),
    "runway/seedance2_fast": ("1280x720", 5, "1.45"),
    "runway/seedance2_mini": ("1280x720", 5, "0.80"),
    "runway/hailuo3": ("2560x1440", 10, "1.50"),
    "runway/wan3": ("1280x720", 5, "0.50"),
    "runway/grok_imagine_1_5": ("1920x1080", 5, "1.45"),
    "runway/gemini_omni_flash": ("1280x720", 5, "0.50"),
    "runway/veo3.1": ("1280x720", 8, "3.20"),
    "runway/veo3.1_fast": ("1280x720", 8, "1.20"),
    "volcengine/doubao-seedance-2-5-260628": ("1280x720", 5, "1.0868"),
    "volcengine/dreamina-seedance-2-5-260628": ("854x480", 5, "0.5022"),
    "volcengine/doubao-seedance-2-0-260128": ("3840x2160", 5, "3.61098"),
    "volcengine/doubao-seedance-2-0-fast-260128": ("1280x720", 5, "0.57448248"),
    "volcengine/doubao-seedance-2-0-mini-260615": ("864x496", 5, "0.16502292"),
    "fal/bytedance/seedance-2.5/text-to-video": ("1280x720", 5, "2.365"),
    "fal/bytedance/seedance-2.0/text-to-video": ("3840x2160", 5, "7.776"),
    "fal/luma/agent/ray/v3.2/text-to-video": ("1280x720", 10, "2.00"),
    "fal/luma/agent/ray/v3.2/image-to-video": ("1920x1080", 5, "1.20"),
    "laozhang/doubao-seedance-2-5-260628": ("1920x1080", 5, "3.228126"),
    "laozhang/doubao-seedance-2-0-260128": ("1280x720", 5, "0.8563984"),
    "laozhang/MiniMax-H3": ("2560x1440", 5, "0.40"),
    "alibaba/wan3.0-video": ("1920x1080", 5, "1.00"),
    "alibaba-beijing/wan3.0-video": ("1920x1080", 5, "0.825125"),
    "alibaba/wan3.0-video-prime": ("854x480", 5, "0.34"),
    "alibaba-beijing/wan3.0-video-prime": ("1280x720", 5, "0.635995"),
    "alibaba/wan2.7-t2v": ("1280x720", 5, "0.50"),
    "alibaba/wan2.7-i2v": ("1920x1080", 5, "0.75"),
    "alibaba/wan2.7-r2v": ("1280x720", 5, "0.50"),
    "alibaba-beijing/wan2.7-t2v": ("1280x720", 5, "0.43006"),
    "alibaba-beijing/wan2.7-i2v": ("1920x1080", 5, "0.716765"),
    "alibaba-beijing/wan2.7-r2v": ("1280x720", 5, "0.43006"),
    "alibaba/happyhorse-1.1-t2v": ("1920x1080", 5, "0.90"),
    "alibaba-beijing/happyhorse-1.1-i2v": ("854x480", 5, "0.3094225"),
    "alibaba/happyhorse-1.0-r2v": ("1920x1080", 5, "1.20"),
    "alibaba-beijing/happyhorse-1.0-t2v": ("1280x720", 5, "0.618845"),
    "luma/ray-3.2": ("960x540", 5, "0.15"),
    "replicate/bytedance/seedance-1-pro": ("1280x720", 5, "0.30"),
    "xai/grok-imagine-video": ("1280x720", 5, "0.35"),
    "xai/grok-imagine-video-1.5": ("1920x1080", 5, "1.25"),
    "xai/grok-imagine-video-1.5-2026-05-30": ("854x480", 5, "0.40"),
    "xai/grok-imagine-video-1.5-preview": ("1280x720", 5, "0.70"),
    "xai/grok-imagine-video-1.5-lite": ("854x480", 5, "0.10"),
    "laozhang/gemini-omni-1.2-flash": ("1280x720", 10, "0.30"),
    "laozhang/doubao-seedance-2-0-fast-260128": ("1280x720", 5, "0.6890312"),
    "laozhang/doubao-seedance-2-0-mini-260615": ("1280x720", 5, "0.4281992"),
}

RETIRED = {
    "openai/sora-2": "2026-09-24",
    "openai/sora-2-2025-10-06": "2026-09-24",
    "openai/sora-2-2025-12-08": "2026-09-24",
    "openai/sora-2-pro": "2026-09-24",
    "openai/sora-2-pro-2025-10-06": "2026-09-24",
    "azure/sora": "2026-02-28",
    "azure/sora-2-2025-10-06": "2026-07-15",
    "azure/sora-2-2025-12-08": "2026-11-02",
    "google/veo-3.1-generate-preview": "2026-10-22",
    "google/veo-3.1-fast-generate-preview": "2026-10-22",
    "google/veo-3.1-lite-generate-preview": "2026-10-22",
    "vertex/veo-3.1-generate-preview": "2026-04-02",
    "vertex/veo-3.1-fast-generate-preview": "2026-04-02",
    "google/veo-3.0-generate-001": "2026-06-30",
    "google/veo-3.0-fast-generate-001": "2026-06-30",
    "google/veo-2.0-generate-001": "2026-06-30",
    "vertex/veo-3.0-generate-001": "2026-06-30",
    "vertex/veo-2.0-generate-001": "2026-06-30",
    "google/gemini-omni-flash-preview": "2026-10-22",
    "openai/gpt-image-1": "2026-10-23",
    "azure/gpt-image-1": "2026-10-23",
    "openai/gpt-image-1-mini": "2026-12-01",
    "openai/gpt-image-1.5": "2026-12-01",
    "openai/chatgpt-image-latest": "2026-12-01",
    "xai/grok-imagine-image-quality": "2026-11-02",
    "runway/gen3a_turbo": "2026-09-19",
    "laozhang/sora-2": "2026-07-01",
    "laozhang/sora_video2": "2026-05-31",
    "kie/sora-2": "2026-06-11",
    "apiyi/veo-3.1": "2026-11-09",
    "apiyi/sora-2-pro": "2026-05-31",
    "apiyi/sora_image": "2026-04-22",
    "apiyi/gpt-4o-image": "2026-04-22",
    "openai/dall-e-3": "2026-05-12",
    "sora2api/sora2-landscape-10s": "2026-04-26",
}

ENDING = {
    "google/gemini-omni-1.1-flash": "2026-12-03",
    "azure/gpt-image-1.5": "2026-12-16",
    "azure/gpt-image-1-mini": "2027-04-07",
    "azure/gpt-image-2": "2027-10-21",
    "azure/gpt-image-2.5-flare": "2027-09-09",
    "azure/gpt-image-2.5-sunburst": "2027-09-09",
}


def sheet(name: str) -> FactSheet:
    return facts.fact_sheets()[name]


def probe_order(found: FactSheet) -> Order | None:
    return cheapest_order(replace(SERVICE, model=found.model, sheet=found))


def is_retired(found: FactSheet) -> bool:
    day = found.shutdown_at
    is_certain = found.shutdown_precision is not ShutdownPrecision.NOT_BEFORE
    return day is not None and day <= TODAY and is_certain


@pytest.mark.parametrize(("name", "asked"), LIVE.items(), ids=LIVE)
def test_a_live_video_model_has_a_sheet_with_its_price(
    name: str, asked: tuple[str, int, str]
) -> None:
    size, seconds, usd = asked
    found = sheet(name)
    assert found.price is not None

    order = replace(order_of("", seconds), frame=made_frame(found.modes, size))

    cost = cost_of(found.price, order)

    assert cost == Decimal(usd)
    assert found.medium is Medium.VIDEO
    assert not is_retired(found)


@pytest.mark.parametrize(("name", "day"), RETIRED.items(), ids=RETIRED)
def test_a_retired_model_has_a_sheet_with_its_date(name: str, day: str) -> None:
    found = sheet(name)

    assert found.shutdown_at == date.fromisoformat(day)
    assert is_retired(found)


@pytest.mark.parametrize(("name", "day"), ENDING.items(), ids=ENDING)
def test_a_model_with_a_future_shutdown_names_the_date_and_is_not_retired(
    name: str, day: str
) -> None:
    found = sheet(name)

    assert found.shutdown_at == date.fromisoformat(day)
    assert not is_retired(found)


def test_the_cheapest_sora_2_costs_40_cents() -> None:
    found = sheet("openai/sora-2")

    order = probe_order(found)

    assert order == order_of(PROBE_PROMPT, 4, "1280x720", model="sora-2")
    assert found.price is not None
    assert order is not None
    assert cost_of(found.price, order) == Decimal("0.40")


def test_sora_2_pro_costs_by_resolution() -> None:
    price = sheet("openai/sora-2-pro").price
    assert price is not None

    costs = [
        cost_of(price, order_of("", 10, size)) for size in ("1280x720", "1792x1024", "1080x1920")
    ]

    assert costs == [3, 5, 7]


@pytest.mark.parametrize("size", ["960x540", "1280x720", "1080x1920"])
def test_ten_seconds_of_luma_cost_three_times_five(size: str) -> None:
    price = sheet("luma/ray-3.2").price
    assert price is not None

    assert price.unit is PriceUnit.PER_BLOCK
    assert cost_of(price, order_of("", 10, size)) == 3 * cost_of(price, order_of("", 5, size))


def test_a_large_picture_of_seedance_is_sold_in_the_shapes_whose_tokens_are_known() -> None:
    for name in (
        "volcengine/doubao-seedance-2-0-260128",
        "fal/bytedance/seedance-2.0/image-to-video",
    ):
        large = {
            each.aspect
            for mode in sheet(name).modes
            for each in mode.frames
            if each.resolution == "4k"
        }

        assert large == {"16:9", "9:16"}


def test_the_tokens_of_a_job_at_ark_are_priced() -> None:
    price = sheet("volcengine/doubao-seedance-2-0-260128").price
    assert price is not None

    order = replace(order_of("", 5), frame=Frame("1080p", "16:9"))

    assert cost_of_tokens(price, order, Decimal(243_000)) == Decimal("1.770498")


def test_kling_is_cheaper_without_sound() -> None:
    order = probe_order(sheet("kling/kling-v3"))
    price = sheet("kling/kling-v3").price
    assert order is not None
    assert price is not None

    assert (order.seconds, order.audio, order.size) == (3, False, "1280x720")
    assert cost_of(price, order) == Decimal("0.252")
    assert cost_of(price, replace(order, audio=True)) == Decimal("0.378")


def test_the_price_of_kling_2_6_is_known_without_sound_only() -> None:
    price = sheet("kling/kling-v2-6").price
    assert price is not None

    assert cost_of(price, order_of(seconds=5, audio=False)) == Decimal("0.21")
    with pytest.raises(LookupError):
        cost_of(price, order_of(seconds=5, audio=True))


def test_an_input_image_is_charged_if_the_provider_says_so() -> None:
    price = sheet("xai/grok-imagine-video-1.5").price
    assert price is not None
    order = order_of("", 5, "1280x720")

    with_two = replace(order, inputs=(Input(), Input()))

    assert cost_of(price, with_two) - cost_of(price, order) == Decimal("0.02")


def test_an_image_costs_its_tokens() -> None:
    found = sheet("openai/gpt-image-1")
    order = probe_order(found)
    assert found.price is not None
    assert order is not None

    high = replace(order, quality="high", frame=made_frame(found.modes, "1024x1536"))

    assert (order.seconds, order.quality, order.size) == (None, "low", "1024x1024")
    assert cost_of(found.price, order) == Decimal("0.01088")
    assert cost_of(found.price, high) == Decimal("0.2496")  # litellm's table has 0.25


def test_a_reverse_service_costs_per_call_at_any_length() -> None:
    for model in ("sora_video2", "sora_video2-landscape-15s"):
        for provider in ("laozhang", "apiyi"):
            found = facts.find_sheet(provider, model)
            assert found is not None
            assert found.access is Access.REVERSE
            assert found.price is not None
            assert found.price.unit is PriceUnit.PER_CALL
            assert cost_of(found.price, order_of("", 10, "704x1280")) == Decimal("0.12")


def test_vertex_names_only_the_earliest_date() -> None:
    found = sheet("vertex/veo-3.1-generate-001")

    assert found.shutdown_at == date(2026, 11, 17)
    assert found.shutdown_precision is ShutdownPrecision.NOT_BEFORE


@pytest.mark.parametrize(
    ("name", "earlier", "later"),
    [
        ("azure/sora-2", "2026-09-15", "2026-11-02"),
        ("azure/gpt-image-2", "2027-04-21", "2027-10-21"),
        ("google/gemini-omni-flash-preview", "2026-09-30", "2026-10-22"),
    ],
)
def test_conflicting_sources_are_marked(name: str, earlier: str, later: str) -> None:
    found = sheet(name)

    assert found.shutdown_precision is ShutdownPrecision.CONFLICTING
    assert found.earlier_shutdown_at == date.fromisoformat(earlier)
    assert found.shutdown_at == date.fromisoformat(later)


@pytest.mark.parametrize("found", facts.fact_sheets().values(), ids=lambda found: found.id)
def test_every_sheet_is_complete(found: FactSheet) -> None:
    assert facts.find_sheet(found.provider, found.model) is found
    assert found.sources
    assert found.as_of <= TODAY
    assert found.lengths == tuple(sorted(found.lengths))
    assert found.announced_at is None or found.announced_at <= TODAY
    if found.announced_at and found.shutdown_at:
        assert found.announced_at < found.shutdown_at
    if found.shutdown_precision is not ShutdownPrecision.EXACT:
        assert found.shutdown_at is not None
        assert found.notes


@pytest.mark.parametrize("found", facts.fact_sheets().values(), ids=lambda found: found.id)
def test_every_size_of_a_priced_sheet_has_a_rate_or_a_note(
    found: FactSheet,
) -> None:
    if found.price is None:
        return

    for mode in found.modes:
        for frame in mode.frames:
            order = replace(order_of(seconds=1), frame=frame, audio=False)
            try:
                cost_of(found.price, replace(order, seconds=min(mode.seconds, default=1)))
            except LookupError:
                assert "not known" in found.notes


def is_priced(found: FactSheet, order: Order) -> bool:
    """Tell whether a sheet prices an order; if it does not, its notes say so."""
    assert found.price is not None
    try:
        cost_of(found.price, order)
    except LookupError:
        assert "not known" in found.notes
        return False
    return True


@pytest.mark.parametrize("found", facts.fact_sheets().values(), ids=lambda found: found.id)
def test_frames_are_ordered_by_their_cost(found: FactSheet) -> None:
    if found.price is None or found.model == "gemini-omni-1.2-flash":
        return

    for mode in found.modes:
        orders = [replace(order_of(seconds=5), frame=each, audio=False) for each in mode.frames]
        costs = [cost_of(found.price, order) for order in orders if is_priced(found, order)]
        assert costs == sorted(costs)


def test_an_unknown_model_has_no_sheet() -> None:
    assert facts.find_sheet("openai", "sora-3") is None
    assert facts.find_sheet("nobody", "sora-2") is None


def test_loading_twice_reads_once() -> None:
    assert facts.fact_sheets() is facts.fact_sheets()


def test_unknown_lengths_or_prices_give_no_order() -> None:
    assert probe_order(sheet("fal/minimax/h3-max/recast")) is None
    assert probe_order(sheet("saygm/google/veo-3.1-fast")) is None


def test_a_file_is_named_for_its_provider() -> None:
    providers = {f"{found.provider}.yaml" for found in facts.built_in_sheets().values()}

    assert providers == set(facts.provider_file_names())


def test_every_built_in_upstream_has_a_sheet() -> None:
    providers = {found.provider for found in facts.fact_sheets().values()}

    assert set(facts.built_in_upstreams()) <= providers


@pytest.mark.parametrize(
    "feed", [each.feed for each in facts.built_in_upstreams().values() if each.feed]
)
def test_a_known_status_page_has_a_format_that_is_read(feed: Mapping[str, str]) -> None:
    reader = FEED_READERS.get(feed["format"])

    assert feed["format"] in {AUTO, *FEED_READERS}
    assert feed["url"].startswith("https://")
    assert reader is None or not reader.starts_at_root or page_root(feed["url"]) == feed["url"]
    assert feed.keys() <= {"format", "url", "component"}
