"""Detects failures of our own network: unrelated providers fail at the same moment.

A fold over the results of calls, before evidence is judged. One unreachable provider is that
provider's failure. If several providers, which share nothing but our network, fail without a
success between, our network is down. If some calls succeed but at least half of the providers fail
at one moment, our network loses packets.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from tallylight.model.evidence import Evidence, Fault, Source
from tallylight.model.ids import ProviderId

_NO_RESPONSE_RULE = "exception:"  # prefix of the classifier's rules for calls without a response
_SECOND_HAND = frozenset({Source.FEED, Source.CALENDAR})
_MAX_PROVIDERS = 12
_QUORUM = 3
"""So many failing providers are enough. With fewer providers all must fail, and at least two: one
alone proves nothing about our network."""

_WINDOW = timedelta(minutes=2)  # failures this close together count as the same moment
_MAX_AGE = timedelta(minutes=10)  # older calls are ignored


class ProviderContact(NamedTuple):
    """The newest call to one provider."""

    provider: ProviderId
    at: datetime
    is_failure: bool


@dataclass(frozen=True, slots=True)
class NetworkState:
    """The newest calls to each provider.

    Args:
        latest: The newest call to each of the last twelve providers, oldest first.
        last_success_at: The newest success at any provider.
    """

    latest: tuple[ProviderContact, ...] = ()
    last_success_at: datetime | None = None

    @property
    def is_down(self) -> bool:
        """Tell whether our own network is down, as of the newest call."""
        if not self.latest:
            return False
        last = self.latest[-_QUORUM:]
        now = max(contact.at for contact in last)
        failing = sum(self._counts_against_us(contact, now) for contact in last)
        return failing >= max(2, len(last))

    @property
    def is_lossy(self) -> bool:
        """Tell whether our own network loses so much that a missing response proves nothing.

        At least half of the providers, and a quorum, did not respond within one moment. Others did,
        so the network is not down, and responses count.
        """
        if len(self.latest) <= _QUORUM:
            return False
        oldest = max(contact.at for contact in self.latest) - _WINDOW
        failing = sum(each.is_failure and each.at >= oldest for each in self.latest)
        return failing >= _QUORUM and 2 * failing >= len(self.latest)

    def _counts_against_us(self, contact: ProviderContact, now: datetime) -> bool:
        is_after_success = self.last_success_at is None or contact.at > self.last_success_at
        return contact.is_failure and is_after_success and contact.at >= now - _WINDOW


def observe_call(
    network: NetworkState, provider: ProviderId, at: datetime, *, transport_failed: bool
) -> NetworkState:
    """Return the state of the network after one call; it failed if there was no response.

    The providers called last are enough, because a success at any provider outweighs all failures
    before it.
    """
    last_success_at = network.last_success_at
    if not transport_failed:
        last_success_at = at if last_success_at is None else max(at, last_success_at)
    oldest = at - _MAX_AGE
    kept = [contact for contact in network.latest if contact.at >= oldest]
    before = next((contact for contact in kept if contact.provider == provider), None)
    if before is None or before.at <= at:
        kept = [contact for contact in kept if contact is not before]
        kept.append(ProviderContact(provider, at, transport_failed))
        kept.sort(key=lambda contact: contact.at)
    return NetworkState(tuple(kept[-_MAX_PROVIDERS:]), last_success_at)


def was_reached(evidence: Evidence) -> bool | None:
    """Tell whether an upstream responded; None if the evidence does not say.

    A stalled job and a black video say nothing about a connection.
    """
    failure = evidence.failure
    if evidence.source in _SECOND_HAND:
        return None
    if failure is None or failure.http_status is not None:
        return True
    return False if failure.rule.startswith(_NO_RESPONSE_RULE) else None


def attribute_fault(network: NetworkState, evidence: Evidence) -> Evidence:
    """Return evidence whose call was observed, its fault set to "ours" if our network failed."""
    if evidence.failure is None or was_reached(evidence) is not False:
        return evidence
    if not (network.is_down or network.is_lossy):
        return evidence
    return replace(evidence, failure=replace(evidence.failure, fault=Fault.OURS))
