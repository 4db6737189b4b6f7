"""docs/architecture.md and docs/glossary.md describe the code as it is."""

import ast
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "tallylight"
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
    "importlinter"
]["contracts"]


def _section(title: str) -> str:
    """Return what stands below a heading of docs/architecture.md."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", ARCHITECTURE, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


def test_the_pure_modules_are_those_of_the_import_contract() -> None:
    (contract,) = (each for each in CONTRACTS if "random" in each.get("forbidden_modules", ()))
    (block,) = re.findall(r"```\n(.*?)```", _section("Pure modules"), re.DOTALL)

    assert block.split() == sorted(
        name.removeprefix("tallylight.") for name in contract["source_modules"]
    )


def test_what_decides_is_pure() -> None:
    (contract,) = (each for each in CONTRACTS if "random" in each.get("forbidden_modules", ()))
    pure = tuple(name.removeprefix("tallylight.") for name in contract["source_modules"])
    rows = re.findall(r"^\| (`.*) \|.*\|$", _section("Pure modules"), re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`([\w.]+)`", row)]

    assert len(named) >= 15
    assert [
        name for name in named if not any(f"{name}.".startswith(f"{each}.") for each in pure)
    ] == []


def test_every_package_has_its_line() -> None:
    table = _section("Packages")
    packages = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    single = {path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("__")}

    assert {name for name in packages if f"\n| `{name}` |" not in table} == set()
    assert {name for name in single if f"`{name}`" not in table} == set()


def test_the_plan_is_the_one_of_the_import_contract() -> None:
    (contract,) = (each for each in CONTRACTS if each.get("containers") == ["tallylight"])
    block = re.findall(r"```\n(.*?)```", _section("Packages"), re.DOTALL)[0]
    lines = [re.split(r"\s{2,}", line)[0] for line in block.splitlines()]

    assert ["__main__", *lines] == contract["layers"]


def test_every_module_that_it_names_exists(modules: Mapping[str, ast.Module]) -> None:
    named = set(re.findall(r"`([a-z0-9_]+(?:\.[a-z0-9_]+)+)`", ARCHITECTURE))
    paths = set(re.findall(r"`([a-z0-9_]+/[\w/.]*)`", ARCHITECTURE))
    named -= {"pyproject.toml", "tallylight.yaml"}

    assert len(named) >= 40
    assert {
        name for name in named if name not in modules and f"{name}.__init__" not in modules
    } == set()
    assert {
        path for path in paths if not (PACKAGE / path.replace("PROVIDER", "openai")).exists()
    } == set()


def test_every_term_of_the_glossary_occurs_in_the_code() -> None:
    code = "\n".join(
        path.read_text(encoding="utf-8").lower() for path in sorted(PACKAGE.rglob("*.py"))
    )
    terms = re.findall(r"^\| \*\*(.+?)\*\*", GLOSSARY, re.MULTILINE)
    words = [word.strip() for term in terms for word in term.split(",")]

    assert len(words) >= 40
    assert [
        word
        for word in words
        if word.lower() not in code and word.lower().replace(" ", "_") not in code
    ] == []
