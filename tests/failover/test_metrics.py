"""The metrics of callers' videos at `/metrics`."""

from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from .conftest import RunningGateway, Start


def metric_values(gateway: RunningGateway, name: str) -> dict[tuple[str, ...], float]:
    """Return the samples of a metric by their label values, in the order of the label names."""
    text = generate_latest(gateway.wiring.metrics).decode()
    return {
        tuple(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


async def test_attempts_and_videos_are_counted_by_outcome(start: Start) -> None:
    gateway = await start()
    gateway.set_faults("a", {"kind": "refuse", "sign": "overloaded"})
    gateway.set_faults("b", {"kind": "fail", "after": 1, "code": "x", "message": "broken"})

    video = await gateway.create()
    assert metric_values(gateway, "tallylight_videos_active") == {(): 1}
    await gateway.until_ended(video)

    assert metric_values(gateway, "tallylight_attempts_total") == {
        ("refused", "a"): 1,
        ("accepted", "b"): 1,
        ("failed", "b"): 1,
        ("accepted", "c"): 1,
        ("delivered", "c"): 1,
    }
    assert metric_values(gateway, "tallylight_videos_total") == {("boats", "completed"): 1}


async def test_each_stage_of_a_delivered_job_is_timed(start: Start) -> None:
    gateway = await start()

    video = await gateway.until_ended(await gateway.create())
    (attempt,) = await gateway.attempts(video)

    sums = metric_values(gateway, "tallylight_attempt_stage_seconds_sum")
    assert set(sums) == {("a", stage) for stage in ("accept", "queue", "render", "download")}
    assert attempt.ended_at is not None
    whole = (attempt.ended_at - attempt.intended_at).total_seconds()
    assert abs(sum(sums.values()) - whole) < 1


async def test_a_doubt_is_counted_as_one(start: Start) -> None:
    gateway = await start()
    gateway.set_faults("a", {"kind": "reset"})

    await gateway.until_ended(await gateway.create())

    assert metric_values(gateway, "tallylight_attempts_total")["in_doubt", "a"] == 1
