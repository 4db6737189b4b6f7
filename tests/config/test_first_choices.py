"""What keys open, and what was found at an address, become a first file."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tallylight.catalogue import facts
from tallylight.catalogue.orders import probe_cost
from tallylight.catalogue.services import Upstream
from tallylight.config.first_choices import (
    choices_at,
    choices_of_environment,
    only,
    with_probe_prices,
)
from tallylight.config.first_file import FirstFile, SecretPlace, first_file_text
from tallylight.config.from_environment import environment_catalogue
from tallylight.config.settings import Configuration, load_configuration
from tallylight.errors import ConfigurationError
from tallylight.model.ids import ProviderId, UpstreamId

TODAY = datetime(2026, 12, 1, tzinfo=UTC).date()
PROFILES = facts.built_in_upstreams()
ALL_KEYS = {each.key_variable: "sk-of-a-caller" for each in PROFILES.values()}
PAIR = {"KLINGAI_SECRET_KEY": "secret-half", "KLINGAI_ACCESS_KEY": "access-half"}


def loaded(answers: FirstFile, environment: dict[str, str], folder: Path) -> Configuration:
    path = folder / "tallylight.yaml"
    path.write_text(first_file_text(answers), "utf-8")
    found = load_configuration(path, environment)
    assert found.warnings == ()
    return found


def test_all_that_keys_open_is_offered_and_written(tmp_path: Path) -> None:
    known = environment_catalogue(ALL_KEYS, TODAY, PROFILES).catalogue.services

    found = loaded(choices_of_environment(ALL_KEYS, TODAY, PROFILES), ALL_KEYS, tmp_path)

    assert {id_: (each.model, each.upstream.base_url) for id_, each in known.items()} == {
        id_: (each.model, each.upstream.base_url) for id_, each in found.catalogue.services.items()
    }


def test_the_prices_are_those_that_probes_will_have(tmp_path: Path) -> None:
    answers = replace(choices_of_environment(ALL_KEYS, TODAY, PROFILES), per_day=Decimal(1))

    services = loaded(answers, ALL_KEYS, tmp_path).catalogue.services

    prices = {str(id_): probe_cost(each) for id_, each in services.items()}
    assert {id_: each.probe_usd for id_, each in answers.services.items()} == prices
    assert any(each is None for each in prices.values())
    assert any(each is not None for each in prices.values())
    paid = {id_ for id_, each in services.items() if each.probe_intervals.generation is not None}
    assert paid == {id_ for id_, price in prices.items() if price is not None and price <= 1}


def test_no_secret_is_written() -> None:
    text = first_file_text(choices_of_environment(ALL_KEYS | PAIR, TODAY, PROFILES))

    assert "sk-of-a-caller" not in text
    assert "${KLING_API_KEY}" in text


def test_both_halves_of_a_pair_are_named(tmp_path: Path) -> None:
    answers = choices_of_environment(PAIR, TODAY, PROFILES)

    (upstream,) = {
        each.upstream.id: each.upstream
        for each in loaded(answers, PAIR, tmp_path).catalogue.services.values()
    }.values()

    assert upstream.key is not None
    assert upstream.key.reveal() == "secret-half"
    assert upstream.options.model_dump(include={"access_key"}) == {"access_key": "access-half"}


def test_without_a_key_it_is_said_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match="no key to work with"):
        choices_of_environment({}, TODAY, PROFILES)


def test_some_services_need_their_upstreams_alone(tmp_path: Path) -> None:
    answers = choices_of_environment(ALL_KEYS, TODAY, PROFILES)
    one = next(id_ for id_, each in answers.services.items() if each.upstream == "luma")

    chosen = only(answers, [one])

    assert list(chosen.upstreams) == ["luma"]
    assert list(loaded(chosen, ALL_KEYS, tmp_path).catalogue.services) == [one]
    with pytest.raises(KeyError):
        only(answers, ["unknown"])


def test_what_was_found_at_an_address_has_the_models_that_are_named(tmp_path: Path) -> None:
    found = Upstream(
        UpstreamId("found"),
        ProviderId("found"),
        "https://relay.example/v1",
        "openai_videos",
        "new_api",
        None,
    )

    choices = choices_at(found, SecretPlace(path="relay.key"), ["Veo/3.1", "sora-2"])
    answers = replace(with_probe_prices(choices, {}), per_day=Decimal(1))
    (tmp_path / "relay.key").write_text("sk-of-a-caller", "utf-8")

    services = loaded(answers, {}, tmp_path).catalogue.services
    assert {id_: each.model for id_, each in services.items()} == {
        "veo-3.1": "Veo/3.1",
        "sora-2": "sora-2",
    }
    assert {each.upstream.provider for each in services.values()} == {"relay.example"}
    assert {each.probe_intervals.generation for each in services.values()} == {None}
