"""Gives each upstream the wordings of its models, from `wire` of sheets and services."""

from collections.abc import Iterable
from dataclasses import replace

from tallylight.catalogue.services import Service
from tallylight.catalogue.wording import Wording, find_wording
from tallylight.catalogue.wording_gaps import wording_gaps
from tallylight.model.ids import ServiceId, UpstreamId
from tallylight.upstreams.protocols.registry import PROTOCOLS, adapter_for


def with_wordings(
    services: Iterable[Service],
) -> tuple[dict[ServiceId, Service], dict[ServiceId, str]]:
    """Return services whose upstreams know the wordings of their models.

    Returns:
        The services by id, and by ids of services why their wording cannot be used.
    """
    known, problems = {each.id: each for each in services}, dict[ServiceId, str]()
    wordings: dict[UpstreamId, dict[str, Wording]] = {}
    for service in known.values():
        if service.sheet.wire is None:
            continue
        of_upstream = wordings.setdefault(service.upstream.id, {})
        if of_upstream.setdefault(service.model, service.sheet.wire) != service.sheet.wire:
            problems[service.id] = f"spells {service.model} otherwise than another service there"
    for id_, service in known.items():
        of_upstream = wordings.get(service.upstream.id, {})
        if of_upstream:
            known[id_] = replace(service, upstream=replace(service.upstream, wordings=of_upstream))
        if (gaps := _gaps(known[id_])) and id_ not in problems:
            problems[id_] = gaps
    return known, problems


def _gaps(service: Service) -> str:
    """Return what the wording of a service lacks for its modes, as clauses; "" for nothing."""
    protocol = PROTOCOLS.get(service.upstream.protocol)
    if protocol is None or service.upstream.dialect not in protocol.dialects:
        return ""  # it is an error already
    wording = find_wording(adapter_for(service.upstream).features.wordings, service.model)
    if wording is None:
        return "needs `wire`: each model of this protocol has a schema of its own"
    is_short = all(mode.audio is None for mode in service.sheet.modes)
    if is_short and service.sheet.wire is None:
        return ""  # lengths and sizes alone may be part of the model's name
    return "; ".join(wording_gaps(service.sheet.modes, wording))
