"""Feeds of incidents: RSS as xAI writes it, Atom as Statuspage does. Neither has components.

xAI tells severity and state in the text and as categories; Statuspage tells neither, and writes the
state of each update before its text, the latest first. Maintenances are not in xAI's feed.

Sources: `feed.xml` of status.x.ai and `history.atom` of Statuspage's pages, of September 2026.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import format_datetime
from html import escape

from tallylight.simulator.faults import ReportedStatus
from tallylight.simulator.protocols.statuspage import PageSnapshot
from tallylight.simulator.status_reports import ReportedIncident, ReportedMaintenance

_SEVERITIES: Mapping[ReportedStatus, str] = {
    ReportedStatus.OPERATIONAL: "available",
    ReportedStatus.UNDER_MAINTENANCE: "available",
    ReportedStatus.DEGRADED_PERFORMANCE: "degraded",
    ReportedStatus.PARTIAL_OUTAGE: "disruption",
    ReportedStatus.MAJOR_OUTAGE: "outage",
}
_PROLOGUE = '<?xml version="1.0" encoding="UTF-8"?>'


def _rss(page: PageSnapshot) -> str:
    items = "".join(_item(page, one) for one in page.report.incidents)
    built = _mail_date(page, page.report.changed_at)
    return (
        f'{_PROLOGUE}<rss version="2.0"><channel><title>{escape(page.title)}</title>'
        f"<link>{escape(page.url)}</link><lastBuildDate>{built}</lastBuildDate>{items}"
        "</channel></rss>"
    )


def _item(page: PageSnapshot, incident: ReportedIncident) -> str:
    state = "active" if incident.is_open else "resolved"
    severity = _SEVERITIES[incident.component_status]
    own_id = "INC" + page.stable_id("incident", incident.id, 8)
    date = _mail_date(page, incident.started_at)
    updates = "".join(
        f"<div><strong>{_mail_date(page, update.at)}</strong><p>{escape(update.body)}</p></div>"
        for update in reversed(incident.updates)
    )
    return (
        f"<item><title>[{escape(incident.component)}] {escape(incident.name)}</title>"
        f"<link>{escape(page.url)}/{own_id}</link><guid>{own_id}</guid>"
        f"<description><![CDATA[<h3>Status: {state.upper()}</h3><p>Severity: {severity}</p>"
        f"<hr />{updates}]]></description><pubDate>{date}</pubDate>"
        f"<category>{severity}</category><category>{state}</category></item>"
    )


def _atom(page: PageSnapshot) -> str:
    entries = "".join(
        [
            *(_incident_entry(page, one) for one in page.report.incidents),
            *(_maintenance_entry(page, one) for one in page.report.maintenances),
        ]
    )
    return (
        f'{_PROLOGUE}<feed xml:lang="en-US" xmlns="http://www.w3.org/2005/Atom">'
        f"<id>tag:{page.id},2005:/history</id><title>{escape(page.title)}</title>"
        f"<updated>{page.rfc3339(page.report.changed_at)}</updated>{entries}</feed>"
    )


def _incident_entry(page: PageSnapshot, incident: ReportedIncident) -> str:
    lines = "".join(
        f"<p><small>{_mail_date(page, update.at)}</small><br><strong>"
        f"{update.status.capitalize()}</strong> - {escape(update.body)}</p>"
        for update in reversed(incident.updates)
    )
    dates = (incident.started_at, incident.updates[-1].at)
    return _entry(page, incident.id, incident.name, dates, lines)


def _maintenance_entry(page: PageSnapshot, maintenance: ReportedMaintenance) -> str:
    plan, state = maintenance.plan, maintenance.status.replace("_", " ").capitalize()
    text = f"<p><strong>{state}</strong> - {escape(plan.name)}</p>"
    dates = (plan.announced, plan.announced)
    return _entry(page, maintenance.id, plan.name, dates, text)


def _entry(
    page: PageSnapshot, name: str, title: str, dates: tuple[float, float], markup: str
) -> str:
    own_id = page.stable_id("entry", name)
    published, updated = map(page.rfc3339, dates)
    return (
        f"<entry><id>tag:{page.id},2005:Incident/{own_id}</id><published>{published}</published>"
        f'<updated>{updated}</updated><link rel="alternate" type="text/html" '
        f'href="{escape(page.url)}/incidents/{own_id}"/><title>{escape(title)}</title>'
        f'<content type="html">{escape(markup)}</content></entry>'
    )


def _mail_date(page: PageSnapshot, second: float) -> str:
    return format_datetime(datetime.fromisoformat(page.rfc3339(second)), usegmt=True)


#: The body of each path.
RSS_BODIES: Mapping[str, Callable[[PageSnapshot], str]] = {"/feed.xml": _rss}
ATOM_BODIES: Mapping[str, Callable[[PageSnapshot], str]] = {"/history.atom": _atom}
