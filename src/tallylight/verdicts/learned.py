"""What was learned of a service from its own history, to be shown."""

from dataclasses import dataclass
from datetime import timedelta

from tallylight.model.evidence import Source
from tallylight.verdicts import noise
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import LayerState, ServiceState


@dataclass(frozen=True, slots=True)
class LearnedFalseAlarmRate:
    """How often a layer says "bad" though the service stands.

    Args:
        share: P(bad | up) as the judge reckons with it now.
        bad: Bad results that turned out to be noise …
        of: … of so many while up; both are halved from time to time.
        is_learned: Whether the service's own results have replaced the usual figure.
    """

    rate: float
    bad: int
    total: int
    is_learned: bool


@dataclass(frozen=True, slots=True)
class LearnedFigures:
    """All that was learned of one service.

    Args:
        door: Its noise at the door.
        jobs: Its noise in jobs.
        feed_lag: How late its status page tells of trouble; None until it told of one.
        usual_job: The median time of a job over a week; None of too few.
    """

    api: LearnedFalseAlarmRate
    jobs: LearnedFalseAlarmRate
    feed_lag: timedelta | None
    median_job: timedelta | None


def learned_figures(state: ServiceState, policy: Policy) -> LearnedFigures:
    """Return what was learned of a service."""
    lag, usual = state.feed.lag_seconds, state.job_history.median_seconds
    door = policy.likelihoods[Source.REACH].bad_if_up
    jobs = policy.likelihoods[Source.GENERATION].bad_if_up
    return LearnedFigures(
        api=_false_alarm_rate(state.api, door, policy),
        jobs=_false_alarm_rate(state.jobs, jobs, policy),
        feed_lag=None if lag is None else timedelta(seconds=lag),
        median_job=None if usual is None else timedelta(seconds=usual),
    )


def _false_alarm_rate(layer: LayerState, default: float, policy: Policy) -> LearnedFalseAlarmRate:
    share = noise.false_alarm_rate(layer.false_alarms, default, policy)
    return LearnedFalseAlarmRate(
        share, layer.false_alarms.bad, layer.false_alarms.total, share != default
    )
