"""The section `verdicts` of the configuration, and the policy of a service that follows from it."""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from tallylight.catalogue.services import Service
from tallylight.documents.parsers import Duration
from tallylight.documents.section import Section
from tallylight.model.status import Access
from tallylight.verdicts.policy import (
    DEFAULT_MTBF_AND_MTTR,
    LIKELIHOODS,
    REVERSE_LIKELIHOODS,
    Policy,
)

Probability = Annotated[float, Field(gt=0, lt=1)]

DEFAULT_JOBS_TTL = timedelta(hours=6)
"""How long evidence on jobs counts without generation probes: twice the interval of 3 hours that
the rules were measured with (`docs/verdicts.md`)."""

_DEFAULTS = Policy()


class PolicyOptions(Section):
    """The figures of the judge; the rules were measured with the defaults."""

    mtbf: Duration | None = Field(
        None,
        description="Assumed mean time between outages; default 2d, for reverse services 3d.",
    )
    mttr: Duration | None = Field(
        None, description="Assumed mean duration of an outage; default 1h, for reverse services 6h."
    )
    down_at: Probability = Field(_DEFAULTS.down_at, description="Down from this probability on.")
    alert_at: Probability = Field(
        _DEFAULTS.alert_at, description="Notified from this probability on."
    )
    up_at: Probability = Field(
        _DEFAULTS.up_at, description="Up again once the probability of down is this low."
    )
    degraded_share: Probability = Field(
        _DEFAULTS.degraded_share,
        description="Degraded if more than this share of jobs fails, beyond chance.",
    )
    degraded_least: int = Field(
        _DEFAULTS.degraded_least,
        ge=1,
        description="With fewer jobs than this a service is not called degraded.",
    )
    slow_factor: float = Field(
        _DEFAULTS.slow_factor,
        gt=1,
        description="Slow if jobs take this many times their 7-day median, beyond chance.",
    )
    suspended_after: Duration = Field(
        _DEFAULTS.suspended_after, description="Suspended if all attempts fail for this long."
    )
    shutdown_ahead: Duration = Field(
        _DEFAULTS.shutdown_ahead, description="How long before its date a shutdown is shown."
    )

    learned_feed_trust: bool = Field(
        _DEFAULTS.learned_feed_trust,
        description="Believe a status page as far as it has agreed with jobs.",
    )

    @model_validator(mode="after")
    def _thresholds_are_in_order(self) -> Self:
        if not self.up_at < self.down_at <= self.alert_at:
            raise ValueError("up_at must be below down_at, and down_at not above alert_at")
        return self

    def policy(self, *, access: Access, api_ttl: timedelta, jobs_ttl: timedelta) -> Policy:
        """Return the policy of one service."""
        mtbf, mttr = DEFAULT_MTBF_AND_MTTR[access]
        return Policy(
            access=access,
            likelihoods=REVERSE_LIKELIHOODS if access is Access.REVERSE else LIKELIHOODS,
            api_ttl=api_ttl,
            jobs_ttl=jobs_ttl,
            **dict(self) | {"mtbf": self.mtbf or mtbf, "mttr": self.mttr or mttr},
        )


def service_policy(service: Service, options: PolicyOptions) -> Policy:
    """Return the policy that a service is judged by.

    Evidence on the API counts for two intervals; evidence on jobs counts for four, because the
    budget may stretch the interval of an expensive probe to three.
    """
    intervals, upstream = service.probe_intervals, service.upstream
    free = [each for each in (intervals.reach, intervals.credentials) if each is not None]
    jobs = intervals.generation
    api_ttl = 2 * min(free) + upstream.timeout if free else DEFAULT_JOBS_TTL
    jobs_ttl = DEFAULT_JOBS_TTL if jobs is None else 4 * jobs + upstream.job_timeout
    return options.policy(access=service.access, api_ttl=api_ttl, jobs_ttl=jobs_ttl)
