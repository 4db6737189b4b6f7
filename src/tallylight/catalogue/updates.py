"""Updates of fact sheets between releases, because models retire faster than releases come.

An update is a file in the form of the built-in ones. It is validated and stored in a folder of the
user; its sheets replace the built-in ones of the same provider and model.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from tallylight.catalogue.services import FactSheet
from tallylight.catalogue.sheets import ProviderFacts
from tallylight.documents.document import parse_document, read_document_text, validate_document


def updates_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder of updates: $TALLYLIGHT_FACTS, else one in the user's data directory.

    Source:
        XDG Base Directory Specification.
    """
    if named := environment.get("TALLYLIGHT_FACTS"):
        return Path(named)
    data = environment.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(data) / "tallylight" / "facts"


def parse_sheets(text: str, name: str) -> tuple[FactSheet, ...]:
    """Return the sheets in a file's text.

    Raises:
        ConfigurationError: lists every problem of the file.
    """
    return tuple(validate_document(parse_document(text, name, Path(), {}), ProviderFacts).sheets())


def install_update(text: str, name: str, directory: Path) -> tuple[FactSheet, ...]:
    """Validate a file's text, store it completely or not at all, and return its sheets.

    It replaces an earlier update of the same provider.

    Raises:
        ConfigurationError: lists every problem of the file; nothing is changed then.
        OSError: if the folder cannot be written.
    """
    sheets = parse_sheets(text, name)
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / f"{sheets[0].provider}.yaml"
    with NamedTemporaryFile("w", encoding="utf-8", dir=directory, delete=False) as scratch:
        scratch.write(text)
    try:
        Path(scratch.name).replace(target)
    except OSError:
        with suppress(OSError):
            Path(scratch.name).unlink()
        raise
    return sheets


def installed_updates(directory: Path) -> Mapping[str, FactSheet]:
    """Return the sheets of all updates, by id; none if the folder does not exist.

    Raises:
        ConfigurationError: if a file in the folder cannot be read, or was edited and is invalid.
    """
    return {
        sheet.id: sheet
        for path in sorted(directory.glob("*.yaml"))
        for sheet in parse_sheets(read_document_text(path), str(path))
    }
