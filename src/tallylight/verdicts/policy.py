"""The figures that verdicts are made with; every one can be set by the operator.

The defaults are those of the rules in `docs/verdicts.md`, where their sources stand.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType

from tallylight.model.evidence import Source
from tallylight.model.status import Access


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How often a source says "bad" in each state of the service.

    Args:
        bad_if_down: P(bad | down); the rest of the time it says "good" all the same.
        bad_if_up: P(bad | up), the noise; for probes and jobs a default until it is learned.
    """

    bad_if_down: float
    bad_if_up: float


LIKELIHOODS: Mapping[Source, Likelihood] = MappingProxyType(
    {
        Source.REACH: Likelihood(0.95, 0.05),
        Source.CREDENTIALS: Likelihood(0.95, 0.05),
        # A service can accept every job and finish none, so an acceptance hardly speaks for it,
        # while six in ten of those that are down still accept.
        Source.ACCEPTANCE: Likelihood(0.40, 0.05),
        Source.GENERATION: Likelihood(0.95, 0.03),
        Source.TRAFFIC: Likelihood(0.90, 0.05),
        # One in five outages is over before the feed tells of it, 15 minutes late; with a noise of
        # .01 for it, one unlucky probe after such a tale was a false alarm.
        Source.FEED: Likelihood(0.50, 0.03),
    }
)

REVERSE_LIKELIHOODS: Mapping[Source, Likelihood] = MappingProxyType(
    {
        **LIKELIHOODS,
        # Under risk control 30 to 50 % of the jobs pass: a video that arrives acquits less.
        Source.GENERATION: Likelihood(0.70, 0.03),
        Source.TRAFFIC: Likelihood(0.70, 0.05),
    }
)

DEFAULT_MTBF_AND_MTTR: Mapping[Access, tuple[timedelta, timedelta]] = MappingProxyType(
    {
        Access.OFFICIAL: (timedelta(days=2), timedelta(hours=1)),
        Access.SELF_HOSTED: (timedelta(days=2), timedelta(hours=1)),
        # Risk control once to three times a week, for hours to a day.
        Access.REVERSE: (timedelta(days=3), timedelta(hours=6)),
    }
)
"""Mean time between outages, and mean length of one, of services that nothing is known of yet."""

FEED_DEGRADED = Likelihood(0.30, 0.05)
"""A feed that says "degraded" is raised for less than one that says "down"."""

FEED_OPERATIONAL = Likelihood(0.10, 0.01)
"""A feed's way back to "operational" is late and often forgotten: almost nothing, log(.90/.99)."""

MODEL_UNLISTED = Likelihood(0.60, 0.02)
"""The list of models no longer names ours: cause to look, since resellers' lists are careless."""


