"""Prometheus metrics of callers' videos in this process."""

from collections.abc import Callable, Mapping
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from tallylight.model.ids import ServiceId
from tallylight.model.video import Video

_STAGE_BUCKETS = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800)


class AttemptOutcome(StrEnum):
    """Outcome of an attempt; an accepted attempt is counted again when it ends."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    IN_DOUBT = "in_doubt"
    FAILED = "failed"
    DELIVERED = "delivered"


class GatewayMetrics:
    """The gateway's metrics, on a registry of their own."""

    def __init__(self) -> None:
        # Not the global registry: tests and embedded clients run several gateways.
        self.registry = CollectorRegistry()
        self._attempts = Counter(
            "tallylight_attempts",
            "Attempts since the start, by outcome.",
            ["service", "outcome"],
            registry=self.registry,
        )
        self._stages = Histogram(
            "tallylight_attempt_stage_seconds",
            "Duration of the stages of delivered jobs: accept, queue, render, download.",
            ["service", "stage"],
            buckets=_STAGE_BUCKETS,
            registry=self.registry,
        )
        self._videos = Counter(
            "tallylight_videos",
            "Callers' videos that completed or failed since the start.",
            ["model", "status"],
            registry=self.registry,
        )
        self._active_videos = Gauge(
            "tallylight_videos_active",
            "Callers' videos that this process follows now.",
            registry=self.registry,
        )

    def count_attempt(self, service: ServiceId, outcome: AttemptOutcome) -> None:
        """Count an outcome of an attempt."""
        self._attempts.labels(service, outcome.value).inc()

    def observe_stages(self, service: ServiceId, stages: Mapping[str, float]) -> None:
        """Record the duration of each stage of a job, in seconds."""
        for stage, seconds in stages.items():
            self._stages.labels(service, stage).observe(seconds)

    def count_video(self, video: Video) -> None:
        """Count a video that completed or failed."""
        self._videos.labels(video.model, video.status.value).inc()

    def track_active(self, active_count: Callable[[], int]) -> None:
        """Read the number of active videos at each scrape."""
        self._active_videos.set_function(lambda: float(active_count()))
