"""incident.io: its imitation of Statuspage with the known gaps, and its two widget surfaces.

Sources: stored monitors of status.openai.com of 2026 (`incidents/unresolved.json` answers 404,
update bodies are empty, `updated_at` lags for days, the summary leaves incidents out), and
e2b-dev/dashboard#313 for the documented widget API.
"""

from collections.abc import Callable, Mapping

from pydantic import JsonValue

from tallylight.simulator.faults import ComponentWord
from tallylight.simulator.protocols import statuspage
from tallylight.simulator.protocols.page import Page
from tallylight.simulator.status_reports import StatedIncident, StatedMaintenance

_LAGGING = -6 * 86_400.0  # the shim's page.updated_at stands still, days behind


def word_of(word: ComponentWord) -> str:
    """Return the widgets' word: the worst one has another name here."""
    return "full_outage" if word is ComponentWord.MAJOR_OUTAGE else word.value


def key_of(page: Page, kind: str, name: str) -> str:
    """Return an id with the look of a ULID."""
    return "01K" + page.key(kind, name, 23).upper()


def _shim(page: Page, **members: JsonValue) -> JsonValue:
    return {"page": statuspage.heading(page, _LAGGING), **members}


def _shim_incidents(page: Page) -> JsonValue:
    told: list[JsonValue] = []
    for one in page.said.incidents[:25]:
        incident = statuspage.incident(page, one)
        updates = incident["incident_updates"]
        assert isinstance(updates, list)  # noqa: S101  # narrows what we wrote ourselves
        for update in updates:
            assert isinstance(update, dict)  # noqa: S101
            update["body"] = ""
        told.append(incident)
    return _shim(page, incidents=told)


def _widget_proxy(page: Page) -> JsonValue:
    names = list(page.said.components)
    summary: dict[str, JsonValue] = {
        "id": key_of(page, "page", ""),
        "name": page.title,
        "public_url": page.url,
        "components": [{"id": key_of(page, "component", n), "name": n} for n in names],
        "structure": {"items": [_group(page, names)]},
        "affected_components": [
            {"component_id": key_of(page, "component", name), "status": word_of(word)}
            for name, word in page.said.components.items()
            if word is not ComponentWord.OPERATIONAL
        ],
        "ongoing_incidents": [_proxy_incident(page, told) for told in page.said.open_incidents],
        "in_progress_maintenances": _planned(page, "in_progress"),
        "scheduled_maintenances": _planned(page, "scheduled"),
    }
    return {"summary": summary}


def _group(page: Page, names: list[str]) -> JsonValue:
    return {
        "group": {
            "id": key_of(page, "group", "APIs"),
            "name": "APIs",
            "components": [{"component_id": key_of(page, "component", name)} for name in names],
        }
    }


def _proxy_incident(page: Page, told: StatedIncident) -> JsonValue:
    component_id = key_of(page, "component", told.component)
    resolved = next((page.date(one.at) for one in told.updates if one.status == "resolved"), None)
    return {
        "id": key_of(page, "incident", told.id),
        "name": told.name,
        "status": told.status,
        "published_at": page.date(told.started),
        "affected_components": [{"component_id": component_id, "status": word_of(told.word)}],
        "component_impacts": [
            {
                "component_id": component_id,
                "start_at": page.date(told.started),
                "end_at": resolved,
                "status": word_of(told.word),
            }
        ],
        "status_summaries": [],
        "updates": [
            {
                "published_at": page.date(update.at),
                "to_status": update.status,
                "message": {"type": "doc", "content": []},
                "message_string": update.body,
                "component_statuses": [
                    {"component_id": component_id, "status": word_of(told.word)}
                ],
            }
            for update in told.updates
        ],
    }


def _component_impacts(page: Page) -> JsonValue:
    impacts: list[JsonValue] = []
    for told in page.said.incidents:
        shown = _proxy_incident(page, told)
        if isinstance(shown, dict) and isinstance(shown["component_impacts"], list):
            impacts += shown["component_impacts"]
    return {"component_impacts": impacts}


def _widget_summary(page: Page) -> JsonValue:
    return {
        "ongoing_incidents": [_widget_incident(page, told) for told in page.said.open_incidents],
        "in_progress_maintenances": _planned(page, "in_progress"),
        "scheduled_maintenances": _planned(page, "scheduled"),
    }


def _widget_incident(page: Page, told: StatedIncident) -> JsonValue:
    own_id = key_of(page, "incident", told.id)
    return {
        "id": own_id,
        "name": told.name,
        "status": told.status,
        "url": f"{page.url}/incidents/{own_id}",
        "last_update_at": page.date(told.updates[-1].at),
        "last_update_message": told.updates[-1].body,
        "current_worst_impact": word_of(told.word),
        "affected_components": [_affected(page, told.component, told.word)],
    }


def _affected(page: Page, name: str, word: ComponentWord) -> JsonValue:
    return {
        "id": key_of(page, "component", name),
        "name": name,
        "group_name": "APIs",
        "current_status": word_of(word),
    }


def _planned(page: Page, status: str) -> list[JsonValue]:
    return [_maintenance(page, told) for told in page.said.maintenances if told.status == status]


def _maintenance(page: Page, told: StatedMaintenance) -> JsonValue:
    own_id = key_of(page, "maintenance", told.id)
    begin, end = page.date(told.plan.start), page.date(told.plan.end)
    dates: dict[str, JsonValue] = (
        {"starts_at": begin, "ends_at": end}
        if told.status == "scheduled"
        else {"started_at": begin, "scheduled_end_at": end}
    )
    return {
        "id": own_id,
        "name": told.plan.name,
        "status": f"maintenance_{told.status}",
        "url": f"{page.url}/maintenances/{own_id}",
        "last_update_at": page.date(told.plan.announced),
        "last_update_message": "Planned.",
        "affected_components": [
            _affected(page, name, ComponentWord.UNDER_MAINTENANCE) for name in told.plan.components
        ],
        **dates,
    }


#: What each path answers; whatever is missing here is missing there.
BODIES: Mapping[str, Callable[[Page], JsonValue]] = {
    "/api/v2/status.json": lambda page: _shim(page, status=statuspage.indicator(page)),
    "/api/v2/summary.json": lambda page: _shim(
        page, status=statuspage.indicator(page), components=statuspage.components(page)
    ),
    "/api/v2/components.json": lambda page: _shim(page, components=statuspage.components(page)),
    "/api/v2/incidents.json": _shim_incidents,
    "/proxy/{host}": _widget_proxy,
    "/proxy/{host}/incidents": lambda page: {
        "incidents": [_proxy_incident(page, told) for told in page.said.incidents]
    },
    "/proxy/{host}/component_impacts": _component_impacts,
    "/api/v1/summary": _widget_summary,
}
