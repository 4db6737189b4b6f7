"""A client's handle on one video, for programs with an event loop."""

import asyncio
import inspect
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Literal, Self
from uuid import uuid4

from tallylight.client.create_params import build_remix_request
from tallylight.client.embedded_gateway import EmbeddedGateway
from tallylight.client.video_state import VideoFailedError, VideoHandleBase, VideoSnapshot
from tallylight.gateway.gateway import Gateway
from tallylight.gateway.keys import ANONYMOUS
from tallylight.model.ids import VideoId
from tallylight.model.video import Video as Record
from tallylight.upstreams.atomic_download import save_atomically

_POLL_INTERVAL = timedelta(seconds=5)
"""So often is a video looked at, at least, that says nothing of itself."""

Variant = Literal["video", "thumbnail", "spritesheet"]
WriteMode = Literal["w", "x"]

OnProgress = Callable[["AsyncVideoHandle"], Awaitable[None] | None]
"""What is called with each change; a plain function or a coroutine function."""


class AsyncVideoHandle(VideoHandleBase):
    """One video, as it stood when it was last looked at."""

    def __init__(self, gateway: EmbeddedGateway, record: Record) -> None:
        super().__init__(VideoSnapshot(record))
        self._gateway = gateway

    async def refresh(self) -> Self:
        """Look at it again.

        Raises:
            RefusalError: if it was deleted.
        """
        self._snapshot.record = await self._gateway.call(self._fetch)
        return self

    async def wait(
        self,
        timeout: float | None = None,  # noqa: ASYNC109  # the same as of the handle without a loop
        on_progress: OnProgress | None = None,
    ) -> Self:
        """Return once it is completed or has failed.

        Args:
            timeout: Seconds; None waits for as long as its route allows it to take.
            on_progress: Is called with this handle, now and at each change.

        Raises:
            TimeoutError: if it takes longer; the video goes on.
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
        """Write its content into a file, which is there whole or not at all.

        Args:
            path: The file.
            variant: The video, or a picture of it where its service makes one.
            mode: As of `open`: "w" replaces a file, "x" leaves one that is there.

        Raises:
            VideoFailedError: if it failed.
            RefusalError: if it is not completed yet, or can no longer be had.
            FileExistsError: with mode "x", if there is a file.
            StorageError: if the file cannot be written.
        """
        await self.refresh()
        if self.error is not None:
            raise VideoFailedError(self.id, self.error)
        target = Path(path)
        if mode == "x" and await asyncio.to_thread(target.exists):
            raise _exists_error(target)
        scratch = target.with_name(f".{target.name}.{uuid4().hex}")

        async def bring(gateway: Gateway) -> None:
            async with gateway.content(VideoId(self.id), ANONYMOUS, variant, None) as content:
                await save_atomically(content.chunks, scratch, sys.maxsize)

        await self._gateway.call(bring)
        await asyncio.to_thread(_move if mode == "w" else _move_exclusively, scratch, target)
        return target

    async def delete(self) -> None:
        """Forget it, and its content.

        Raises:
            RefusalError: if it has not come to its end.
        """
        await self._gateway.call(lambda gateway: gateway.delete(VideoId(self.id), ANONYMOUS))

    async def remix(self, prompt: str, *, idempotency_key: str = "") -> "AsyncVideoHandle":
        """Make it anew with another prompt, at the service that made it.

        Raises:
            RefusalError: if it is not completed, or its service cannot.
        """
        ask = build_remix_request(VideoId(self.id), prompt, idempotency_key)
        record = await self._gateway.call(lambda gateway: gateway.create(ask, ANONYMOUS))
        return AsyncVideoHandle(self._gateway, record)

    async def _fetch(self, gateway: Gateway) -> Record:
        return await gateway.video(VideoId(self.id), ANONYMOUS)

    async def _fetch_changed(self, gateway: Gateway) -> Record:
        seen = await self._fetch(gateway)
        if seen != self._snapshot.record:
            return seen
        return await gateway.wait_for_change(VideoId(self.id), ANONYMOUS, _POLL_INTERVAL)


async def _notify(on_progress: OnProgress | None, video: AsyncVideoHandle) -> None:
    if on_progress is not None:
        answer = on_progress(video)
        if inspect.isawaitable(answer):
            await answer


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
    except OSError:  # a file system without links
        if target.exists():
            raise _exists_error(target) from None
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)


def _exists_error(target: Path) -> FileExistsError:
    return FileExistsError(f"{target} is there already")
