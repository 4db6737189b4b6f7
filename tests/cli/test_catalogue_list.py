"""`catalogue list`: what lives, until when, at what cost, and whether one can use it."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tallylight.catalogue import facts
from tests.conftest import Outcome

Command = Callable[..., Outcome]
README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for profile in facts.built_in_upstreams().values():
        for variable in (*profile.key_variables, *profile.key_pairs):
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("FAL_KEY", "marked")


def words(text: str) -> list[str]:
    """Return the lines of a text, each with single spaces."""
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def test_the_list_tells_cost_and_key_and_leaves_the_retired_out(command: Command) -> None:
    found = command("catalogue", "list")

    lines = words(found.out)
    assert lines[0] == "Model 8 s at 720p Ends Usable now"
    assert "fal/minimax/h3/text-to-video $0.48 (768p) yes: FAL_KEY" in lines
    assert "kling/kling-v2-6 $0.42 (10 s, silent) no key" in lines
    assert "Model 1 at 1024x1024 Ends Usable now" in lines
    assert not [line for line in lines if "retired" in line]
    assert "can be used now, by FAL_KEY" in found.err
    assert "openai OPENAI_API_KEY" in found.err
    assert "more are left out" in found.err
    assert "marked" not in found.out + found.err


def test_retired_models_are_listed_with_their_day(command: Command) -> None:
    lines = words(command("catalogue", "list", "--all", "--provider", "openai").out)

    assert "openai/sora-2 $0.80 retired 2026-09-24" in lines


def test_what_the_excerpt_of_the_readme_shows_is_printed(command: Command) -> None:
    (excerpt,) = re.findall(
        r"```console\n\$ (tallylight catalogue list .*?)```", README, flags=re.DOTALL
    )
    line, _, shown = excerpt.partition("\n")

    printed = words(command(*line.split()[1:]).out)

    rows = [each for each in words(shown) if each != "…"]
    assert len(rows) > 5
    assert [each for each in rows if each not in printed] == []


def test_filters_leave_what_they_name(command: Command) -> None:
    every = command("catalogue", "list", "--all", "--json").json()
    live = command("catalogue", "list", "--json").json()
    usable = command("catalogue", "list", "--usable", "--json").json()
    images = command("catalogue", "list", "--medium", "image", "--json").json()

    assert 0 < len(live) < len(every)
    assert {each["provider"] for each in usable} == {"fal"}
    assert {each["medium"] for each in images} == {"image"}
    assert all(each["is_retired"] is False for each in live)


def test_json_has_the_same_facts(command: Command) -> None:
    found = {each["id"]: each for each in command("catalogue", "list", "--json").json()}

    h3, turbo = found["fal/minimax/h3/text-to-video"], found["kling/kling-3.0-turbo"]
    assert h3["usable"] == {
        "key_variable": "FAL_KEY",
        "obstacle": None,
        "detail": "",
        "is_usable": True,
    }
    assert (h3["sample"]["seconds"], h3["sample"]["resolution"]) == (8, "768p")
    assert h3["sample"]["cost_usd"] == "0.48"
    assert turbo["usable"]["obstacle"] == "not_public"
    assert found["openai/gpt-image-2"]["also"] == ["gpt-image-2-2026-04-21"]
    assert "openai/gpt-image-2-2026-04-21" not in found


@pytest.mark.parametrize(
    ("order", "key"),
    [
        ("name", lambda each: (each["medium"] == "image", each["id"])),
        ("ends", lambda each: (each["medium"] == "image", each["shutdown_at"] or "9")),
        (
            "cost",
            lambda each: (
                each["medium"] == "image",
                not each["usable"]["is_usable"],
                each["sample"]["cost_usd"] is None,
                float(each["sample"]["cost_usd"] or 0),
            ),
        ),
    ],
)
def test_models_are_sorted(
    command: Command, order: str, key: Callable[[dict[str, object]], object]
) -> None:
    found = command("catalogue", "list", "--sort", order, "--json").json()

    assert found == sorted(found, key=key)  # type: ignore[arg-type]  # tuples of one shape


@pytest.mark.parametrize(
    ("language", "heading", "note"),
    [("zh-Hant", "現在可用", "沒有金鑰"), ("zh-Hans", "现在可用", "没有密钥")],
)
def test_the_list_speaks_chinese(command: Command, language: str, heading: str, note: str) -> None:
    found = command("catalogue", "list", "--lang", language)

    assert heading in found.out
    assert note in found.out


def test_an_unknown_provider_is_refused_with_the_nearest(command: Command) -> None:
    refused = command("catalogue", "list", "--provider", "klingg", "--lang", "en")

    assert refused.code == 2
    assert "No such provider: klingg. Did you mean kling?" in " ".join(refused.err.split())


@pytest.mark.parametrize(
    ("sheet", "says"),
    [
        ("fal/minimax/h3/text-to-video", "yes: FAL_KEY"),
        ("saygm/minimax/h3", "no key: SAYGM_API_KEY"),
        ("azure/gpt-image-2", "by a file: its address names your resource"),
    ],
)
def test_a_sheet_says_what_is_missing(command: Command, sheet: str, says: str) -> None:
    assert says in " ".join(command("catalogue", "show", sheet).out.split())
