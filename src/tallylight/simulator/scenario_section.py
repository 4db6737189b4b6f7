"""The base model of all sections of a scenario file, and the error for invalid ones."""

from collections.abc import Iterator, Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError


class ScenarioSection(BaseModel):
    """A frozen section of a scenario file, or of a request to the live control."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _reject_unknown_keys(cls, value: object) -> object:
        # `extra="forbid"` would not name the allowed keys.
        if isinstance(value, Mapping):
            known = [field.alias or name for name, field in cls.model_fields.items()]
            for key in value:
                if key not in known:
                    raise PydanticCustomError(
                        "unknown_key",
                        "unknown key '{key}'; allowed are {known}",
                        {"key": str(key), "known": ", ".join(known)},
                    )
        return value


class ScenarioError(Exception):
    """A scenario, or a request to the live control, is invalid.

    Args:
        source: File name, or method and path of the request.
        key: Dotted key ("services.sora-2.latency"); "" for the whole document.
    """

    def __init__(self, source: str, key: str, reason: str) -> None:
        super().__init__(source, key, reason)
        self.source = source
        self.key = key
        self.reason = reason

    def __str__(self) -> str:
        """Return source, key and reason."""
        return ": ".join(part for part in (self.source, self.key, self.reason) if part)

    @classmethod
    def from_validation(cls, source: str, error: ValidationError) -> Self:
        """Return the error for pydantic's first finding."""
        first = error.errors(include_url=False)[0]
        return cls(source, ".".join(_key_path(first)), _reason(first))


def _key_path(error: ErrorDetails) -> Iterator[str]:
    # Between the file's keys pydantic inserts the branches of unions, which are not keys.
    for step in error["loc"]:
        if not str(step).startswith(("function-", "tagged-union", "union[")):
            yield str(step)


def _reason(error: ErrorDetails) -> str:
    message = error["msg"].removeprefix("Value error, ")
    value = error.get("input")
    if isinstance(value, str | int | float | bool) and str(value) not in message:
        return f"{message} (got {value!r})"
    return message
