"""`export`, `cost`: recorded evidence and spending."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tallylight.cli.history import WindowOption
from tallylight.cli.shared import (
    ConfigOption,
    JsonOption,
    LangOption,
    ServiceIds,
    open_history,
    output_translator,
    print_error,
    print_json,
    print_line,
    print_table,
    run_async,
    select_recorded,
)
from tallylight.documents.files import file_error_reason
from tallylight.i18n import Translator
from tallylight.status.views.uptimes import UptimeWindow
from tallylight.storage.export_formats import ExportFormat, ExportTable

if TYPE_CHECKING:
    from tallylight.model.ids import KeyId
    from tallylight.model.ledger import LedgerEntry, Purpose, SpendingTotal
    from tallylight.status.views.probes import BudgetUsage


@run_async
async def export_history(
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write.")],
    services: ServiceIds = None,
    format_: Annotated[
        ExportFormat, typer.Option("--format", help="Format of the file.")
    ] = ExportFormat.JSON,
    window: WindowOption = UptimeWindow.MONTH,
    table: Annotated[
        ExportTable | None,
        typer.Option(
            help="One table (default: all; CSV and Parquet make one file of each, or one .zip)."
        ),
    ] = None,
    config: ConfigOption = None,
    lang: LangOption = None,
) -> None:
    """Export evidence, transitions and uptime."""
    from tallylight.storage.export import export

    to = output_translator(lang)
    try:
        async with open_history(config) as (_, clock, board, history):
            ids, removed = await select_recorded(services, board, history, to)
            end = clock.now()
            start = end - window.length
            files = await export(
                history,
                out,
                format_,
                services={id_: removed.get(id_, end) for id_ in ids},
                start=start,
                end=end,
                table=table,
            )
    except OSError as error:
        why = file_error_reason(error)
        raise typer.BadParameter(
            to.gettext("%(file)s cannot be written: %(why)s") % {"file": out, "why": why},
            param_hint="--out",
        ) from None
    for file in files:
        say = print_line if file.is_file() else print_error  # a device may be the output itself
        say(str(file))


@run_async
async def cost(
    limit: Annotated[
        int, typer.Option(min=1, max=1000, help="Maximum number of ledger entries.")
    ] = 20,
    window: WindowOption = UptimeWindow.MONTH,
    config: ConfigOption = None,
    json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Print budgets and spending.

    The newest entries of the ledger follow.
    """
    from tallylight.status.budgets import budget_usage, traffic_budget_usage

    to = output_translator(lang)
    async with open_history(config) as (configuration, clock, board, history):
        total, now = configuration.catalogue.total_budget, clock.now()
        budgets = await budget_usage(history.ledger, board.services(), total, now)
        sums = await history.ledger.totals(window.length, now)
        entries = await history.ledger.entries(limit=limit)
        known = await history.keys.list_all()
        open_keys = [key for key in known if key.revoked_at is None]
        all_videos = configuration.gateway.budget.budget()
        budgets += await traffic_budget_usage(history.ledger, open_keys, all_videos, now)
    keys = {key.id: key.name for key in known}
    if json:
        from tallylight.status.json_shapes import ledger_response

        answer = ledger_response(budgets, entries)
        print_json(answer.model_dump(mode="json") | {"spending": _spending(sums, keys)})
        return
    _print_budgets(budgets, to)
    _print_sums(sums, keys, window, to)
    columns = (
        to.gettext("Time"),
        to.gettext("Service"),
        to.gettext("For"),
        to.gettext("Key"),
        to.gettext("State"),
        to.gettext("Amount"),
    )
    print_table(columns, (_ledger_row(entry, keys, to) for entry in entries))


def _spending(
    sums: Sequence["SpendingTotal"], keys: Mapping["KeyId", str]
) -> list[dict[str, object]]:
    """Return the spending for JSON; an amount is null if no price was known."""
    amounts = [each.known_amount for each in sums]
    return [
        {
            "purpose": each.purpose.value,
            "key": keys.get(each.payer, each.payer) or None,
            "service": each.service,
            "entries": each.entry_count,
            "amount_usd": None if amount is None else float(amount),
            "unknown_entries": each.unknown_count,
        }
        for each, amount in zip(sums, amounts, strict=True)
    ]


def _print_budgets(budgets: Sequence["BudgetUsage"], to: Translator) -> None:
    from tallylight.i18n.prices import format_usd

    limits = [
        (
            _scope_label(budget.scope, to),
            budget.window,
            format_usd(budget.spent),
            format_usd(budget.limit),
        )
        for budget in budgets
    ]
    words = (
        to.gettext("Budget"),
        to.gettext("Window"),
        to.gettext("Spent"),
        to.gettext("Limit"),
    )
    print_table(words, limits)
    print_line()


def _scope_label(scope: str, to: Translator) -> str:
    from tallylight.status.budgets import KEY_SCOPE_PREFIX, TOTAL_SCOPE, VIDEOS_SCOPE

    if scope == TOTAL_SCOPE:
        return to.gettext("all together")
    if scope == VIDEOS_SCOPE:
        return to.gettext("all callers' videos")
    name = scope.removeprefix(KEY_SCOPE_PREFIX)
    return scope if name == scope else to.gettext("key %s") % name


def _print_sums(
    sums: Sequence["SpendingTotal"],
    keys: Mapping["KeyId", str],
    window: UptimeWindow,
    to: Translator,
) -> None:
    from tallylight.i18n.formatting import format_number
    from tallylight.i18n.prices import format_total

    words = (
        to.gettext("For"),
        to.gettext("Key"),
        to.gettext("Service"),
        to.gettext("Entries"),
        to.gettext("Spent in %s") % window.value,
    )
    rows = [
        (
            _purpose_label(each.purpose, to),
            keys.get(each.payer, each.payer) or "–",
            each.service,
            format_number(each.entry_count, to),
            format_total(each, to),
        )
        for each in sums
    ]
    print_table(words, rows)
    print_line()


def _ledger_row(
    entry: "LedgerEntry", keys: Mapping["KeyId", str], to: Translator
) -> tuple[str, ...]:
    from tallylight.i18n.formatting import format_moment_short
    from tallylight.i18n.prices import format_amount

    return (
        format_moment_short(entry.at, to),
        entry.service,
        _purpose_label(entry.purpose, to),
        keys.get(entry.payer, entry.payer) or "–",
        _state_label(entry, to),
        format_amount(entry.amount, to),
    )


def _purpose_label(purpose: "Purpose", to: Translator) -> str:
    from tallylight.model.ledger import Purpose

    labels = {
        Purpose.PROBE: to.gettext("Generation probe"),
        Purpose.TRAFFIC: to.gettext("Live traffic"),
        Purpose.UNEXPECTED_CHARGE: to.gettext("Free probe that was billed"),
    }
    return labels[purpose]


def _state_label(entry: "LedgerEntry", to: Translator) -> str:
    from tallylight.model.ledger import EntryState

    labels = {
        EntryState.RESERVED: to.gettext("reserved"),
        EntryState.SETTLED: to.gettext("spent"),
        EntryState.RELEASED: to.gettext("not spent"),
    }
    return labels[entry.state]
