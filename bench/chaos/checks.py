"""Checks of the gateway's promises against the simulator's ledger. Pure."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise

from bench.chaos.callers import CallerRecord
from bench.chaos.records import GatewayRecords, Row
from bench.chaos.world import FOUR_BILLINGS

_ORDER = ("queued", "in_progress", "completed", "failed")
_UNRESOLVED = frozenset({"outcome_unknown", "deadline_exceeded"})
_CENT = 0.01


@dataclass(frozen=True, slots=True)
class Observations:
    """All that one round has left.

    Args:
        records: What each caller saw.
        later: What was retrieved after the round, by video id.
        ledger: Entries of the simulator's ledger.
        rows: The gateway's tables.
        deaf: Stretches of Unix time whose answers no gateway may have heard and stored.
        is_alone: One gateway served all callers.
        memory_gap: First and last Unix time of what the database has lost, if it has.
        listing: The upstreams whose lists settle each doubt.
    """

    records: Sequence[CallerRecord]
    later: Mapping[str, CallerRecord]
    ledger: Sequence[Row]
    rows: GatewayRecords
    deaf: Sequence[tuple[float, float]] = ()
    is_alone: bool = True
    memory_gap: tuple[float, float] | None = None
    listing: Collection[str] = FOUR_BILLINGS.listing

    def is_remembered(self, entry: Row) -> bool:
        """Tell whether the database knew of a job when the round ended."""
        if self.memory_gap is None:
            return True
        first, last = self.memory_gap
        return not first - 1 <= _number(entry["at"]) <= last


@dataclass(frozen=True, slots=True)
class ChaosReport:
    """The result of one round.

    Args:
        creates: Number of creates.
        delivered: Number of delivered videos.
        failed: Number of failed videos by error code.
        refused: Number of refused creates by status and error code.
        unknown_made: Number of videos whose outcome is unknown, though one was made and charged.
        forgotten: Number of videos that the database has lost.
        attempts: Number of attempts by state.
        jobs: Number of jobs that the simulator accepted.
        billed: USD in the simulator's ledger.
        written: USD in the gateway's ledger.
        difference: USD by which the two differ, over all videos without an open doubt.
        paid_twice: Videos of which two were made and charged.
        endless: Videos without an end.
        lost: Videos that were made, charged and findable, but not delivered.
        broken: The videos of each broken promise, these three included.
        seconds: Duration of the round.
        notes: What happened.
    """

    creates: int
    delivered: int
    failed: Mapping[str, int]
    refused: Mapping[str, int]
    unknown_made: int
    forgotten: int
    attempts: Mapping[str, int]
    jobs: int
    billed: float
    written: float
    difference: float
    paid_twice: Sequence[str]
    endless: Sequence[str]
    lost: Sequence[str]
    broken: Mapping[str, Sequence[str]]
    seconds: float = 0.0
    notes: Sequence[str] = field(default=())

    def as_json(self) -> dict[str, object]:
        """Return the report as JSON."""
        return asdict(self)


def check_promises(seen: Observations) -> ChaosReport:
    """Compare what callers saw and what the gateway stored with the simulator's ledger."""
    billed = sum(_number(entry["billed_usd"]) for entry in seen.ledger)
    written = (
        sum(_number(entry["amount_micro_usd"] or 0) for entry in seen.rows.entries) / 1_000_000
    )
    records = [one for one in seen.records if not _is_forgotten(one, seen)]
    ends = [seen.later.get(one.id, one) for one in records]
    differences = _differences(ends, seen)
    paid_twice = _paid_twice(seen.ledger) if seen.memory_gap is None else _sent_again(seen)
    endless = [one.prompt for one in ends if not _has_end(one)]
    lost = _lost(ends, seen)
    broken = {
        "paid twice": paid_twice,
        "without an end": endless,
        "made, billed, findable and not delivered": lost,
        "ledger differs": [f"{prompt}: {off:+.2f}" for prompt, off in differences.items()],
        "delivered and not paid": _unpaid(ends, seen.ledger),
        "paid and refused": _refused_and_paid(records, seen.ledger),
        **_stored_promises(records, seen),
    }
    return ChaosReport(
        creates=len(seen.records),
        delivered=sum(one.status == "completed" for one in ends),
        failed=dict(Counter(one.error for one in ends if one.status == "failed")),
        refused=dict(Counter(one.refusal for one in records if one.refusal)),
        unknown_made=len(_made(seen.ledger) & {one.prompt for one in ends if _is_unknown(one)}),
        forgotten=len(seen.records) - len(records),
        attempts=dict(Counter(str(row["state"]) for row in seen.rows.attempts)),
        jobs=len(seen.ledger),
        billed=round(billed, 2),
        written=round(written, 2),
        difference=round(sum(abs(off) for off in differences.values()), 2),
        paid_twice=paid_twice,
        endless=endless,
        lost=lost,
        broken={name: videos for name, videos in broken.items() if videos},
    )


