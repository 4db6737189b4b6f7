"""The way from what an operator wrote to the store that keeps assets."""

from tallylight.gateway.assets.directory import DirectoryStore
from tallylight.gateway.assets.options import AssetOptions
from tallylight.gateway.assets.store import AssetStore


def open_store(options: AssetOptions, database_url: str) -> AssetStore:
    """Return the store, ready to be used.

    Args:
        options: Where it is.
        database_url: Beside which file assets lie if the options do not say where.

    Raises:
        StorageError: if the directory cannot be made or written to.
    """
    if options.is_bucket:
        # An extra, and 30 MB that a directory does not need.
        from tallylight.gateway.assets.bucket import BucketStore  # noqa: PLC0415

        return BucketStore(options)
    store = DirectoryStore(options.directory(database_url))
    store.prepare()
    return store
