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
from tallylight.upstreams.download import download_video
from tallylight.upstreams.messages import Job
from tallylight.upstreams.transport import Transport

log = structlog.get_logger()

_MAX_VIDEO_BYTES = 4 * 2**30
_RETRY_PAUSES = tuple(timedelta(seconds=s) for s in (1, 5, 20, 60))


class AssetFetcher:
    """Downloads completed videos into the asset store."""

    def __init__(self, transport: Transport, store: AssetStore, clock: Clock) -> None:
        self._transport = transport
        self._store = store
        self._clock = clock

    async def fetch(self, attempt: Attempt, service: Service, job: Job) -> str | Failure:
        """Return the name of the stored asset, or why it was not stored.

        The name is that of the attempt: a process that has lost the video writes no other file.
        """
        name = f"videos/{attempt.id}"
        try:
            # Outside the store, so that an incomplete download never appears there.
            with tempfile.TemporaryDirectory(prefix="tallylight-") as folder:
                file = Path(folder) / "video"
                failure = await download_video(
                    job, service.upstream, file, _MAX_VIDEO_BYTES, self._transport, self._clock
                )
                if failure is None:
                    await self._save(name, file)
        except (StorageError, OSError) as error:  # a full local disk fails no video
            return Failure(FailureKind.UNKNOWN, Fault.OURS, "asset:not_stored", str(error))
        return failure or name

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
