"""An asset store in a bucket of Amazon S3, or of a service with the same protocol."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from tallylight.errors import StorageError
from tallylight.gateway.assets.options import AssetOptions
from tallylight.gateway.assets.store import CHUNK_SIZE, OpenAsset, checked_name, split_chunks
from tallylight.upstreams.redact import redact_line

if TYPE_CHECKING:
    from obstore import GetOptions, GetResult
    from obstore.store import S3Config

_PART_SIZE = 5 * 1024 * 1024  # bytes per request of an upload: the minimum of the protocol
_IDLE_TIMEOUT = timedelta(seconds=30)
_TOTAL_TIMEOUT = timedelta(hours=6)  # a slow client may read for hours


class BucketStore:
    """Stores assets in objects under one prefix."""

    def __init__(self, options: AssetOptions) -> None:
        bucket, _, prefix = options.location.removeprefix("s3://").partition("/")
        self._location = options.location
        self._secrets = tuple(
            each.reveal() for each in (options.key_id, options.secret) if each is not None
        )
        self._store = S3Store(
            bucket,
            prefix=prefix.rstrip("/") or None,
            config=_config(options),
            client_options={
                "allow_http": options.endpoint.startswith("http:"),
                "read_timeout": _IDLE_TIMEOUT,
                "timeout": _TOTAL_TIMEOUT,
            },
            retry_config={"max_retries": 3, "retry_timeout": _IDLE_TIMEOUT},
        )

    async def save(self, name: str, path: Path) -> None:
        """Store a copy of a file."""
        with self._storage_errors():
            await obstore.put_async(
                self._store, checked_name(name), path, chunk_size=_PART_SIZE, max_concurrency=1
            )

    async def put(self, name: str, body: bytes) -> None:
        """Store bytes."""
        with self._storage_errors():
            await obstore.put_async(self._store, checked_name(name), body)

    @asynccontextmanager
    async def open(
        self, name: str, start: int = 0, end: int | None = None
    ) -> AsyncIterator[OpenAsset]:
        """Read an object, or a part of it."""
        if start == 0 and end is None:
            result = await self._get(name, {})
            yield OpenAsset(result.meta["size"], self._chunks(result))
            return
        size = await self.size(name)
        if size is None:
            raise LookupError(name)
        last = size if end is None else min(end, size)
        if start >= last:  # the protocol cannot express an empty range
            yield OpenAsset(size, _no_chunks())
            return
        yield OpenAsset(size, self._chunks(await self._get(name, {"range": (start, last)})))

    async def size(self, name: str) -> int | None:
        """Return the size of an object in bytes, None if it does not exist."""
        with self._storage_errors():
            try:
                return (await obstore.head_async(self._store, checked_name(name)))["size"]
            except FileNotFoundError:
                return None

    async def delete(self, name: str) -> None:
        """Delete an object."""
        with self._storage_errors():
            try:
                await obstore.delete_async(self._store, checked_name(name))
            except FileNotFoundError:
                return

    async def _get(self, name: str, options: "GetOptions") -> "GetResult":
        with self._storage_errors():
            try:
                return await obstore.get_async(self._store, checked_name(name), options=options)
            except FileNotFoundError:
                raise LookupError(name) from None

    async def _chunks(self, result: "GetResult") -> AsyncIterator[bytes]:
        with self._storage_errors():
            async for block in result.stream(min_chunk_size=CHUNK_SIZE):
                for chunk in split_chunks(bytes(block)):
                    yield chunk

    @contextmanager
    def _storage_errors(self) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError) as error:
            message = redact_line(str(error).partition("\n\nDebug source")[0], self._secrets)
            raise StorageError(
                f"assets {self._location}: {type(error).__name__}: {message}"
            ) from None


def _config(options: AssetOptions) -> "S3Config":
    """Return the configured options; the environment or the machine provides the others."""
    # Objects are deleted one by one, and not every store supports bulk deletion.
    config: S3Config = {"disable_bulk_delete": True}
    if options.endpoint:
        config["endpoint"] = options.endpoint
    if options.region:
        config["region"] = options.region
    if options.key_id is not None and options.secret is not None:
        config["access_key_id"] = options.key_id.reveal()
        config["secret_access_key"] = options.secret.reveal()
    return config


async def _no_chunks() -> AsyncIterator[bytes]:
    return
    yield b""
