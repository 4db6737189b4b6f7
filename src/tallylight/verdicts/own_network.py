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

_NO_ANSWER = "exception:"
"""How the classifier's rules begin where no answer came at all."""

_SECOND_HAND = frozenset({Source.FEED, Source.CALENDAR})

_WITNESSES = 12


class Seen(NamedTuple):
    """The newest that the transport met at one provider."""

    provider: ProviderId
    at: datetime
    is_failure: bool


@dataclass(frozen=True, slots=True)
class NetworkWatch:
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
    memory: timedelta = timedelta(minutes=10)
    quorum: int = 3
    newest: tuple[Seen, ...] = ()
    succeeded_at: datetime | None = None

    @property
    def is_down(self) -> bool:
        """Tell whether our own network is away, as far as the newest observation can tell."""
        if not self.newest:
            return False
        last = self.newest[-max(2, self.quorum) :]
        now = max(seen.at for seen in last)
        failing = sum(self._testifies(seen, now) for seen in last)
        return failing >= max(2, min(self.quorum, len(last)))

    @property
    def is_lossy(self) -> bool:
        """Tell whether our own line loses so much that no missing answer speaks against anybody.

        Half of all providers, and a quorum, got no answer through within one moment. Others did,
        so the line is not down, and what was answered counts.
        """
        if len(self.newest) <= self.quorum:
            return False
        oldest = max(seen.at for seen in self.newest) - self.window
        failing = sum(seen.is_failure and seen.at >= oldest for seen in self.newest)
        return failing >= self.quorum and 2 * failing >= len(self.newest)

    def _testifies(self, seen: Seen, now: datetime) -> bool:
        is_alone = self.succeeded_at is None or seen.at > self.succeeded_at
        return seen.is_failure and is_alone and seen.at >= now - self.window


def observe(
    watch: NetworkWatch, provider: ProviderId, at: datetime, *, transport_failed: bool
) -> NetworkWatch:
    """Return the watch after one call; it failed if no answer came at all.

    The providers called last are enough: a success anywhere clears us of all failures before it,
    so those that testify are the newest in a row.
    """
    succeeded_at = watch.succeeded_at
    if not transport_failed:
        succeeded_at = at if succeeded_at is None else max(at, succeeded_at)
    oldest = at - watch.memory
    kept = [seen for seen in watch.newest if seen.at >= oldest]
    before = next((seen for seen in kept if seen.provider == provider), None)
    if before is None or before.at <= at:
        kept = [seen for seen in kept if seen is not before]
        kept.append(Seen(provider, at, transport_failed))
        kept.sort(key=_moment)
    newest = tuple(kept[-max(2, watch.quorum, _WITNESSES) :])
    return NetworkWatch(watch.window, watch.memory, watch.quorum, newest, succeeded_at)


def reached(evidence: Evidence) -> bool | None:
    """Tell whether an upstream answered; None where the evidence says nothing of that.

    A job that stalled, a black video: nobody's line was cut, and nobody has just answered.
    """
    failure = evidence.failure
    if evidence.source in _SECOND_HAND:
        return None
    if failure is None or failure.http_status is not None:
        return True
    return False if failure.rule.startswith(_NO_ANSWER) else None


def blamed(watch: NetworkWatch, evidence: Evidence) -> Evidence:
    """Return evidence with the fault ours where it was our own network that failed.

    Args:
        watch: With the evidence itself observed already.
        evidence: What was found.
    """
    if evidence.failure is None or reached(evidence) is not False:
        return evidence
    if not (watch.is_down or watch.is_lossy):
        return evidence
    return replace(evidence, failure=replace(evidence.failure, fault=Fault.OURS))


def _moment(seen: Seen) -> datetime:
    return seen.at