def _stored_promises(
    records: Sequence[CallerRecord], seen: Observations
) -> Mapping[str, Sequence[str]]:
    """Return the broken promises about answers and rows; a database that forgets keeps none."""
    rows = seen.rows
    if seen.memory_gap is not None:
        return {}
    return {
        "unknown to the gateway": [one.prompt for one in records if one.lost],
        "progress backwards": [one.prompt for one in records if _ran_backwards(one, seen)],
        "end changed later": _changed(records, seen.later),
        "id used twice": _shared(records),
        "rows without an end": [str(row["id"]) for row in rows.videos if not row["ended_at_us"]],
        "open attempts": [str(row["id"]) for row in rows.attempts if not row["ended_at_us"]],
        "open money": [str(row["id"]) for row in rows.entries if row["state"] == "reserved"],
        "attempt numbers not consecutive": _gaps(rows.attempts),
        "not announced once": _notification_errors(rows),
    }


def _is_forgotten(record: CallerRecord, seen: Observations) -> bool:
    later = seen.later.get(record.id)
    return seen.memory_gap is not None and later is not None and later.lost > 0


def _deliveries(entries: Sequence[Row]) -> Counter[str]:
    """Return the number of delivered and charged videos by prompt."""
    return Counter(
        str(entry["prompt"])
        for entry in entries
        if entry["state"] == "delivered" and _number(entry["billed_usd"]) > 0
    )


def _made(entries: Sequence[Row]) -> set[str]:
    return set(_deliveries(entries))


def _paid_twice(entries: Sequence[Row]) -> list[str]:
    return [prompt for prompt, times in _deliveries(entries).items() if times > 1]


def _sent_again(seen: Observations) -> list[str]:
    """Return the prompts of videos that the restored database knew, and that were paid again.

    A create that is repeated after the database has lost it is a new video.
    """
    _, restored_at = seen.memory_gap or (0.0, 0.0)
    known = {
        str(row["prompt"])
        for row in seen.rows.videos
        if _number(row["created_at_us"]) / 1_000_000 < restored_at
    }
    again = _deliveries([one for one in seen.ledger if _number(one["at"]) > restored_at])
    return [prompt for prompt in _paid_twice(seen.ledger) if again[prompt] and prompt in known]


def _lost(ends: Sequence[CallerRecord], seen: Observations) -> list[str]:
    """Return the prompts of videos that were made, charged and findable, but not delivered."""
    delivered = {one.prompt for one in ends if one.status == "completed"}
    known = {one.prompt for one in ends}
    findable = [
        entry
        for entry in seen.ledger
        if seen.is_remembered(entry)
        and (entry["upstream"] in seen.listing or _was_heard(entry, seen.deaf))
    ]
    return [prompt for prompt in _deliveries(findable) if prompt in known - delivered]


def _was_heard(entry: Row, deaf: Collection[tuple[float, float]]) -> bool:
    """Tell whether the answer to a create reached a gateway that lived on to store it."""
    at = _number(entry["at"])  # in whole seconds
    return bool(entry["answered"]) and not any(first - 1 <= at <= last for first, last in deaf)


def _differences(ends: Sequence[CallerRecord], seen: Observations) -> dict[str, float]:
    """Return by how much the ledgers differ, by prompt, for videos without an open doubt."""
    prompts = {str(row["id"]): str(row["prompt"]) for row in seen.rows.videos}
    amounts = {str(row["id"]): _number(row["amount_micro_usd"]) for row in seen.rows.entries}
    sums: dict[str, float] = defaultdict(float)
    for row in seen.rows.attempts:
        prompt = prompts.get(str(row["video"]), "")
        sums[prompt] += amounts.get(str(row["entry"]), 0.0) / 1_000_000
    open_jobs = {
        str(entry["prompt"])
        for entry in seen.ledger
        if entry["state"] == "accepted" or not seen.is_remembered(entry)
    }
    for entry in seen.ledger:
        sums[str(entry["prompt"])] -= _number(entry["billed_usd"])
    clear = {one.prompt for one in ends if _has_end(one) and not _is_unknown(one)} - open_jobs
    return {prompt: off for prompt, off in sums.items() if prompt in clear and abs(off) >= _CENT}


def _is_unknown(record: CallerRecord) -> bool:
    return record.status == "failed" and record.error in _UNRESOLVED


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


def _ran_backwards(record: CallerRecord, seen: Observations) -> bool:
    """Tell whether a caller saw a video go back; another replica may lag until it has ended."""
    ranks = [(_ORDER.index(status), progress) for status, progress in record.seen]
    first_end = _ORDER.index("completed")
    return any(
        later[0] < earlier[0] or (later[1] < earlier[1] and later[0] != _ORDER.index("failed"))
        for earlier, later in pairwise(ranks)
        if seen.is_alone or earlier[0] >= first_end
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
