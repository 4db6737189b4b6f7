"""Base of all sections of a file: frozen, and without unknown keys."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=100)]
"""Name of a provider, an upstream, a receiver or a webhook."""


class Section(BaseModel):
    """A section of a document: a misspelt key is an error, not a default."""

    model_config = ConfigDict(frozen=True, extra="forbid")
