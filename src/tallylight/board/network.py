"""Decides for the board whether missing answers are our own network's fault."""

from collections.abc import Iterator
from datetime import datetime
from urllib.parse import urlsplit

import structlog

from tallylight.board.events import BoardEvent, NetworkChange, Subscribers
from tallylight.catalogue.services import Feed, Upstream
from tallylight.model.evidence import Evidence, Fault
from tallylight.model.ids import ProviderId
from tallylight.verdicts.own_network import Call, OwnNetwork, Ruling, as_ours, was_reached

log = structlog.get_logger()


class NetworkWatcher:
    """Follows whether our own network is down and publishes each change."""

    def __init__(self, subscribers: Subscribers[BoardEvent]) -> None:
        self._subscribers = subscribers
        self._network = OwnNetwork()
        self._wanted: dict[str, datetime] = {}

    @property
    def is_down(self) -> bool:
        """Tell whether no provider answers, so that the fault is ours."""
        return self._network.is_down

    def judged_now(
        self, evidence: Evidence, upstream: Upstream, began_at: datetime
    ) -> Iterator[Evidence]:
        """Take in evidence, and yield what is to be judged now: all, some of it or none.

        A missing answer may be held, and be judged with a later one.
        """
        is_reached = was_reached(evidence)
        if is_reached is None:
            yield evidence
            return
        call = _call(evidence, upstream, began_at, is_miss=not is_reached)
        yield from self._after(self._observe(call, evidence), evidence)

    def page_was_read(self, page: Feed, at: datetime, *, is_answered: bool) -> Iterator[Evidence]:
        """Take in whether a status page answered, and yield what is to be judged now."""
        host = page_host(page)
        call = Call(ProviderId(f"page {host}"), host, "page", at, at, not is_answered)
        yield from self._after(self._observe(call, None), None)

    def settled(self, evidence: Evidence, upstream: Upstream) -> Iterator[Evidence]:
        """Yield what was held of a host, decided by what is known now."""
        call = _call(evidence, upstream, evidence.at, is_miss=True)
        yield from self._after(self._network.settle(call), evidence)

    def witnesses_wanted_since(self, at: datetime) -> frozenset[str]:
        """Return the hosts to be asked at once, so that a missing answer can be explained."""
        return frozenset(host for host, wanted_at in self._wanted.items() if wanted_at > at)

    def freezes(self, evidence: Evidence) -> bool:
        """Tell whether this evidence is a failure of our network, during which no time passes."""
        failure = evidence.failure
        return self.is_down and failure is not None and failure.fault is Fault.OURS

    def _observe(self, call: Call, evidence: Evidence | None) -> Ruling:
        was_down = self.is_down
        ruling = self._network.observe(call, evidence)
        self._wanted |= dict.fromkeys(ruling.witnesses, call.at)
        if self.is_down is not was_down:
            log.warning("network.down" if self.is_down else "network.up")
            self._subscribers.publish(NetworkChange(call.at, self.is_down))
        return ruling

    def _after(self, ruling: Ruling, newest: Evidence | None) -> Iterator[Evidence]:
        if ruling.counted and ruling.counted != (newest,):
            log.warning("network.host_silent", misses=len(ruling.counted))
        for piece in ruling.ours:
            yield as_ours(piece)
        yield from ruling.counted


def upstream_host(upstream: Upstream) -> str:
    """Return the host that an upstream's calls go to, by provider: a proxy may stand for many."""
    return f"{upstream.provider} {urlsplit(upstream.base_url).netloc}"


def page_host(page: Feed) -> str:
    """Return the host of a status page."""
    return urlsplit(page.url).netloc


def _call(evidence: Evidence, upstream: Upstream, began_at: datetime, *, is_miss: bool) -> Call:
    flow = f"{evidence.service} {evidence.source}"
    host = upstream_host(upstream)
    return Call(upstream.provider, host, flow, began_at, evidence.at, is_miss)
