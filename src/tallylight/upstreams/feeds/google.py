"""Google's status dashboards: `incidents.json` is a bare list of what was and is wrong.

The root is `https://status.cloud.google.com`, or `https://www.google.com/appsstatus/dashboard`
for Workspace and the Gemini app. A component is a product, by id ("Z0FZJAMvEB4j3NbCJs6B") or title
("Vertex Gemini API"). Products have no state of their own here: it is that of their open incidents,
by `status_impact`, since a disruption may well be of severity "low".

Source: `/incidents.schema.json` beside the list. The Gemini API's own page has no documented JSON.
"""

from collections.abc import Iterator, Mapping, Sequence

from tallylight.model.status import Status
from tallylight.upstreams.feeds.loose import has_list, items, moment, text
from tallylight.upstreams.feeds.page import Component, Page, PageIncident, names_of
from tallylight.upstreams.feeds.reader import FeedReader, Surface, under_root

_OUTAGE = "SERVICE_OUTAGE"
_DISRUPTION = "SERVICE_DISRUPTION"
_NO_TROUBLE = frozenset({"AVAILABLE", "SERVICE_INFORMATION"})
_EVERYWHERE = "global"


def page_of(documents: Sequence[object]) -> Page | None:
    """Return the page that the list of incidents, and that of products if it is there, describe."""
    listed, *products = documents
    if not isinstance(listed, list):
        return None
    holder = {"incidents": listed}
    rows = tuple(_products(products[0])) if products else ()
    return Page(
        components=rows,
        incidents=tuple(_incidents(holder)),
        # Without the list of products, one that no open incident names is taken to be well.
        lists_components=bool(rows),
    )


def _products(products: object) -> Iterator[Component]:
    for row in items(products, "products"):
        yield Component(text(row, "id"), text(row, "title"), Status.OPERATIONAL, "AVAILABLE")


def _incidents(holder: Mapping[str, object]) -> Iterator[PageIncident]:
    for row in items(holder, "incidents"):
        impact = text(row, "status_impact")
        if row.get("end") or impact in _NO_TROUBLE:
            continue
        yield PageIncident(
            title=text(row, "external_desc"),
            is_open=True if impact in {_OUTAGE, _DISRUPTION} else None,
            affects=names_of(
                (text(product, "id"), text(product, "title"))
                for product in items(row, "affected_products")
            ),
            at=moment(row, "modified", "begin"),
            is_out=impact == _OUTAGE and _is_everywhere(row),
        )


def _is_everywhere(row: Mapping[str, object]) -> bool:
    """Tell whether an outage is not just that of some regions."""
    key = "currently_affected_locations"
    locations = {text(location, "id") for location in items(row, key)}
    return not has_list(row, key) or not locations or _EVERYWHERE in locations


READER = FeedReader((Surface(under_root("/incidents.json", "/products.json"), page_of),))
