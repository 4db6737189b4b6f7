"""Fetches a finished job's video into the asset store, before the upstream's link dies."""

import tempfile
from pathlib import Path

import structlog

from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.errors import StorageError
from tallylight.gateway.assets import AssetStore
from tallylight.history.videos import Video
from tallylight.terms import Failure, FailureKind, Fault
from tallylight.upstreams.fetching import fetch
from tallylight.upstreams.transport import Transport
from tallylight.upstreams.wire import Job

log = structlog.get_logger()

_LARGEST_VIDEO = 4 * 2**30


class Delivering:
    """Brings videos home."""

    def __init__(self, transport: Transport, store: AssetStore, clock: Clock) -> None:
        self._transport = transport
        self._store = store
        self._clock = clock

    async def fetch(self, video: Video, service: Service, job: Job) -> str | Failure:
        """Return the video's place in the store, or why it is not there."""
        name = f"videos/{video.id}"
        try:
            with tempfile.TemporaryDirectory(prefix="tallylight-") as folder:
                file = Path(folder) / "video"
                failure = await fetch(
                    job, service.upstream, file, _LARGEST_VIDEO, self._transport, self._clock
                )
                if failure is None:
                    await self._store.save(name, file)
        except (StorageError, OSError) as error:  # a full disk of ours ends no video
            return Failure(FailureKind.UNKNOWN, Fault.OURS, "delivery:unstored", str(error))
        return failure or name

    async def forget_reference(self, video: Video) -> None:
        """Delete the picture that a video was made from; no service will be asked for it again."""
        if not video.wish.stored:
            return
        try:
            await self._store.delete(video.wish.stored)
        except StorageError as error:
            log.warning("reference.kept", video=video.id, error=str(error))
