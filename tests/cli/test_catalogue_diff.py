"""`catalogue diff`: the fact sheets beside a LiteLLM price map."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Outcome

Command = Callable[..., Outcome]

ENTRY = {"litellm_provider": "openai", "mode": "video_generation"}
SAME = {
    "sora-2": ENTRY | {"output_cost_per_video_per_second": 0.1, "deprecation_date": "2026-09-24"},
}
OTHER = {
    "sora-2": ENTRY | {"output_cost_per_second": 0.2, "deprecation_date": "2026-10-24"},
    "sora-3": ENTRY | {"output_cost_per_second": 0.1},
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "map.json"


def test_a_map_that_says_the_same_is_zero(command: Command, file: Path) -> None:
    file.write_text(json.dumps(SAME), encoding="utf-8")

    found = command("catalogue", "diff", str(file))

    assert found.code == 0
    assert "The catalogue and the file say the same." in found.out
    assert "1 model of the file" in found.err


def test_differences_are_told_and_end_with_1(command: Command, file: Path) -> None:
    file.write_text(json.dumps(OTHER), encoding="utf-8")

    table = command("catalogue", "diff", str(file))
    chinese = command("catalogue", "diff", str(file), "--lang", "zh-Hant")
    told = command("catalogue", "diff", str(file), "--json")

    rows = [line.split() for line in table.out.splitlines()]
    assert ["openai/sora-2", "price", "of", "720p", "0.1", "0.2"] in rows
    assert ["openai/sora-2", "shutdown", "2026-09-24", "2026-10-24"] in rows
    assert ["openai/sora-3"] in rows
    assert {table.code, chinese.code, told.code} == {1}
    assert "僅在檔案中" in chinese.out
    assert told.json()["only_theirs"] == ["openai/sora-3"]
    assert told.json()["differences"][0] == {
        "id": "openai/sora-2",
        "field": "720p",
        "ours": "0.1",
        "theirs": "0.2",
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "map.json: is not JSON"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b" " * (32 * 1024 * 1024 + 1), "is larger than 32768 KiB"),
        (b"{}", "is it a LiteLLM price map?"),
    ],
)
def test_a_bad_file_gets_one_sentence(
    command: Command, file: Path, content: bytes, message: str
) -> None:
    file.write_bytes(content)

    refused = command("catalogue", "diff", str(file))

    assert refused.code == 2
    assert message in " ".join(refused.err.split())


def test_a_file_that_is_not_there_is_named(command: Command) -> None:
    refused = command("catalogue", "diff", "none.json")

    assert refused.code == 2
    assert "none.json: there is no such file" in " ".join(refused.err.split())
