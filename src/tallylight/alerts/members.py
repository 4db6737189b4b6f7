"""The services as the rules of alerts see them."""

from collections.abc import Iterable, Mapping

from tallylight.alerts.state import AlertMember
from tallylight.catalogue.services import Service
from tallylight.model.ids import ServiceId


def members_of(services: Iterable[Service]) -> Mapping[ServiceId, AlertMember]:
    """Return what the rules need to know of services beside their verdicts."""
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
