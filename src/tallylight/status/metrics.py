"""The board in the words of Prometheus, read at each scrape."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from tallylight.model.evidence import Source
from tallylight.model.status import Status
from tallylight.status.budgets import BudgetUsage, budget_usage
from tallylight.status.event_stream import broadcaster_of
from tallylight.status.ports import BoardReader
from tallylight.status.requests import context_of


class BoardCollector(Collector):
    """Reads the board, and what was gathered for one scrape."""

    def __init__(
        self,
        board: BoardReader,
        counts: Counter[tuple[str, Source, str]],
        usage: Sequence[BudgetUsage],
        listeners: int,
        *,
        is_leader: bool,
    ) -> None:
        self._board = board
        self._counts = counts
        self._usage = usage
        self._listeners = listeners
        self._is_leader = is_leader

    def collect(self) -> Iterable[Metric]:
        """Yield all families of metrics."""
        yield from self._verdicts()
        yield self._latencies()
        yield self._evidence()
        yield from self._budgets()
        listeners = GaugeMetricFamily("tallylight_listeners", "Pages that listen for changes.")
        listeners.add_metric([], self._listeners)
        yield listeners
        judge = GaugeMetricFamily(
            "tallylight_judge", "1 where this process probes and judges, 0 where it follows."
        )
        judge.add_metric([], float(self._is_leader))
        yield judge
        build = GaugeMetricFamily("tallylight_build_info", "The version.", labels=["version"])
        build.add_metric([version("tallylight")], 1)
        yield build

    def _verdicts(self) -> Iterator[Metric]:
        named = ["service"]
        status = GaugeMetricFamily(
            "tallylight_service_status",
            "1 for the status that stands.",
            labels=["service", "status"],
        )
        since = GaugeMetricFamily(
            "tallylight_service_status_since_timestamp_seconds", "When it began.", labels=named
        )
        confidence = GaugeMetricFamily(
            "tallylight_service_confidence_ratio",
            "Probability that the status is right.",
            labels=named,
        )
        blocked = GaugeMetricFamily(
            "tallylight_service_blocked",
            "1 where our own key (auth) or wallet (quota) keeps us out.",
            labels=["service", "by"],
        )
        for service in self._board.services():
            verdict = self._board.verdict(service.id)
            for each in Status:
                status.add_metric([service.id, each.value], float(each is verdict.status))
            since.add_metric([service.id], verdict.since.timestamp())
            confidence.add_metric([service.id], verdict.confidence)
            if verdict.blocked is not None:
                blocked.add_metric([service.id, verdict.blocked.value], 1)
        yield from (status, since, confidence, blocked)

    def _latencies(self) -> Metric:
        family = GaugeMetricFamily(
            "tallylight_latency_seconds",
            "How long the newest answer, or the newest video, took.",
            labels=["service", "source"],
        )
        for service in self._board.services():
            for source in Source:
                piece = self._board.latest_evidence(service.id, source)
                if piece is not None and piece.latency is not None:
                    family.add_metric([service.id, source.value], piece.latency.total_seconds())
        return family

    def _evidence(self) -> Metric:
        family = CounterMetricFamily(
            "tallylight_evidence",
            "Pieces of evidence since the start, by what they said of the service.",
            labels=["service", "source", "said"],
        )
        for (service, source, said), count in sorted(self._counts.items()):
            family.add_metric([service, source.value, said], count)
        return family

    def _budgets(self) -> Iterator[Metric]:
        labels = ["scope", "window"]
        limit = GaugeMetricFamily(
            "tallylight_budget_limit_usd", "What may be spent.", labels=labels
        )
        spent = GaugeMetricFamily(
            "tallylight_budget_spent_usd", "What was spent or reserved.", labels=labels
        )
        for each in self._usage:
            limit.add_metric([each.scope, each.window], float(each.limit))
            spent.add_metric([each.scope, each.window], float(each.spent))
        yield from (limit, spent)


async def metrics_endpoint(request: Request) -> Response:
    """Answer a scrape."""
    house, live = context_of(request), broadcaster_of(request)
    state = house.sources
    spent = await budget_usage(
        state.history.ledger, state.board.services(), state.total_budget(), house.now()
    )
    registry = CollectorRegistry()
    counts, is_judge = live.evidence.counts, state.is_leader()
    collector = BoardCollector(state.board, counts, spent, live.listeners, is_leader=is_judge)
    registry.register(collector)
    text = generate_latest(registry)
    if state.metrics is not None:
        text += generate_latest(state.metrics)
    return Response(text, media_type=CONTENT_TYPE_LATEST)
