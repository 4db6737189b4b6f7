"""Videos through the failover, for programs without an event loop.

client = VideoClient.from_config("tallylight.yaml")
client.create("A sunset over the ocean", seconds=8).wait().save("sunset.mp4")
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tallylight.client.async_video import AsyncVideoHandle, Variant, WriteMode
from tallylight.client.async_video_client import AsyncVideoClient
from tallylight.client.create_params import ImageInput
from tallylight.client.loop_thread import LoopThread
from tallylight.client.video_state import VideoHandleBase
from tallylight.config.settings import Configuration, load_configuration


class VideoHandle(VideoHandleBase):
    """One video, as it stood when it was last looked at."""

    def __init__(self, video: AsyncVideoHandle, thread: LoopThread) -> None:
        super().__init__(video._snapshot)  # noqa: SLF001  # what one handle sees the other shows
        self._video = video
        self._thread = thread

    def refresh(self) -> Self:
        """Look at it again; see `AsyncVideo.refresh`."""
        self._thread.run(self._video.refresh())
        return self

    def wait(
        self,
        timeout: float | None = None,
        on_progress: Callable[["VideoHandle"], object] | None = None,
    ) -> Self:
        """Return once it is completed or has failed; see `AsyncVideo.wait`.

        `on_progress` is called in a thread of its own.
        """

        async def tell(_: AsyncVideoHandle) -> None:
            if on_progress is not None:
                await asyncio.to_thread(on_progress, self)

        self._thread.run(self._video.wait(timeout, tell))
        return self

    def save(self, path: str | Path, *, variant: Variant = "video", mode: WriteMode = "w") -> Path:
        """Write its content into a file; see `AsyncVideo.save`."""
        return self._thread.run(self._video.save(path, variant=variant, mode=mode))

    def delete(self) -> None:
        """Forget it, and its content; see `AsyncVideo.delete`."""
        self._thread.run(self._video.delete())

    def remix(self, prompt: str, *, idempotency_key: str = "") -> "VideoHandle":
        """Make it anew with another prompt; see `AsyncVideo.remix`."""
        made = self._thread.run(self._video.remix(prompt, idempotency_key=idempotency_key))
        return VideoHandle(made, self._thread)


class VideoClient:
    """Makes videos by the routes of a configuration; it runs an event loop in a thread of its own.

    Opened by the first call that needs it; closed by `close`, at the end of a `with`, or with the
    program.
    """

    def __init__(self, configuration: Configuration) -> None:
        self._client = AsyncVideoClient(configuration)
        self._thread = LoopThread(self._client.aclose, "client")

    @classmethod
    def from_config(cls, path: str | Path | None = None) -> Self:
        """Return a client by a configuration file; without one as the command line finds it.

        Raises:
            ConfigurationError: with everything that is wrong in the file.
        """
        return cls(load_configuration(None if path is None else Path(path)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def create(  # noqa: PLR0913  # what can be said of a video
        self,
        prompt: str,
        *,
        model: str = "",
        seconds: int | None = None,
        size: str = "",
        policy: str = "",
        prefer: str = "",
        reference: ImageInput | None = None,
        characters: Sequence[str] = (),
        idempotency_key: str = "",
        extras: Mapping[str, object] | None = None,
    ) -> VideoHandle:
        """Ask for a video, and return it once a service has accepted it, or may have.

        What the arguments mean, and what is raised: see `AsyncVideoClient.create`.
        """
        asking = self._client.create(
            prompt,
            model=model,
            seconds=seconds,
            size=size,
            policy=policy,
            prefer=prefer,
            reference=reference,
            characters=characters,
            idempotency_key=idempotency_key,
            extras=extras,
        )
        return VideoHandle(self._thread.run(asking), self._thread)

    def video(self, id: str) -> VideoHandle:  # noqa: A002  # the API's word
        """Return a video that was asked for before; see `AsyncVideoClient.video`."""
        return VideoHandle(self._thread.run(self._client.video(id)), self._thread)

    def list(self, limit: int = 20, after: str = "") -> Sequence[VideoHandle]:
        """Return the videos that clients asked for; see `AsyncVideoClient.list`."""
        found = self._thread.run(self._client.list(limit, after))
        return [VideoHandle(video, self._thread) for video in found]

    def models(self) -> Sequence[str]:
        """Return the names of the routes."""
        return self._client.models()

    def close(self) -> None:
        """Leave videos under way to whoever comes next, and end the thread; may be called twice."""
        self._thread.close()
