"""Downloads completed videos into the asset store, before the upstream's link expires."""

import tempfile
from datetime import timedelta
from pathlib import Path

import structlog

from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.errors import StorageError
from tallylight.gateway.assets.store import AssetStore
from tallylight.model.attempt import Attempt
from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.model.ids import AttemptId
from tallylight.upstreams.download import ResultFetcher
from tallylight.upstreams.media_types import FILE_SUFFIXES
from tallylight.upstreams.steps import Done
from tallylight.upstreams.transport import Transport

log = structlog.get_logger()

_MAX_VIDEO_BYTES = 4 * 2**30
_MP4 = "video/mp4"
_MEDIA_TYPES = {suffix: media_type for media_type, suffix in FILE_SUFFIXES.items()}
_RETRY_PAUSES = tuple(timedelta(seconds=s) for s in (1, 5, 20, 60))


class AssetFetcher:
    """Downloads completed videos into the asset store."""

    def __init__(self, transport: Transport, store: AssetStore, clock: Clock) -> None:
        self._results = ResultFetcher(transport, clock)
        self._store = store
        self._clock = clock

    async def fetch(
        self, attempt: Attempt, service: Service, done: Done, patience: timedelta
    ) -> str | Failure:
        """Return the name of the stored asset, or why it was not stored.

        The name is that of the attempt: a process that has lost the video writes no other file.

        Args:
            attempt: The attempt that delivered.
            service: Its service.
            done: Its finished job.
            patience: How long the result may be late.
        """
        try:
            # Outside the store, so that an incomplete download never appears there.
            with tempfile.TemporaryDirectory(prefix="tallylight-") as folder:
                file = Path(folder) / "video"
                found = await self._results.fetch(
                    attempt.job, done, service, file, _MAX_VIDEO_BYTES, patience
                )
                if isinstance(found, Failure):
                    return found
                name = asset_name(attempt.id, found)
                await self._save(name, file)
        except (StorageError, OSError) as error:  # a full local disk fails no video
            return Failure(FailureKind.UNKNOWN, Fault.OURS, "asset:not_stored", str(error))
        return name

    async def discard(self, name: str) -> None:
        """Delete an asset of a video that was deleted meanwhile."""
        await self._store.delete(name)

    async def _save(self, name: str, file: Path) -> None:
        """Store a video, with retries: some services give the download link only once."""
        for pause in _RETRY_PAUSES:
            try:
                await self._store.save(name, file)
            except (StorageError, OSError) as error:
                log.warning("asset.save_retried", name=name, error=str(error))
                await self._clock.sleep(pause)
            else:
                return
        await self._store.save(name, file)


def asset_name(attempt: AttemptId, media_type: str) -> str:
    """Return the name of the asset of an attempt; its end tells the media type, none an mp4."""
    suffix = "" if media_type == _MP4 else f".{FILE_SUFFIXES.get(media_type, 'bin')}"
    return f"videos/{attempt}{suffix}"


def asset_media_type(name: str) -> str:
    """Return the media type of an asset."""
    return _MEDIA_TYPES.get(name.rpartition(".")[2], _MP4)
