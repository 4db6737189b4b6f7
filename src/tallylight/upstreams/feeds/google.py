"""Google's status dashboards: `incidents.json` is a bare list of all incidents, open and closed.

The root is `https://status.cloud.google.com`, or `https://www.google.com/appsstatus/dashboard`
for Workspace and the Gemini app. A component is a product, by id ("Z0FZJAMvEB4j3NbCJs6B") or title
("Vertex Gemini API"). A product has no status of its own here: it follows from the `status_impact`
of its open incidents, since a disruption may have the severity "low".

Source: `/incidents.schema.json` beside the list. The Gemini API's own page has no documented JSON.
"""

from collections.abc import Iterator, Mapping, Sequence

from tallylight.model.status import Status
from tallylight.upstreams.feeds.page import (
    StatusPage,
    StatusPageComponent,
    StatusPageIncident,
    component_keys,
)
from tallylight.upstreams.feeds.reader import FeedApi, FeedReader, root_paths
from tallylight.upstreams.json_access import first_timestamp, has_array, objects_at, text_at

OUTAGE = "SERVICE_OUTAGE"
DISRUPTION = "SERVICE_DISRUPTION"
_NO_IMPACT = frozenset({"AVAILABLE", "SERVICE_INFORMATION"})
_GLOBAL = "global"


def _parse_page(documents: Sequence[object]) -> StatusPage | None:
    incidents, *products = documents
    if not isinstance(incidents, list):
        return None
    holder = {"incidents": incidents}
    rows = tuple(_products(products[0])) if products else ()
    return StatusPage(
        components=rows,
        incidents=tuple(_incidents(holder)),
        # Without the list of products, one that no open incident names counts as operational.
        lists_all_components=bool(rows),
    )


def _products(products: object) -> Iterator[StatusPageComponent]:
    for row in objects_at(products, "products"):
        yield StatusPageComponent(
            text_at(row, "id"), text_at(row, "title"), Status.OPERATIONAL, "AVAILABLE"
        )


def _incidents(holder: Mapping[str, object]) -> Iterator[StatusPageIncident]:
    for row in objects_at(holder, "incidents"):
        impact = text_at(row, "status_impact")
        if row.get("end") or impact in _NO_IMPACT:
            continue
        yield StatusPageIncident(
            title=text_at(row, "external_desc"),
            is_open=True if impact in {OUTAGE, DISRUPTION} else None,
            affected=component_keys(
                (text_at(product, "id"), text_at(product, "title"))
                for product in objects_at(row, "affected_products")
            ),
            at=first_timestamp(row, "modified", "begin"),
            is_full_outage=impact == OUTAGE and _is_global(row),
        )


def _is_global(row: Mapping[str, object]) -> bool:
    """Tell whether an outage is not limited to some regions."""
    key = "currently_affected_locations"
    locations = {text_at(location, "id") for location in objects_at(row, key)}
    return not has_array(row, key) or not locations or _GLOBAL in locations


READER = FeedReader((FeedApi(root_paths("/incidents.json", "/products.json"), _parse_page),))
