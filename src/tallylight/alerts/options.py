"""The section `alerts` of the configuration."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from tallylight.alerts.state import AlertRules
from tallylight.documents.parsers import Duration
from tallylight.documents.secret import SecretText
from tallylight.documents.section import Name, Section
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status


class ReceiverOptions(Section):
    """A receiver: where notifications go, and which ones."""

    url: SecretText = Field(
        description="An Apprise URL (slack://…, mailto://…, json://…). It holds a token, so write "
        "${NAME} or {file: path}."
    )
    statuses: frozenset[Status] | None = Field(
        None,
        description="Only changes to or from one of these statuses; without it all changes.",
    )
    services: frozenset[ServiceId] | None = Field(
        None, description="Only these services, by id; without it all services."
    )


class AlertOptions(Section):
    """Receivers, and when they are notified."""

    receivers: dict[Name, ReceiverOptions] = Field(
        default_factory=dict, description="Where notifications go, by a name of your choice."
    )
    remind_after: Duration | None = Field(
        timedelta(hours=4),
        description="How long after a notification a service that is still down is notified again; "
        "null for never.",
    )
    group_wait: Duration = Field(
        timedelta(minutes=1),
        description="Changes of one provider's services within this time become one notification.",
    )
    shutdown_days: frozenset[Annotated[int, Field(ge=1, le=365)]] = Field(
        frozenset({30, 7, 1}),
        description="How many days before an announced shutdown it is notified.",
    )

    def rules(self) -> AlertRules:
        """Return the figures of the rules."""
        return AlertRules(
            group_wait=self.group_wait,
            remind_after=self.remind_after,
            shutdown_days=tuple(sorted(self.shutdown_days, reverse=True)),
        )
