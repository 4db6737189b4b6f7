"""Who is to blame when unrelated providers fail in the same moment: we are.

A fold over what the transport met, before anything is judged. One provider that cannot be reached
is that provider's trouble. Several that share nothing but our line, failing one after another with
not one success between, are ours.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from tallylight.terms import ProviderId


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
        newest: The newest of each provider.
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
        now = max(seen.at for seen in self.newest)
        failing = sum(self._testifies(seen, now) for seen in self.newest)
        return failing >= max(2, min(self.quorum, len(self.newest)))

    def _testifies(self, seen: Seen, now: datetime) -> bool:
        is_alone = self.succeeded_at is None or seen.at > self.succeeded_at
        return seen.is_failure and is_alone and seen.at >= now - self.window


def observe(
    watch: NetworkWatch, provider: ProviderId, at: datetime, *, transport_failed: bool
) -> NetworkWatch:
    """Return the watch after one call; it failed if no answer came at all."""
    if not transport_failed and watch.newest and _is_plain_success(watch, provider, at):
        return watch
    oldest = at - watch.memory
    others = (s for s in watch.newest if s.provider != provider and s.at >= oldest)
    before = next((s for s in watch.newest if s.provider == provider), None)
    latest = Seen(provider, at, transport_failed)
    if before is not None and before.at > at:
        latest = before
    succeeded_at = watch.succeeded_at
    if not transport_failed:
        succeeded_at = at if succeeded_at is None else max(at, succeeded_at)
    newest = (*others, latest)
    return NetworkWatch(watch.window, watch.memory, watch.quorum, newest, succeeded_at)


def _is_plain_success(watch: NetworkWatch, provider: ProviderId, at: datetime) -> bool:
    # Most calls succeed; the moment of a success need not be kept to the second.
    known = next((s for s in watch.newest if s.provider == provider), None)
    if known is None or known.is_failure or watch.succeeded_at is None:
        return False
    is_quiet = not any(seen.is_failure for seen in watch.newest)
    return is_quiet and at - known.at < timedelta(seconds=1)
