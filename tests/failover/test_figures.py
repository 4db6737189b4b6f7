"""What `/metrics` tells of callers' videos."""

from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from .conftest import Start, Studio


def told(studio: Studio, name: str) -> dict[tuple[str, ...], float]:
    """Return the samples of a name by the values of its labels, in the order of their names."""
    text = generate_latest(studio.switchboard.metrics).decode()
    return {
        tuple(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


async def test_attempts_and_videos_are_counted_by_how_they_ended(start: Start) -> None:
    studio = await start()
    studio.trouble("a", {"kind": "refuse", "sign": "overloaded"})
    studio.trouble("b", {"kind": "fail", "after": 1, "code": "x", "message": "broken"})

    video = await studio.create()
    assert told(studio, "tallylight_videos_active") == {(): 1}
    await studio.ended(video)

    assert told(studio, "tallylight_attempts_total") == {
        ("refused", "a"): 1,
        ("accepted", "b"): 1,
        ("failed", "b"): 1,
        ("accepted", "c"): 1,
        ("delivered", "c"): 1,
    }
    assert told(studio, "tallylight_videos_total") == {("boats", "completed"): 1}


async def test_each_stage_of_a_delivered_job_is_timed(start: Start) -> None:
    studio = await start()

    video = await studio.ended(await studio.create())
    (attempt,) = await studio.attempts(video)

    sums = told(studio, "tallylight_attempt_stage_seconds_sum")
    assert set(sums) == {("a", stage) for stage in ("accept", "queue", "render", "download")}
    assert attempt.ended_at is not None
    whole = (attempt.ended_at - attempt.intended_at).total_seconds()
    assert abs(sum(sums.values()) - whole) < 1


async def test_a_doubt_is_counted_as_one(start: Start) -> None:
    studio = await start()
    studio.trouble("a", {"kind": "reset"})

    await studio.ended(await studio.create())

    assert told(studio, "tallylight_attempts_total")["in_doubt", "a"] == 1
