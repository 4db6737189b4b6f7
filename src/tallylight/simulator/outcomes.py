"""What a service does at a second, given chance: the pure heart of the simulator.

No clock, no socket, no randomness: the second and every number drawn from 0.0 to 1.0 are handed in.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from statistics import NormalDist

from tallylight.simulator.faults import (
    AnyFault,
    DeliverDefective,
    Endpoint,
    Expire,
    Fail,
    LargeFile,
    Retire,
    Slow,
    Stall,
    StreamFailureForm,
    VideoDefect,
    affects,
)
from tallylight.simulator.scenario import ScenarioPrice, ScenarioService, ScheduledFault


@dataclass(frozen=True, slots=True)
class FaultInterval:
    """A time of given troubles, from `start`, inclusive, to `end`, exclusive; None is for ever."""

    start: float
    end: float | None
    faults: tuple[AnyFault, ...]

    def contains(self, second: float) -> bool:
        """Tell whether a moment lies in it."""
        return self.start <= second and (self.end is None or second < self.end)


_DAY = 86_400.0


def fault_intervals(schedule: Iterable[ScheduledFault]) -> tuple[FaultInterval, ...]:
    """Return the stretches that a scenario's file tells of one service."""
    return tuple(stretch for spell in schedule for stretch in _occurrences(spell))


