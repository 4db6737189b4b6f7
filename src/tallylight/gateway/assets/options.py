"""What an operator may say of where videos are kept."""

import re
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    Field,
    ValidationInfo,
    field_validator,
)

from tallylight.documents.addresses import is_loopback, is_private, parse_http_url
from tallylight.documents.parsers import Duration
from tallylight.documents.secret import Secret, SecretText
from tallylight.documents.section import Section

_BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[\w.-]+)*/?", re.ASCII)
_SCHEME = "s3://"
_DIRECTORY = "assets"


def _location(value: str) -> str:
    if "://" not in value:
        return value
    if _BUCKET.fullmatch(value) is None:
        raise ValueError(
            "is neither a directory nor a bucket; write ./assets or s3://bucket/prefix"
        )
    if find_spec("obstore") is None:
        raise ValueError("needs what speaks to buckets: pip install 'tallylight[s3]'")
    return value


def _endpoint(value: str) -> str:
    url = parse_http_url(value)
    if url.startswith("http:") and not is_loopback(url) and not is_private(url):
        raise ValueError("would be given videos unencrypted; use https")
    return url


class AssetOptions(Section):
    """The section `assets` of the configuration."""

    location: Annotated[str, AfterValidator(_location)] = Field(
        "",
        description="A directory, relative to the working directory, or s3://bucket/prefix; "
        "without it the directory assets, beside the SQLite file or with PostgreSQL in the working "
        "directory.",
    )
    endpoint: Annotated[str, AfterValidator(_endpoint)] = Field(
        "", description="The address of a bucket that is not Amazon's, https://s3.example.com."
    )
    region: str = Field(
        "", pattern=r"^[a-z0-9-]*$", description="The bucket's region; without it us-east-1."
    )
    key_id: SecretText | None = Field(
        None,
        description="The access key's id; without it what the environment or the machine provides.",
    )
    secret: SecretText | None = Field(
        None, validate_default=True, description="The secret access key that belongs to it."
    )
    keep: Duration = Field(
        timedelta(days=7), description="How long a finished video can be fetched."
    )

    @field_validator("endpoint", "region", "key_id")
    @classmethod
    def _belongs_to_a_bucket(cls, value: object, info: ValidationInfo) -> object:
        location = info.data.get("location")  # missing if it is no location
        if value and location is not None and not location.startswith(_SCHEME):
            raise ValueError("belongs to a bucket; set `location` to s3://bucket/prefix")
        return value

    @field_validator("secret")
    @classmethod
    def _belongs_to_an_id(cls, value: Secret | None, info: ValidationInfo) -> Secret | None:
        if "key_id" in info.data and (value is None) != (info.data["key_id"] is None):
            raise ValueError("and `key_id` belong together; write both, or neither")
        return value

    @property
    def is_bucket(self) -> bool:
        """Tell whether assets lie in a bucket."""
        return self.location.startswith(_SCHEME)

    def directory(self, database_url: str) -> Path:
        """Return the directory where assets lie if they lie in one."""
        if self.location:
            return Path(self.location)
        scheme, _, file = database_url.partition(":///")
        return Path(file).parent / _DIRECTORY if scheme == "sqlite" else Path(_DIRECTORY)
