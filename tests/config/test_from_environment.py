"""Without a file, keys of the environment say what is watched and offered."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tallylight.catalogue import facts
from tallylight.catalogue.families import usual_name
from tallylight.catalogue.services import BillingBasis, ProbeIntervals
from tallylight.catalogue.sheets import BuiltInUpstream
from tallylight.clock import VirtualClock
from tallylight.config.from_environment import environment_catalogue
from tallylight.config.settings import Configuration, load_configuration
from tallylight.config.usability import Obstacle, found_key, usability
from tallylight.errors import ConfigurationError
from tallylight.gateway.routing.routes import usual_routes

NOW = datetime(2026, 12, 1, tzinfo=UTC)
TODAY = NOW.date()
MARKED = "sk-marked"
PROFILES = facts.built_in_upstreams()
UNSPOKEN = BuiltInUpstream(
    title="A", base_url="https://a.example", protocol="telepathy", key_variable="A_KEY"
)


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(**environment: str) -> Configuration:
    return load_configuration(None, environment, VirtualClock(NOW))


def refusal(**environment: str) -> str:
    with pytest.raises(ConfigurationError) as raised:
        load(**environment)
    return str(raised.value)


def test_the_keys_of_the_environment_say_what_is_watched() -> None:
    found = load(LAOZHANG_API_KEY=MARKED)

    service = found.catalogue.services["gemini-omni-1.2-flash-laozhang"]  # type: ignore[index]  # an id
    assert service.probe_intervals == ProbeIntervals(generation=None)
    assert service.upstream.bills is BillingBasis.DELIVERIES
    assert service.upstream.base_url == "https://api.laozhang.ai/v1"
    assert found.path is None
    assert MARKED not in repr(found)


def test_retired_models_are_left_out() -> None:
    before = VirtualClock(datetime(2026, 9, 23, tzinfo=UTC))
    keys = {"OPENAI_API_KEY": "x"}

    now = load_configuration(None, keys, VirtualClock(NOW)).catalogue.services
    then = load_configuration(None, keys, before).catalogue.services

    assert "sora-2-openai" not in now
    assert "gpt-image-2-openai" in now
    assert "sora-2-openai" in then


def test_without_keys_the_error_says_what_to_do() -> None:
    said = refusal()

    assert "set APIYI_API_KEY or LAOZHANG_API_KEY or OPENAI_API_KEY or SAYGM_API_KEY" in said
    assert "AZURE_OPENAI_API_KEY" not in said
    assert "write a tallylight.yaml" in said
    assert "`tallylight demo`" in said


def test_a_key_that_opens_nothing_is_named_with_the_reason() -> None:
    said = refusal(AZURE_OPENAI_API_KEY=MARKED)
    beside = load(AZURE_OPENAI_API_KEY=MARKED, SAYGM_API_KEY="x")

    assert "AZURE_OPENAI_API_KEY is set, but it needs a tallylight.yaml: its address names" in said
    assert [each.key for each in beside.warnings] == ["AZURE_OPENAI_API_KEY"]
    assert MARKED not in said + repr(beside)


def test_a_protocol_that_is_not_spoken_is_a_reason() -> None:
    sheet = replace(facts.fact_sheets()["saygm/minimax/h3"], protocol="telepathy")

    found = usability(sheet, PROFILES, {"SAYGM_API_KEY": "x"}, TODAY)

    assert (found.obstacle, found.detail) == (Obstacle.PROTOCOL, "telepathy")


def test_a_provider_without_a_live_model_is_a_reason() -> None:
    profiles = {"sora2api": UNSPOKEN, "saygm": PROFILES["saygm"]}

    found = environment_catalogue({"A_KEY": "x", "SAYGM_API_KEY": "x"}, TODAY, profiles)

    assert [str(each) for each in found.warnings] == [
        "environment: A_KEY: is set, but no live model is known there"
    ]


def test_a_variable_that_opens_another_region_is_no_reason_to_warn() -> None:
    other = PROFILES["saygm"].model_copy(update={"needs_file": "a region"})

    found = environment_catalogue(
        {"SAYGM_API_KEY": "x"}, TODAY, {"fal": other, "saygm": PROFILES["saygm"]}
    )

    assert found.warnings == ()


def test_one_of_two_secrets_is_not_enough_and_the_other_is_named() -> None:
    secret = load(SAYGM_API_KEY="x", KLINGAI_SECRET_KEY=MARKED).warnings
    access = load(SAYGM_API_KEY="x", KLINGAI_ACCESS_KEY=MARKED).warnings

    assert [str(each) for each in (*secret, *access)] == [
        "environment: KLINGAI_SECRET_KEY: is set, but KLINGAI_ACCESS_KEY is needed as well",
        "environment: KLINGAI_ACCESS_KEY: is set, but KLINGAI_SECRET_KEY is needed as well",
    ]


def test_a_pair_of_secrets_and_further_variables_are_read() -> None:
    pair = load(KLINGAI_SECRET_KEY="of-32-characters", KLINGAI_ACCESS_KEY="access")
    single = load(KLINGAI_API_KEY=f" {MARKED} ", KLINGAI_SECRET_KEY="x", KLING_API_KEY=" ")

    upstream = next(iter(pair.catalogue.services.values())).upstream
    assert upstream.options.model_dump()["access_key"] == "access"
    assert upstream.key is not None
    assert upstream.key.reveal() == "of-32-characters"
    key = next(iter(single.catalogue.services.values())).upstream.key
    assert key is not None
    assert key.reveal() == MARKED


@pytest.mark.parametrize(
    ("provider", "variable"),
    [
        ("google", "GEMINI_API_KEY"),
        ("google", "GOOGLE_API_KEY"),
        ("luma", "LUMA_AGENTS_API_KEY"),
        ("luma", "LUMA_API_KEY"),
        ("kling", "KLINGAI_API_KEY"),
    ],
)
def test_variables_that_makers_clients_read_are_read(provider: str, variable: str) -> None:
    found = found_key(PROFILES[provider], {variable: "x"})

    assert found is not None
    assert (found.variable, found.missing) == (variable, ())


def test_the_first_variable_counts() -> None:
    kling = PROFILES["kling"]

    found = found_key(kling, {"KLINGAI_API_KEY": "second", "KLING_API_KEY": "first"})

    assert found is not None
    assert (found.variable, found.text) == ("KLING_API_KEY", "first")


def test_an_address_of_the_environment_is_where_the_key_goes() -> None:
    relay = load(OPENAI_API_KEY="x", OPENAI_BASE_URL="https://relay.example/v1/")
    open_relay = refusal(OPENAI_API_KEY="x", OPENAI_BASE_URL="http://relay.example/v1")

    assert {each.upstream.base_url for each in relay.catalogue.services.values()} == {
        "https://relay.example/v1"
    }
    assert "http://relay.example/v1 would send the key unencrypted" in open_relay


def all_keys() -> dict[str, str]:
    return {each.key_variable: "x" for each in PROFILES.values()}


def test_ids_and_names_of_services_differ_over_all_providers() -> None:
    found = environment_catalogue(all_keys(), TODAY).catalogue.services
    usable = [
        each
        for each in facts.fact_sheets().values()
        if usability(each, PROFILES, all_keys(), TODAY).is_usable
    ]

    assert len(found) == len(usable)
    assert len({each.name for each in found.values()}) == len(found)
    assert all(each.probe_intervals.generation is None for each in found.values())
    assert all(each.probe_order is None for each in found.values())


def test_a_model_at_two_providers_is_one_route_by_its_usual_name() -> None:
    routes = load(SAYGM_API_KEY="x", FAL_KEY="y").routes

    assert set(routes["minimax-h3"].services) == {
        "minimax-h3-saygm",
        "minimax-h3-text-to-video-fal",
        "minimax-h3-image-to-video-fal",
        "minimax-h3-reference-to-video-fal",
    }
    assert routes["minimax/h3"].services == ("minimax-h3-saygm",)
    assert set(routes["seedance-2.5"].services) == {
        f"bytedance-seedance-2.5-{kind}-to-video-fal" for kind in ("text", "image", "reference")
    }


def usual_names() -> dict[str, set[str]]:
    """Return the sheets of the models that all keys together open, by their usual names."""
    services = environment_catalogue(all_keys(), TODAY).catalogue.services
    routes = usual_routes(services.values())
    names = {usual_name(each.sheet.title) for each in services.values()}
    return {name: {services[id_].sheet.id for id_ in routes[name].services} for name in names}


@pytest.mark.parametrize(
    ("name", "seller"),
    [
        ("wan-3.0", "runway/wan3"),
        ("wan-3.0-prime", "runway/wan3_prime"),
        ("minimax-h3", "runway/hailuo3"),
        ("minimax-h3-max", "runway/h3_max"),
        ("kling-3.0", "runway/kling3.0_standard"),
        ("kling-3.0-omni", "runway/klingO3_standard"),
        ("kling-2.5-turbo", "runway/kling2.5_turbo_pro"),
        ("gemini-omni-1.1-flash", "runway/gemini_omni_flash_1.1"),
        ("seedance-2.5", "runway/seedance2_5"),
        ("veo-3.1-fast", "runway/veo3.1_fast"),
    ],
)
def test_runway_sells_the_models_of_others_by_their_usual_names(name: str, seller: str) -> None:
    by_name = usual_names()

    assert seller in by_name[name]
    assert {each.partition("/")[0] for each in by_name[name]} > {"runway"}


def test_usual_names_differ_by_more_than_their_signs() -> None:
    names = usual_names()
    bare = {re.sub(r"[^a-z0-9]", "", name.replace(".0", "")) for name in names}

    assert len(bare) == len(names)
    assert all(re.fullmatch(r"[a-z0-9]+([.-][a-z0-9]+)*", name) for name in names)
    assert not any(word in name for name in names for word in ("official", "reverse", "preview"))


def test_a_dearer_or_lesser_kind_of_a_model_has_a_name_of_its_own() -> None:
    kinds = ("fast", "mini", "lite", "turbo", "flash", "prime", "max", "4k")
    for name, sheets in usual_names().items():
        for kind in kinds:
            marked = {each for each in sheets if _has_word(each.partition("/")[2], kind)}

            assert marked in (set(), sheets), (name, kind)


def _has_word(model: str, word: str) -> bool:
    return re.search(rf"(?<![a-z]){word}(?![a-z])", model.lower()) is not None


def test_a_further_id_at_one_provider_is_not_tried_after_the_first() -> None:
    routes = load(OPENAI_API_KEY="x").routes

    assert routes["gpt-image-2"].services == ("gpt-image-2-openai",)
    assert routes["gpt-image-2-2026-04-21"].services == ("gpt-image-2-2026-04-21-openai",)


def test_a_name_is_of_one_medium() -> None:
    services = environment_catalogue(all_keys(), TODAY).catalogue.services

    for route in usual_routes(services.values()).values():
        assert len({services[id_].sheet.medium for id_ in route.services}) == 1
