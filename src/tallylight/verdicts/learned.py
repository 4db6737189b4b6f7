"""What was learned of a service from its own history, to be shown."""

from dataclasses import dataclass
from datetime import timedelta

from tallylight.model.evidence import Source
from tallylight.verdicts import noise
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import LayerStanding, Standing


@dataclass(frozen=True, slots=True)
class LearnedNoise:
    """How often a layer says "bad" though the service stands.

    Args:
        share: P(bad | up) as the judge reckons with it now.
        bad: Bad results that turned out to be noise …
        of: … of so many while up; both are halved from time to time.
        is_learned: Whether the service's own results have replaced the usual figure.
    """

    share: float
    bad: int
    of: int
    is_learned: bool


@dataclass(frozen=True, slots=True)
class Learned:
    """All that was learned of one service.

    Args:
        door: Its noise at the door.
        jobs: Its noise in jobs.
        feed_lag: How late its status page tells of trouble; None until it told of one.
        usual_job: The median time of a job over a week; None of too few.
    """

    door: LearnedNoise
    jobs: LearnedNoise
    feed_lag: timedelta | None
    usual_job: timedelta | None


def learned(standing: Standing, policy: Policy) -> Learned:
    """Return what was learned of a service."""
    lag, usual = standing.feed.lag, standing.record.median
    door = policy.likelihoods[Source.REACH].bad_if_up
    jobs = policy.likelihoods[Source.GENERATION].bad_if_up
    return Learned(
        door=_noise(standing.door, door, policy),
        jobs=_noise(standing.jobs, jobs, policy),
        feed_lag=None if lag is None else timedelta(seconds=lag),
        usual_job=None if usual is None else timedelta(seconds=usual),
    )


def _noise(layer: LayerStanding, usual: float, policy: Policy) -> LearnedNoise:
    share = noise.learned(layer.noise, usual, policy)
    return LearnedNoise(share, layer.noise.bad, layer.noise.of, share != usual)
