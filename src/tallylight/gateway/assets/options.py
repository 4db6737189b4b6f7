"""The section `assets` of the configuration, and the asset store that it describes."""

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
from tallylight.gateway.assets.directory import DirectoryStore
from tallylight.gateway.assets.store import AssetStore

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
        raise ValueError("needs the extra for buckets: pip install 'tallylight[s3]'")
    return value


def _endpoint(value: str) -> str:
    url = parse_http_url(value)
    if url.startswith("http:") and not is_loopback(url) and not is_private(url):
        raise ValueError("would receive videos unencrypted; use https")
    return url


class AssetOptions(Section):
    """Options of the asset store."""

    location: Annotated[str, AfterValidator(_location)] = Field(
        "",
        description="A directory, relative to the working directory, or s3://bucket/prefix. "
        "Default: the directory assets beside the SQLite file, or with PostgreSQL in the working "
        "directory.",
    )
    endpoint: Annotated[str, AfterValidator(_endpoint)] = Field(
        "", description="URL of a bucket outside Amazon S3, https://s3.example.com."
    )
    region: str = Field(
        "", pattern=r"^[a-z0-9-]*$", description="Region of the bucket. Default: us-east-1."
    )
    key_id: SecretText | None = Field(
        None,
        description="Id of the access key. Default: the credentials of the environment or the "
        "machine.",
    )
    secret: SecretText | None = Field(
        None, validate_default=True, description="The secret access key that belongs to `key_id`."
    )
    keep: Duration = Field(
        timedelta(days=7), description="How long the content of a completed video is kept."
    )

    @field_validator("endpoint", "region", "key_id")
    @classmethod
    def _belongs_to_a_bucket(cls, value: object, info: ValidationInfo) -> object:
        location = info.data.get("location")  # missing if it is not valid
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
        """Tell whether the location is a bucket."""
        return self.location.startswith(_SCHEME)

    def directory(self, database_url: str) -> Path:
        """Return the directory of the assets, for a location that is not a bucket."""
        if self.location:
            return Path(self.location)
        scheme, _, file = database_url.partition(":///")
        return Path(file).parent / _DIRECTORY if scheme == "sqlite" else Path(_DIRECTORY)


def open_store(options: AssetOptions, database_url: str) -> AssetStore:
    """Return the asset store that the options describe, ready for use.

    Args:
        options: Location of the store.
        database_url: Its SQLite file is the default neighbour of the directory.

    Raises:
        StorageError: if the directory cannot be created or is not writable.
    """
    if options.is_bucket:
        # An extra of 30 MB that a directory does not need.
        from tallylight.gateway.assets.bucket import BucketStore  # noqa: PLC0415

        return BucketStore(options)
    store = DirectoryStore(options.directory(database_url))
    store.prepare()
    return store
