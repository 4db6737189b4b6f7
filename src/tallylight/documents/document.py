"""Reads a YAML file into plain values with line numbers, and reports its errors as problems.

All errors of a file become `Problem`s at once. No problem shows the value of a secret.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from tallylight.documents.environment import read_secret_file
from tallylight.documents.files import file_error_reason, read_bounded
from tallylight.documents.substitution import Substitution
from tallylight.documents.validation_messages import model_schema, validation_message
from tallylight.documents.yaml_tree import KeyPath, PathStep, parse_yaml
from tallylight.errors import ConfigurationError, Problem

_ModelT = TypeVar("_ModelT", bound=BaseModel)

MAX_DOCUMENT_BYTES: Final = 1024 * 1024
"""Limit of the size of a file, and of what references fill into one."""

MAX_PROBLEMS: Final = 50
"""Limit of the problems that are reported at once; looking for the nearest names costs time."""

_MAX_REASON_LENGTH = 600
_SECRET_KEYS = frozenset({"key", "token", "secret", "password", "url"})
_MASK = "***"
_TOO_LARGE = f"is larger than {MAX_DOCUMENT_BYTES // 1024} KiB; remove entries"
_MIN_SECRET_LENGTH = 4  # masking every "is" would make problems unreadable and protect no key


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file.

    Args:
        values: Its values with secrets filled in; numbers with a point are exact decimals.
        lines: Line of each place, starting at 1.
        problems: Errors so far: repeated keys, missing secrets.
        secrets: Texts that no problem may show.
        files: The file itself and the secret files that it names.
    """

    name: str
    values: Mapping[str, object]
    lines: Mapping[KeyPath, int]
    problems: tuple[Problem, ...]
    secrets: frozenset[str]
    files: frozenset[Path] = frozenset()

    def problem(self, key_path: KeyPath, reason: str) -> Problem:
        """Return a problem at a place, with the line of the nearest enclosing place of the file."""
        known = key_path
        while known and known not in self.lines:
            known = known[:-1]
        line = self.lines.get(known)
        for text in self.secrets:
            reason = reason.replace(text, _MASK)
        if len(reason) > _MAX_REASON_LENGTH:  # not before: half a secret would not be found
            half = _MAX_REASON_LENGTH // 2
            reason = f"{reason[:half]} … {reason[-half:]}"
        where = self.name if line is None or not key_path else f"{self.name}:{line}"
        return Problem(where, dotted_path(key_path), reason)

    def entry_names(self, *path: str) -> tuple[str, ...]:
        """Return the names of the entries of a section, valid or not."""
        entries: object = self.values
        for name in path:
            entries = entries.get(name) if isinstance(entries, Mapping) else None
        return tuple(map(str, entries)) if isinstance(entries, Mapping) else ()


def dotted_path(key_path: KeyPath) -> str:
    """Return a place in its dotted form: "services.sora-2.access"."""
    return ".".join(map(str, key_path))


def read_document(path: Path, environment: Mapping[str, str]) -> Document:
    """Read a file.

    Raises:
        ConfigurationError: if it cannot be read or is not a YAML mapping.
    """
    document = parse_document(read_document_text(path), path.name, path.parent, environment)
    return replace(document, files=document.files | {path})


