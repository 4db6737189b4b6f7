"""Classify a labelled corpus of answers and print how often the classifier is right.

Usage: score_corpus.py [FILE]; FILE is JSON Lines (see docs/classification.md), by default the
practice corpus of the tests. The last line printed is `right N of M`. Exit code 2 for a file that
cannot be used.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tallylight.model.evidence import FailureKind
from tallylight.upstreams.error_table import Errors
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.protocol import Site
from tallylight.upstreams.protocols.registry import PROTOCOLS

DEFAULT = Path(__file__).parent.parent / "tests" / "data" / "error-corpus.jsonl"
OPERATIONAL = "operational"
LABELS = (OPERATIONAL, *FailureKind)
_SHOWN = 110


class CorpusError(Exception):
    """An unusable corpus; the text names the file, the line and the problem."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled answer.

    Args:
        number: The number of its line.
        reply: The answer.
        expected: The label.
        also_ok: Alternative labels.
        errors: How the failures of its protocol are known.
    """

    number: int
    reply: Reply
    expected: str
    also_ok: frozenset[str]
    errors: Errors


@dataclass(frozen=True, slots=True)
class Score:
    """The classifier's label for one sample."""

    sample: Sample
    got: str
    rule: str

    @property
    def is_right(self) -> bool:
        """Tell whether the label is the expected one or an alternative."""
        return self.got == self.sample.expected or self.got in self.sample.also_ok


def read_corpus(path: Path) -> tuple[Sample, ...]:
    """Return the samples of a file.

    Raises:
        CorpusError: The file cannot be read, or a line is not a labelled answer.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path}: cannot be read ({error})") from error
    samples = tuple(
        _sample(path, number, line) for number, line in enumerate(lines, 1) if line.strip()
    )
    if not samples:
        raise CorpusError(f"{path}: holds no line")
    return samples


def _sample(path: Path, number: int, line: str) -> Sample:
    try:
        fields = json.loads(line)
        return _parsed(number, fields)
    except (ValueError, TypeError, RecursionError) as error:
        raise CorpusError(f"{path}:{number}: {error}") from error


def _parsed(number: int, fields: object) -> Sample:
    if not isinstance(fields, dict):
        raise TypeError("a line must be a JSON object")
    status = fields.get("http_status")
    if status is not None and (not isinstance(status, int) or isinstance(status, bool)):
        raise TypeError("http_status must be a whole number or null")
    headers = fields.get("headers") or {}
    if not isinstance(headers, dict):
        raise TypeError("headers must be an object")
    reply = Reply(
        phase=Phase(_text(fields, "phase", Phase.CREATE)),
        status=status,
        headers={str(name).lower(): str(value) for name, value in headers.items()},
        body=_text(fields, "body", ""),
        error=_text(fields, "message", "") if status is None else "",
    )
    also_ok = fields.get("also_ok") or []
    if not isinstance(also_ok, list):
        raise TypeError("also_ok must be a list of labels")
    expected = _label(fields.get("expected"))
    errors = _errors_of(_text(fields, "protocol", ""))
    return Sample(number, reply, expected, frozenset(map(_label, also_ok)), errors)


#: What corpora call protocols that have another name here.
_NAMES = {
    "azure-openai": "openai_images",
    "gemini": "gemini_interactions",
    "kie": "kie_jobs",
    "openai-images": "openai_images",
    "openai-videos": "openai_videos",
    "vertex": "predict_long_running",
    "volcengine-ark": "ark",
}


def _errors_of(protocol: str) -> Errors:
    """Return the error table of a protocol; that of the classifier alone if it is not spoken."""
    definition = PROTOCOLS.get(_NAMES.get(protocol, protocol))
    if definition is None:
        return Errors()
    return definition.make(Site("https://upstream.example", definition.dialects[0])).errors


def _text(fields: dict[str, object], name: str, default: str) -> str:
    value = fields.get(name, default)
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a text")
    return value


def _label(value: object) -> str:
    if value not in LABELS:
        raise ValueError(f"{value!r} is no label; use one of {', '.join(LABELS)}")
    return str(value)


def scored(samples: Iterable[Sample]) -> tuple[Score, ...]:
    """Return the score of each sample."""
    return tuple(_score(sample) for sample in samples)


def _score(sample: Sample) -> Score:
    failure = sample.errors.of(sample.reply)
    if failure is None:
        return Score(sample, OPERATIONAL, "")
    return Score(sample, failure.kind.value, failure.rule)


def report(scores: Sequence[Score]) -> str:
    """Return the wrong lines, the confusion table (rows expected, columns got) and the score."""
    wrong = [_wrong_line(score) for score in scores if not score.is_right]
    right = sum(score.is_right for score in scores)
    return "\n".join([*wrong, *_table(scores), f"right {right} of {len(scores)}"])


def _wrong_line(score: Score) -> str:
    sample = score.sample
    text = " ".join((sample.reply.body or sample.reply.error).split())[:_SHOWN]
    return (
        f"line {sample.number}: expected {sample.expected}, got {score.got} by {score.rule or '-'}:"
        f" {sample.reply.status} {text}"
    )


def _table(scores: Iterable[Score]) -> list[str]:
    """Return the confusion table; an alternative label counts as the expected one."""
    counts = Counter(
        (score.sample.expected, score.sample.expected if score.is_right else score.got)
        for score in scores
    )
    width = max(map(len, LABELS)) + 2
    heads = "".join(f"{label[:8]:>9}" for label in LABELS)
    rows = [
        f"{expected:<{width}}" + "".join(f"{counts[expected, got] or '.':>9}" for got in LABELS)
        for expected in LABELS
    ]
    return [f"{'expected':<{width}}{heads}", *rows]


def main(arguments: Sequence[str]) -> int:
    """Score the corpus that the arguments name; return the exit code."""
    path = Path(arguments[0]) if arguments else DEFAULT
    try:
        samples = read_corpus(path)
    except CorpusError as error:
        sys.stderr.write(f"score_corpus: {error}\n")
        return 2
    sys.stdout.write(report(scored(samples)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
