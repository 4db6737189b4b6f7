"""What this process has counted of callers' videos, in the words of Prometheus."""

from collections.abc import Callable, Mapping
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from tallylight.model.ids import ServiceId
from tallylight.model.video import Video

_STAGE_BUCKETS = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800)


class AttemptOutcome(StrEnum):
    """What became of a submission; one that was accepted has another outcome later."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    IN_DOUBT = "in_doubt"
    FAILED = "failed"
    DELIVERED = "delivered"


class GatewayMetrics:
    """Counts, on a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._attempts = Counter(
            "tallylight_attempts",
            "Submissions since the start, by what became of them.",
            ["service", "outcome"],
            registry=self.registry,
        )
        self._stages = Histogram(
            "tallylight_attempt_stage_seconds",
            "How long the stages of jobs took that delivered: accept, queue, render, download.",
            ["service", "stage"],
            buckets=_STAGE_BUCKETS,
            registry=self.registry,
        )
        self._videos = Counter(
            "tallylight_videos",
            "Callers' videos that have ended since the start.",
            ["model", "status"],
            registry=self.registry,
        )
        self._active_videos = Gauge(
            "tallylight_videos_active",
            "Callers' videos that this process follows.",
            registry=self.registry,
        )

    def count_attempt(self, service: ServiceId, outcome: AttemptOutcome) -> None:
        """Count what became of a submission."""
        self._attempts.labels(service, outcome.value).inc()

    def observe_stages(self, service: ServiceId, stages: Mapping[str, float]) -> None:
        """Count how long each stage of a job took, in seconds."""
        for stage, seconds in stages.items():
            self._stages.labels(service, stage).observe(seconds)

    def count_video(self, video: Video) -> None:
        """Count a video that has ended."""
        self._videos.labels(video.model, video.status.value).inc()

    def track_active(self, active_count: Callable[[], int]) -> None:
        """Ask at each scrape how many videos are under way."""
        self._active_videos.set_function(lambda: float(active_count()))