def read_document_text(path: Path) -> str:
    """Return the text of a file.

    Raises:
        ConfigurationError: if it cannot be read, is empty, too large or not UTF-8.
    """

    def refusal(reason: str) -> ConfigurationError:
        return ConfigurationError((Problem(str(path), "", reason),))

    try:
        text = read_bounded(path, MAX_DOCUMENT_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise refusal(file_error_reason(error)) from None
    if not text.strip():
        raise refusal("is empty")
    return text


def parse_document(
    text: str, name: str, directory: Path, environment: Mapping[str, str]
) -> Document:
    """Parse the text of a file; paths of secret files are relative to the directory.

    Raises:
        ConfigurationError: if the text is too long or is not a YAML mapping.
    """
    if len(text) > MAX_DOCUMENT_BYTES:
        raise ConfigurationError((Problem(name, "", _TOO_LARGE),))
    tree = parse_yaml(text, name)
    files: set[Path] = set()

    def secret_file(path: str) -> str:
        files.add(directory / path)
        return read_secret_file(directory / path)

    substitution = Substitution(environment, secret_file, MAX_DOCUMENT_BYTES)
    values = substitution.apply(tree.value)
    if not isinstance(values, Mapping):
        raise ConfigurationError((Problem(name, "", "must be a mapping of sections"),))
    secrets = {text for text in substitution.secrets if len(text) >= _MIN_SECRET_LENGTH}
    document = Document(
        name=name,
        values=values,
        lines=tree.lines,
        problems=(),
        secrets=frozenset(secrets | set(_plain_secrets(values))),
        files=frozenset(files),
    )
    problems = [
        *(
            Problem(f"{name}:{line}", dotted_path(place), reason)
            for line, place, reason in tree.duplicate_keys[:MAX_PROBLEMS]
        ),
        *(
            document.problem(place, reason)
            for place, reason in substitution.problems[:MAX_PROBLEMS]
        ),
    ]
    return replace(document, problems=tuple(problems))


def validate_document(document: Document, model: type[_ModelT]) -> _ModelT:
    """Return the file's values as a checked model.

    Raises:
        ConfigurationError: with all errors, in the order of the file.
    """
    found, problems = validate_partially(document, model)
    if problems or found is None:
        raise ConfigurationError(in_file_order(problems))
    return found


def in_file_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return problems in the order of the file."""

    def line(problem: Problem) -> int:
        number = problem.where.rpartition(":")[2]
        return int(number) if number.isdecimal() else 0

    return tuple(sorted(problems, key=line))


def validate_partially(
    document: Document, model: type[_ModelT]
) -> tuple[_ModelT | None, tuple[Problem, ...]]:
    """Return the valid part of a file and all its problems.

    An entry with an error (one service, one upstream, one section) is left out of the model. The
    references between the other entries can then be checked in the same run.
    """
    try:
        return model.model_validate(document.values), document.problems
    except ValidationError as error:
        errors = error.errors(include_url=False)
    broken = {problem.key for problem in document.problems}
    places = [_key_path_of(each["loc"], document) for each in errors]
    schema = model_schema(model)
    problems = list(document.problems)
    for each, place in zip(errors, places, strict=True):
        if len(problems) >= MAX_PROBLEMS:
            break
        if dotted_path(place) not in broken:
            problems.append(document.problem(place, validation_message(each, place, schema)))
    pruned = _pruned(document.values, places)
    try:
        return model.model_validate(pruned), tuple(problems)
    except ValidationError:
        return None, tuple(problems)


def _key_path_of(location: tuple[PathStep, ...], document: Document) -> KeyPath:
    """Return the place of an error in the file; pydantic also names branches of unions."""
    place: KeyPath = ()
    for step in location:
        if (*place, step) in document.lines:
            place = (*place, step)
    missing = location[-1] if location else 0
    is_missing = isinstance(missing, str) and missing.isidentifier() and place[-1:] != (missing,)
    return (*place, missing) if is_missing else place


def _pruned(tree: Mapping[str, object], key_paths: Iterable[KeyPath]) -> dict[str, object]:
    bad: defaultdict[PathStep, set[PathStep]] = defaultdict(set)
    for place in key_paths:
        bad[place[0] if place else ""].update(place[1:2])
    whole = {place[0] for place in key_paths if len(place) == 1}
    rest: dict[str, object] = {}
    for section, entries in tree.items():
        if section in whole:
            continue
        if section not in bad:
            rest[section] = entries
        elif isinstance(entries, Mapping):
            rest[section] = {k: value for k, value in entries.items() if k not in bad[section]}
    return rest


def _plain_secrets(value: object, *, is_secret: bool = False) -> Iterator[str]:
    """Yield secrets that are written into the file in clear text."""
    match value:
        case Mapping():
            for key, each in value.items():
                yield from _plain_secrets(each, is_secret=key in _SECRET_KEYS)
        case list():
            for each in value:
                yield from _plain_secrets(each, is_secret=is_secret)
        case str() if is_secret and len(value) >= _MIN_SECRET_LENGTH:
            yield value
        case _:
            return
