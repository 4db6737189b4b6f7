"""The judge of the chaos bench: what counts as paid twice, endless and lost."""

from collections.abc import Mapping

from bench.chaos.callers import CallerRecord
from bench.chaos.checks import ChaosReport, Observations, check_promises
from bench.chaos.records import GatewayRecords
from bench.chaos.results import TroubleResult, results_table

AT = 1_790_000_000.0
PRICE = 100_000


def entry(prompt: str, **changes: object) -> Mapping[str, object]:
    """Return a job of the simulator's ledger, by default one that was made and answered."""
    made = {"upstream": "relay", "state": "delivered", "billed_usd": 0.1, "answered": True}
    return {"prompt": prompt, "at": AT, **made, **changes}


def record(prompt: str, status: str, error: str = "") -> CallerRecord:
    return CallerRecord(prompt, f"id of {prompt}", seen=[(status, 100)], error=error)


def judged(
    *ledger: Mapping[str, object],
    records: tuple[CallerRecord, ...],
    deaf: tuple[tuple[float, float], ...] = (),
) -> ChaosReport:
    """Judge callers' records with a gateway's tables that say what its callers were told."""
    videos = [
        {"id": one.id, "prompt": one.prompt, "ended_at_us": 1, "deleted_at_us": None}
        for one in records
    ]
    attempts = [
        {
            "id": f"{one.id} 1",
            "video": one.id,
            "number": 1,
            "entry": one.id,
            "state": "delivered",
            "ended_at_us": 1,
        }
        for one in records
    ]
    entries = [{"id": one.id, "state": "settled", "amount_micro_usd": PRICE} for one in records]
    rows = GatewayRecords(videos, attempts, entries, [{"video": one.id} for one in records])
    later = {one.id: one for one in records}
    return check_promises(Observations(records, later, ledger, rows, deaf))


def test_a_delivered_video_breaks_no_promise() -> None:
    report = judged(entry("a"), records=(record("a", "completed"),))

    assert report.broken == {}
    assert report.delivered == 1
    assert report.difference == 0


def test_two_made_and_charged_videos_are_paid_twice_and_the_ledgers_differ() -> None:
    report = judged(entry("a"), entry("a"), records=(record("a", "completed"),))

    assert report.paid_twice == ["a"]
    assert report.broken["ledger differs"] == ["a: -0.10"]


def test_a_job_that_failed_is_not_the_second_payment() -> None:
    failed = entry("a", state="refunded", billed_usd=0.0)

    assert judged(failed, entry("a"), records=(record("a", "completed"),)).broken == {}


def test_a_made_video_is_lost_only_if_its_acceptance_was_heard_or_is_listed() -> None:
    unknown = record("a", "failed", "outcome_unknown")

    assert judged(entry("a"), records=(unknown,)).lost == ["a"]
    unanswered = judged(entry("a", answered=False), records=(unknown,))
    assert unanswered.lost == []
    assert unanswered.unknown_made == 1
    assert judged(entry("a"), records=(unknown,), deaf=((AT - 2, AT + 1),)).lost == []
    listed = entry("a", upstream="hosted", answered=False)
    assert judged(listed, records=(unknown,), deaf=((AT - 2, AT + 1),)).lost == ["a"]


def test_a_video_without_an_end_is_endless() -> None:
    assert judged(entry("a"), records=(record("a", "in_progress"),)).endless == ["a"]


def test_a_restored_database_must_not_pay_again_for_what_it_knew() -> None:
    one = record("a", "completed")
    rows = GatewayRecords(
        [{"id": one.id, "prompt": "a", "created_at_us": (AT - 60) * 1e6}], [], [], []
    )
    ledger = [entry("a", at=AT - 30), entry("a", at=AT + 30)]
    seen = Observations([one], {one.id: one}, ledger, rows, memory_gap=(AT - 40, AT))

    assert check_promises(seen).paid_twice == ["a"]


def test_the_table_has_a_row_for_each_trouble_also_for_an_impossible_one() -> None:
    report = judged(entry("a"), entry("a"), records=(record("a", "completed"),))
    results = [
        TroubleResult("kills", [report, report]),
        TroubleResult("sqlite-frozen", [], impossible="needs root"),
    ]

    _, _, first, second = results_table(results).splitlines()

    assert first == "| kills | 2 | 2 | 2 | 0 | 0 | 0 | 2 | 0 | 0 | $0.20 |  |"
    assert second == "| sqlite-frozen | not possible on this machine: needs root |"
    assert [result.is_broken for result in results] == [True, False]
