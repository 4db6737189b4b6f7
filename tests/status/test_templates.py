"""Every address in a template begins with the page's base path, so that a proxy can move it."""

import re
from pathlib import Path

import pytest

import tallylight.status

_STATUS = Path(tallylight.status.__file__).parent
_TEMPLATES = sorted((_STATUS / "templates").iterdir())
_ADDRESS = re.compile(
    r"""\b(?:href|src|srcset|action|formaction|poster|data-live|data-base)\s*=\s*["']([^"']*)"""
)
_OWN = re.compile(r"\{\{ ?base ?\}\}(?:/|\{\{ path \}\}|$)|#")
_WHOLE = re.compile(
    r"https://|\{\{ (?:source|link|entry\.url)(?:\|[a-z]+)? \}\}"
    r"|\{\{ feed\.place\.(?:feed|page)_url \}\}"
)


def _addresses(text: str) -> list[str]:
    return _ADDRESS.findall(text)


@pytest.mark.parametrize("template", _TEMPLATES, ids=lambda path: path.name)
def test_every_address_begins_with_the_base_or_is_whole(template: Path) -> None:
    found = _addresses(template.read_text("utf-8"))

    assert [each for each in found if not _OWN.match(each) and not _WHOLE.match(each)] == []


def test_the_addresses_of_the_templates_are_found() -> None:
    found = [each for path in _TEMPLATES for each in _addresses(path.read_text("utf-8"))]

    for known in ("static/status.css", "static/status.js", "/recommend", "/overview", "#main"):
        assert any(known in each for each in found)


def test_script_and_stylesheet_name_no_address_from_the_root() -> None:
    script = (_STATUS / "static" / "status.js").read_text("utf-8")
    stylesheet = (_STATUS / "static" / "status.css").read_text("utf-8")

    assert re.findall(r"""["'`]/\w[^"'`]*""", script) == []
    assert re.findall(r"(?:url\(|@import)[^;]*", stylesheet) == []
