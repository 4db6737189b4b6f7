"""The facts about services that the rules of alerts need."""

from collections.abc import Iterable, Mapping

from tallylight.alerts.state import AlertMember
from tallylight.catalogue.services import Service
from tallylight.model.ids import ServiceId


def members_of(services: Iterable[Service]) -> Mapping[ServiceId, AlertMember]:
    """Return the facts about each service that the rules need beside its verdict."""
    return {
        service.id: AlertMember(
            provider=service.upstream.provider,
            upstream=service.upstream.id,
            shutdown_at=service.sheet.shutdown_at,
            shutdown_precision=service.sheet.shutdown_precision,
            replacement=service.sheet.replacement,
        )
        for service in services
    }
