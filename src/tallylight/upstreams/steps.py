"""What an upstream says of a job, as its adapter reads it.

A poll has five outcomes. Two of them end no job: `Missing`, since a job that is paid for may be
known again, and `Trouble`.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tallylight.model.evidence import Failure
from tallylight.model.jobs import NOTHING_TOLD, JobRef, Made, Usage
from tallylight.upstreams.inline_files import InlineFile
from tallylight.upstreams.messages import Request

VIDEO = "video"
IMAGE = "image"
_SOLD = frozenset({VIDEO, IMAGE})


@dataclass(frozen=True, slots=True)
class Output:
    """A way to one of the files that a job made.

    Args:
        kind: "video", "image", "thumbnail", "spritesheet", "last_frame" or "audio".
        at: A download, or the file that the answer held.
        index: Which of several results it is; ways with one index lead to the same file.
    """

    kind: str
    at: Request | InlineFile
    index: int = 0

    @property
    def is_sold(self) -> bool:
        """Tell whether the file is what a service sells, not something beside it."""
        return self.kind in _SOLD


@dataclass(frozen=True, slots=True)
class Working:
    """The job has not ended.

    Args:
        is_started: The upstream works on it; False while it is queued.
        progress: Percent, None if it is not told.
        poll_after: How long the upstream asks to wait before the next poll.
        made: What it says it makes.
        usage: What it says that this takes, None if it does not.
    """

    is_started: bool = False
    progress: int | None = None
    poll_after: timedelta | None = None
    made: Made = NOTHING_TOLD
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The job has made what was ordered.

    Args:
        outputs: The ways to its files, in the order in which they are tried.
        made: What the upstream says it made.
        usage: What it says that this took, None if it does not.
        job: The job, where its reference has grown.
        expires_at: When its files expire, as far as it is told.
    """

    outputs: tuple[Output, ...]
    made: Made = NOTHING_TOLD
    usage: Usage | None = None
    job: JobRef | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The job has ended without a result.

    Args:
        failure: Why.
        usage: What was taken for it; 0 proves that nothing was billed.
    """

    failure: Failure
    usage: Usage | None = None
    made: Made = NOTHING_TOLD


@dataclass(frozen=True, slots=True)
class Missing:
    """The upstream says that it does not know the job."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Trouble:
    """The answer says nothing of the job: it is asked for again."""

    failure: Failure


Known = Working | Done | Failed
"""A step of a job that the upstream knows."""

Step = Working | Done | Failed | Missing | Trouble


QUEUED = Working()


@dataclass(frozen=True, slots=True)
class Accepted:
    """A create was accepted: a paid job exists, or did.

    Args:
        job: How it is known.
        step: Its state; `Done` at once where the answer to the create holds the result.
    """

    job: JobRef
    step: Known = QUEUED


@dataclass(frozen=True, slots=True)
class Checked:
    """What the good answer to a free check tells besides.

    Args:
        shutdown_at: The day on which the model shuts down.
    """

    shutdown_at: date


CheckOutcome = Accepted | Checked | Failure | None
"""None: the key and the model are accepted, and nothing else is told."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One job of a list, as far as the list says.

    Args:
        job: How it is known.
        step: Its state.
        mark: Our own mark, where the upstream repeats it.
        prompt: The prompt, "" where the list has none.
        created_at: When it was created, None where the list does not say.
        differs: It repeats a request that is not what was ordered, whatever its prompt.
    """

    job: JobRef
    step: Known
    mark: str = ""
    prompt: str = ""
    created_at: datetime | None = None
    differs: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list of jobs.

    Args:
        jobs: The jobs.
        cursor: What asks for the next page; "" if the list was read to its end.
    """

    jobs: tuple[Listed, ...]
    cursor: str = ""
