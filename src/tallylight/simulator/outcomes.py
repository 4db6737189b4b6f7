"""The decisions of the simulator: which fault affects a request, how a job ends, what it costs.

Pure: callers pass the scenario second and each random number from 0.0 to 1.0.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from statistics import NormalDist

from pydantic import JsonValue

from tallylight.simulator.faults import (
    AnyFault,
    DeliverDefective,
    Endpoint,
    Expire,
    Fail,
    LargeFile,
    ResultLate,
    Retire,
    Slow,
    Stall,
    StreamFailureForm,
    VideoDefect,
    affects,
)
from tallylight.simulator.reading import OrderReading
from tallylight.simulator.scenario import ScenarioPrice, ScenarioService, ScheduledFault

_DAY = 86_400.0
_QUEUED_SHARE = 0.1  # the share of its duration that a job is queued


@dataclass(frozen=True, slots=True)
class FaultInterval:
    """Faults from `start`, inclusive, to `end`, exclusive; None is forever."""

    start: float
    end: float | None
    faults: tuple[AnyFault, ...]

    def contains(self, second: float) -> bool:
        """Tell whether a scenario second is in the interval."""
        return self.start <= second and (self.end is None or second < self.end)


def fault_intervals(schedule: Iterable[ScheduledFault]) -> tuple[FaultInterval, ...]:
    """Return the intervals of a service's scheduled faults, repetitions included."""
    return tuple(interval for entry in schedule for interval in _occurrences(entry))


def _occurrences(entry: ScheduledFault) -> Iterator[FaultInterval]:
    start, end = entry.start, entry.end
    yield FaultInterval(start, end, (entry.fault,))
    if entry.every is None or end is None:
        return
    for number in range(1, int((_DAY - start) // entry.every) + 1):
        shift = number * entry.every
        yield FaultInterval(start + shift, end + shift, (entry.fault,))


def active_faults(
    script: Sequence[FaultInterval], overrides: Sequence[FaultInterval], second: float
) -> tuple[AnyFault, ...]:
    """Return the faults of a service at a second; a live override replaces the script."""
    for override in reversed(overrides):
        if override.contains(second):
            return override.faults
    return tuple(
        fault for interval in script if interval.contains(second) for fault in interval.faults
    )


def select_fault(faults: Iterable[AnyFault], endpoint: Endpoint, draw: float) -> AnyFault | None:
    """Return the fault that affects one request, None if it succeeds.

    The faults divide the range from 0 to 1 among themselves, each by its share, in order.
    """
    total_share = 0.0
    for fault in faults:
        if not affects(fault, endpoint):
            continue
        total_share += fault.share
        if draw < total_share or total_share >= 1:
            return fault
    return None


@dataclass(frozen=True, slots=True)
class JobFailure:
    """How an accepted job fails."""

    code: str
    message: str
    form: StreamFailureForm = StreamFailureForm.ERROR

    def as_json(self) -> dict[str, JsonValue]:
        """Return the error member of the Videos API."""
        return {"code": self.code, "message": self.message}


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """A video or image, as requested or as delivered; 0 seconds for a still image."""

    model: str
    size: str
    seconds: int
    defect: VideoDefect | None = None
    is_silent: bool = False


def output_of(reading: OrderReading) -> OutputSpec:
    """Return the output that a create asks for."""
    is_silent = reading.audio is False
    return OutputSpec(reading.model, reading.size, reading.seconds, is_silent=is_silent)


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """How an accepted job ends, decided at its acceptance.

    Args:
        duration: Seconds from acceptance to the end; None if it never ends.
        stall_percent: The progress at which a job without an end stays.
    """

    duration: float | None
    stall_percent: int
    failure: JobFailure | None
    output: OutputSpec


def decide_outcome(
    service: ScenarioService, output: OutputSpec, prompt: str, fault: AnyFault | None, draw: float
) -> JobOutcome:
    """Return how a job ends: rejected if its prompt has a blocked word, else by its fault."""
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
    """Tell whether a prompt has one of the service's blocked words."""
    return any(word in prompt.lower() for word in service.blocked_words)


def draw_job_duration(latency: tuple[float, float], draw: float) -> float:
    """Return a job's seconds, log-normal with the given median and 95th percentile."""
    median, late = latency
    normal = NormalDist()
    z = normal.inv_cdf(min(max(draw, 0.005), 0.995))
    return float(median * (late / median) ** (z / normal.inv_cdf(0.95)))


def apply_defect(output: OutputSpec, fault: DeliverDefective) -> OutputSpec:
    """Return the defective output that is delivered instead of the requested one."""
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
    return OutputSpec(model, size, seconds, fault.defect, output.is_silent)


def _half(size: str) -> str:
    # Even sides, because the chroma planes of yuv420p have half of the resolution.
    return "x".join(str(max(2, int(side) // 4 * 2)) for side in size.split("x"))


class JobStatus(StrEnum):
    """Status of a job, with the values of the Videos API."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """Tell whether the job has ended."""
        return self in {JobStatus.COMPLETED, JobStatus.FAILED}


@dataclass(frozen=True, slots=True)
class JobProgress:
    """Status of a job and its progress in percent."""

    status: JobStatus
    percent: int


def progress_at(outcome: JobOutcome, age: float) -> JobProgress:
    """Return the progress of a job `age` seconds after its acceptance."""
    if outcome.duration is None:
        status = JobStatus.IN_PROGRESS if age >= _QUEUED_SHARE else JobStatus.QUEUED
        return JobProgress(status, min(outcome.stall_percent, int(age * 20)))
    if age >= outcome.duration:
        if outcome.failure is not None:
            return JobProgress(JobStatus.FAILED, 0)
        return JobProgress(JobStatus.COMPLETED, 100)
    done = age / outcome.duration
    if done < _QUEUED_SHARE:
        return JobProgress(JobStatus.QUEUED, 0)
    return JobProgress(JobStatus.IN_PROGRESS, min(99, int(done * 100)))


def is_expired(faults: Iterable[AnyFault], endpoint: Endpoint, finished_for: float) -> bool:
    """Tell whether a result has expired, `finished_for` seconds after the job's end."""
    return any(
        isinstance(one, Expire) and endpoint in one.endpoints and finished_for >= one.after
        for one in faults
    )


def is_result_late(faults: Iterable[AnyFault], endpoint: Endpoint, finished_for: float) -> bool:
    """Tell whether a result is not there yet, `finished_for` seconds after the job's end."""
    return any(
        isinstance(one, ResultLate) and endpoint in one.endpoints and finished_for < one.after
        for one in faults
    )


def padded_size(faults: Iterable[AnyFault]) -> int:
    """Return the size in bytes to which downloads are padded, 0 for no padding."""
    return max((one.size for one in faults if isinstance(one, LargeFile)), default=0)


def is_listed(faults: Iterable[AnyFault]) -> bool:
    """Tell whether the list of models includes the service's model."""
    return not any(isinstance(one, Retire) or getattr(one, "unlisted", False) for one in faults)


def reading_price(
    price: ScenarioPrice, reading: OrderReading, billed_seconds: int | None = None
) -> Decimal:
    """Return the price of what was read in USD, for another length if one is given."""
    any_rate = price.rates.get("*", Decimal(0))
    rate = price.rates.get(reading.resolution, any_rate)
    if reading.audio is False:
        rate = price.silent.get(reading.resolution, price.silent.get("*", rate))
    rate = price.qualities.get(reading.quality, rate)
    seconds = reading.seconds if billed_seconds is None else billed_seconds
    return rate * reading.count * (seconds if price.unit == "per_second" else 1)
