"""What every section of a document is: frozen, and without keys that nobody reads."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=100)]
"""A name that an operator gives to a provider, an upstream, a receiver or a webhook."""


class Section(BaseModel):
    """A section of a document: a typing error in a key is an error, not a default."""

    model_config = ConfigDict(frozen=True, extra="forbid")
