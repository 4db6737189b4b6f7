import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from tallylight.i18n import (
    Language,
    language_from_locale,
    language_of_tag,
    negotiate_language,
)


class Box(BaseModel):
    language: Language


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        ("", Language.EN),
        ("zh-TW,zh;q=0.9,en;q=0.8", Language.ZH_HANT),
        ("zh-HK", Language.ZH_HANT),
        ("zh-CN,zh;q=0.9", Language.ZH_HANS),
        ("zh", Language.ZH_HANS),
        ("zh-Hant-CN", Language.ZH_HANT),
        ("zh-Hans-HK", Language.ZH_HANS),
        ("fr-FR, de;q=0.9", Language.EN),
        ("fr, zh-TW;q=0.3, en;q=0.2", Language.ZH_HANT),
        ("en;q=0.2, zh-CN;q=0.8", Language.ZH_HANS),
        ("zh-TW;q=0, en", Language.EN),
        ("*", Language.EN),
        (";q=,;;zh-TW;q=x", Language.EN),
    ],
)
def test_a_browser_gets_the_language_it_prefers(header: str, chosen: Language) -> None:
    assert negotiate_language(header) is chosen


def test_a_request_for_unsupported_languages_gets_the_default() -> None:
    assert negotiate_language("fr", Language.ZH_HANT) is Language.ZH_HANT
    assert negotiate_language("*", Language.ZH_HANT) is Language.ZH_HANT


@given(st.text())
def test_any_header_is_accepted(header: str) -> None:
    assert negotiate_language(header) in set(Language)


@pytest.mark.parametrize(
    ("environment", "chosen"),
    [
        ({}, Language.EN),
        ({"LANG": "C.UTF-8"}, Language.EN),
        ({"LANG": "zh_TW.UTF-8"}, Language.ZH_HANT),
        ({"LANG": "zh_CN.UTF-8"}, Language.ZH_HANS),
        ({"LANG": "zh_TW.UTF-8", "LC_ALL": "en_US.UTF-8"}, Language.EN),
        ({"LANGUAGE": "fr:zh_CN:en", "LANG": "en_US.UTF-8"}, Language.ZH_HANS),
        ({"LC_MESSAGES": "zh_HK@stroke"}, Language.ZH_HANT),
        ({"LANG": "fr_FR.UTF-8"}, Language.EN),
    ],
)
def test_the_locale_selects_the_language_of_the_command_line(
    environment: dict[str, str], chosen: Language
) -> None:
    assert language_from_locale(environment) is chosen


@pytest.mark.parametrize(
    ("tag", "meant"),
    [
        *((language.value, language) for language in Language),
        *((tag, Language.ZH_HANT) for tag in ("zh-TW", "zh_TW", "zh-HK", "zh-mo", "ZH-HANT")),
        *((tag, Language.ZH_HANT) for tag in ("zh-Hant-TW", "zh-hant-hk")),
        *((tag, Language.ZH_HANS) for tag in ("zh", "zh-CN", "zh_cn", "zh-SG", "zh-Hans-CN")),
        *((tag, Language.EN) for tag in ("en-US", "en_GB", "EN")),
    ],
)
def test_every_tag_of_a_language_means_it(tag: str, meant: Language) -> None:
    assert Language(tag) is meant
    assert Box.model_validate({"language": tag}).language is meant


@pytest.mark.parametrize("tag", ["", "fr", "C", "zh-Hnat", "zh-Latn", "zhtw", "english", "tw"])
def test_a_tag_of_no_language_is_refused(tag: str) -> None:
    with pytest.raises(ValueError, match="is not a valid Language"):
        Language(tag)


@given(st.text())
def test_any_tag_is_read(tag: str) -> None:
    assert language_of_tag(tag) in {*Language, None}
