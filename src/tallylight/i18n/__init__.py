"""Translates texts for people: English, 繁體中文 and 简体中文.

The code and the templates contain the English texts. The other languages are message catalogues
beside this file (`zh_Hant.po`, `zh_Hans.po`). They are read as text at their first use, so no
compiled catalogue has to be kept up to date.

`reasons` has the sentence for every reason of a verdict, `labels` the names of statuses and other
closed sets; `formatting` and `prices` format times, shares and money.
"""

import gettext
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from enum import StrEnum
from functools import lru_cache
from importlib import resources
from io import BytesIO

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po


class Language(StrEnum):
    """The supported languages, by their BCP 47 tags.

    `Language(tag)` takes every tag that means one of them: zh-TW and zh_HK are traditional.
    """

    EN = "en"
    ZH_HANT = "zh-Hant"
    ZH_HANS = "zh-Hans"

    @classmethod
    def _missing_(cls, value: object) -> "Language | None":
        return language_of_tag(value) if isinstance(value, str) else None

    @property
    def own_name(self) -> str:
        """Return the language's name in itself."""
        return _OWN_NAMES[self]


_OWN_NAMES: Mapping[Language, str] = {
    Language.EN: "English",
    Language.ZH_HANT: "繁體中文",
    Language.ZH_HANS: "简体中文",
}

_REGION_LENGTH = 2

_CATALOGUES: Mapping[Language, str] = {
    Language.ZH_HANT: "zh_Hant.po",
    Language.ZH_HANS: "zh_Hans.po",
}


@dataclass(frozen=True, slots=True)
class Translator:
    """Translates English messages into one language, and shows times in one zone."""

    language: Language
    locale: Locale
    _messages: gettext.NullTranslations
    zone: tzinfo = UTC

    def in_zone(self, zone: tzinfo) -> "Translator":
        """Return this translator, which shows times in another zone."""
        return replace(self, zone=zone)

    def gettext(self, message: str) -> str:
        """Return the translated message, or the message itself if it has no translation."""
        return self._messages.gettext(message)

    def ngettext(self, singular: str, plural: str, count: int) -> str:
        """Return the translated form of a message for a count."""
        return self._messages.ngettext(singular, plural, count)


def gettext_noop(message: str) -> str:
    """Mark a message in a table for extraction; the table's reader translates it."""
    return message


@lru_cache(maxsize=len(Language))
def translator(language: Language) -> Translator:
    """Return the translator into a language; each catalogue is read once per process."""
    locale = Locale.parse(language.value, sep="-")
    if language not in _CATALOGUES:
        return Translator(language, locale, gettext.NullTranslations())
    text = resources.files(__name__).joinpath(_CATALOGUES[language]).read_bytes()
    compiled = BytesIO()
    write_mo(compiled, read_po(BytesIO(text), locale=locale))
    compiled.seek(0)
    return Translator(language, locale, gettext.GNUTranslations(compiled))


def language_of_tag(tag: str) -> Language | None:
    """Return the supported language that a tag means, None if it means another.

    Source:
        RFC 5646; "zh-TW", "zh-HK" and "zh-MO" mean traditional characters, "zh" and every other
        region simplified ones. A script tells more than a region: "zh-Hans-HK" is simplified.
    """
    language, *subtags = tag.lower().replace("_", "-").split("-")
    match language:
        case "en":
            return Language.EN
        case "zh" if "hans" in subtags:
            return Language.ZH_HANS
        case "zh" if {"hant", "tw", "hk", "mo"} & set(subtags):
            return Language.ZH_HANT
        case "zh" if all(len(each) == _REGION_LENGTH for each in subtags):
            return Language.ZH_HANS
        case _:
            return None


def language_from_locale(environment: Mapping[str, str]) -> Language:
    """Return the language that a process's locale variables select.

    Args:
        environment: Searched in gettext's order: LANGUAGE (a list), LC_ALL, LC_MESSAGES, LANG.
    """
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = environment.get(name, "")
        for tag in value.split(":"):
            language = _language_of_locale(tag.partition(".")[0].partition("@")[0])
            if language is not None:
                return language
        if value:
            return Language.EN
    return Language.EN


def _language_of_locale(name: str) -> Language | None:
    return Language.EN if name in {"C", "POSIX"} else language_of_tag(name)


def negotiate_language(accept_language: str, default: Language = Language.EN) -> Language:
    """Return the supported language that an Accept-Language header prefers.

    Source:
        RFC 9110, section 12.5.4.
    """
    for tag in _by_preference(accept_language):
        language = default if tag == "*" else language_of_tag(tag)
        if language is not None:
            return language
    return default


def _by_preference(header: str) -> Iterator[str]:
    ranked: list[tuple[float, int, str]] = []
    for position, part in enumerate(header.split(",")):
        tag, _, parameters = part.strip().partition(";")
        name, _, quality = parameters.strip().partition("=")
        try:
            weight = float(quality) if name.strip() == "q" else 1.0
        except ValueError:
            weight = 0.0
        if tag.strip() and weight > 0:
            ranked.append((-weight, position, tag.strip()))
    yield from (tag for _, _, tag in sorted(ranked))
