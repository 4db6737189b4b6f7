"""The handle of one video, for programs with an event loop."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Literal, Self
from uuid import uuid4

from tallylight.client.create_params import build_remix_request
from tallylight.client.embedded_gateway import EmbeddedGateway
from tallylight.client.lifecycle import call
from tallylight.client.video_state import VideoFailedError, VideoHandleBase, VideoSnapshot
from tallylight.gateway.assets.late import CONTENT_UNAVAILABLE
from tallylight.gateway.gateway import Gateway
from tallylight.gateway.keys import ANONYMOUS
from tallylight.gateway.requests import ApiError
from tallylight.model.ids import VideoId
from tallylight.model.video import Video
from tallylight.upstreams.atomic_download import save_atomically

_POLL_INTERVAL = timedelta(seconds=5)
"""The longest time between two reads of a video that reports no change."""

_LATE_INTERVAL = timedelta(seconds=2)
"""The time between two tries to read content that is late."""

Variant = Literal["video", "thumbnail", "spritesheet"]
WriteMode = Literal["w", "x"]

OnProgress = Callable[["AsyncVideoHandle"], Awaitable[None] | None]
"""The function to call with each change; it may be a coroutine function."""


class AsyncVideoHandle(VideoHandleBase):
    """One video, as it was when the handle last read it."""

    def __init__(self, gateway: EmbeddedGateway, record: Video) -> None:
        super().__init__(VideoSnapshot(record))
        self._gateway = gateway

    async def refresh(self) -> Self:
        """Read the video again.

        Raises:
            ApiError: if the video was deleted.
        """
        self._snapshot.record = await self._gateway.call(self._fetch)
        return self

    async def wait(
        self,
        timeout: float | None = None,  # noqa: ASYNC109  # as `VideoHandle.wait` has it
        on_progress: OnProgress | None = None,
    ) -> Self:
        """Wait until the video is completed or has failed.

        Args:
            timeout: In seconds; None waits until the deadline that the route sets.
            on_progress: Called with this handle, now and at each change.

        Raises:
            TimeoutError: if the video takes longer; it is still being made.
        """
        try:
            async with asyncio.timeout(timeout):
                await self.refresh()
                await _notify(on_progress, self)
                while not self.is_over:
                    before = self._snapshot.record
                    self._snapshot.record = await self._gateway.call(self._fetch_changed)
                    if self._snapshot.record != before:
                        await _notify(on_progress, self)
        except TimeoutError:
            raise TimeoutError(f"video {self.id} is {self.status} after {timeout} s") from None
        return self

    async def save(
        self, path: str | Path, *, variant: Variant = "video", mode: WriteMode = "w"
    ) -> Path:
        """Write the video into a file, completely or not at all.

        It waits some minutes for content that its service delivers late.

        Args:
            path: The file.
            variant: The video, or an image of it where the service makes one.
            mode: As in `open`: "w" replaces an existing file, "x" never does.

        Raises:
            VideoFailedError: if the video failed.
            ApiError: if the video is not completed yet, or has expired.
            FileExistsError: if the mode is "x" and the file exists.
            StorageError: if the file cannot be written.
        """
        await self.refresh()
        if self.error is not None:
            raise VideoFailedError(self.id, self.error)
        target = Path(path)
        if mode == "x" and await asyncio.to_thread(target.exists):
            raise _exists_error(target)
        scratch = target.with_name(f".{target.name}.{uuid4().hex}")

        async def download(gateway: Gateway) -> None:
            async with gateway.content(VideoId(self.id), ANONYMOUS, variant, None) as content:
                await save_atomically(content.chunks, scratch, sys.maxsize)

        await self._call_until_content(download)
        await asyncio.to_thread(_move if mode == "w" else _move_exclusively, scratch, target)
        return target

    async def delete(self) -> None:
        """Delete the video and its content.

        Raises:
            ApiError: if the video is still being made.
        """
        await self._gateway.call(lambda gateway: gateway.delete(VideoId(self.id), ANONYMOUS))

    async def remix(self, prompt: str, *, idempotency_key: str = "") -> "AsyncVideoHandle":
        """Make the video again with another prompt, at the same service.

        Raises:
            ApiError: if the video is not completed, or its service has no remix.
        """
        request = build_remix_request(VideoId(self.id), prompt, idempotency_key)
        record = await self._gateway.call(lambda gateway: gateway.create(request, ANONYMOUS))
        return AsyncVideoHandle(self._gateway, record)

    async def _call_until_content(
        self, download: Callable[[Gateway], Coroutine[object, object, None]]
    ) -> None:
        """Download; again while the content of the completed video is late."""
        while True:
            try:
                return await self._gateway.call(download)
            except ApiError as error:
                if error.code != CONTENT_UNAVAILABLE or not self._gateway.awaits_content(
                    self._snapshot.record
                ):
                    raise
            await self._gateway.sleep(_LATE_INTERVAL)
            await self.refresh()

    async def _fetch(self, gateway: Gateway) -> Video:
        return await gateway.video(VideoId(self.id), ANONYMOUS)

    async def _fetch_changed(self, gateway: Gateway) -> Video:
        current = await self._fetch(gateway)
        if current != self._snapshot.record:
            return current
        return await gateway.wait_for_change(VideoId(self.id), ANONYMOUS, _POLL_INTERVAL)


async def _notify(on_progress: OnProgress | None, video: AsyncVideoHandle) -> None:
    if on_progress is not None:
        await call(on_progress, video)


def _move(scratch: Path, target: Path) -> None:
    try:
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)


def _move_exclusively(scratch: Path, target: Path) -> None:
    try:
        target.hardlink_to(scratch)
    except FileExistsError:
        raise _exists_error(target) from None
    except OSError:  # the file system has no hard links
        if target.exists():
            raise _exists_error(target) from None
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)


def _exists_error(target: Path) -> FileExistsError:
    return FileExistsError(f"{target} exists already")
