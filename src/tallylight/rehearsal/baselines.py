"""What people run today, in the same world: a status by the last answers, or by a page.

They know two words, up and down; none of them names a state or forgets an answer.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from tallylight.model.evidence import Depth
from tallylight.model.status import Status
from tallylight.rehearsal.record import Record, Turn
from tallylight.rehearsal.world import START, Scene

SCRIPT_PACE = timedelta(seconds=300)
"""The plain script: a 4-second video of each model every five minutes."""

SHALLOW_PACE = timedelta(seconds=60)
"""The usual interval of Gatus and of Uptime Kuma."""

_UP, _DOWN = Status.OPERATIONAL, Status.SUSPENDED


@dataclass(frozen=True, slots=True)
class InARow:
    """So many like answers in a row turn the state.

    Args:
        failures: Bad ones until it is down.
        successes: Good ones until it is up again.
    """

    failures: int
    successes: int


GATUS = InARow(3, 2)
"""Gatus's default thresholds of an alert: `failure-threshold` 3, `success-threshold` 2."""

KUMA = InARow(1, 1)
"""Uptime Kuma as it comes: no retry."""

KUMA_TWO_RETRIES = InARow(3, 1)
"""Uptime Kuma with two retries."""


@dataclass(slots=True)
class _Shown:
    rule: InARow
    turns: list[Turn] = field(default_factory=lambda: [Turn(START, Status.UNKNOWN)])
    is_bad: bool = False
    length: int = 0

    def hear(self, at: datetime, *, is_bad: bool) -> None:
        self.length = self.length + 1 if is_bad is self.is_bad else 1
        self.is_bad = is_bad
        needed = self.rule.failures if is_bad else self.rule.successes
        status = _DOWN if is_bad else _UP
        is_first = self.turns[-1].status is Status.UNKNOWN and not is_bad
        if status is not self.turns[-1].status and (self.length >= needed or is_first):
            self.turns.append(Turn(at, status))


def plain_script(scenes: Iterable[Scene], days: float) -> tuple[Record, ...]:
    """Return what a paid video every five minutes shows, judged by the last answer."""
    return tuple(_scripted(scene, days) for scene in scenes)


def in_a_row(scenes: Iterable[Scene], days: float, rule: InARow) -> tuple[Record, ...]:
    """Return what counting the answers of a free probe shows."""
    records = []
    for scene in scenes:
        shown = _Shown(rule)
        for at in _moments(SHALLOW_PACE, days):
            shown.hear(at, is_bad=scene.shallow(Depth.REACH, at) is not None)
        records.append(Record(scene, tuple(shown.turns)))
    return tuple(records)


def feed_alone(scenes: Iterable[Scene]) -> tuple[Record, ...]:
    """Return what the official status pages show; where there is none, nothing is known."""
    records = []
    for scene in scenes:
        told = scene.told()
        turns = [Turn(START, _UP if scene.has_feed else Status.UNKNOWN)]
        turns += [Turn(said.at, said.says) for said in told]
        records.append(Record(scene, tuple(turns)))
    return tuple(records)


def _scripted(scene: Scene, days: float) -> Record:
    shown, spent, paid = _Shown(InARow(1, 1)), Decimal(0), 0
    running: list[tuple[datetime, bool]] = []
    for at in _moments(SCRIPT_PACE, days):
        _hear_ended(running, shown, at)
        asked = scene.job(at)
        paid += 1
        spent += scene.price if asked.is_accepted else 0
        # The script knows no faults: what did not work is down.
        heapq.heappush(running, (asked.ends_at, asked.failure is not None))
    _hear_ended(running, shown, START + timedelta(days=days))
    return Record(scene, tuple(shown.turns), paid, spent)


def _hear_ended(running: list[tuple[datetime, bool]], shown: _Shown, until: datetime) -> None:
    while running and running[0][0] <= until:
        at, is_bad = heapq.heappop(running)
        shown.hear(at, is_bad=is_bad)


def _moments(pace: timedelta, days: float) -> Iterator[datetime]:
    at, end = START + pace / 2, START + timedelta(days=days)
    while at < end:
        yield at
        at += pace
