"""What a first file says is what was answered, and it loads without a warning."""

import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.catalogue import facts
from tallylight.catalogue.services import BillingBasis, Feed, Service
from tallylight.config.first_file import (
    FirstFile,
    FirstService,
    FirstUpstream,
    SecretPlace,
    first_file_text,
)
from tallylight.config.from_environment import environment_catalogue
from tallylight.config.settings import Configuration, load_configuration
from tallylight.documents.document import parse_document
from tallylight.model.status import Access
from tallylight.upstreams.json_access import object_at

TODAY = datetime(2026, 12, 1, tzinfo=UTC).date()
ENVIRONMENT = {"LAOZHANG_API_KEY": "sk-one", "KLINGAI_SECRET_KEY": "two", "ACCESS": "three"}
LAOZHANG = FirstUpstream(
    title="LaoZhang",
    provider="laozhang",
    base_url="https://api.laozhang.ai/v1",
    protocol="openai_videos",
    dialect="new_api",
    key=SecretPlace("LAOZHANG_API_KEY"),
    bills=BillingBasis.DELIVERIES,
    feed=Feed("statuspage", "https://status.example.com", "Video: API"),
)
KLING = FirstUpstream(
    title="Kling",
    provider="kling",
    base_url="https://api-singapore.klingai.com",
    protocol="kling",
    dialect="kling",
    key=SecretPlace("KLINGAI_SECRET_KEY"),
    options={"access_key": SecretPlace("ACCESS"), "usd_per_unit": "0.14"},
)
OMNI = FirstService("Gemini Omni", "laozhang", "gemini-omni-1.2-flash", probe_usd=Decimal("0.1"))
PLAIN = FirstFile({"laozhang": LAOZHANG}, {"omni": OMNI})


def loaded(answers: FirstFile, folder: Path) -> Configuration:
    path = folder / "tallylight.yaml"
    path.write_text(first_file_text(answers), "utf-8")
    found = load_configuration(path, ENVIRONMENT)
    assert found.warnings == ()
    return found


def only_service(found: Configuration) -> Service:
    (service,) = found.catalogue.services.values()
    return service


def test_an_upstream_is_what_was_found(tmp_path: Path) -> None:
    upstream = only_service(loaded(PLAIN, tmp_path)).upstream

    assert upstream.provider == "laozhang"
    assert upstream.base_url == LAOZHANG.base_url
    assert (upstream.protocol, upstream.dialect) == ("openai_videos", "new_api")
    assert upstream.key is not None
    assert upstream.key.reveal() == "sk-one"
    assert upstream.bills is BillingBasis.DELIVERIES
    assert upstream.feed == LAOZHANG.feed


def test_without_a_budget_probes_are_free(tmp_path: Path) -> None:
    found = loaded(PLAIN, tmp_path)

    assert only_service(found).probe_intervals.generation is None
    assert found.catalogue.total_budget.per_day is None
    assert found.alerts.receivers == {}


def test_a_budget_pays_for_probes(tmp_path: Path) -> None:
    found = loaded(replace(PLAIN, per_day=Decimal("2.50"), generation=timedelta(hours=3)), tmp_path)

    assert only_service(found).probe_intervals.generation == timedelta(hours=3)
    assert found.catalogue.total_budget.per_day == Decimal("2.50")


@pytest.mark.parametrize("usd", [None, Decimal(3)])
def test_what_the_budget_does_not_pay_for_is_watched_for_free(
    tmp_path: Path, usd: Decimal | None
) -> None:
    services = {"omni": replace(OMNI, probe_usd=usd)}

    found = loaded(replace(PLAIN, per_day=Decimal(2), services=services), tmp_path)

    assert only_service(found).probe_intervals.generation is None


def test_a_model_without_a_sheet_is_watched_for_free(tmp_path: Path) -> None:
    unknown = FirstService("of tomorrow", "laozhang", "video-9", access=Access.REVERSE)

    found = loaded(replace(PLAIN, per_day=Decimal(2), services={"new": unknown}), tmp_path)

    assert only_service(found).access is Access.REVERSE
    assert only_service(found).probe_intervals.generation is None


def test_keys_may_be_in_files(tmp_path: Path) -> None:
    (tmp_path / "my keys").mkdir()
    (tmp_path / "my keys" / "a.key").write_text("sk-in-a-file\n", "utf-8")
    (tmp_path / "my keys" / "a.key").chmod(stat.S_IRUSR | stat.S_IWUSR)
    in_file = SecretPlace(path="my keys/a.key")
    answers = replace(PLAIN, upstreams={"laozhang": replace(LAOZHANG, key=in_file)})

    key = only_service(loaded(answers, tmp_path)).upstream.key

    assert key is not None
    assert key.reveal() == "sk-in-a-file"


def test_a_pair_of_keys_is_named(tmp_path: Path) -> None:
    model = next(each.model for each in facts.fact_sheets().values() if each.provider == "kling")
    answers = FirstFile({"kling": KLING}, {"kling": FirstService("Kling", "kling", model)})

    options = only_service(loaded(answers, tmp_path)).upstream.options

    assert options.model_dump(include={"access_key"}) == {"access_key": "three"}


def test_alerts_go_where_they_should(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("json://127.0.0.1:9/told\n", "utf-8")

    found = loaded(replace(PLAIN, alert_url=SecretPlace(path="url")), tmp_path)

    assert found.alerts.receivers["team"].url.reveal() == "json://127.0.0.1:9/told"


def test_editors_are_told_the_schema() -> None:
    first, *_ = first_file_text(replace(PLAIN, schema="tallylight.schema.json")).splitlines()

    assert first == "# yaml-language-server: $schema=tallylight.schema.json"


def test_all_that_keys_open_can_be_written(tmp_path: Path) -> None:
    variables = {each.key_variable: "sk-one" for each in facts.built_in_upstreams().values()}
    known = environment_catalogue(variables, TODAY).catalogue.services
    upstreams = {
        str(each.upstream.id): FirstUpstream(
            title=each.upstream.provider,
            provider=each.upstream.provider,
            base_url=each.upstream.base_url,
            protocol=each.upstream.protocol,
            dialect=each.upstream.dialect,
            key=SecretPlace("LAOZHANG_API_KEY"),
        )
        for each in known.values()
    }
    services = {
        str(id_): FirstService(each.name, str(each.upstream.id), each.model)
        for id_, each in known.items()
    }

    found = loaded(FirstFile(upstreams, services), tmp_path)

    assert set(found.catalogue.services) == set(known)


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_texts_are_read_as_they_are(text: str) -> None:
    upstream = replace(LAOZHANG, title=text, feed=Feed(text, "https://a.example", text))
    answers = FirstFile({"a": upstream}, {"b": FirstService(text, "a", text)})

    document = parse_document(first_file_text(answers), "a.yaml", Path(), ENVIRONMENT)

    assert object_at(document.values, "services", "b")["model"] == text
    assert object_at(document.values, "upstreams", "a", "feed")["component"] == text
