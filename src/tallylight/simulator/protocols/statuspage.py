"""Atlassian Statuspage v2, the public and keyless part.

Source: confluence.status.atlassian.com/api, of 2026-06-19, and statuspage.io npm 3.1.1.
"""

from collections.abc import Callable, Iterable, Mapping

from pydantic import JsonValue

from tallylight.simulator.faults import ComponentWord
from tallylight.simulator.protocols.page import Page
from tallylight.simulator.status_reports import StatedIncident, StatedMaintenance

_INDICATORS: Mapping[ComponentWord, tuple[str, str]] = {
    ComponentWord.OPERATIONAL: ("none", "All Systems Operational"),
    ComponentWord.UNDER_MAINTENANCE: ("maintenance", "Service Under Maintenance"),
    ComponentWord.DEGRADED_PERFORMANCE: ("minor", "Partially Degraded Service"),
    ComponentWord.PARTIAL_OUTAGE: ("major", "Partial System Outage"),
    ComponentWord.MAJOR_OUTAGE: ("critical", "Major Service Outage"),
}


def heading(page: Page, updated: float) -> dict[str, JsonValue]:
    """Return the `page` member of every body."""
    return {
        "id": page.key("page", ""),
        "name": page.title,
        "url": page.url,
        "time_zone": "Etc/UTC",
        "updated_at": page.date(updated),
    }


def indicator(page: Page) -> dict[str, JsonValue]:
    """Return the `status` member: it knows components only, and is green too early."""
    word, description = _INDICATORS[page.said.worst]
    return {"indicator": word, "description": description}


def components(page: Page) -> list[JsonValue]:
    """Return all components."""
    return [
        component(page, name, word, place)
        for place, (name, word) in enumerate(page.said.components.items(), start=1)
    ]


def component(page: Page, name: str, word: ComponentWord, place: int) -> dict[str, JsonValue]:
    """Return one component."""
    return {
        "id": page.key("component", name),
        "name": name,
        "status": word.value,
        "created_at": page.date(0),
        "updated_at": page.date(page.said.changed),
        "position": place,
        "description": None,
        "showcase": True,
        "start_date": page.date(0)[:10],
        "group_id": None,
        "page_id": page.key("page", ""),
        "group": False,
        "only_show_if_degraded": False,
    }


def _of(page: Page, names: Iterable[str]) -> list[JsonValue]:
    return [
        component(page, name, word, place)
        for place, (name, word) in enumerate(page.said.components.items(), start=1)
        if name in names
    ]


def incident(page: Page, told: StatedIncident) -> dict[str, JsonValue]:
    """Return one incident with its updates, newest first."""
    own_id = page.key("incident", told.id)
    times = {update.status: page.date(update.at) for update in told.updates}
    updates: list[JsonValue] = [
        {
            "id": page.key("update", f"{told.id}-{place}"),
            "status": update.status,
            "body": update.body,
            "incident_id": own_id,
            "created_at": page.date(update.at),
            "updated_at": page.date(update.at),
            "display_at": page.date(update.at),
            "affected_components": [
                {
                    "code": page.key("component", told.component),
                    "name": told.component,
                    "old_status": ComponentWord.OPERATIONAL.value
                    if place == 0
                    else told.word.value,
                    "new_status": told.word.value,
                }
            ],
            "deliver_notifications": True,
            "custom_tweet": None,
            "tweet_id": None,
        }
        for place, update in enumerate(told.updates)
    ]
    return {
        "id": own_id,
        "name": told.name,
        "status": told.status,
        "impact": told.impact,
        "created_at": page.date(told.started),
        "updated_at": page.date(told.updates[-1].at),
        "started_at": page.date(told.started),
        "monitoring_at": times.get("monitoring"),
        "resolved_at": times.get("resolved"),
        "shortlink": f"{page.url}/incidents/{own_id}",
        "page_id": page.key("page", ""),
        "reminder_intervals": None,
        "incident_updates": updates[::-1],
        "components": _of(page, {told.component}),
    }


def maintenance(page: Page, told: StatedMaintenance) -> dict[str, JsonValue]:
    """Return one planned work."""
    plan = told.plan
    own_id = page.key("maintenance", told.id)
    return {
        "id": own_id,
        "name": plan.name,
        "status": told.status,
        "impact": "maintenance",
        "created_at": page.date(plan.announced),
        "updated_at": page.date(plan.announced),
        "started_at": page.date(plan.announced),
        "monitoring_at": None,
        "resolved_at": page.date(plan.end) if told.status == "completed" else None,
        "shortlink": f"{page.url}/incidents/{own_id}",
        "page_id": page.key("page", ""),
        "scheduled_for": page.date(plan.start),
        "scheduled_until": page.date(plan.end),
        "incident_updates": [
            {
                "id": page.key("update", told.id),
                "status": told.status,
                "body": f"{plan.name}.",
                "incident_id": own_id,
                "created_at": page.date(plan.announced),
                "updated_at": page.date(plan.announced),
                "display_at": page.date(plan.announced),
                "affected_components": None,
                "deliver_notifications": True,
                "custom_tweet": None,
                "tweet_id": None,
            }
        ],
        "components": _of(page, plan.components),
    }


def _maintenances(page: Page, *statuses: str) -> list[JsonValue]:
    return [
        maintenance(page, told)
        for told in page.said.maintenances
        if not statuses or told.status in statuses
    ]


def _unresolved(page: Page) -> list[JsonValue]:
    return [incident(page, told) for told in page.said.open_incidents]


def _body(page: Page, **members: JsonValue) -> JsonValue:
    return {"page": heading(page, page.said.changed), **members}


def _summary(page: Page) -> JsonValue:
    return _body(
        page,
        status=indicator(page),
        components=components(page),
        incidents=_unresolved(page),
        scheduled_maintenances=_maintenances(page, "scheduled", "in_progress"),
    )


def _incidents(page: Page) -> JsonValue:
    return _body(page, incidents=[incident(page, told) for told in page.said.incidents[:50]])


_PLANNED = "/api/v2/scheduled-maintenances"

#: What each path answers.
BODIES: Mapping[str, Callable[[Page], JsonValue]] = {
    "/api/v2/status.json": lambda page: _body(page, status=indicator(page)),
    "/api/v2/summary.json": _summary,
    "/api/v2/components.json": lambda page: _body(page, components=components(page)),
    "/api/v2/incidents.json": _incidents,
    "/api/v2/incidents/unresolved.json": lambda page: _body(page, incidents=_unresolved(page)),
    f"{_PLANNED}.json": lambda page: _body(page, scheduled_maintenances=_maintenances(page)),
    f"{_PLANNED}/upcoming.json": lambda page: _body(
        page, scheduled_maintenances=_maintenances(page, "scheduled")
    ),
    f"{_PLANNED}/active.json": lambda page: _body(
        page, scheduled_maintenances=_maintenances(page, "in_progress")
    ),
}
