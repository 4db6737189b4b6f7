"""Who is to blame when unrelated providers fail in the same moment: we are.

A fold over what the transport met, before anything is judged. One provider that cannot be reached
is that provider's trouble. Several that share nothing but our line, failing one after another with
not one success between, are ours. Where some get through, half of all failing in one moment tell
of a line that loses packets.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from tallylight.model.evidence import Evidence, Fault, Source
from tallylight.model.ids import ProviderId

_NO_RESPONSE_RULE = "exception:"
"""How the classifier's rules begin where no answer came at all."""

_SECOND_HAND = frozenset({Source.FEED, Source.CALENDAR})

_MAX_PROVIDERS = 12


class ProviderContact(NamedTuple):
    """The newest that the transport met at one provider."""

    provider: ProviderId
    at: datetime
    is_failure: bool


@dataclass(frozen=True, slots=True)
class NetworkState:
    """What the transport met lately.

    Args:
        window: Failures this close together count as the same moment.
        memory: A provider that nobody has called for so long is no witness.
        quorum: So many providers are enough, where there are more; all of them where there are
            fewer, and at least two, since one alone cannot testify against us.
        newest: The newest of each of the providers called last, in order; a dozen at most.
        succeeded_at: The newest success anywhere.
    """

    window: timedelta = timedelta(minutes=2)
    max_age: timedelta = timedelta(minutes=10)
    quorum: int = 3
    latest: tuple[ProviderContact, ...] = ()
    last_success_at: datetime | None = None

    @property
    def is_down(self) -> bool:
        """Tell whether our own network is away, as far as the newest observation can tell."""
        if not self.latest:
            return False
        last = self.latest[-max(2, self.quorum) :]
        now = max(seen.at for seen in last)
        failing = sum(self._counts_against_us(seen, now) for seen in last)
        return failing >= max(2, min(self.quorum, len(last)))

    @property
    def is_lossy(self) -> bool:
        """Tell whether our own line loses so much that no missing answer speaks against anybody.

        Half of all providers, and a quorum, got no answer through within one moment. Others did,
        so the line is not down, and what was answered counts.
        """
        if len(self.latest) <= self.quorum:
            return False
        oldest = max(seen.at for seen in self.latest) - self.window
        failing = sum(seen.is_failure and seen.at >= oldest for seen in self.latest)
        return failing >= self.quorum and 2 * failing >= len(self.latest)

    def _counts_against_us(self, contact: ProviderContact, now: datetime) -> bool:
        is_alone = self.last_success_at is None or contact.at > self.last_success_at
        return contact.is_failure and is_alone and contact.at >= now - self.window


def observe_call(
    network: NetworkState, provider: ProviderId, at: datetime, *, transport_failed: bool
) -> NetworkState:
    """Return the watch after one call; it failed if no answer came at all.

    The providers called last are enough: a success anywhere clears us of all failures before it,
    so those that testify are the newest in a row.
    """
    succeeded_at = network.last_success_at
    if not transport_failed:
        succeeded_at = at if succeeded_at is None else max(at, succeeded_at)
    oldest = at - network.max_age
    kept = [seen for seen in network.latest if seen.at >= oldest]
    before = next((seen for seen in kept if seen.provider == provider), None)
    if before is None or before.at <= at:
        kept = [seen for seen in kept if seen is not before]
        kept.append(ProviderContact(provider, at, transport_failed))
        kept.sort(key=_contact_time)
    newest = tuple(kept[-max(2, network.quorum, _MAX_PROVIDERS) :])
    return NetworkState(network.window, network.max_age, network.quorum, newest, succeeded_at)


def was_reached(evidence: Evidence) -> bool | None:
    """Tell whether an upstream answered; None where the evidence says nothing of that.

    A job that stalled, a black video: nobody's line was cut, and nobody has just answered.
    """
    failure = evidence.failure
    if evidence.source in _SECOND_HAND:
        return None
    if failure is None or failure.http_status is not None:
        return True
    return False if failure.rule.startswith(_NO_RESPONSE_RULE) else None


def attribute_fault(network: NetworkState, evidence: Evidence) -> Evidence:
    """Return evidence with the fault ours where it was our own network that failed.

    Args:
        watch: With the evidence itself observed already.
        evidence: What was found.
    """
    if evidence.failure is None or was_reached(evidence) is not False:
        return evidence
    if not (network.is_down or network.is_lossy):
        return evidence
    return replace(evidence, failure=replace(evidence.failure, fault=Fault.OURS))


def _contact_time(contact: ProviderContact) -> datetime:
    return contact.at
