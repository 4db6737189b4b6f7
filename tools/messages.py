"""Brings the message catalogues up to date with the code and the templates.

Run it after changing a sentence: `python tools/messages.py`. It keeps what is translated, adds what
is new with an empty translation, and drops what nobody says any more. A test fails until every
message is translated.
"""

from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

PACKAGE = Path(__file__).parent.parent / "src" / "tallylight"
CATALOGUES = {"zh_Hant": "zh_Hant.po", "zh_Hans": "zh_Hans.po"}

_METHODS = [("**/templates/**.*", "jinja2"), ("**.py", "python")]
_KEYWORDS = {"gettext": None, "gettext_noop": None, "ngettext": (1, 2), "_": None}


def extracted() -> Catalog:
    """Return every message that the code and the templates say."""
    catalogue = Catalog(project="tallylight", charset="utf-8")
    found = extract_from_dir(
        PACKAGE,
        _METHODS,
        options_map={"**/templates/**.*": {"trimmed": "true", "silent": "false"}},
        keywords=_KEYWORDS,
    )
    for filename, _, message, _, context in found:
        catalogue.add(message, locations=[(filename, 1)], context=context)
    return catalogue


def updated(locale: str) -> Catalog:
    """Return a language's catalogue with all that is said today."""
    path = PACKAGE / "i18n" / CATALOGUES[locale]
    catalogue = Catalog(locale=locale)
    if path.exists():
        with path.open("rb") as file:
            catalogue = read_po(file, locale=locale)
    created = catalogue.creation_date  # another one in each change would be a conflict in each
    catalogue.update(extracted(), no_fuzzy_matching=True)
    catalogue.creation_date = created
    catalogue.obsolete.clear()
    catalogue.header_comment = f"# {path.name}: the sentences of tallylight. See tools/messages.py."
    catalogue.fuzzy = False
    return catalogue


def main() -> None:
    """Write both catalogues."""
    for locale, name in CATALOGUES.items():
        catalogue = updated(locale)
        with (PACKAGE / "i18n" / name).open("wb") as file:
            write_po(
                file, catalogue, no_location=True, omit_header=False, sort_output=True, width=100
            )


if __name__ == "__main__":
    main()