def _occurrences(entry: ScheduledFault) -> Iterator[FaultInterval]:
    start, end = entry.start, entry.end
    yield FaultInterval(start, end, (entry.fault,))
    if entry.every is None or end is None:
        return
    for round_number in range(1, int((_DAY - start) // entry.every) + 1):
        later = round_number * entry.every
        yield FaultInterval(start + later, end + later, (entry.fault,))


def active_faults(
    script: Sequence[FaultInterval], overrides: Sequence[FaultInterval], second: float
) -> tuple[AnyFault, ...]:
    """Return what troubles a service at a second; a live override replaces the script."""
    for override in reversed(overrides):
        if override.contains(second):
            return override.faults
    return tuple(
        trouble for stretch in script if stretch.contains(second) for trouble in stretch.faults
    )


def select_fault(faults: Iterable[AnyFault], endpoint: Endpoint, draw: float) -> AnyFault | None:
    """Return the trouble that strikes one request, None if it is served well.

    Troubles of one moment share one pie: the first takes its share of the requests, the second
    of the remaining circle, until it is used up.
    """
    eaten = 0.0
    for trouble in faults:
        if not affects(trouble, endpoint):
            continue
        eaten += trouble.share
        if draw < eaten or eaten >= 1:
            return trouble
    return None


@dataclass(frozen=True, slots=True)
class JobFailure:
    """How an accepted job fails."""

    code: str
    message: str
    form: StreamFailureForm = StreamFailureForm.ERROR


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """What an accepted job makes.

    Args:
        model: The model that the answer names.
        size: Width and height of the picture.
        seconds: Length of the clip; 0 for a still image.
        flaw: What is wrong with it, None for a good one.
    """

    model: str
    size: str
    seconds: int
    defect: VideoDefect | None = None


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """What becomes of an accepted job, settled when it is accepted.

    Args:
        duration: Seconds from acceptance to the end; None if it never ends.
        stalled_at: The progress in percent that a job without an end stays at.
        failure: How it fails, None if it completes.
        result: What it makes.
    """

    duration: float | None
    stall_percent: int
    failure: JobFailure | None
    output: OutputSpec


def decide_outcome(
    service: ScenarioService, output: OutputSpec, prompt: str, fault: AnyFault | None, draw: float
) -> JobOutcome:
    """Return what becomes of a job that a service accepts.

    Args:
        service: Who accepts it.
        result: What was asked for.
        prompt: The text; one with a word that the service refuses ends as refused content.
        trouble: What strikes the job at its acceptance.
        chance: Draws the time that it takes, from 0.0 to 1.0.
    """
    duration = draw_job_duration(service.latency, draw)
    if is_blocked_content(service, prompt):
        moderated = JobFailure(
            "moderation_blocked", "Your request was blocked by our moderation system."
        )
        return JobOutcome(min(1.0, duration), 0, moderated, output)
    match fault:
        case Stall():
            return JobOutcome(None, fault.at, None, output)
        case Fail():
            failure = JobFailure(fault.code, fault.message, fault.form)
            return JobOutcome(fault.after, 0, failure, output)
        case Slow():
            return JobOutcome(duration * fault.factor, 0, None, output)
        case DeliverDefective():
            return JobOutcome(duration, 0, None, apply_defect(output, fault))
        case _:
            return JobOutcome(duration, 0, None, output)


def is_blocked_content(service: ScenarioService, prompt: str) -> bool:
    """Tell whether a service refuses a prompt for its content."""
    return any(word in prompt.lower() for word in service.blocked_words)


def draw_job_duration(latency: tuple[float, float], draw: float) -> float:
    """Return a job's seconds, log-normal through the given median and 95th percentile."""
    median, late = latency
    normal = NormalDist()
    z = normal.inv_cdf(min(max(draw, 0.005), 0.995))
    return float(median * (late / median) ** (z / normal.inv_cdf(0.95)))


def apply_defect(output: OutputSpec, fault: DeliverDefective) -> OutputSpec:
    """Return what is delivered in the place of what was asked for."""
    model, size, seconds = output.model, output.size, output.seconds
    match fault.defect:
        case VideoDefect.WRONG_SIZE:
            size = fault.size or _half(size)
        case VideoDefect.WRONG_LENGTH:
            seconds = fault.seconds or max(1, seconds // 2)
        case VideoDefect.OTHER_MODEL:
            model = fault.model
        case (
            VideoDefect.BROKEN
            | VideoDefect.EMPTY
            | VideoDefect.BLACK
            | VideoDefect.FROZEN
            | VideoDefect.SILENT
        ):
            pass
    return OutputSpec(model, size, seconds, fault.defect)


def _half(size: str) -> str:
    # Half of each side, and even, since video is stored with halved colour.
    return "x".join(str(max(2, int(side) // 4 * 2)) for side in size.split("x"))


class JobStatus(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class JobProgress:
    """Where a job stands and how far it is in percent."""

    status: JobStatus
    progress: int


def progress_at(outcome: JobOutcome, age: float) -> JobProgress:
    """Return where a job stands, `age` seconds after its acceptance."""
    if outcome.duration is None:
        progress = min(outcome.stall_percent, int(age * 20))
        return JobProgress(
            JobStatus.IN_PROGRESS if age >= _QUEUED_SHARE else JobStatus.QUEUED, progress
        )
    if age >= outcome.duration:
        if outcome.failure is not None:
            return JobProgress(JobStatus.FAILED, 0)
        return JobProgress(JobStatus.COMPLETED, 100)
    done = age / outcome.duration
    if done < _QUEUED_SHARE:
        return JobProgress(JobStatus.QUEUED, 0)
    return JobProgress(JobStatus.IN_PROGRESS, min(99, int(done * 100)))


_QUEUED_SHARE = 0.1  # of a job's time it waits in the queue


def is_expired(faults: Iterable[AnyFault], finished_for: float) -> bool:
    """Tell whether a finished job's video is gone."""
    return any(isinstance(one, Expire) and finished_for >= one.after for one in faults)


def padded_size(faults: Iterable[AnyFault]) -> int:
    """Return to how many bytes downloads are padded, 0 for not at all."""
    return max((one.size for one in faults if isinstance(one, LargeFile)), default=0)


def is_listed(faults: Iterable[AnyFault]) -> bool:
    """Tell whether the list of models still names the service's model."""
    return not any(isinstance(one, Retire) or getattr(one, "unlisted", False) for one in faults)


def video_price(price: ScenarioPrice, size: str, seconds: int) -> Decimal:
    """Return what a provider charges for one video in USD."""
    lines = min(int(side) for side in size.split("x"))
    resolution = "4k" if lines >= 2160 else f"{lines}p"  # noqa: PLR2004  # UHD has 2160 lines
    rate = price.rates.get(resolution, price.rates.get("*", Decimal(0)))
    return rate * seconds if price.unit == "per_second" else rate
