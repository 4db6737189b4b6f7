"""A status page independent of its format: components, incidents, maintenances.

The modules of the formats build these values; `reading` derives a component's status from them.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from tallylight.model.status import Status

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class StatusPageComponent:
    """One component of a page.

    Args:
        id: The page's id of the component, "" for none.
        status: The status; None for an unknown status word.
        at: When the component changed, according to the page.
    """

    id: str
    name: str
    status: Status | None
    status_word: str
    at: datetime | None = None

    def matches(self, configured: str) -> bool:
        """Tell whether a configured component is this one: by its id, or its name in any case."""
        return is_named(configured, self.id, self.name)


@dataclass(frozen=True, slots=True)
class StatusPageIncident:
    """An incident on a page.

    Args:
        is_open: False if it is resolved; None for an unknown status word.
        affected: The ids and names of the affected components; empty if it names none.
        at: When the incident changed, according to the page.
        is_full_outage: The incident is a full outage of the affected components, in formats
            without a status per component.
        words: The words of its texts, in formats that name components in no other way: it concerns
            those whose name is among them. "" in all other formats.
        believed_until: It counts as over from then on, in formats that may never say so; None in
            all other formats.
    """

    title: str
    is_open: bool | None
    affected: frozenset[str] = frozenset()
    at: datetime | None = None
    is_full_outage: bool = False
    words: str = ""
    believed_until: datetime | None = None

    def concerns(self, component: str) -> bool:
        """Tell whether its words allow that it concerns a component."""
        return not self.words or f" {words_of(component)} " in f" {self.words} "


@dataclass(frozen=True, slots=True)
class StatusPageMaintenance:
    """A maintenance on a page.

    Args:
        is_active: True while it is in progress, False while it is ahead.
        affected: The ids and names of the affected components; empty if it names none.
        at: When the maintenance changed, according to the page.
    """

    title: str
    is_active: bool
    start: datetime | None
    end: datetime | None
    affected: frozenset[str] = frozenset()
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StatusPage:
    """The content of a page at one moment.

    Args:
        incidents: The incidents that are unresolved or in an unknown state; None if they could not
            be read.
        lists_all_components: False for formats that list only affected components: one that is
            absent is operational.
        at: When the page changed, according to itself.
    """

    components: tuple[StatusPageComponent, ...]
    incidents: tuple[StatusPageIncident, ...] | None
    maintenances: tuple[StatusPageMaintenance, ...] = field(default=())
    lists_all_components: bool = True
    at: datetime | None = None


def words_of(text: str) -> str:
    """Return the words of a text in lower case, with a space between them."""
    return " ".join(_WORD.findall(text.casefold()))


def is_named(configured: str, id_: str, name: str) -> bool:
    """Tell whether a configured component has this id, or this name in any case."""
    return configured == id_ or configured.casefold() == name.casefold()


def component_keys(pairs: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return the keys by which components, given as (id, name) pairs, are found."""
    return frozenset(key for id_, name in pairs for key in (id_, name.casefold()) if key)
