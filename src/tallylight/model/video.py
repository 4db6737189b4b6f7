"""A video: the request of a caller and its outcome."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from tallylight.model.attempt import (
    Attempt,
    AttemptChange,
    changed_attempt,
    changed_entry,
)
from tallylight.model.attempt_state import AttemptState
from tallylight.model.ids import NO_SERVICE, NO_VIDEO, KeyId, ServiceId, VideoId
from tallylight.model.jobs import Made
from tallylight.model.ledger import EntryId, LedgerEntry
from tallylight.model.order import Input, Medium, Operation
from tallylight.model.wish import NOTHING_ASKED, Wish, WishedMeasures

_NOTHING: Mapping[str, str] = {}


class VideoStatus(StrEnum):
    """The status of a video, as the Videos API names it."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"


class VideoKind(StrEnum):
    """What a row of `videos` is for."""

    VIDEO = "video"  # a caller's film
    IMAGE = "image"  # a caller's images: one or several, of one request
    PROBE = "probe"  # tallylight's own, to see whether a service delivers


@dataclass(frozen=True, slots=True)
class CreateParams:
    """The parameters of a create beside its prompt.

    Args:
        measures: What was asked of length, frame, sound and the like; for work on another video
            with its measures.
        source: Our id of the video that is remixed, edited or extended; "" for none.
        inputs: The images or the video that it builds on; their bytes are in the asset store.
        input_asset: The key of these bytes in the asset store, "" if there are none.
        characters: Our ids of the characters that appear.
        pinned_service: The only service that can make the video, because it has the source or the
            characters; "" for any service.
        policy: The policy that the caller prefers to the one of the route, "" for none.
        base_seconds: The length of the video that an extension adds to.
    """

    operation: Operation = Operation.CREATE
    measures: WishedMeasures = NOTHING_ASKED
    source: VideoId = NO_VIDEO
    inputs: tuple[Input, ...] = ()
    input_asset: str = ""
    characters: tuple[str, ...] = ()
    extras: Mapping[str, object] = field(default_factory=dict)
    pinned_service: ServiceId = NO_SERVICE
    policy: str = ""
    base_seconds: int = 0


@dataclass(frozen=True, slots=True)
class VideoError:
    """The error of a failed video for its caller: a code of the Videos API and a sentence."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Video:
    """One video that a caller requested, or that a paid probe orders.

    The three of `owner`, `epoch` and `revision` name the version of its row. A decision is written
    only to the version that it was made from.

    Args:
        key: The gateway key of the caller, "" if none is needed.
        model: The route; for a probe, the service.
        seconds: The requested length, as asked; for an extension, the length of the whole video.
        size: The requested size, as asked.
        owner: The process that follows it, "" if none does.
        epoch: How often it changed hands.
        revision: How often its rows were written.
        is_barred: Nothing is sent for it until the operator adopts a database that was copied,
            restored or promoted.
        deadline: The time after which the video fails if it is not delivered.
        idempotency_key: The idempotency key of the request, "" for none.
        fingerprint: A digest of the request's content, by which a repetition is recognized.
        progress: Its progress from 0 to 100; never falls.
        service: The service that makes or delivered it; "" before the first acceptance.
        attempts: The number of attempts.
        cost: What all of them cost or may cost, in USD; None if that of one is not known.
        made: The measures of the attempt that counts: as ordered, then as its service says it made
            them; None before the first attempt.
        started_at: The time a service was first seen working on it.
        expires_at: The time its content is deleted, None if it is kept.
        asset: The key of its content in the asset store, "" if it is not there.
    """

    id: VideoId
    key: KeyId
    model: str
    prompt: str
    seconds: int
    size: str
    created_at: datetime
    deadline: datetime
    params: CreateParams = field(default_factory=CreateParams)
    idempotency_key: str = ""
    fingerprint: str = ""
    kind: VideoKind = VideoKind.VIDEO
    owner: str = ""
    epoch: int = 1
    revision: int = 1
    is_barred: bool = False
    status: VideoStatus = VideoStatus.QUEUED
    progress: int = 0
    service: ServiceId = NO_SERVICE
    attempts: int = 0
    cost: Decimal | None = Decimal(0)
    made: Made | None = None
    error: VideoError | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    expires_at: datetime | None = None
    asset: str = ""
    deleted_at: datetime | None = None

    @property
    def is_terminal(self) -> bool:
        """Return whether it has ended; an end never changes."""
        return self.ended_at is not None

    @property
    def told_seconds(self) -> int:
        """Return the length that callers are told: as made or ordered, else as asked."""
        return self.seconds if self.made is None else self.made.seconds or self.seconds

    @property
    def told_size(self) -> str:
        """Return the size that callers are told: as made or ordered, else as asked."""
        return self.size if self.made is None else self.made.size or self.size

    @property
    def substitutions(self) -> Mapping[str, str]:
        """Return by field what was asked and what is made instead: {"seconds": "12→8"}."""
        seconds, size = self.told_seconds, self.told_size
        if seconds == self.seconds and size == self.size:  # told some thousand times a second
            return _NOTHING
        found: dict[str, str] = {}
        if seconds != self.seconds and self.params.measures.seconds is not None:
            found["seconds"] = f"{self.seconds}→{seconds}"
        if size != self.size and self.params.measures.size:
            found["size"] = f"{self.size}→{size}"
        return found

    def wish(self) -> Wish:
        """Return what the caller asked for, without the bytes and the upstream's ids of inputs."""
        params = self.params
        return Wish(
            prompt=self.prompt,
            operation=params.operation,
            medium=Medium.IMAGE if self.kind is VideoKind.IMAGE else Medium.VIDEO,
            measures=params.measures,
            inputs=params.inputs,
            characters=params.characters,
            extras=params.extras,
        )


