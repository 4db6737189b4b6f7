"""The command `tallylight adopt`."""

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner, Result

from tallylight.cli.shared import application
from tallylight.storage.engine import connect
from tallylight.storage.identity import IdentityGuard
from tallylight.storage.migration import upgrade_schema
from tests.storage.rows import insert_video

_CONFIGURATION = """
upstreams: {{u: {{provider: saygm, base_url: "https://u.example"}}}}
services: {{film: {{upstream: u, model: minimax/h3}}}}
database: {{url: "sqlite:///{file}"}}
"""

Adopt = Callable[..., Result]


async def _serve(file: Path, *videos: str) -> bool:
    """Do what a server does at its start; return whether it bars videos."""
    connections = connect(f"sqlite:///{file}")
    await upgrade_schema(connections)
    for video in videos:
        await insert_video(connections, video)
    change = await IdentityGuard(connections).check()
    await connections.close()
    return change is not None


def serve(file: Path, *videos: str) -> bool:
    structlog.reset_defaults()  # a command has sent the events to its own output
    return asyncio.run(_serve(file, *videos))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of a database with 25 videos under way."""
    (tmp_path / "copy").mkdir()
    serve(tmp_path / "history.db", *(f"video_{number:02}" for number in range(25)))
    return Path(shutil.copy(tmp_path / "history.db", tmp_path / "copy"))


@pytest.fixture
def adopt(tmp_path: Path, copy: Path) -> Adopt:
    """Return a function that runs `adopt` on the copy."""
    path = tmp_path / "tallylight.yaml"
    path.write_text(_CONFIGURATION.format(file=copy), encoding="utf-8")

    def run(*arguments: str, lang: str = "en", stdin: str = "") -> Result:
        line = ["adopt", *arguments, "--config", str(path), "--lang", lang]
        return CliRunner().invoke(application, line, input=stdin)

    return run


@pytest.mark.parametrize("is_served", [True, False])
def test_it_tells_what_changed_and_changes_nothing_without_a_word(
    adopt: Adopt, copy: Path, is_served: bool
) -> None:
    if is_served:
        serve(copy)

    told = adopt(stdin="y\n")  # no terminal: nobody is asked

    assert told.exit_code == 2
    assert "File  " in told.stdout
    assert "Nothing is sent for 25 videos" in told.stdout
    assert "video_19  film     accepted" in told.stdout
    assert "video_20" not in told.stdout
    assert "and 5 more" in told.stdout
    assert "tallylight adopt --yes" in told.stderr
    assert serve(copy)


@pytest.mark.parametrize("is_served", [True, False])
def test_the_operators_word_lets_the_videos_continue(
    adopt: Adopt, copy: Path, is_served: bool
) -> None:
    if is_served:
        serve(copy)

    adopted = adopt("--yes")
    again = adopt("--yes")

    assert adopted.exit_code == again.exit_code == 0
    assert "Servers continue 25 videos" in adopted.stderr
    assert "No video waits" in again.stdout
    assert not serve(copy)


def test_programs_read_json(adopt: Adopt, copy: Path) -> None:
    serve(copy)

    told = adopt("--json")
    adopted = adopt("--json", "--yes")
    nothing = adopt("--json", "--yes")

    found = json.loads(told.stdout)
    assert (told.exit_code, adopted.exit_code, nothing.exit_code) == (2, 0, 0)
    assert [each["property"] for each in found["changes"]] == ["file", "content"]
    assert (found["barred"], found["adopted"], len(found["videos"])) == (25, False, 20)
    assert json.loads(adopted.stdout)["adopted"]
    assert json.loads(nothing.stdout) == {
        "changes": [],
        "barred": 0,
        "videos": [],
        "adopted": False,
    }


def test_it_speaks_the_operators_language(adopt: Adopt) -> None:
    assert "磁盘" not in adopt(lang="zh-Hans").stdout
    assert "有 25 个进行中的视频暂停发出请求：" in adopt(lang="zh-Hans").stdout
