"""What a service does at a second, given chance: the pure heart of the simulator.

No clock, no socket, no randomness: the second and every number drawn from 0.0 to 1.0 are handed in.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from statistics import NormalDist

from tallylight.simulator.faults import (
    AnyTrouble,
    Bulk,
    Deliver,
    Door,
    Expire,
    Fail,
    FailureForm,
    Flaw,
    Retire,
    Slow,
    Stall,
    stands_at,
)
from tallylight.simulator.scenario import Price, ServicePart, Spell


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time of given troubles, from `start`, inclusive, to `end`, exclusive; None is for ever."""

    start: float
    end: float | None
    troubles: tuple[AnyTrouble, ...]

    def covers(self, second: float) -> bool:
        """Tell whether a moment lies in it."""
        return self.start <= second and (self.end is None or second < self.end)


_DAY = 86_400.0


def scripted(spells: Iterable[Spell]) -> tuple[Stretch, ...]:
    """Return the stretches that a scenario's file tells of one service."""
    return tuple(stretch for spell in spells for stretch in _repeated(spell))


def _repeated(spell: Spell) -> Iterator[Stretch]:
    start, end = spell.start, spell.end
    yield Stretch(start, end, (spell.trouble,))
    if spell.every is None or end is None:
        return
    for round_number in range(1, int((_DAY - start) // spell.every) + 1):
        later = round_number * spell.every
        yield Stretch(start + later, end + later, (spell.trouble,))


def troubles_at(
    script: Sequence[Stretch], overrides: Sequence[Stretch], second: float
) -> tuple[AnyTrouble, ...]:
    """Return what troubles a service at a second; a live override replaces the script."""
    for override in reversed(overrides):
        if override.covers(second):
            return override.troubles
    return tuple(
        trouble for stretch in script if stretch.covers(second) for trouble in stretch.troubles
    )


def struck(troubles: Iterable[AnyTrouble], door: Door, chance: float) -> AnyTrouble | None:
    """Return the trouble that strikes one request, None if it is served well.

    Troubles of one moment share one pie: the first takes its share of the requests, the second
    of the remaining circle, until it is used up.
    """
    eaten = 0.0
    for trouble in troubles:
        if not stands_at(trouble, door):
            continue
        eaten += trouble.share
        if chance < eaten or eaten >= 1:
            return trouble
    return None


@dataclass(frozen=True, slots=True)
class JobFailure:
    """How an accepted job fails."""

    code: str
    message: str
    form: FailureForm = FailureForm.ERROR


@dataclass(frozen=True, slots=True)
class Result:
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
    flaw: Flaw | None = None


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of an accepted job, settled when it is accepted.

    Args:
        duration: Seconds from acceptance to the end; None if it never ends.
        stalled_at: The progress in percent that a job without an end stays at.
        failure: How it fails, None if it completes.
        result: What it makes.
    """

    duration: float | None
    stalled_at: int
    failure: JobFailure | None
    result: Result


def fate_of(
    service: ServicePart, result: Result, prompt: str, trouble: AnyTrouble | None, chance: float
) -> Fate:
    """Return what becomes of a job that a service accepts.

    Args:
        service: Who accepts it.
        result: What was asked for.
        prompt: The text; one with a word that the service refuses ends as refused content.
        trouble: What strikes the job at its acceptance.
        chance: Draws the time that it takes, from 0.0 to 1.0.
    """
    duration = job_time(service.latency, chance)
    if is_unwelcome(service, prompt):
        moderated = JobFailure(
            "moderation_blocked", "Your request was blocked by our moderation system."
        )
        return Fate(min(1.0, duration), 0, moderated, result)
    match trouble:
        case Stall():
            return Fate(None, trouble.at, None, result)
        case Fail():
            failure = JobFailure(trouble.code, trouble.message, trouble.form)
            return Fate(trouble.after, 0, failure, result)
        case Slow():
            return Fate(duration * trouble.factor, 0, None, result)
        case Deliver():
            return Fate(duration, 0, None, spoilt(result, trouble))
        case _:
            return Fate(duration, 0, None, result)


def is_unwelcome(service: ServicePart, prompt: str) -> bool:
    """Tell whether a service refuses a prompt for its content."""
    return any(word in prompt.lower() for word in service.refuses)


def job_time(latency: tuple[float, float], chance: float) -> float:
    """Return a job's seconds, log-normal through the given median and 95th percentile."""
    median, late = latency
    normal = NormalDist()
    z = normal.inv_cdf(min(max(chance, 0.005), 0.995))
    return float(median * (late / median) ** (z / normal.inv_cdf(0.95)))


def spoilt(result: Result, trouble: Deliver) -> Result:
    """Return what is delivered in the place of what was asked for."""
    model, size, seconds = result.model, result.size, result.seconds
    match trouble.flaw:
        case Flaw.WRONG_SIZE:
            size = trouble.size or _half(size)
        case Flaw.WRONG_LENGTH:
            seconds = trouble.seconds or max(1, seconds // 2)
        case Flaw.OTHER_MODEL:
            model = trouble.model
        case Flaw.BROKEN | Flaw.EMPTY | Flaw.BLACK | Flaw.FROZEN | Flaw.SILENT:
            pass
    return Result(model, size, seconds, trouble.flaw)


def _half(size: str) -> str:
    # Half of each side, and even, since video is stored with halved colour.
    return "x".join(str(max(2, int(side) // 4 * 2)) for side in size.split("x"))


class Step(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a job stands and how far it is in percent."""

    step: Step
    progress: int


def stage_of(fate: Fate, age: float) -> Stage:
    """Return where a job stands, `age` seconds after its acceptance."""
    if fate.duration is None:
        progress = min(fate.stalled_at, int(age * 20))
        return Stage(Step.IN_PROGRESS if age >= _QUEUED_SHARE else Step.QUEUED, progress)
    if age >= fate.duration:
        if fate.failure is not None:
            return Stage(Step.FAILED, 0)
        return Stage(Step.COMPLETED, 100)
    done = age / fate.duration
    if done < _QUEUED_SHARE:
        return Stage(Step.QUEUED, 0)
    return Stage(Step.IN_PROGRESS, min(99, int(done * 100)))


_QUEUED_SHARE = 0.1  # of a job's time it waits in the queue


def is_expired(troubles: Iterable[AnyTrouble], finished_for: float) -> bool:
    """Tell whether a finished job's video is gone."""
    return any(isinstance(one, Expire) and finished_for >= one.after for one in troubles)


def padded_size(troubles: Iterable[AnyTrouble]) -> int:
    """Return to how many bytes downloads are padded, 0 for not at all."""
    return max((one.size for one in troubles if isinstance(one, Bulk)), default=0)


def is_listed(troubles: Iterable[AnyTrouble]) -> bool:
    """Tell whether the list of models still names the service's model."""
    return not any(isinstance(one, Retire) or getattr(one, "unlisted", False) for one in troubles)


def charge_of(price: Price, size: str, seconds: int) -> Decimal:
    """Return what a provider charges for one video in USD."""
    lines = min(int(side) for side in size.split("x"))
    resolution = "4k" if lines >= 2160 else f"{lines}p"  # noqa: PLR2004  # UHD has 2160 lines
    rate = price.rates.get(resolution, price.rates.get("*", Decimal(0)))
    return rate * seconds if price.unit == "per_second" else rate
