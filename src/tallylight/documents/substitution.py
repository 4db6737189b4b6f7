"""Replaces references in a file by environment variables and secret files."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tallylight.documents.yaml_tree import KeyPath

_REFERENCE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$\{")


@dataclass(slots=True)
class Substitution:
    """Replaces `${NAME}` and `{file: path}`, and records the references that fail.

    Args:
        read_file: Returns the text of a secret file by its path.
        max_length: Limit of all texts that are filled in together, in characters.
        secrets: Texts that were filled in.
        problems: Place and reason of each failed reference.
    """

    environment: Mapping[str, str]
    read_file: Callable[[str], str]
    max_length: int
    secrets: set[str] = field(default_factory=set)
    problems: list[tuple[KeyPath, str]] = field(default_factory=list)
    _length: int = 0

    def apply(self, value: object, key_path: KeyPath = ()) -> object:
        """Return the value with its references replaced."""
        match value:
            case {"file": str(path), **others} if not others:
                return self._file(self._text(path, key_path), key_path)
            case Mapping():
                return {key: self.apply(each, (*key_path, key)) for key, each in value.items()}
            case list():
                return [self.apply(each, (*key_path, i)) for i, each in enumerate(value)]
            case str():
                return self._text(value, key_path)
            case _:
                return value

    def _text(self, text: str, key_path: KeyPath) -> str:
        return _REFERENCE.sub(lambda match: self._reference(match, key_path), text)

    def _reference(self, match: re.Match[str], key_path: KeyPath) -> str:
        name = match[1]
        if match[0] == "$${":
            return "${"
        if name is None:
            self.problems.append(
                (key_path, "has a ${ that names no variable; write $${ for the text")
            )
            return match[0]
        value = self.environment.get(name, "")
        if not value:
            state = "is empty" if name in self.environment else "is not set"
            self.problems.append((key_path, f"environment variable {name} {state}"))
            return match[0]
        return self._filled_in(value, key_path)

    def _file(self, path: str, key_path: KeyPath) -> str:
        try:
            text = self.read_file(path)
        except FileNotFoundError:
            self.problems.append((key_path, f"there is no file {path}"))
        except UnicodeDecodeError:
            self.problems.append((key_path, f"the file {path} is not UTF-8 text"))
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "its name is not usable"
            self.problems.append((key_path, f"the file {path} cannot be read: {why}"))
        else:
            if text:
                return self._filled_in(text, key_path)
            self.problems.append((key_path, f"the file {path} is empty"))
        return "${file}"

    def _filled_in(self, text: str, key_path: KeyPath) -> str:
        self.secrets.add(text)
        self._length += len(text)
        if self._length <= self.max_length:
            return text
        limit = f"{self.max_length // 1024} KiB"
        self.problems.append(
            (key_path, f"the references up to here fill in more than {limit}; remove some")
        )
        return "${…}"
