"""The command `tallylight feeds detect`."""

import asyncio
import json
from collections.abc import Iterator

import pytest
import structlog
from typer.testing import CliRunner, Result

from tallylight.cli.shared import application
from tallylight.simulator.server import serve_simulation
from tests.upstreams.one_page import one_page


@pytest.fixture(autouse=True)
def log() -> Iterator[None]:
    """Restore the log, which a command sends to its own output."""
    yield
    structlog.reset_defaults()


async def detect(format_: str, *options: str, path: str = "") -> tuple[str, Result]:
    """Return the address of a simulated page, and what the command says of it."""
    async with serve_simulation(one_page(format_)) as world:
        words = ["feeds", "detect", f"{world.base_url}/status/page{path}", "--lang", "en", *options]
        result = await asyncio.to_thread(CliRunner().invoke, application, words)
        return world.feed_urls["page"], result


async def test_the_format_and_the_components_of_a_page_are_printed() -> None:
    address, result = await detect("statuspage")

    assert result.exit_code == 0
    first, headings, *rows = result.output.splitlines()
    assert first == f"feed: {{format: statuspage, url: {address}}}"
    assert headings.split() == ["Component", "Id", "Status"]
    assert [row.split("  ")[0] for row in rows] == ["Website", "Video API"]
    assert all(row.endswith("Operational") for row in map(str.rstrip, rows))


async def test_a_page_without_components_says_so() -> None:
    address, result = await detect("rss")

    assert result.output.splitlines() == [
        f"feed: {{format: rss, url: {address}}}",
        "The page lists no components.",
    ]


async def test_the_document_has_the_same() -> None:
    address, result = await detect("datadog", "--json")

    found = json.loads(result.output)
    assert (found["format"], found["url"]) == ("datadog", address)
    assert [row["name"] for row in found["components"]] == ["Website", "Video API"]
    assert {row["status"] for row in found["components"]} == {"operational"}


async def test_a_wrong_page_ends_in_one_sentence_and_exit_code_1() -> None:
    _, result = await detect("statuspage", path="/nowhere")

    assert result.exit_code == 1
    assert result.output.startswith("no status page of a known format at http://127.0.0.1:")
    assert len(result.output.splitlines()) == 1


def test_a_word_that_is_no_address_is_refused() -> None:
    result = CliRunner().invoke(application, ["feeds", "detect", "ftp://x"])

    assert result.exit_code == 2
    assert "ftp://x" in result.output
