"""The figures that the judge has learned of a service, for display."""

from dataclasses import dataclass
from datetime import timedelta

from tallylight.model.evidence import Source
from tallylight.verdicts import noise
from tallylight.verdicts.feed_trust import FeedTrust
from tallylight.verdicts.layer_state import LayerState
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import ServiceState


@dataclass(frozen=True, slots=True)
class LearnedFalseAlarmRate:
    """How often a layer reports "bad" while the service is up.

    Args:
        rate: P(bad | up) as the judge uses it now.
        bad: Bad results that turned out to be false alarms.
        total: Results while up; both counts are halved from time to time.
        is_learned: Whether the service's own results have replaced the default.
    """

    rate: float
    bad: int
    total: int
    is_learned: bool


@dataclass(frozen=True, slots=True)
class LearnedFeedTrust:
    """How far a status page is believed, from its agreement with jobs.

    Args:
        red: The probability that trouble on the page is real.
        green: The probability that trouble is over when the page says so.
        agreed: Episodes of trouble on the page in which jobs failed.
        denied: Episodes that jobs refuted.
        green_agreed: Ends of an episode after which jobs went well.
        green_denied: Ends of an episode after which a job failed.
    """

    red: float
    green: float
    agreed: int
    denied: int
    green_agreed: int
    green_denied: int


@dataclass(frozen=True, slots=True)
class LearnedFigures:
    """All learned figures of one service.

    Args:
        api: False alarms of free checks.
        jobs: False alarms of jobs.
        feed_trust: How far its status page is believed.
        feed_lag: How late its status page reports trouble; None until it has reported any.
        median_job: Median duration of a job over a week; None if there are too few.
    """

    api: LearnedFalseAlarmRate
    jobs: LearnedFalseAlarmRate
    feed_trust: LearnedFeedTrust
    feed_lag: timedelta | None
    median_job: timedelta | None


def learned_figures(state: ServiceState, policy: Policy) -> LearnedFigures:
    """Return the learned figures of a service."""
    lag, median = state.feed.lag_seconds, state.job_history.median_seconds
    api = policy.likelihoods[Source.REACH].bad_if_up
    jobs = policy.likelihoods[Source.GENERATION].bad_if_up
    return LearnedFigures(
        api=_false_alarm_rate(state.api, api, policy),
        jobs=_false_alarm_rate(state.jobs, jobs, policy),
        feed_trust=_feed_trust(state.feed.trust),
        feed_lag=None if lag is None else timedelta(seconds=lag),
        median_job=None if median is None else timedelta(seconds=median),
    )


def _feed_trust(trust: FeedTrust) -> LearnedFeedTrust:
    return LearnedFeedTrust(
        trust.red,
        trust.green,
        trust.agreed,
        trust.denied,
        trust.green_agreed,
        trust.green_denied,
    )


def _false_alarm_rate(layer: LayerState, default: float, policy: Policy) -> LearnedFalseAlarmRate:
    observed = layer.false_alarms
    rate = noise.false_alarm_rate(observed, default, policy)
    return LearnedFalseAlarmRate(rate, observed.bad, observed.total, is_learned=rate != default)