@dataclass(frozen=True, slots=True)
class VideoRecord:
    """A video with all its attempts, oldest first, and their ledger entries: one version of it."""

    video: Video
    attempts: tuple[Attempt, ...] = ()
    entries: Mapping[EntryId, LedgerEntry] = field(default_factory=dict)

    @property
    def version(self) -> tuple[int, int]:
        """Return its epoch and revision: each write raises one of them."""
        return self.video.epoch, self.video.revision

    @property
    def open_attempts(self) -> tuple[Attempt, ...]:
        """Return the attempts that have not ended."""
        return tuple(attempt for attempt in self.attempts if attempt.is_open)

    @property
    def paid_attempts(self) -> int:
        """Return the number of attempts that were or may have been accepted."""
        return sum(attempt.state is not AttemptState.REFUSED for attempt in self.attempts)

    @property
    def cost(self) -> Decimal | None:
        """Return what all attempts cost or may cost, in USD; None if that of one is not known."""
        total = Decimal(0)
        for entry in self.entries.values():
            if entry.amount is None:
                return None
            total += entry.amount
        return total


_PROGRESS_ORDER = (VideoStatus.QUEUED, VideoStatus.IN_PROGRESS)


def with_progress(  # the fields that a job's progress may change
    video: Video,
    status: VideoStatus,
    percent: int | None,
    *,
    service: ServiceId = NO_SERVICE,
    started_at: datetime | None = None,
) -> Video:
    """Return a video with newer progress; for its caller neither status nor progress goes back.

    Args:
        video: The video before; one that has ended stays as it is.
        status: Status of its job.
        percent: Progress of its job in percent, if known.
        service: Service that works on it; "" keeps the present one.
        started_at: When work started; None keeps the present time.
    """
    if video.is_terminal:
        return video
    further = max(status, video.status, key=_PROGRESS_ORDER.index)
    return replace(
        video,
        status=further,
        progress=max(video.progress, min(percent or 0, 99)),  # 100 once it is downloaded
        service=service or video.service,
        started_at=video.started_at or started_at,
    )


def changed_record(record: VideoRecord, changes: Iterable[AttemptChange]) -> VideoRecord:
    """Return a record after events of its attempts; events of others change nothing."""
    for change in changes:
        record = _after_change(record, change)
    return record


def _after_change(record: VideoRecord, change: AttemptChange) -> VideoRecord:
    found = next((each for each in record.attempts if each.id == change.attempt), None)
    if found is None:
        return record
    after = changed_attempt(found, change)
    attempts = tuple(after if each.id == found.id else each for each in record.attempts)
    entries = record.entries
    if found.entry in entries:
        entry = changed_entry(entries[found.entry], found, change)
        entries = {**entries, entry.id: entry}
    video = record.video
    is_accepted = after.state is AttemptState.ACCEPTED
    if is_accepted or change.progress is not None:
        is_working = change.progress is not None and change.progress.is_working
        video = with_progress(
            video,
            VideoStatus.IN_PROGRESS if is_working else VideoStatus.QUEUED,
            change.progress.percent if change.progress is not None else None,
            service=found.service if is_accepted else NO_SERVICE,
            started_at=after.started_at,
        )
    return VideoRecord(video, attempts, entries)
