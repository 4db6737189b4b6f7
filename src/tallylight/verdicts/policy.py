"""The figures of the judge.

The defaults are those of `docs/verdicts.md`, which names their sources.
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
    """How often a source reports "bad" while the service is down, and while it is up.

    Args:
        bad_if_down: P(bad | down).
        bad_if_up: P(bad | up), the false alarm rate; for probes and jobs the default until a rate
            is learned.
    """

    bad_if_down: float
    bad_if_up: float


LIKELIHOODS: Mapping[Source, Likelihood] = MappingProxyType(
    {
        Source.REACH: Likelihood(0.95, 0.05),
        Source.CREDENTIALS: Likelihood(0.95, 0.05),
        # A service can accept every job and finish none: six in ten of those that are down still
        # accept jobs, so an acceptance hardly proves that a service is up.
        Source.ACCEPTANCE: Likelihood(0.40, 0.05),
        Source.GENERATION: Likelihood(0.95, 0.03),
        Source.TRAFFIC: Likelihood(0.90, 0.05),
        # A feed reports 15 minutes late; one in five outages is over by then. With P(bad | up) of
        # .01, one unlucky probe after such a report was a false alarm.
        Source.FEED: Likelihood(0.50, 0.03),
    }
)

REVERSE_LIKELIHOODS: Mapping[Source, Likelihood] = MappingProxyType(
    {
        **LIKELIHOODS,
        # Under risk control 30 to 50 % of the jobs pass, so a delivered video proves less.
        Source.GENERATION: Likelihood(0.70, 0.03),
        Source.TRAFFIC: Likelihood(0.70, 0.05),
    }
)

DEFAULT_MTBF_AND_MTTR: Mapping[Access, tuple[timedelta, timedelta]] = MappingProxyType(
    {
        Access.OFFICIAL: (timedelta(days=2), timedelta(hours=1)),
        Access.SELF_HOSTED: (timedelta(days=2), timedelta(hours=1)),
        # Risk control occurs once to three times a week and lasts hours to a day.
        Access.REVERSE: (timedelta(days=3), timedelta(hours=6)),
    }
)
"""Mean time between outages and mean duration of one, for services without a history."""

FEED_DEGRADED = Likelihood(0.30, 0.05)
"""A feed says "degraded" for less trouble than "down"."""

FEED_OPERATIONAL = Likelihood(0.10, 0.01)
"""A feed returns to "operational" late, or not at all, so this counts for little: log(.90/.99)."""

MODEL_UNLISTED = Likelihood(0.60, 0.02)
"""The list of models no longer contains ours; weak evidence, as lists of resellers have errors."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything that the judge needs to know of a service beside its evidence.

    Args:
        access: Only on reverse access do two independent signs mean risk control.
        mtbf: Assumed mean time between outages; with `mttr` it sets the prior.
        mttr: Assumed mean duration of an outage; also sets how fast evidence decays.
        down_at: A layer goes down at this P(down) …
        alert_at: … is notified from this one on …
        up_at: … and comes up at this one; in between its status does not change.
        min_probability: Good evidence lowers P(down) no further. Otherwise an outage would be
            detected later, the longer the service was up.
        min_api_probability: The same for the API layer. It is lower, because free checks are so
            frequent that three unlucky ones in a row occur once in two years of a service.
        max_probability: Bad evidence raises P(down) no further.
        likelihoods: P(bad) of each source, by the state of the service.
        false_alarm_min_results: A learned false alarm rate counts from so many results on …
        min_false_alarm_rate: … and is never less than this.
        named_factor: A failure that names its state is so many times rarer than an unnamed one in
            a service that is up.
        sign_factor: The same for a failure that points at risk control, on reverse access.
        overdue_factor: The same for a job that is overdue.
        traffic_per_minute: Outcomes of callers' jobs in one minute count as at most so many.
        api_ttl: How long evidence of free checks counts.
        jobs_ttl: How long evidence on jobs counts.
        named_failures_ttl: How long failures are kept that name a state or point at one.
        degraded_share: Jobs fail in part if a larger share than this fails, and larger than the
            service's baseline …
        max_baseline_factor: … which is at most so many times `degraded_share` …
        degraded_least: … of at least so many jobs …
        degraded_confidence: … with this certainty. It is high because it is tested with every job:
            at 99.95 % a service that fails one job in twenty is called degraded each week …
        degraded_long_window: … within this time …
        degraded_short_window: … and within this one.
        confidence_level: Level of two-sided intervals.
        slow_factor: Jobs are slow if they take this many times the 7-day median, beyond chance.
        baseline_min_jobs: A baseline of durations needs at least so many jobs.
        suspended_after: A service is suspended if all attempts fail, unnamed, for so long …
        suspended_min_attempts: … and there are at least so many attempts.
        suspended_passing: A service that lets some pass is suspended if this share of the outage's
            results passes, or less …
        degraded_passing: … and degraded from this share on; in between it keeps its name.
        independent_sign_gap: Two signs of one rule and source are independent if this far apart …
        challenge_gap: … and two challenge pages in place of a free check if this far apart, with no
            good answer in between.
        retired_min_answers: A service is retired after so many equal failures that say so …
        retired_min_duration: … over at least this time.
        shutdown_ahead: A shutdown is shown so long before its date.
        learned_feed_trust: Whether a status page is believed as far as it has agreed with jobs.
        uncertain_factor: Jobs are uncertain if P(down) is above so many times the prior, which
            decay alone never reaches …
        uncertain_below: … and below this.
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
    overdue_factor: float = 3.0
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
    baseline_min_jobs: int = 10
    suspended_after: timedelta = timedelta(minutes=10)
    suspended_min_attempts: int = 3
    suspended_passing: float = 0.15
    degraded_passing: float = 0.25
    independent_sign_gap: timedelta = timedelta(minutes=10)
    challenge_gap: timedelta = timedelta(minutes=2)
    retired_min_answers: int = 3
    retired_min_duration: timedelta = timedelta(hours=24)
    shutdown_ahead: timedelta = timedelta(days=90)
    learned_feed_trust: bool = False
    uncertain_factor: float = 1.25
    uncertain_below: float = 0.98

    # Computed once, because every piece of evidence needs them.
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
        object.__setattr__(self, "min_log_odds", log_odds_of(self.min_probability))
        object.__setattr__(self, "min_api_log_odds", log_odds_of(self.min_api_probability))
        object.__setattr__(self, "max_log_odds", log_odds_of(self.max_probability))
        object.__setattr__(self, "down_log_odds", log_odds_of(self.down_at))
        object.__setattr__(self, "up_log_odds", log_odds_of(self.up_at))
        object.__setattr__(self, "prior_log_odds", log_odds_of(self.prior))


def log_odds_of(probability: float) -> float:
    """Return log(p / (1 - p))."""
    return math.log(probability / (1 - probability))
