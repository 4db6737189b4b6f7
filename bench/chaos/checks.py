"""Checks of the gateway's promises against the simulator's ledger. Pure."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

from bench.chaos.callers import CallerRecord

_ORDER = ("queued", "in_progress", "completed", "failed")

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class GatewayRecords:
    """The rows of the gateway's tables."""

    videos: Sequence[Row]
    attempts: Sequence[Row]
    entries: Sequence[Row]
    webhooks: Sequence[Row]


@dataclass(frozen=True, slots=True)
class ChaosReport:
    """The result of the bench.

    Args:
        creates: Number of creates.
        kills: Number of kills of the gateway.
        seconds: Duration of the run.
        delivered: Number of delivered videos.
        failed: Number of failed videos by error code.
        refused: Number of refused creates by status and error code.
        attempts: Number of attempts by state.
        jobs: Number of jobs that the simulator accepted.
        billed: USD in the simulator's ledger.
        written: USD in the gateway's ledger.
        broken: The videos of each broken promise.
    """

    creates: int
    kills: int
    seconds: float
    delivered: int
    failed: Mapping[str, int]
    refused: Mapping[str, int]
    attempts: Mapping[str, int]
    jobs: int
    billed: float
    written: float
    broken: Mapping[str, Sequence[str]]

    def as_json(self) -> dict[str, object]:
        """Return the report as JSON."""
        return asdict(self)

    def as_text(self) -> str:
        """Return the report as text."""
        return "\n".join(f"{name:10} {value}" for name, value in asdict(self).items())


def check_promises(  # noqa: PLR0913  # all records of the run
    records: Sequence[CallerRecord],
    later: Mapping[str, CallerRecord],
    ledger: Mapping[str, Sequence[Row]],
    rows: GatewayRecords,
    *,
    kills: int,
    seconds: float,
) -> ChaosReport:
    """Compare what callers saw and what the gateway stored with the simulator's ledger.

    Args:
        records: What each caller saw.
        later: What was retrieved after the run, by video id.
        ledger: The simulator's ledger.
        rows: The gateway's tables.
        kills: Number of kills.
        seconds: Duration of the run.
    """
    billed = sum(_number(entry["billed_usd"]) for entry in ledger["entries"])
    written = sum(_number(entry["amount_micro_usd"] or 0) for entry in rows.entries) / 1_000_000
    broken = {
        "paid twice": _paid_twice(ledger["entries"]),
        "delivered and not paid": _unpaid(records, ledger["entries"]),
        "paid and refused": _refused_and_paid(records, ledger["entries"]),
        "without an end": [record.prompt for record in records if not _has_end(record)],
        "lost": [record.prompt for record in records if record.lost],
        "progress backwards": [record.prompt for record in records if _ran_backwards(record)],
        "end changed later": _changed(records, later),
        "id used twice": _shared(records),
        "rows without an end": [str(row["id"]) for row in rows.videos if not row["ended_at_us"]],
        "open attempts": [str(row["id"]) for row in rows.attempts if not row["ended_at_us"]],
        "open money": [str(row["id"]) for row in rows.entries if row["state"] == "reserved"],
        "attempt numbers not consecutive": _gaps(rows.attempts),
        "not announced once": _notification_errors(rows),
        "ledger too low": [f"{written} < {billed}"] if written < billed - 1e-6 else [],
    }
    accepted = [record for record in records if record.id]
    return ChaosReport(
        creates=len(records),
        kills=kills,
        seconds=round(seconds, 1),
        delivered=sum(record.status == "completed" for record in accepted),
        failed=dict(Counter(record.error for record in accepted if record.status == "failed")),
        refused=dict(Counter(record.refusal for record in records if record.refusal)),
        attempts=dict(Counter(str(row["state"]) for row in rows.attempts)),
        jobs=len(ledger["entries"]),
        billed=round(billed, 2),
        written=round(written, 2),
        broken={name: videos for name, videos in broken.items() if videos},
    )


def _deliveries(entries: Sequence[Row]) -> Counter[str]:
    """Return the number of delivered and charged videos by prompt."""
    return Counter(
        str(entry["prompt"])
        for entry in entries
        if entry["state"] == "delivered" and _number(entry["billed_usd"]) > 0
    )


def _paid_twice(entries: Sequence[Row]) -> list[str]:
    return [prompt for prompt, times in _deliveries(entries).items() if times > 1]


def _unpaid(records: Sequence[CallerRecord], entries: Sequence[Row]) -> list[str]:
    """Return the prompts whose video was delivered without a charge in the ledger."""
    paid = _deliveries(entries)
    return [one.prompt for one in records if one.status == "completed" and not paid[one.prompt]]


def _refused_and_paid(records: Sequence[CallerRecord], entries: Sequence[Row]) -> list[str]:
    """Return the prompts whose create was refused although a video was delivered and charged."""
    paid = _deliveries(entries)
    return [one.prompt for one in records if one.refusal and paid[one.prompt]]


def _has_end(record: CallerRecord) -> bool:
    is_clear = record.status == "failed" and bool(record.error)
    return bool(record.refusal) or record.status == "completed" or is_clear


def _ran_backwards(record: CallerRecord) -> bool:
    ranks = [(_ORDER.index(status), progress) for status, progress in record.seen]
    return any(
        later[0] < earlier[0] or (later[1] < earlier[1] and later[0] != _ORDER.index("failed"))
        for earlier, later in pairwise(ranks)
    )


def _changed(records: Sequence[CallerRecord], later: Mapping[str, CallerRecord]) -> list[str]:
    return [
        f"{record.prompt}: {record.status}, then {later[record.id].status or 'unknown'}"
        for record in records
        if record.id and record.status in _ORDER[2:] and later[record.id].status != record.status
    ]


def _shared(records: Sequence[CallerRecord]) -> list[str]:
    times = Counter(record.id for record in records if record.id)
    return [id_ for id_, number in times.items() if number > 1]


def _gaps(attempts: Sequence[Row]) -> list[str]:
    numbers: dict[str, list[object]] = defaultdict(list)
    for row in attempts:
        numbers[str(row["video"])].append(row["number"])
    return [id_ for id_, seen in numbers.items() if seen != list(range(1, len(seen) + 1))]


def _notification_errors(rows: GatewayRecords) -> list[str]:
    """Return the videos whose end was not announced by exactly one webhook."""
    counts = Counter(str(row["video"]) for row in rows.webhooks)
    kept = [row for row in rows.videos if row["deleted_at_us"] is None]
    return [str(row["id"]) for row in kept if counts[str(row["id"])] != 1]


def _number(value: object) -> float:
    return float(str(value))
