"""What holds of every sheet: no dead advice, no price of a size it lacks, nothing unspelled."""

from collections.abc import Iterator

import pytest

from tallylight.catalogue import facts
from tallylight.catalogue.modes import frames_of
from tallylight.catalogue.services import FactSheet
from tallylight.catalogue.wording import Wording, find_wording
from tallylight.catalogue.wording_gaps import wording_gaps
from tallylight.model.money import ANY_RESOLUTION, Price
from tallylight.model.order import Order
from tallylight.model.status import Access
from tallylight.simulator.protocols.registry import TWINS
from tallylight.upstreams.protocol import Site
from tallylight.upstreams.protocols.registry import PROTOCOLS

SHEETS = tuple(facts.built_in_sheets().values())
DAY_OF_FACTS = max(sheet.as_of for sheet in SHEETS)
LIVE = tuple(sheet for sheet in SHEETS if not sheet.is_retired(DAY_OF_FACTS))
SPOKEN = tuple(sheet for sheet in LIVE if sheet.protocol)
PROFILES = facts.built_in_upstreams()
LEAST_SPOKEN = 95
REASONS = ("id on the wire", "How its requests are spelled is not known", "not spoken here")
"""What the notes say of a live model that cannot be ordered."""


def each_of(sheets: tuple[FactSheet, ...]) -> pytest.MarkDecorator:
    """Return the mark that runs a test over sheets."""
    return pytest.mark.parametrize("sheet", sheets, ids=lambda sheet: sheet.id)


def keys_of(price: Price) -> Iterator[str]:
    """Yield the sizes by which a price is keyed."""
    tables = (price.rates, price.silent_rates, *price.blocks.values())
    for table in (*tables, price.tokens, *price.quality_tokens.values()):
        yield from table


def sizes_of(sheet: FactSheet) -> set[str]:
    return {frame.resolution for frame in frames_of(sheet.modes)}


def wording_of(sheet: FactSheet) -> Wording | None:
    """Return how orders of a sheet are spelled by the protocol that its provider speaks."""
    known = PROFILES.get(sheet.provider)
    spoken = None if known is None else known.spoken(sheet.protocol)
    definition = PROTOCOLS[sheet.protocol]
    dialect = (spoken.dialect if spoken is not None else "") or definition.dialects[0]
    wordings = {} if sheet.wire is None else {sheet.model: sheet.wire}
    site = Site("https://a.example/v1", dialect, wordings=wordings)
    return find_wording(definition.make(site).features.wordings, sheet.model)


@each_of(LIVE)
def test_a_live_sheet_is_spoken_and_simulated_or_says_why_it_cannot_be_ordered(
    sheet: FactSheet,
) -> None:
    if sheet.protocol:
        assert sheet.protocol in PROTOCOLS
        assert sheet.protocol in TWINS
    else:
        assert any(reason in sheet.notes for reason in REASONS)


def test_nearly_all_live_sheets_are_spoken() -> None:
    models = {sheet.id for sheet in SPOKEN if not sheet.alias_of}

    assert len(models) >= LEAST_SPOKEN
    assert len(models) > 0.95 * sum(not sheet.alias_of for sheet in LIVE)


@each_of(SHEETS)
def test_a_replacement_has_a_sheet_at_the_same_provider(sheet: FactSheet) -> None:
    if sheet.replacement:
        assert facts.find_sheet(sheet.provider, sheet.replacement) is not None


@each_of(LIVE)
def test_a_live_sheet_names_no_retired_replacement(sheet: FactSheet) -> None:
    advised = sheet.replacement_on(DAY_OF_FACTS)

    assert advised is None or not advised.is_retired(DAY_OF_FACTS)


@each_of(SPOKEN)
def test_every_price_is_of_a_size_of_the_sheet(sheet: FactSheet) -> None:
    keys = set() if sheet.price is None else set(keys_of(sheet.price))

    assert keys <= {*sizes_of(sheet), ANY_RESOLUTION}


@each_of(SPOKEN)
def test_a_price_by_size_has_sizes(sheet: FactSheet) -> None:
    keys = set() if sheet.price is None else set(keys_of(sheet.price))

    assert keys <= {ANY_RESOLUTION} or sizes_of(sheet)


@each_of(SPOKEN)
def test_a_wording_spells_all_that_a_live_sheet_lets_one_choose(sheet: FactSheet) -> None:
    wording = wording_of(sheet)

    assert wording is not None
    for mode in sheet.modes:
        for frame in mode.frames:
            seconds = mode.seconds[0] if mode.seconds else None
            wording.write(Order(sheet.model, "a boat", seconds=seconds, frame=frame))
    is_short = all(mode.audio is None for mode in sheet.modes)
    if not is_short or sheet.wire is not None:
        assert wording_gaps(sheet.modes, wording) == ()


@each_of(tuple(sheet for sheet in SPOKEN if sheet.access is Access.OFFICIAL))
def test_the_provider_of_a_live_official_sheet_has_a_profile(sheet: FactSheet) -> None:
    profile = PROFILES.get(sheet.provider)

    assert profile is not None
    assert profile.key_variable
    assert profile.base_url.startswith("https://")


@pytest.mark.parametrize("provider", PROFILES)
def test_a_profile_says_where_the_protocols_of_its_live_sheets_are_spoken(provider: str) -> None:
    profile = PROFILES[provider]
    known = {profile.protocol, *(each.protocol for each in profile.further)}
    protocols = {each.protocol for each in SPOKEN if each.provider == provider}

    assert len(known) == 1 + len(profile.further)
    assert protocols <= known
