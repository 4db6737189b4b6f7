"""The source as parsed modules, for the tests that hold its form."""

import ast
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "tallylight"


@pytest.fixture(scope="session")
def modules() -> Mapping[str, ast.Module]:
    """Return the syntax trees of all modules, by dotted name without the package."""
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): ast.parse(
            path.read_text(encoding="utf-8")
        )
        for path in sorted(PACKAGE.rglob("*.py"))
    }
