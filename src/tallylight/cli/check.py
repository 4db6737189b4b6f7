"""`check`, `status`, `watch`: the current verdicts."""

import asyncio
import sys
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tallylight.cli.shared import (
    ConfigOption,
    JsonOption,
    LangOption,
    OpenedHistory,
    ServiceIds,
    open_history,
    output_translator,
    print_error,
    print_json,
    print_line,
    print_now,
    print_table,
    run_async,
    select_services,
)
from tallylight.i18n import Translator
from tallylight.model.evidence import Depth
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status

if TYPE_CHECKING:
    from tallylight.model.doubt import DoubtCounts, DoubtKind
    from tallylight.probes.check_round import CheckResult


@run_async
async def check_command(
    services: ServiceIds = None,
    depth: Annotated[
        Depth, typer.Option(help="Depth of the probes; generation costs money, within the budgets.")
    ] = Depth.CREDENTIALS,
    config: ConfigOption = None,
    json: JsonOption = False,
    lang: LangOption = None,
) -> int:
    """Probe services once and print their verdicts.

    The exit code is 1 if a probe failed, 2 if the configuration of a service seems wrong.
    """
    from tallylight.app import summary
    from tallylight.app.logs import configure_warnings_only
    from tallylight.app.runtime import open_runtime
    from tallylight.clock import SystemClock
    from tallylight.config.settings import load_configuration
    from tallylight.probes.pace import paces_in_force
    from tallylight.status.views.services import service_row

    to = output_translator(lang)
    configure_warnings_only()
    configuration = load_configuration(config)
    async with open_runtime(configuration, SystemClock()) as runtime:
        board = runtime.board
        ids = await select_services(services, board, runtime.history, to)
        checks = await runtime.probing.check(ids, depth, are_named=bool(services))
        rows = [service_row(board, id_, to) for id_ in ids]
        paces = paces_in_force(board, configuration.catalogue.total_budget, runtime.clock.now())
    if json:
        print_json(
            [
                row
                | {
                    "probes": _probe_evidence(result),
                    "withheld": result.withheld_reason or None,
                    "unfinished": result.unfinished_reason or None,
                }
                for row, result in zip(
                    summary.summary_json(rows, paces), checks.values(), strict=True
                )
            ]
        )
    else:
        print_line(summary.summary_text(rows, paces))
    for row in rows:
        for remark in summary.check_remarks(row.verdict, checks[row.service.id], to):
            print_error(remark)
    if not runtime.is_leader:
        print_error(_not_recorded_remark(depth, to))
    if any(row.verdict.needs_setup for row in rows):
        return 2
    passed = all(
        summary.check_passed(row.verdict, checks[row.service.id].evidence)
        and not checks[row.service.id].withheld_reason
        and not checks[row.service.id].unfinished_reason
        for row in rows
    )
    return 0 if passed else 1


def _not_recorded_remark(depth: Depth, to: Translator) -> str:
    if depth is Depth.GENERATION:
        return to.gettext(
            "A server monitors with this database: it sent and recorded the generations; the free "
            "probes are shown, not recorded."
        )
    return to.gettext(
        "A server monitors with this database; these results are shown, not recorded."
    )


def _probe_evidence(result: "CheckResult") -> list[dict[str, object]]:
    from tallylight.status.models import EvidenceResponse

    return [
        EvidenceResponse.model_validate(piece).model_dump(mode="json") for piece in result.evidence
    ]


@run_async
async def status_command(
    services: ServiceIds = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print all reasons and the learned figures.")
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
    lang: LangOption = None,
) -> int:
    """Print the current verdicts and their reasons.

    The exit code is 1 unless all services are operational.
    """
    from tallylight.app import summary
    from tallylight.probes.pace import paces_in_force
    from tallylight.status.page_claims import read_announcements
    from tallylight.status.views.claims import announcement_lines
    from tallylight.status.views.services import service_row
    from tallylight.verdicts.learned import learned_figures

    to = output_translator(lang)
    async with open_history(config) as opened:
        board = opened.board
        ids = await select_services(services, board, opened.history, to)
        rows = [service_row(board, id_, to) for id_ in ids]
        total = opened.configuration.catalogue.total_budget
        paces = paces_in_force(board, total, opened.clock.now())
        learned = {id_: learned_figures(*board.state(id_)) for id_ in ids}
        doubts = await _doubts(opened, ids) if verbose else {}
        now = opened.clock.now()
        announced = await read_announcements(opened.history, [row.service for row in rows], now)
    if json:
        more = [
            {
                "learned": summary.learned_json(learned[row.service.id])
                | {"doubts": summary.doubts_json(doubts, row.service.upstream.id)}
            }
            if verbose
            else {}
            for row in rows
        ]
        planned = summary.planned_json(rows, announced)
        print_json(
            [
                row | ahead | rest
                for row, ahead, rest in zip(
                    summary.summary_json(rows, paces), planned, more, strict=True
                )
            ]
        )
    else:
        text = summary.detailed_text(rows, learned, paces) if verbose else None
        print_line(text or summary.summary_text(rows, paces))
        print_line(summary.overall_text(rows, to))
        for line in announcement_lines(announced, now, to):
            print_line(to.gettext("Planned maintenance: %(plan)s") % {"plan": line})
    if doubts and not json:
        print_line()
        print_table(*summary.doubt_rows(doubts, to))
    return 0 if all(row.status is Status.OPERATIONAL for row in rows) else 1


async def _doubts(
    opened: OpenedHistory, ids: Collection[ServiceId]
) -> "Mapping[DoubtKind, DoubtCounts]":
    """Return what came of doubts at the upstreams of some services."""
    from tallylight.model.doubt import EXPERIENCE, counts_by_kind

    board = opened.board
    wanted = {board.service(id_).upstream.id for id_ in ids}
    upstreams = {
        each.id: each.upstream.id for each in board.services() if each.upstream.id in wanted
    }
    records = await opened.history.attempts.doubts(opened.clock.now() - EXPERIENCE)
    return counts_by_kind(records, upstreams)


def watch_command(
    services: ServiceIds = None,
    every: Annotated[float, typer.Option(min=0.2, help="Seconds between two readings.")] = 2.0,
    config: ConfigOption = None,
    lang: LangOption = None,
) -> None:
    """Show verdicts as they change, until interrupted."""
    to = output_translator(lang)
    try:
        asyncio.run(_watch(services, timedelta(seconds=every), config, to))
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


async def _watch(
    wanted: Sequence[str] | None, every: timedelta, config: Path | None, to: Translator
) -> None:
    snapshots = _snapshots(wanted, every, config, to)
    if not sys.stdout.isatty():
        last = ""
        async for text in snapshots:
            if text != last:
                print_now(text + "\n")
            last = text
        return
    from rich.live import Live
    from rich.text import Text

    with Live(auto_refresh=False) as live:
        async for text in snapshots:
            live.update(Text(text), refresh=True)


async def _snapshots(
    wanted: Sequence[str] | None, every: timedelta, config: Path | None, to: Translator
) -> AsyncIterator[str]:
    from tallylight.app import summary
    from tallylight.app.cluster.read_only_storage import open_read_only
    from tallylight.app.logs import configure_warnings_only
    from tallylight.clock import SystemClock
    from tallylight.config.settings import load_configuration
    from tallylight.status.views.services import service_row

    configuration, clock = load_configuration(config), SystemClock()
    configure_warnings_only()
    while True:
        async with open_read_only(configuration, clock) as (board, history):
            ids = await select_services(wanted, board, history, to)
            text = summary.summary_text([service_row(board, id_, to) for id_ in ids])
        yield text
        await clock.sleep(every)
