"""The catalogue without a file: built-in fact sheets of providers with a key in the environment."""

import re
from collections.abc import Iterator, Mapping
from datetime import date

from tallylight.catalogue import facts
from tallylight.catalogue.services import (
    Catalogue,
    FactSheet,
    Feed,
    ProbeIntervals,
    Service,
    Upstream,
)
from tallylight.catalogue.sheets import BuiltInUpstream
from tallylight.config.wordings import with_wordings
from tallylight.documents.secret import Secret
from tallylight.errors import ConfigurationError, Problem
from tallylight.model.ids import ProviderId, ServiceId, UpstreamId
from tallylight.model.money import Budget
from tallylight.upstreams.feeds.registry import FEED_READERS
from tallylight.upstreams.protocols.registry import PROTOCOLS

_NOT_ID = re.compile(r"[^a-z0-9.]+")


def environment_catalogue(environment: Mapping[str, str], today: date) -> Catalogue:
    """Return the live models of each supported provider whose key is set.

    Only free probes are sent, because spending needs a budget in a file.

    Raises:
        ConfigurationError: if there is no such model; its text says what to do.
    """
    found, _ = with_wordings(
        service
        for provider, known in facts.built_in_upstreams().items()
        if known.protocol in PROTOCOLS and environment.get(known.key_variable)
        for service in _services(provider, known, environment[known.key_variable], today)
    )
    if not found:
        raise ConfigurationError(
            (Problem("configuration", "", _no_key_message(environment, today)),)
        )
    return Catalogue(services=found)


def _services(provider: str, built_in: BuiltInUpstream, key: str, today: date) -> Iterator[Service]:
    upstream = Upstream(
        id=UpstreamId(provider),
        provider=ProviderId(provider),
        base_url=built_in.base_url,
        protocol=built_in.protocol,
        dialect=built_in.dialect or PROTOCOLS[built_in.protocol].dialects[0],
        key=Secret(key.strip()),
        feed=_feed(built_in),
        bills=built_in.bills,
    )
    for sheet in _live_sheets(provider, built_in, today):
        yield Service(
            id=ServiceId(_NOT_ID.sub("-", f"{sheet.model}-{provider}".lower())),
            name=f"{sheet.title} ({built_in.title})",
            upstream=upstream,
            model=sheet.model,
            access=sheet.access,
            sheet=sheet,
            probe_intervals=ProbeIntervals(generation=None),
            budget=Budget(),
            probe_order=None,
        )


def _live_sheets(provider: str, built_in: BuiltInUpstream, today: date) -> Iterator[FactSheet]:
    for sheet in facts.fact_sheets().values():
        is_supported = (sheet.provider, sheet.protocol) == (provider, built_in.protocol)
        if is_supported and not sheet.is_retired(today):
            yield sheet


def _feed(built_in: BuiltInUpstream) -> Feed | None:
    if built_in.feed is None or built_in.feed["format"] not in FEED_READERS:
        return None
    return Feed(built_in.feed["format"], built_in.feed["url"], built_in.feed.get("component", ""))


def _no_key_message(environment: Mapping[str, str], today: date) -> str:
    supported = {
        provider: known
        for provider, known in facts.built_in_upstreams().items()
        if known.protocol in PROTOCOLS
    }
    unused = [
        known.key_variable for known in supported.values() if environment.get(known.key_variable)
    ]
    useful = [
        known.key_variable
        for provider, known in supported.items()
        if any(_live_sheets(provider, known, today))
    ]
    why = f" ({', '.join(unused)} is set, but no live model is known there)" if unused else ""
    return (
        f"there is no tallylight.yaml and no key to work with{why}; set {' or '.join(useful)}, "
        "write a tallylight.yaml (docs/configuration.md), or try `tallylight demo`"
    )