@dataclass(frozen=True, slots=True)
class Policy:
    """All that judging a service depends on beside the evidence.

    Args:
        access: Reverse services may be named risk control by two independent signs.
        mtbf: Assumed mean time between outages; sets the prior with `mttr`.
        mttr: Assumed mean length of an outage; how fast old evidence fades.
        down_at: A layer goes down at this P(down) …
        alert_at: … is worth an alert at this one …
        up_at: … and comes up at this one; between them it stays what it was.
        floor: No amount of good evidence brings P(down) below this, or an outage would be
            noticed the later, the longer the service stood.
        floor_door: The same of the door, which is asked so often for nothing that three unlucky
            answers in a row come once in two years of a service.
        ceiling: No amount of bad evidence brings P(down) above this.
        likelihoods: What each source's word is worth.
        noise_from: Learned noise counts from so many observations on.
        noise_least: Learned noise is never held to be smaller than this.
        named_factor: A failure that names its state is so many times rarer in a service that is
            up than an unnamed one.
        sign_factor: The same of one that points at risk control, on a reverse service.
        traffic_per_minute: So many outcomes of callers' jobs count in a minute, in proportion.
        hold_door: How long the newest shallow evidence holds.
        hold_jobs: How long the newest evidence on jobs holds.
        hold_marks: How long an answer that names a state, or points at one, is remembered.
        degraded_share: "Partly failing" needs a share of bad jobs surely above this, and above
            what is normal for the service …
        degraded_most: … but what is normal is never held to be more than so many times it …
        degraded_least: … of at least so many jobs …
        degraded_sure: … with this certainty, which is high because it is asked with every job: at
            99.95 % a service that loses one job in twenty is called degraded each week …
        degraded_long: … over this time …
        degraded_short: … and over this one.
        sure: Level of two-sided intervals.
        slow_factor: "Slow" needs a 90th percentile surely above so many 7-day medians, and above
            what one job in twenty takes anyhow …
        slow_sure: … with this certainty, which is high for the same reason …
        slow_least: … of at least so many jobs …
        slow_window: … that ended within this time.
        baseline_least: A baseline is made of at least so many jobs.
        suspended_after: All attempts failing without a name for so long is a suspension …
        suspended_least: … if there were so many attempts.
        sign_gap: Two signs of the same rule and source are independent if this far apart.
        retired_least: The same unmistakable answer so many times …
        retired_over: … over this time means retired.
        shutdown_ahead: A shutdown is told so long ahead of its date.
        doubt_factor: Jobs are in doubt above so many times the prior P(down), so that fading alone
            casts no doubt …
        doubt_below: … and below this one.
    """

    access: Access = Access.OFFICIAL
    mtbf: timedelta = timedelta(days=2)
    mttr: timedelta = timedelta(hours=1)
    down_at: float = 0.98
    alert_at: float = 0.99
    up_at: float = 0.20
    min_probability: float = 0.0005
    min_api_probability: float = 0.0001
    max_probability: float = 0.995
    likelihoods: Mapping[Source, Likelihood] = field(default_factory=lambda: LIKELIHOODS)
    false_alarm_min_results: int = 30
    min_false_alarm_rate: float = 0.01
    named_factor: float = 5.0
    sign_factor: float = 3.0
    traffic_per_minute: int = 3
    api_ttl: timedelta = timedelta(minutes=2)
    jobs_ttl: timedelta = timedelta(hours=6)
    named_failures_ttl: timedelta = timedelta(hours=6)
    degraded_share: float = 0.05
    max_baseline_factor: float = 2.0
    degraded_least: int = 5
    degraded_confidence: float = 0.99995
    degraded_long_window: timedelta = timedelta(minutes=30)
    degraded_short_window: timedelta = timedelta(minutes=5)
    confidence_level: float = 0.95
    slow_factor: float = 2.0
    slow_confidence: float = 0.9995
    slow_min_jobs: int = 5
    slow_window: timedelta = timedelta(hours=6)
    baseline_min_jobs: int = 10
    suspended_after: timedelta = timedelta(minutes=10)
    suspended_min_attempts: int = 3
    independent_sign_gap: timedelta = timedelta(minutes=10)
    retired_min_answers: int = 3
    retired_min_duration: timedelta = timedelta(hours=24)
    shutdown_ahead: timedelta = timedelta(days=90)
    uncertain_factor: float = 1.25
    uncertain_below: float = 0.98

    # Derived once, because they are needed with every piece of evidence.
    decay_rate: float = field(init=False, repr=False, compare=False)
    prior: float = field(init=False, repr=False, compare=False)
    uncertain_above: float = field(init=False, repr=False, compare=False)
    min_log_odds: float = field(init=False, repr=False, compare=False)
    min_api_log_odds: float = field(init=False, repr=False, compare=False)
    max_log_odds: float = field(init=False, repr=False, compare=False)
    down_log_odds: float = field(init=False, repr=False, compare=False)
    up_log_odds: float = field(init=False, repr=False, compare=False)
    prior_log_odds: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        mtbf, mttr = self.mtbf.total_seconds(), self.mttr.total_seconds()
        object.__setattr__(self, "decay_rate", 1 / mtbf + 1 / mttr)
        object.__setattr__(self, "prior", mttr / (mtbf + mttr))
        object.__setattr__(self, "uncertain_above", self.uncertain_factor * self.prior)
        object.__setattr__(self, "min_log_odds", _log_odds(self.min_probability))
        object.__setattr__(self, "min_api_log_odds", _log_odds(self.min_api_probability))
        object.__setattr__(self, "max_log_odds", _log_odds(self.max_probability))
        object.__setattr__(self, "down_log_odds", _log_odds(self.down_at))
        object.__setattr__(self, "up_log_odds", _log_odds(self.up_at))
        object.__setattr__(self, "prior_log_odds", _log_odds(self.prior))


def _log_odds(probability: float) -> float:
    return math.log(probability / (1 - probability))
