"""Commands load what they need: each start of the program pays for every import."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("tallylight.config.settings", {"sqlalchemy", "aiohttp", "structlog", "starlette"}),
        ("tallylight.cli", {"sqlalchemy", "aiohttp", "structlog", "jinja2", "rich"}),
    ],
)
def test_a_start_loads_no_library_that_it_may_not_need(module: str, unwanted: set[str]) -> None:
    code = f"import sys, {module}; print(*sorted({unwanted!r} & set(sys.modules)))"

    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == []
