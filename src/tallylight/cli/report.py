"""`report`: which services are fit for production."""

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tallylight.cli.alerts import check_receiver_names, print_delivery
from tallylight.cli.shared import (
    ConfigOption,
    LangOption,
    OpenedHistory,
    open_history,
    output_translator,
    run_async,
    write_text,
)
from tallylight.i18n import Translator
from tallylight.model.months import ended_month, parse_month
from tallylight.status.views.uptimes import UptimeWindow

if TYPE_CHECKING:
    from tallylight.status.views.report import Report


class ReportFormat(StrEnum):
    """How the report is printed."""

    TEXT = "text"
    MARKDOWN = "md"
    JSON = "json"
    HTML = "html"


@run_async
async def report_command(
    window: Annotated[
        UptimeWindow | None,
        typer.Option(help="Length of the period that ends now (default: 30d).", show_default=False),
    ] = None,
    month: Annotated[
        str | None, typer.Option(help="A month in UTC instead of a window (2026-11).")
    ] = None,
    format_: Annotated[
        ReportFormat | None,
        typer.Option("--format", help="Format of the report (default: text).", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write (default: standard output).")
    ] = None,
    send: Annotated[
        list[str] | None,
        typer.Option(help="Send a receiver of alerts the report on the month that has ended."),
    ] = None,
    config: ConfigOption = None,
    lang: LangOption = None,
) -> int:
    """Report which services are fit for production.

    For each service: availability, response time, risk control, suspensions, cost per delivered
    video, stars and a recommendation.
    """
    from tallylight.status.report import read_report, report_window

    to = output_translator(lang)
    if send and (window or month or format_ or out):
        raise typer.BadParameter(to.gettext("--send has its own period and form."))
    if window and month:
        raise typer.BadParameter(to.gettext("--window and --month exclude each other."))
    async with open_history(config) as opened:
        if send:
            return await _send(send, opened, to)
        now = opened.clock.now()
        try:
            first = None if month is None else parse_month(month)
            start, end = report_window(window or UptimeWindow.MONTH, first, now)
        except (ValueError, LookupError) as error:
            raise typer.BadParameter(str(error.args[0])) from None
        public_url = opened.configuration.status.public_url
        report = await read_report(opened.history, opened.board.services(), start, end, now)
    document = _document(report, format_ or ReportFormat.TEXT, public_url, to)
    if out is None:
        sys.stdout.write(document)
    else:
        write_text(out, document, to)
    return 0


async def _send(names: Sequence[str], opened: OpenedHistory, to: Translator) -> int:
    """Send receivers the report that a server would send them; return the exit code."""
    from tallylight.alerts.reports import report_notification
    from tallylight.alerts.trial import send_once
    from tallylight.alerts.wording import AlertContext
    from tallylight.app.report_message import ReportRenderer

    configuration, board = opened.configuration, opened.board
    receivers, page = configuration.alerts.receivers, configuration.status
    check_receiver_names(names, receivers, to)
    context = AlertContext(str, public_url=page.public_url, language=page.language)
    renderer = ReportRenderer(opened.history, board.services, opened.clock, context)
    code = 0
    for name in dict.fromkeys(names):
        receiver, now = receivers[name], opened.clock.now()
        month = ended_month(now, receiver.zone)
        notification = report_notification(month, name, receiver.zone, now)
        message = await renderer.render(notification, receiver)
        is_delivered = await send_once(receiver, message, now)
        code = max(code, print_delivery(name, to, is_delivered=is_delivered))
    return code


def _document(report: "Report", format_: ReportFormat, public_url: str, to: Translator) -> str:
    from tallylight.status.rendering import report_document
    from tallylight.status.report_shapes import report_response
    from tallylight.status.views.report import report_view
    from tallylight.status.views.report_text import report_markdown, report_text

    match format_:
        case ReportFormat.JSON:
            return report_response(report, to).model_dump_json(indent=2) + "\n"
        case ReportFormat.HTML:
            return report_document(report_view(report, to), public_url, to)
        case ReportFormat.MARKDOWN:
            return report_markdown(report_view(report, to), to)
        case ReportFormat.TEXT:
            return report_text(report_view(report, to), to)
