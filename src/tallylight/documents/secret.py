"""Keys that are hidden unless they are revealed explicitly."""

from dataclasses import dataclass, field
from typing import Annotated

from pydantic import GetPydanticSchema, WithJsonSchema
from pydantic_core import core_schema


@dataclass(frozen=True, slots=True)
class Secret:
    """A hidden key: its `repr`, its `str`, logs and exports show "***"."""

    _value: str = field(repr=False)

    def reveal(self) -> str:
        """Return the key itself, for the header that needs it."""
        return self._value

    def __str__(self) -> str:
        return "***"


def parse_secret(value: object) -> Secret:
    """Return a hidden key; no error shows its text."""
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise ValueError("must be a text; put it in quotes, or write ${NAME} or {file: path}")  # noqa: TRY004  # pydantic takes ValueError
    if not value or not value.isprintable() or value != value.strip():
        # A header cannot carry it, and a key with such characters was pasted wrongly.
        raise ValueError("is empty, or contains spaces or line breaks, which no key has")
    return Secret(value)


SecretText = Annotated[
    Secret,
    GetPydanticSchema(
        lambda _type, _handler: core_schema.no_info_plain_validator_function(
            parse_secret,
            # Without it pydantic would serialize the dataclass with the key in it.
            serialization=core_schema.plain_serializer_function_ser_schema(str),
        )
    ),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "writeOnly": True},
                {
                    "type": "object",
                    "properties": {"file": {"type": "string", "description": "A file's path."}},
                    "required": ["file"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
"""A key; its text is revealed only for one header."""
