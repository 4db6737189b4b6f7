"""What the handles of both clients show of a video."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from tallylight.errors import TallylightError
from tallylight.model.video import Video, VideoError, VideoStatus


class VideoFailedError(TallylightError):
    """A video cannot be saved, because it failed."""

    def __init__(self, id: str, error: VideoError) -> None:  # noqa: A002  # the API's word
        super().__init__(f"video {id} failed: {error.message} ({error.code})")
        self.id = id
        self.code = error.code
        self.message = error.message


@dataclass(slots=True)
class VideoSnapshot:
    """The latest state of a video that its handles have read; they share it."""

    record: Video


class VideoHandleBase:
    """A video, as it was when the handle last read it."""

    def __init__(self, snapshot: VideoSnapshot) -> None:
        self._snapshot = snapshot

    def __repr__(self) -> str:
        kind = type(self).__name__
        return f"<{kind} {self.id} {self.status} {self.progress} % {self.service}>".replace(
            " >", ">"
        )

    @property
    def id(self) -> str:
        """Return the id, which stays the same after a failover."""
        return self._snapshot.record.id

    @property
    def status(self) -> VideoStatus:
        """Return the status: queued, in_progress, completed or failed."""
        return self._snapshot.record.status

    @property
    def is_over(self) -> bool:
        """Tell whether the video is completed or has failed, which is final."""
        return self._snapshot.record.is_terminal

    @property
    def progress(self) -> int:
        """Return the progress, 0 to 100."""
        return self._snapshot.record.progress

    @property
    def model(self) -> str:
        """Return the name of the route."""
        return self._snapshot.record.model

    @property
    def prompt(self) -> str:
        """Return the prompt."""
        return self._snapshot.record.prompt

    @property
    def seconds(self) -> int:
        """Return the length in seconds: as made or ordered, else as requested."""
        return self._snapshot.record.told_seconds

    @property
    def size(self) -> str:
        """Return the size, "1280x720": as made or ordered, else as requested."""
        return self._snapshot.record.told_size

    @property
    def service(self) -> str:
        """Return the service that makes or made the video; "" before the first acceptance."""
        return self._snapshot.record.service

    @property
    def attempts(self) -> int:
        """Return the number of attempts, over all services."""
        return self._snapshot.record.attempts

    @property
    def cost(self) -> Decimal | None:
        """Return what all attempts together cost or may cost, in USD; None if not known."""
        cost = self._snapshot.record.cost
        return None if cost is None else cost + Decimal("0.00")  # to the cent, or more exactly

    @property
    def substituted(self) -> Mapping[str, str]:
        """Return the values that the route substituted: {"seconds": "10→8"}."""
        return self._snapshot.record.substitutions

    @property
    def error(self) -> VideoError | None:
        """Return why the video failed; None if it has not."""
        return self._snapshot.record.error

    @property
    def idempotency_key(self) -> str:
        """Return the idempotency key of the request; "" for none."""
        return self._snapshot.record.idempotency_key

    @property
    def created_at(self) -> datetime:
        """Return when the video was requested."""
        return self._snapshot.record.created_at

    @property
    def expires_at(self) -> datetime | None:
        """Return until when the video can be saved; None if that is not known."""
        return self._snapshot.record.expires_at
