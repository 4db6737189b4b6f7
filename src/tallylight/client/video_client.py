"""Video generation with failover, for programs without an event loop.

client = VideoClient.from_config("tallylight.yaml")
client.create("A sunset over the ocean", seconds=8).wait().save("sunset.mp4")
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self, Unpack

from tallylight.client.async_video import AsyncVideoHandle, Variant, WriteMode
from tallylight.client.async_video_client import AsyncVideoClient
from tallylight.client.create_params import CreateOptions, ImageOptions
from tallylight.client.lifecycle import BlockingClient, LoopThread, call_in_thread
from tallylight.client.made_images import MadeImage
from tallylight.client.video_state import VideoHandleBase
from tallylight.config.settings import Configuration


class VideoHandle(VideoHandleBase):
    """`AsyncVideoHandle` for programs without an event loop."""

    def __init__(self, video: AsyncVideoHandle, thread: LoopThread) -> None:
        super().__init__(video._snapshot)  # noqa: SLF001  # both handles show the same video
        self._video = video
        self._thread = thread

    def refresh(self) -> Self:
        """Read the video again; see `AsyncVideoHandle.refresh`."""
        self._thread.run(self._video.refresh())
        return self

    def wait(
        self,
        timeout: float | None = None,
        on_progress: Callable[["VideoHandle"], object] | None = None,
    ) -> Self:
        """Wait until the video is completed or has failed; see `AsyncVideoHandle.wait`.

        `on_progress` is called in another thread, so it may call the client.
        """

        async def notify(_: AsyncVideoHandle) -> None:
            if on_progress is not None:
                await call_in_thread(on_progress, self)

        self._thread.run(self._video.wait(timeout, notify))
        return self

    def save(self, path: str | Path, *, variant: Variant = "video", mode: WriteMode = "w") -> Path:
        """Write the video into a file; see `AsyncVideoHandle.save`."""
        return self._thread.run(self._video.save(path, variant=variant, mode=mode))

    def delete(self) -> None:
        """Delete the video and its content; see `AsyncVideoHandle.delete`."""
        self._thread.run(self._video.delete())

    def remix(self, prompt: str, *, idempotency_key: str = "") -> "VideoHandle":
        """Make the video again with another prompt; see `AsyncVideoHandle.remix`."""
        remix = self._thread.run(self._video.remix(prompt, idempotency_key=idempotency_key))
        return VideoHandle(remix, self._thread)


class VideoClient(BlockingClient):
    """`AsyncVideoClient` for programs without an event loop."""

    def __init__(self, configuration: Configuration) -> None:
        self._client = AsyncVideoClient(configuration)
        self._thread = LoopThread(self._client.aclose, "client")

    def create(self, prompt: str, **options: Unpack[CreateOptions]) -> VideoHandle:
        """Request a video; see `AsyncVideoClient.create` and `CreateOptions`."""
        return VideoHandle(self._thread.run(self._client.create(prompt, **options)), self._thread)

    def images(self, prompt: str, **options: Unpack[ImageOptions]) -> tuple[MadeImage, ...]:
        """Make images; see `AsyncVideoClient.images` and `ImageOptions`."""
        return self._thread.run(self._client.images(prompt, **options))

    def video(self, id: str) -> VideoHandle:  # noqa: A002  # the API's word
        """Return the handle of a video; see `AsyncVideoClient.video`."""
        return VideoHandle(self._thread.run(self._client.video(id)), self._thread)

    def list(self, limit: int = 20, after: str = "") -> Sequence[VideoHandle]:
        """Return handles of the newest videos; see `AsyncVideoClient.list`."""
        found = self._thread.run(self._client.list(limit, after))
        return [VideoHandle(video, self._thread) for video in found]

    def models(self) -> Sequence[str]:
        """Return the names of the routes."""
        return self._client.models()
