"""The board as Prometheus metrics, read at each scrape."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from tallylight.model.evidence import Source
from tallylight.model.status import Status
from tallylight.status.budgets import budget_usage
from tallylight.status.event_stream import broadcaster_of
from tallylight.status.ports import BoardReader
from tallylight.status.requests import context_of
from tallylight.status.views.probes import BudgetUsage


@dataclass(frozen=True, slots=True, eq=False)  # the registry keeps it by identity
class BoardCollector(Collector):
    """Yields the board's state and the counts gathered for one scrape."""

    board: BoardReader
    counts: Counter[tuple[str, Source, str]]
    usage: Sequence[BudgetUsage]
    event_stream_clients: int
    is_leader: bool

    def collect(self) -> Iterable[Metric]:
        """Yield all families of metrics."""
        yield from self._verdicts()
        yield self._latencies()
        yield self._feeds()
        yield self._evidence()
        yield from self._budgets()
        yield GaugeMetricFamily(
            "tallylight_listeners",
            "Connected clients of /api/events.",
            value=self.event_stream_clients,
        )
        yield GaugeMetricFamily(
            "tallylight_leader",
            "1 if this process probes and judges, 0 if it follows.",
            value=float(self.is_leader),
        )
        build = _gauge("tallylight_build_info", "The running version.", "version")
        build.add_metric([version("tallylight")], 1)
        yield build

    def _verdicts(self) -> Iterator[Metric]:
        status = _gauge(
            "tallylight_service_status", "1 for the current status.", "service", "status"
        )
        since = _gauge(
            "tallylight_service_status_since_timestamp_seconds",
            "When the current status began.",
            "service",
        )
        confidence = _gauge(
            "tallylight_service_confidence_ratio",
            "Probability that the status is right.",
            "service",
        )
        blocked = _gauge(
            "tallylight_service_blocked",
            "1 while our key (auth), balance (quota) or rate of orders (rate) is refused.",
            "service",
            "by",
        )
        for service in self.board.services():
            verdict = self.board.verdict(service.id)
            for each in Status:
                status.add_metric([service.id, each.value], float(each is verdict.status))
            since.add_metric([service.id], verdict.since.timestamp())
            confidence.add_metric([service.id], verdict.confidence)
            if verdict.blocked is not None:
                blocked.add_metric([service.id, verdict.blocked.value], 1)
        yield from (status, since, confidence, blocked)

    def _latencies(self) -> Metric:
        family = _gauge(
            "tallylight_latency_seconds",
            "Response time of the latest check, or duration of the latest video.",
            "service",
            "source",
        )
        for service in self.board.services():
            for source in Source:
                piece = self.board.latest_evidence(service.id, source)
                if piece is not None and piece.duration is not None:
                    family.add_metric([service.id, source.value], piece.duration.total_seconds())
        return family

    def _feeds(self) -> Metric:
        family = _gauge(
            "tallylight_feed_readable",
            "1 if the provider's status page could be read last, 0 if not.",
            "service",
        )
        for service in self.board.services():
            piece = self.board.latest_evidence(service.id, Source.FEED)
            if service.upstream.feed is not None and piece is not None:
                is_readable = piece.claimed_status is not Status.UNKNOWN
                family.add_metric([service.id], float(is_readable))
        return family

    def _evidence(self) -> Metric:
        family = CounterMetricFamily(
            "tallylight_evidence",
            "Pieces of evidence since the start, by outcome for the service.",
            labels=["service", "source", "outcome"],
        )
        known = {service.id for service in self.board.services()}
        for (service, source, outcome), count in sorted(self.counts.items()):
            if service not in known:
                continue  # it has left the configuration
            family.add_metric([service, source.value, outcome], count)
        return family

    def _budgets(self) -> Iterator[Metric]:
        scope = ("scope", "window")
        limit = _gauge("tallylight_budget_limit_usd", "Spending limit.", *scope)
        spent = _gauge("tallylight_budget_spent_usd", "Spent and reserved.", *scope)
        for each in self.usage:
            limit.add_metric([each.scope, each.window], float(each.limit))
            spent.add_metric([each.scope, each.window], float(each.spent))
        yield from (limit, spent)


@dataclass(frozen=True, slots=True, eq=False)
class _PresentSeries(Collector):
    """The metrics of another registry without the series of services that are no longer there."""

    registry: CollectorRegistry
    board: BoardReader

    def collect(self) -> Iterable[Metric]:
        present = {service.id for service in self.board.services()}
        for family in self.registry.collect():
            family.samples = [
                each for each in family.samples if each.labels.get("service") in {None, *present}
            ]
            yield family


def _gauge(name: str, help_text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_text, labels=labels)


async def metrics_endpoint(request: Request) -> Response:
    """Answer a scrape."""
    context, broadcaster = context_of(request), broadcaster_of(request)
    sources = context.sources
    usage = await budget_usage(
        sources.history.ledger, sources.board.services(), sources.total_budget(), context.now()
    )
    collector = BoardCollector(
        sources.board,
        broadcaster.evidence_counts,
        usage,
        broadcaster.clients,
        sources.is_leader(),
    )
    registry = CollectorRegistry()
    registry.register(collector)
    text = generate_latest(registry)
    if sources.metrics is not None:
        others = CollectorRegistry()
        others.register(_PresentSeries(sources.metrics, sources.board))
        text += generate_latest(others)
    return Response(text, media_type=CONTENT_TYPE_LATEST)
