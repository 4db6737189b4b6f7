"""What the books of the world say of the gateway's promises. Pure."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

from bench.chaos.callers import Told

_ORDER = ("queued", "in_progress", "completed", "failed")

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Books:
    """What the gateway has written down: the rows of its tables."""

    videos: Sequence[Row]
    attempts: Sequence[Row]
    entries: Sequence[Row]
    notices: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Findings:
    """What came of it.

    Args:
        creates: How many videos were asked for.
        kills: How often the gateway was killed.
        seconds: How long it all took.
        delivered: Videos that arrived.
        failed: By their codes, videos that ended without.
        refused: By status and code, creates that were refused.
        attempts: By state, what was sent.
        jobs: What the world accepted.
        billed: What the world took, in USD.
        written: What our ledger says was or may have been taken, in USD.
        broken: Each promise that was not kept, and for whom.
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
        """Return it for another program."""
        return asdict(self)

    def as_text(self) -> str:
        """Return it for people."""
        return "\n".join(f"{name:10} {value}" for name, value in asdict(self).items())


def judge(  # noqa: PLR0913  # all that was seen
    answers: Sequence[Told],
    again: Mapping[str, Told],
    statement: Mapping[str, Sequence[Row]],
    books: Books,
    *,
    kills: int,
    seconds: float,
) -> Findings:
    """Hold what callers saw and what the gateway wrote against the world's own books."""
    billed = sum(_number(entry["billed_usd"]) for entry in statement["entries"])
    written = sum(_number(entry["amount_micro_usd"]) for entry in books.entries) / 1_000_000
    broken = {
        "paid twice": _paid_twice(statement["entries"]),
        "delivered and not paid": _unpaid(answers, statement["entries"]),
        "paid and kept back": _kept_back(answers, statement["entries"]),
        "without an end": [told.prompt for told in answers if not _has_end(told)],
        "lost": [told.prompt for told in answers if told.lost],
        "ran backwards": [told.prompt for told in answers if _ran_backwards(told)],
        "another end later": _changed(answers, again),
        "one id for two": _shared(answers),
        "rows without an end": [str(row["id"]) for row in books.videos if not row["ended_at_us"]],
        "open attempts": [str(row["id"]) for row in books.attempts if not row["ended_at_us"]],
        "open money": [str(row["id"]) for row in books.entries if row["state"] == "reserved"],
        "numbers not in a row": _gaps(books.attempts),
        "not told once": _notices(books),
        "ledger too low": [f"{written} < {billed}"] if written < billed - 1e-6 else [],
    }
    over = [told for told in answers if told.id]
    return Findings(
        creates=len(answers),
        kills=kills,
        seconds=round(seconds, 1),
        delivered=sum(told.status == "completed" for told in over),
        failed=dict(Counter(told.error for told in over if told.status == "failed")),
        refused=dict(Counter(told.refusal for told in answers if told.refusal)),
        attempts=dict(Counter(str(row["state"]) for row in books.attempts)),
        jobs=len(statement["entries"]),
        billed=round(billed, 2),
        written=round(written, 2),
        broken={name: found for name, found in broken.items() if found},
    )


def _deliveries(entries: Sequence[Row]) -> Counter[str]:
    """Return by prompt how many finished videos the world took money for."""
    return Counter(
        str(entry["prompt"])
        for entry in entries
        if entry["state"] == "delivered" and _number(entry["billed_usd"]) > 0
    )


def _paid_twice(entries: Sequence[Row]) -> list[str]:
    return [prompt for prompt, times in _deliveries(entries).items() if times > 1]


def _unpaid(answers: Sequence[Told], entries: Sequence[Row]) -> list[str]:
    """Return what was delivered though the world knows nothing of it: no video of theirs."""
    paid = _deliveries(entries)
    return [one.prompt for one in answers if one.status == "completed" and not paid[one.prompt]]


def _kept_back(answers: Sequence[Told], entries: Sequence[Row]) -> list[str]:
    """Return what was refused for good, and made and paid all the same."""
    paid = _deliveries(entries)
    return [one.prompt for one in answers if one.refusal and paid[one.prompt]]


def _has_end(told: Told) -> bool:
    is_clear = told.status == "failed" and bool(told.error)
    return bool(told.refusal) or told.status == "completed" or is_clear


def _ran_backwards(told: Told) -> bool:
    ranks = [(_ORDER.index(status), progress) for status, progress in told.seen]
    return any(
        later[0] < earlier[0] or (later[1] < earlier[1] and later[0] != _ORDER.index("failed"))
        for earlier, later in pairwise(ranks)
    )


def _changed(answers: Sequence[Told], again: Mapping[str, Told]) -> list[str]:
    return [
        f"{told.prompt}: {told.status}, then {again[told.id].status or 'unknown'}"
        for told in answers
        if told.id and told.status in _ORDER[2:] and again[told.id].status != told.status
    ]


def _shared(answers: Sequence[Told]) -> list[str]:
    times = Counter(told.id for told in answers if told.id)
    return [id_ for id_, number in times.items() if number > 1]


def _gaps(attempts: Sequence[Row]) -> list[str]:
    numbers: dict[str, list[object]] = defaultdict(list)
    for row in attempts:
        numbers[str(row["video"])].append(row["number"])
    return [id_ for id_, found in numbers.items() if found != list(range(1, len(found) + 1))]


def _notices(books: Books) -> list[str]:
    """Return the videos of whose end not exactly one webhook tells, a refused create's aside."""
    told = Counter(str(row["video"]) for row in books.notices)
    kept = [row for row in books.videos if row["deleted_at_us"] is None]
    return [str(row["id"]) for row in kept if told[str(row["id"])] != 1]


def _number(value: object) -> float:
    return float(str(value))
