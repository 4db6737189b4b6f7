"""The command `tallylight keys`."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tallylight.cli.shared import application
from tallylight.clock import SystemClock
from tallylight.gateway.keys import Caller, KeyRegistry
from tallylight.storage.database import open_storage

_CONFIGURATION = """
upstreams: {{u: {{provider: saygm, base_url: "https://u.example"}}}}
services: {{s: {{upstream: u, model: minimax/h3}}}}
database: {{url: "{address}"}}
"""

Command = Callable[..., Result]


@pytest.fixture
def address(tmp_path: Path) -> str:
    """Return the URL of an SQLite database: commands behave the same on both kinds."""
    return f"sqlite:///{tmp_path}/history.db"


@pytest.fixture
def command(tmp_path: Path, address: str) -> Command:
    """Return a function that runs `keys` with a configuration."""
    path = tmp_path / "tallylight.yaml"
    path.write_text(_CONFIGURATION.format(address=address), encoding="utf-8")
    asyncio.run(_empty_database(address))  # commands that only read make none

    def run(*arguments: str) -> Result:
        line = ["keys", *arguments, "--config", str(path), "--lang", "en"]
        return CliRunner().invoke(application, line)

    return run


async def _empty_database(address: str) -> None:
    async with open_storage(address, SystemClock()):
        pass


def test_the_key_is_printed_alone_and_once(command: Command) -> None:
    made = command("create", "films")

    listed = command("list")

    key = made.stdout.strip()
    assert key.startswith("tl-")
    assert "shown only once" in made.stderr
    assert "films" in listed.stdout
    assert key[-4:] in listed.stdout
    assert key not in listed.stdout


def caller_of(key: str, address: str) -> Caller | None:
    """Return the caller that a server would authenticate by the key."""

    async def ask() -> Caller | None:
        async with open_storage(address, SystemClock()) as history:
            return await KeyRegistry(history.keys, SystemClock()).authenticate(key)

    return asyncio.run(ask())


def test_a_key_is_valid_until_it_is_revoked(command: Command, address: str) -> None:
    line = ("create", "films", "--route", "sora", "--route", "veo", "--per-minute", "30")

    made = json.loads(command(*line, "--per-day", "2.50", "--json").stdout)
    caller = caller_of(made["key"], address)
    revoked = command("revoke", made["id"])

    assert caller is not None
    assert (caller.key, caller.name, caller.per_minute) == (made["id"], "films", 30)
    assert caller.routes == {"sora", "veo"}
    assert str(caller.budget.per_day) == "2.50"
    assert revoked.exit_code == 0
    assert caller_of(made["key"], address) is None


def test_the_list_shows_the_permissions_of_each_key(command: Command) -> None:
    command("create", "films", "--per-hour", "0.5", "--route", "sora")

    (found,) = json.loads(command("list", "--json").stdout)

    assert found["name"] == "films"
    assert found["routes"] == ["sora"]
    assert found["per_minute"] is None
    assert found["limits"] == {"per_hour": "0.5"}
    assert found["revoked_at"] is None
    assert "key" not in found
    assert "digest" not in found


def test_without_keys_no_table_is_shown(command: Command) -> None:
    assert command("list").stdout == "No keys.\n"
    assert json.loads(command("list", "--json").stdout) == []


def test_an_unknown_key_cannot_be_revoked(command: Command) -> None:
    refused = command("revoke", "key_0")

    assert refused.exit_code == 1
    assert "No active key: key_0." in refused.stderr


@pytest.mark.parametrize(
    "line", [("--per-day", "much"), ("--per-day", "-1"), ("--per-minute", "0"), ("--rate", "1")]
)
def test_malformed_limits_are_refused(command: Command, line: tuple[str, str]) -> None:
    assert command("create", "films", *line).exit_code == 2


@pytest.mark.parametrize("name", ["", " ", "caf\udce9", "a\x00b"])
def test_an_empty_or_unstorable_name_is_refused(command: Command, name: str) -> None:
    refused = command("create", name)

    assert refused.exit_code == 2
    assert "cannot be the name of a key" in refused.stderr
    assert json.loads(command("list", "--json").stdout) == []


def test_an_unknown_route_is_kept_with_a_warning(command: Command) -> None:
    made = command("create", "films", "--route", "minimax/h3", "--route", "kites", "--json")

    assert made.exit_code == 0
    assert json.loads(made.stdout)["routes"] == ["kites", "minimax/h3"]
    assert made.stderr == "No such route: kites. Known: minimax/h3, s.\n"
