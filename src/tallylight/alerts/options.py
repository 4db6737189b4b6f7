"""The section `alerts` of the configuration."""

from datetime import timedelta
from typing import Annotated, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, model_validator

from tallylight.alerts.state import AlertRules
from tallylight.alerts.templates import check_template
from tallylight.documents.nearest import unknown_name_message
from tallylight.documents.parsers import Duration
from tallylight.documents.secret import SecretText
from tallylight.documents.section import Name, Section
from tallylight.documents.webhooks import WebhookSecret, checked_webhook_url
from tallylight.i18n import Language
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status


def _known_zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError(unknown_name_message("time zone", value, available_timezones()))
    return value


_Clock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
_Template = Annotated[str, Field(min_length=1, max_length=4000), AfterValidator(check_template)]


class QuietHours(Section):
    """Hours in which a receiver is not notified."""

    start: _Clock = Field(description="When they begin, HH:MM in the receiver's time zone.")
    end: _Clock = Field(description="When they end; the next day if it is before the start.")


class ReceiverOptions(Section):
    """A receiver: where notifications go, and which ones."""

    url: SecretText = Field(
        description="An Apprise URL (slack://…, mailto://…, json://…), or the https address that "
        "Slack, Discord, Teams, Feishu, Lark, DingTalk or WeCom shows. It holds a token, so write "
        "${NAME} or {file: path}."
    )
    secret: WebhookSecret | None = Field(
        None,
        description="Secret of a signed webhook: whsec_ and 24 to 64 random bytes in base64. With "
        "it, `url` is the https address of your own endpoint.",
    )
    statuses: frozenset[Status] | None = Field(
        None,
        min_length=1,
        description="Only changes to or from one of these statuses; without it all changes.",
    )
    services: frozenset[ServiceId] | None = Field(
        None, min_length=1, description="Only these services, by id; without it all services."
    )
    language: Language | None = Field(
        None, description="The language of its notifications; without it that of the page."
    )
    time_zone: Annotated[str, AfterValidator(_known_zone)] = Field(
        "UTC", description="The time zone of the times in its notifications: Asia/Taipei."
    )
    after: Duration | None = Field(
        None,
        description="Escalation: only trouble that has lasted this long since it was notified.",
    )
    quiet_hours: QuietHours | None = Field(
        None,
        description="Notifications wait until these hours end; trouble that is over by then is "
        "told by its recovery.",
    )
    title: _Template | None = Field(
        None, description="A Jinja template of its titles, as docs/alerts.md describes it."
    )
    body: _Template | None = Field(
        None, description="A Jinja template of its bodies, as docs/alerts.md describes it."
    )

    @property
    def zone(self) -> ZoneInfo:
        """Return the receiver's time zone."""
        return ZoneInfo(self.time_zone)

    @model_validator(mode="after")
    def _check_webhook(self) -> Self:
        if self.secret is not None:
            checked_webhook_url(self.url)
        return self


class ReportOptions(Section):
    """Who is sent the report on the month that has ended, and when."""

    receivers: tuple[Name, ...] = Field(
        (), description="The receivers of alerts that are sent the report; without any it is not."
    )
    day: int = Field(1, ge=1, le=28, description="The day of the month on which it is sent.")
    at: _Clock = Field(
        "09:00", description="The time of that day, HH:MM in the receiver's time zone."
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
        frozenset({90, 30, 7, 1}),
        description="How many days before an announced shutdown it is notified.",
    )
    budget_percent: frozenset[Annotated[int, Field(ge=1, le=100)]] = Field(
        frozenset({80, 95}),
        description="At which shares of a budget for probes it is notified; [] for never.",
    )

    feed_contradiction: Duration | None = Field(
        None,
        description="How long the official status page must say otherwise than the verdict until "
        "that is notified; without it never.",
    )

    def rules(self) -> AlertRules:
        """Return the figures of the rules."""
        return AlertRules(
            group_wait=self.group_wait,
            remind_after=self.remind_after,
            shutdown_days=tuple(sorted(self.shutdown_days, reverse=True)),
            budget_percent=tuple(sorted(self.budget_percent, reverse=True)),
            feed_contradiction=self.feed_contradiction,
        )
