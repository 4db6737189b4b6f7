"""Downloads completed videos into the asset store, before the upstream's link expires."""

import asyncio
import tempfile
from datetime import timedelta
from pathlib import Path

import structlog

from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.errors import StorageError
from tallylight.gateway.assets.names import asset_name, files_of
from tallylight.gateway.assets.store import AssetStore
from tallylight.model.attempt import Attempt
from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.upstreams.download import ResultFetcher
from tallylight.upstreams.steps import Done
from tallylight.upstreams.transport import Transport

log = structlog.get_logger()

_MAX_VIDEO_BYTES = 4 * 2**30
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

        Of several results, those that can be had are the asset.

        Args:
            attempt: The attempt that delivered.
            service: Its service.
            done: Its finished job.
            patience: How long the result may be late.
        """
        try:
            # Outside the store, so that an incomplete download never appears there.
            with tempfile.TemporaryDirectory(prefix="tallylight-") as folder:
                found = await self._download(attempt, service, done, Path(folder), patience)
                if isinstance(found, Failure):
                    return found
                name = asset_name(attempt.id, next(iter(found.values())), len(found))
                for file_name, file in zip(files_of(name), found, strict=True):
                    await self._save(file_name, file)
        except (StorageError, OSError) as error:  # a full local disk fails no video
            return Failure(FailureKind.UNKNOWN, Fault.OURS, "asset:not_stored", str(error))
        return name

    async def discard(self, name: str) -> None:
        """Delete an asset of a video that was deleted meanwhile."""
        for file_name in files_of(name):
            await self._store.delete(file_name)

    async def _download(
        self, attempt: Attempt, service: Service, done: Done, folder: Path, patience: timedelta
    ) -> dict[Path, str] | Failure:
        """Download all results that can be had; return their files with their media types."""
        places = _results_of(done, attempt.order.count)
        files = [folder / str(number) for number in range(len(places))]
        tries = await asyncio.gather(
            *(
                self._results.fetch(
                    attempt.job, done, service, file, _MAX_VIDEO_BYTES, patience, place
                )
                for file, place in zip(files, places, strict=True)
            )
        )
        found = dict(zip(files, tries, strict=True))
        missing = [each for each in tries if isinstance(each, Failure)]
        if len(missing) == len(tries):
            return missing[0]
        if missing:
            log.warning("asset.partial", attempt=attempt.id, rule=missing[0].rule)
        return {file: each for file, each in found.items() if isinstance(each, str)}

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


def _results_of(done: Done, count: int) -> tuple[int | None, ...]:
    """Return which results a job has; None alone if all that it names leads to one."""
    if count == 1:
        return (None,)
    return tuple(sorted({each.index for each in done.outputs if each.is_sold})) or (None,)
