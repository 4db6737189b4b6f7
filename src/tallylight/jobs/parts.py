"""The parts of the job engine that policies use."""

from dataclasses import dataclass

from tallylight.jobs.engine import JobEngine
from tallylight.jobs.followers import VideoFollowers
from tallylight.jobs.journal import Journal
from tallylight.jobs.submit import CreateTiming


@dataclass(frozen=True, slots=True)
class JobParts:
    """What a policy decides with.

    Args:
        journal: Records facts and decisions.
        engine: Drives attempts.
        followers: Follows the videos of this process.
        timing: How long a create may take.
    """

    journal: Journal
    engine: JobEngine
    followers: VideoFollowers
    timing: CreateTiming
