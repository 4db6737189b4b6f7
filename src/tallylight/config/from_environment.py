"""Without a file: the built-in fact sheets, for the providers whose keys are in the environment."""

import re
from collections.abc import Iterator, Mapping
from datetime import date

from tallylight.catalogue import facts
from tallylight.catalogue.services import (
    Catalogue,
    FactSheet,
    Feed,
    Pace,
    Service,
    Upstream,
)
from tallylight.catalogue.sheets import BuiltInUpstream
from tallylight.documents.secret import Secret
from tallylight.errors import ConfigurationError, Problem
from tallylight.model.ids import ProviderId, ServiceId, UpstreamId
from tallylight.model.money import Budget
from tallylight.upstreams.feeds.registry import FEED_READERS
from tallylight.upstreams.protocols.registry import DIALECTS

_NOT_ID = re.compile(r"[^a-z0-9.]+")


def catalogue_of(environment: Mapping[str, str], today: date) -> Catalogue:
    """Return the live models of every provider that we speak to and have a key of.

    They are probed for free only: what may be spent is for a file to say.

    Raises:
        ConfigurationError: if there is none, with what to do.
    """
    found = {
        service.id: service
        for provider, known in facts.upstreams().items()
        if known.protocol in DIALECTS and environment.get(known.key_variable)
        for service in _services(provider, known, environment[known.key_variable], today)
    }
    if not found:
        raise ConfigurationError((Problem("configuration", "", _advice(environment, today)),))
    return Catalogue(services=found)


def _services(provider: str, known: BuiltInUpstream, key: str, today: date) -> Iterator[Service]:
    upstream = Upstream(
        id=UpstreamId(provider),
        provider=ProviderId(provider),
        base_url=known.base_url,
        protocol=known.protocol,
        dialect=known.dialect or DIALECTS[known.protocol][0],
        key=Secret(key.strip()),
        feed=_feed(known),
        bills=known.bills,
    )
    for sheet in _live(provider, known, today):
        yield Service(
            id=ServiceId(_NOT_ID.sub("-", f"{sheet.model}-{provider}".lower())),
            name=f"{sheet.title} ({known.title})",
            upstream=upstream,
            model=sheet.model,
            access=sheet.access,
            sheet=sheet,
            pace=Pace(generation=None),
            budget=Budget(),
            probe_order=None,
        )


def _live(provider: str, known: BuiltInUpstream, today: date) -> Iterator[FactSheet]:
    for sheet in facts.load().values():
        is_spoken = (sheet.provider, sheet.protocol) == (provider, known.protocol)
        if is_spoken and not sheet.is_retired(today):
            yield sheet


def _feed(known: BuiltInUpstream) -> Feed | None:
    if known.feed is None or known.feed["format"] not in FEED_READERS:
        return None
    return Feed(known.feed["format"], known.feed["url"], known.feed.get("component", ""))


def _advice(environment: Mapping[str, str], today: date) -> str:
    spoken = {
        provider: known
        for provider, known in facts.upstreams().items()
        if known.protocol in DIALECTS
    }
    unused = [
        known.key_variable for known in spoken.values() if environment.get(known.key_variable)
    ]
    useful = [
        known.key_variable
        for provider, known in spoken.items()
        if any(_live(provider, known, today))
    ]
    why = f" ({', '.join(unused)} is set, but no live model is known there)" if unused else ""
    return (
        f"there is no tallylight.yaml and no key to work with{why}; set {' or '.join(useful)}, "
        "write a tallylight.yaml (docs/configuration.md), or try `tallylight demo`"
    )
