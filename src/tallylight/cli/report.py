"""`report`: which services are fit for production."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tallylight.cli.shared import (
    ConfigOption,
    LangOption,
    open_history,
    output_translator,
    run_async,
    write_text,
)
from tallylight.i18n import Translator
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
        UptimeWindow, typer.Option(help="Length of the period that ends now.")
    ] = UptimeWindow.MONTH,
    format_: Annotated[
        ReportFormat, typer.Option("--format", help="Format of the report.")
    ] = ReportFormat.TEXT,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write (default: standard output).")
    ] = None,
    config: ConfigOption = None,
    lang: LangOption = None,
) -> None:
    """Report which services are fit for production.

    For each service: availability, response time, risk control, suspensions, cost per delivered
    video, stars and a recommendation.
    """
    from tallylight.status.report import read_report

    to = output_translator(lang)
    async with open_history(config) as opened:
        services = opened.board.services()
        report = await read_report(opened.history, services, window.length, opened.clock.now())
    document = _document(report, format_, to)
    if out is None:
        sys.stdout.write(document)
    else:
        write_text(out, document, to)


def _document(report: "Report", format_: ReportFormat, to: Translator) -> str:
    from tallylight.status.rendering import report_document
    from tallylight.status.report_shapes import report_response
    from tallylight.status.views.report import report_view
    from tallylight.status.views.report_text import report_markdown, report_text

    match format_:
        case ReportFormat.JSON:
            return report_response(report, to).model_dump_json(indent=2) + "\n"
        case ReportFormat.HTML:
            return report_document(report_view(report, to), to)
        case ReportFormat.MARKDOWN:
            return report_markdown(report_view(report, to), to)
        case ReportFormat.TEXT:
            return report_text(report_view(report, to), to)
