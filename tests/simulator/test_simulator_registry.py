"""The registry is the only place in the simulator that lists protocols."""

import ast
from pathlib import Path

import pytest

import tallylight.simulator
from tallylight.simulator.files import load_scenario, parse_scenario
from tallylight.simulator.protocols.registry import TWINS
from tallylight.simulator.scenario_section import ScenarioError
from tallylight.simulator.server import announcement, serve_simulation

SOURCE = Path(tallylight.simulator.__file__).parent
MINE = """
title: Mine
start: 2026-11-22T09:00:00Z
upstreams: {shop: {provider: shop, protocol: PROTOCOL, dialect: DIALECT, keys: [k]}}
services:
  one:
    name: One
    upstream: shop
    model: m
    access: official
    price: {unit: per_call, rates: {"*": "0.4"}}
    lengths: [4]
    sizes: ["1280x720"]
"""


def literals(path: Path) -> set[str]:
    """Return the text constants of a module."""
    return {
        node.value
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


@pytest.mark.parametrize("name", TWINS)
def test_a_protocol_is_named_in_its_own_file_alone(name: str) -> None:
    naming = [path.stem for path in SOURCE.rglob("*.py") if name in literals(path)]

    assert naming == [name]


def test_the_kernel_knows_no_dialect() -> None:
    dialects = {dialect for twin in TWINS.values() for dialect in twin.dialects}

    assert {
        path.stem: found for path in SOURCE.glob("*.py") if (found := literals(path) & dialects)
    } == {}


@pytest.mark.parametrize(
    ("protocol", "dialect", "reason"),
    [
        ("telegraph", "openai", f"'telegraph' is not a protocol; allowed: {', '.join(TWINS)}"),
        ("chat_video", "openai", "'openai' is not a dialect of chat_video; allowed: sora2api"),
    ],
)
def test_a_scenario_names_protocols_and_dialects_of_the_registry(
    protocol: str, dialect: str, reason: str
) -> None:
    text = MINE.replace("PROTOCOL", protocol).replace("DIALECT", dialect)

    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text, "mine.yaml")

    assert (caught.value.key, caught.value.reason) == ("upstreams.shop", reason)


async def test_every_upstream_has_the_base_path_of_its_protocol() -> None:
    async with serve_simulation(load_scenario("calm")) as world:
        lines = list(announcement(world))

        assert {
            name: url.removeprefix(f"{world.base_url}/{name}")
            for name, url in world.base_urls.items()
        } == {
            name: TWINS[upstream.protocol].base_path
            for name, upstream in world.scenario.upstreams.items()
        }
        assert f"  upstream openai  {world.base_urls['openai']}  key sim-openai-key" in lines
