"""What a client's handle on a video tells of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from tallylight.errors import TallylightError
from tallylight.model.video import Video as Record
from tallylight.model.video import VideoError, VideoStatus


class VideoFailedError(TallylightError):
    """A video that was asked for and is not there, because it could not be made.

    Args:
        id: The video's.
        error: Why, as the video has it.
    """

    def __init__(self, id: str, error: VideoError) -> None:  # noqa: A002  # the API's word
        super().__init__(f"video {id} failed: {error.message} ({error.code})")
        self.id = id
        self.code = error.code
        self.message = error.message


@dataclass(slots=True)
class VideoSnapshot:
    """A video as it stood when it was last looked at; shared by the handles on it."""

    record: Record


class VideoHandleBase:
    """A video as it stood when it was last looked at."""

    def __init__(self, snapshot: VideoSnapshot) -> None:
        self._snapshot = snapshot

    def __repr__(self) -> str:
        kind = type(self).__name__
        return f"<{kind} {self.id} {self.status} {self.progress} % {self.service}>".replace(
            " >", ">"
        )

    @property
    def id(self) -> str:
        """Return its id, which stays valid whoever makes it."""
        return self._snapshot.record.id

    @property
    def status(self) -> VideoStatus:
        """Return where it stands: queued, in_progress, completed or failed."""
        return self._snapshot.record.status

    @property
    def is_over(self) -> bool:
        """Tell whether it is completed or has failed, which never changes."""
        return self._snapshot.record.is_terminal

    @property
    def progress(self) -> int:
        """Return how far it is, 0 to 100."""
        return self._snapshot.record.progress

    @property
    def model(self) -> str:
        """Return the route that it was asked of."""
        return self._snapshot.record.model

    @property
    def prompt(self) -> str:
        """Return its text."""
        return self._snapshot.record.prompt

    @property
    def seconds(self) -> int:
        """Return its length."""
        return self._snapshot.record.seconds

    @property
    def size(self) -> str:
        """Return its size, "1280x720"."""
        return self._snapshot.record.size

    @property
    def service(self) -> str:
        """Return who makes it, or has made it; "" before anybody has accepted it."""
        return self._snapshot.record.service

    @property
    def attempts(self) -> int:
        """Return how often it was submitted, to whomever."""
        return self._snapshot.record.attempts

    @property
    def cost(self) -> Decimal:
        """Return what all attempts cost together, in USD, as far as it is known."""
        return self._snapshot.record.cost

    @property
    def substituted(self) -> Mapping[str, str]:
        """Return what a service was asked for in place of what was asked: {"seconds": "10→8"}."""
        return self._snapshot.record.substitutions

    @property
    def error(self) -> VideoError | None:
        """Return why it failed, None if it has not."""
        return self._snapshot.record.error

    @property
    def idempotency_key(self) -> str:
        """Return the key by which its create is known again, "" for none."""
        return self._snapshot.record.idempotency_key

    @property
    def created_at(self) -> datetime:
        """Return when it was asked for."""
        return self._snapshot.record.created_at

    @property
    def expires_at(self) -> datetime | None:
        """Return until when it can be saved, None if nobody knows."""
        return self._snapshot.record.expires_at
