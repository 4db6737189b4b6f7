"""The report on a month as a message for a receiver of alerts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from tallylight.alerts.notification import Notification
from tallylight.alerts.options import ReceiverOptions
from tallylight.alerts.receivers import RenderedNotification
from tallylight.alerts.wording import (
    AlertContext,
    render_notification,
    translator_of_receiver,
    with_templates,
)
from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.i18n import Translator
from tallylight.model.months import format_month_key
from tallylight.status.rendering import report_mail
from tallylight.status.report import read_report
from tallylight.status.report_shapes import report_response
from tallylight.status.views.report import Report, report_view
from tallylight.status.views.report_text import report_lines
from tallylight.storage.database import Storage


@dataclass(frozen=True, slots=True)
class ReportRenderer:
    """Reads the report that a notification announces, and renders it.

    Args:
        services: Returns the services, in the catalogue's order.
        context: The language and the address of the page.
    """

    history: Storage
    services: Callable[[], Sequence[Service]]
    clock: Clock
    context: AlertContext

    async def render(
        self, notification: Notification, receiver: ReceiverOptions
    ) -> RenderedNotification:
        """Return the report on the services of a receiver, in its language and time zone.

        Raises:
            StorageError: if the history cannot be read.
        """
        to = translator_of_receiver(receiver, self.context.language)
        wanted, now = receiver.services, self.clock.now()
        services = [each for each in self.services() if wanted is None or each.id in wanted]
        start, end = (
            datetime.fromisoformat(str(notification.facts[name])) for name in ("start", "end")
        )
        report = await read_report(self.history, services, start, end, now)
        return with_templates(self._message(notification, report, to), receiver)

    def _message(
        self, notification: Notification, report: Report, to: Translator
    ) -> RenderedNotification:
        view, home = report_view(report, to), self.context.link(())
        month = format_month_key(date.fromisoformat(str(notification.facts["month"])))
        link = f"{home}report?month={month}" if home else ""
        message = render_notification(notification, self.context, to)
        return replace(
            message,
            body="\n".join([*report_lines(view, to), *([link] if link else [])]),
            html=report_mail(view, link, to),
            cut_note=to.gettext("The rest is in the report: %s") % link
            if link
            else to.gettext("The rest does not fit into this message."),
            fields={**message.fields, "link": link, **_fields(report, to)},
        )


def _fields(report: Report, to: Translator) -> Mapping[str, object]:
    """Return the figures as values that JSON has."""
    figures = report_response(report, to).model_dump(mode="json")
    return {name: figures[name] for name in ("services", "planned_maintenances")}
