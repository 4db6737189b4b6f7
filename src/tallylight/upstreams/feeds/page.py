"""A status page in one shape, whatever its format: components, incidents, maintenances.

Readers of formats make these values; `reading` decides what they say about one component.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from tallylight.model.status import Status


@dataclass(frozen=True, slots=True)
class StatusPageComponent:
    """One row of a page.

    Args:
        id: The page's own id, "" where it has none.
        name: The name that people read.
        status: Its status in our words; None for a word that the format does not have.
        word: The page's own word ("partial_outage").
        at: When the page says the row changed.
    """

    id: str
    name: str
    status: Status | None
    status_word: str
    at: datetime | None = None

    def matches(self, wanted: str) -> bool:
        """Tell whether an operator who wrote this means this row: by id, or by name in any case."""
        return wanted == self.id or wanted.casefold() == self.name.casefold()


@dataclass(frozen=True, slots=True)
class StatusPageIncident:
    """Trouble that a page has an entry for.

    Args:
        title: Its headline.
        is_open: False once it is resolved; None where the page's word for its state is unknown.
        affects: Ids and names of the components it names; empty where it names none.
        at: When the page says it changed.
        is_out: The entry itself says that what it names is entirely out, for formats that have
            no component rows.
    """

    title: str
    is_open: bool | None
    affected: frozenset[str] = frozenset()
    at: datetime | None = None
    is_full_outage: bool = False


@dataclass(frozen=True, slots=True)
class StatusPageMaintenance:
    """Planned work that a page has an entry for.

    Args:
        title: Its headline.
        is_active: True while it is under way, False while it lies ahead.
        start: When it is planned to begin, or began.
        end: When it is planned to end.
        affects: Ids and names of the components it names; empty where it names none.
        at: When the page says it changed.
    """

    title: str
    is_active: bool
    start: datetime | None
    end: datetime | None
    affected: frozenset[str] = frozenset()
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StatusPage:
    """All that a page says at one moment.

    Args:
        components: Its rows.
        incidents: Its unresolved incidents, and those of unknown state; None where the page's
            incidents could not be read.
        maintenances: Those under way or ahead.
        lists_components: False for formats that name a component only while it is in trouble, so
            that one which is not named is well.
        at: When the page says it changed.
    """

    components: tuple[StatusPageComponent, ...]
    incidents: tuple[StatusPageIncident, ...] | None
    maintenances: tuple[StatusPageMaintenance, ...] = field(default=())
    lists_all_components: bool = True
    at: datetime | None = None


def component_keys(pairs: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return the (id, name) pairs of named components as one set of what they can be found by."""
    return frozenset(key for id_, name in pairs for key in (id_, name.casefold()) if key)
