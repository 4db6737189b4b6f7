"""What an operator may set about the judging of services: the section `verdicts` of the file."""

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
    """The figures of the judge; the defaults are those the rules were measured with."""

    mtbf: Duration | None = Field(
        None,
        description="Assumed mean time between outages; without it 2d, of reverse services 3d.",
    )
    mttr: Duration | None = Field(
        None, description="Assumed mean length of an outage; without it 1h, of reverse services 6h."
    )
    down_at: Probability = Field(_DEFAULTS.down_at, description="Down at this probability.")
    alert_at: Probability = Field(_DEFAULTS.alert_at, description="Alerted at this probability.")
    up_at: Probability = Field(_DEFAULTS.up_at, description="Up again at this probability of down.")
    degraded_share: Probability = Field(
        _DEFAULTS.degraded_share,
        description="Degraded if surely more than this share of jobs fails.",
    )
    degraded_least: int = Field(
        _DEFAULTS.degraded_least, ge=1, description="Of fewer jobs no share and no pace is claimed."
    )
    slow_factor: float = Field(
        _DEFAULTS.slow_factor, gt=1, description="Slow if the slowest tenth takes so many medians."
    )
    suspended_after: Duration = Field(
        _DEFAULTS.suspended_after, description="All attempts failing for so long is a suspension."
    )
    shutdown_ahead: Duration = Field(
        _DEFAULTS.shutdown_ahead, description="How long ahead of its date a shutdown is told."
    )

    @model_validator(mode="after")
    def _thresholds_are_in_order(self) -> Self:
        if not self.up_at < self.down_at <= self.alert_at:
            raise ValueError("up_at must be below down_at, and down_at not above alert_at")
        return self

    def policy(self, *, access: Access, api_ttl: timedelta, jobs_ttl: timedelta) -> Policy:
        """Return the policy of one service.

        Args:
            access: How it reaches its model.
            hold_door: How long its newest shallow evidence holds: two intervals.
            hold_jobs: How long its newest evidence on jobs holds.
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
