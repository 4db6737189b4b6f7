"""The section `verdicts` of the configuration."""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

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
        description="Slow if the 90th percentile of job time is this many medians.",
    )
    suspended_after: Duration = Field(
        _DEFAULTS.suspended_after, description="Suspended if all attempts fail for this long."
    )
    shutdown_ahead: Duration = Field(
        _DEFAULTS.shutdown_ahead, description="How long before its date a shutdown is shown."
    )

    @model_validator(mode="after")
    def _thresholds_are_in_order(self) -> Self:
        if not self.up_at < self.down_at <= self.alert_at:
            raise ValueError("up_at must be below down_at, and down_at not above alert_at")
        return self

    def policy(self, *, access: Access, api_ttl: timedelta, jobs_ttl: timedelta) -> Policy:
        """Return the policy of one service.

        Args:
            access: How the service reaches its model.
            api_ttl: How long evidence of free checks counts.
            jobs_ttl: How long evidence on jobs counts.
        """
        mtbf, mttr = DEFAULT_MTBF_AND_MTTR[access]
        return Policy(
            access=access,
            mtbf=self.mtbf or mtbf,
            mttr=self.mttr or mttr,
            likelihoods=REVERSE_LIKELIHOODS if access is Access.REVERSE else LIKELIHOODS,
            down_at=self.down_at,
            alert_at=self.alert_at,
            up_at=self.up_at,
            api_ttl=api_ttl,
            jobs_ttl=jobs_ttl,
            degraded_share=self.degraded_share,
            degraded_least=self.degraded_least,
            slow_factor=self.slow_factor,
            slow_min_jobs=self.degraded_least,
            suspended_after=self.suspended_after,
            shutdown_ahead=self.shutdown_ahead,
        )
