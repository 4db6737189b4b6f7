"""The command `tallylight init`."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner, Result

from tallylight.cli.shared import application
from tallylight.config.settings import load_configuration
from tallylight.simulator.server import serve_simulation
from tallylight.simulator.world import Simulation
from tests.protocols import scenario_of


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    structlog.reset_defaults()


@pytest.fixture
async def world() -> AsyncIterator[Simulation]:
    async with serve_simulation(scenario_of("luma")) as world:
        yield world
        assert not world.ledger.entries


async def init(*options: str, **environment: str) -> Result:
    words = ["init", "--yes", "--lang", "en", *options]
    return await asyncio.to_thread(CliRunner(env=environment).invoke, application, words)


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def key_of(world: Simulation) -> str:
    return str(next(iter(world.scenario.upstreams.values())).keys[0].key)


async def test_the_keys_of_the_environment_become_a_file(tmp_path: Path) -> None:
    environment = {"LUMA_AGENTS_API_KEY": "sk-of-a-caller"}

    result = await init("--per-day", "1.50", **environment)

    assert result.exit_code == 0, result.output
    found = load_configuration(tmp_path / "tallylight.yaml", environment)
    assert {each.upstream.provider for each in found.catalogue.services.values()} == {"luma"}
    assert str(found.catalogue.total_budget.per_day) == "1.5"
    assert found.warnings == ()
    assert result.stdout.startswith("tl-")
    assert "sk-of-a-caller" not in (tmp_path / "tallylight.yaml").read_text("utf-8")
    assert json.loads((tmp_path / "tallylight.schema.json").read_text("utf-8"))["$schema"]


async def test_a_file_is_replaced_only_if_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "tallylight.yaml"
    path.write_text("mine", "utf-8")
    environment = {"LUMA_AGENTS_API_KEY": "sk-of-a-caller"}

    refused = await init(**environment)
    text = path.read_text("utf-8")
    replaced = await init("--force", "--no-gateway-key", **environment)

    assert (refused.exit_code, text) == (2, "mine")
    assert replaced.exit_code == 0
    assert "upstreams:" in path.read_text("utf-8")
    assert not (tmp_path / "tallylight.db").exists()


async def test_an_address_is_searched(world: Simulation, tmp_path: Path) -> None:
    (base_url,) = world.base_urls.values()
    address = base_url.removesuffix("/v1")
    options = ("--address", address, "--key-variable", "MINE", "--model", "ray-3.2")

    result = await init(*options, "--json", MINE=key_of(world))

    found = json.loads(result.stdout)
    (upstream,) = found["upstreams"].values()
    assert upstream == {"base_url": base_url, "protocol": "luma", "dialect": "luma"}
    assert found["services"]["ray-3.2"]["probe_usd"] is None
    assert found["gateway_key"].startswith("tl-")
    services = load_configuration(tmp_path / "tallylight.yaml", {"MINE": "x"}).catalogue.services
    assert list(services) == ["ray-3.2"]


async def test_a_refused_key_writes_nothing(world: Simulation, tmp_path: Path) -> None:
    (base_url,) = world.base_urls.values()

    result = await init("--address", base_url, "--key-variable", "MINE", MINE="sk-wrong-key")

    assert result.exit_code == 1
    assert result.stderr == f"the API at {base_url} refuses the key\n"
    assert files_in(tmp_path) == []


async def test_an_unknown_service_is_refused(tmp_path: Path) -> None:
    result = await init("--service", "nothing", LUMA_AGENTS_API_KEY="sk-of-a-caller")

    assert result.exit_code == 2
    assert files_in(tmp_path) == []


async def test_what_is_asked_is_written(
    world: Simulation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (base_url,) = world.base_urls.values()
    told = [base_url, key_of(world), "ray-3.2, uni-1", "ray-3.2", "2", "json://127.0.0.1:9/told"]
    answers = "\n".join([*told, ""])
    monkeypatch.setattr("tallylight.cli.init._is_terminal", lambda: True)
    words = ["init", "--lang", "en"]

    result = await asyncio.to_thread(CliRunner().invoke, application, words, input=answers)

    assert result.exit_code == 0, result.output
    found = load_configuration(tmp_path / "tallylight.yaml", {})
    assert list(found.catalogue.services) == ["ray-3.2"]
    assert str(found.catalogue.total_budget.per_day) == "2"
    assert found.alerts.receivers["team"].url.reveal() == "json://127.0.0.1:9/told"
    for name in ("upstream.key", "alerts.url"):
        assert stat.S_IMODE((tmp_path / "secrets" / name).stat().st_mode) == 0o600
    assert key_of(world) not in result.output
