"""`uptime`, `incidents`: the past of services."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from tallylight.cli.shared import (
    ConfigOption,
    JsonOption,
    LangOption,
    ServiceIds,
    open_history,
    output_translator,
    print_json,
    print_line,
    print_table,
    run_async,
    select_recorded,
)
from tallylight.i18n import Translator
from tallylight.status.views.uptimes import UptimeWindow

if TYPE_CHECKING:
    from tallylight.model.verdict import Incident
    from tallylight.verdicts.availability import Availability

WindowOption = Annotated[UptimeWindow, typer.Option(help="Length of the period that ends now.")]


@run_async
async def uptime_command(
    services: ServiceIds = None,
    window: WindowOption = UptimeWindow.DAY,
    config: ConfigOption = None,
    json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Print the uptime of services.

    Uptime is a share of the monitored time, with a 95 % confidence interval.
    """
    from tallylight.verdicts.availability import availability
    from tallylight.verdicts.removal import intervals_until

    to = output_translator(lang)
    async with open_history(config) as opened:
        ids, removed = await select_recorded(services, opened.board, opened.history, to)
        end = opened.clock.now()
        start = end - window.length
        intervals = await opened.history.status_intervals(ids, start, end)
    found = {
        id_: availability(intervals_until(intervals[id_], removed.get(id_)), start, end)
        for id_ in ids
    }
    if json:
        print_json([{"id": id_, "window": window.value} | _uptime_json(found[id_]) for id_ in ids])
        return
    headings = (
        to.gettext("Service"),
        to.gettext("Uptime"),
        to.gettext("95 % interval"),
        to.gettext("Watched"),
        to.gettext("Outages"),
        to.gettext("Mean length"),
    )
    print_table(headings, (_uptime_row(id_, found[id_], to) for id_ in ids))


def _uptime_row(name: str, availability: "Availability", to: Translator) -> tuple[str, ...]:
    from tallylight.i18n.formatting import format_duration, format_percent
    from tallylight.status.views.uptimes import uptime_sentence

    low, high = (format_percent(end, to) for end in (availability.low, availability.high))
    return (
        name,
        uptime_sentence(availability, to),
        f"{low} – {high}" if availability.monitored else "",
        "—" if availability.coverage is None else format_percent(availability.coverage, to),
        str(availability.outages),
        "—" if availability.mttr is None else format_duration(availability.mttr, to),
    )


def _uptime_json(availability: "Availability") -> dict[str, object]:
    is_known = bool(availability.monitored)
    return {
        "uptime": availability.uptime if is_known else None,
        "low": availability.low if is_known else None,
        "high": availability.high if is_known else None,
        "coverage": availability.coverage,
        "degraded": availability.degraded if is_known else None,
        "first_look": availability.first_look,
        "up_s": availability.up.total_seconds(),
        "down_s": availability.down.total_seconds(),
        "unknown_s": availability.unknown.total_seconds(),
        "out_s": availability.excluded.total_seconds(),
        "outages": availability.outages,
        "mttr_s": _seconds(availability.mttr),
        "mtbf_s": _seconds(availability.mtbf),
        "mtbf_low_s": _seconds(availability.mtbf_low),
        "mtbf_high_s": _seconds(availability.mtbf_high),
    }


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()


@run_async
async def incidents_command(
    services: ServiceIds = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Maximum number of incidents.")] = 20,
    config: ConfigOption = None,
    json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """List incidents and their updates, newest first."""
    from tallylight.verdicts.removal import incident_until

    to = output_translator(lang)
    async with open_history(config) as (_, _, board, history):
        ids, removed = await select_recorded(services, board, history, to)
        names = {id_: id_ if id_ in removed else board.service(id_).name for id_ in ids}
        found = [
            incident_until(one, removed.get(id_))
            for id_ in ids
            for one in await history.incidents(id_, limit=limit)
        ]
    found = sorted(found, key=lambda one: one.started_at, reverse=True)[:limit]
    if json:
        print_json([_incident_json(one, to) for one in found])
        return
    for one in found:
        for line in _incident_lines(one, names[one.service], to):
            print_line(line)
    if not found:
        print_line(to.gettext("No incidents."))


def _incident_json(incident: "Incident", to: Translator) -> dict[str, object]:
    from tallylight.i18n.reasons import reason_sentence

    return {
        "id": incident.id,
        "service": incident.service,
        "worst": incident.worst.value,
        "started_at": incident.started_at.isoformat(),
        "ended_at": None if incident.ended_at is None else incident.ended_at.isoformat(),
        "updates": [
            {
                "at": update.at.isoformat(),
                "status": update.status.value,
                "reasons": [reason_sentence(reason, to) for reason in update.reasons],
            }
            for update in incident.updates
        ],
    }


def _incident_lines(incident: "Incident", name: str, to: Translator) -> list[str]:
    from tallylight.i18n.formatting import format_duration, format_moment
    from tallylight.i18n.labels import status_label
    from tallylight.i18n.reasons import reason_sentence

    length = to.gettext("open")
    if incident.ended_at is not None:
        length = format_duration(incident.ended_at - incident.started_at, to)
    began, word = format_moment(incident.started_at, to), status_label(incident.worst, to)
    lines = [f"{incident.worst.icon} {name} · {word} · {began} · {length}"]
    for update in incident.updates:
        why = reason_sentence(update.reasons[0], to) if update.reasons else ""
        lines.append(f"   {format_moment(update.at, to)}  {status_label(update.status, to)}  {why}")
    return lines
