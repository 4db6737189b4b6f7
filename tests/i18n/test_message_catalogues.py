import re
import runpy
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from babel.messages.catalog import Catalog, Message

from tallylight.i18n import Language, translator

if TYPE_CHECKING:
    from collections.abc import Callable

TOOL = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "messages.py"))
LOCALES = ("zh_Hant", "zh_Hans")
_BLANK = re.compile(r"%\((\w+)\)[ds]|%[ds]|\{(\w+)\}")


@cache
def _updated(locale: str) -> Catalog:
    updated: Callable[[str], Catalog] = TOOL["updated"]
    return updated(locale)


def _translations(message: Message) -> tuple[str, ...]:
    return (message.string,) if isinstance(message.string, str) else tuple(message.string or ())


def _blanks(text: str) -> list[str]:
    return sorted(found.group() for found in _BLANK.finditer(text))


@pytest.mark.parametrize("locale", LOCALES)
def test_every_message_of_code_and_templates_is_translated(locale: str) -> None:
    missing = [
        message.id
        for message in _updated(locale)
        if message.id and not all(text.strip() for text in _translations(message) or ("",))
    ]

    assert not missing, "run `python tools/messages.py` and translate these"


@pytest.mark.parametrize("locale", LOCALES)
def test_nothing_is_fuzzy(locale: str) -> None:
    assert [message.id for message in _updated(locale) if message.id and message.fuzzy] == []


@pytest.mark.parametrize("locale", LOCALES)
def test_a_translation_has_the_same_placeholders(locale: str) -> None:
    torn = [
        (message.id, text)
        for message in _updated(locale)
        if message.id
        for text in _translations(message)
        if text
        and _blanks(text) != _blanks(message.id if isinstance(message.id, str) else message.id[-1])
    ]

    assert torn == []


@pytest.mark.parametrize("locale", LOCALES)
def test_the_extraction_finds_code_and_templates(locale: str) -> None:
    found = {message.id for message in _updated(locale)}

    assert {"Operational", "Our verdict", ("%d day", "%d days")} <= found


@pytest.mark.parametrize("language", [Language.ZH_HANT, Language.ZH_HANS])
def test_simplified_and_traditional_are_different_languages(language: Language) -> None:
    spoken = translator(language).gettext("Risk control")

    assert spoken == {"zh-Hant": "風控", "zh-Hans": "风控"}[language]


def test_an_untranslated_message_stays_english() -> None:
    assert translator(Language.ZH_HANT).gettext("never said") == "never said"
