"""What the prober remembers of one service."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tallylight.board import Board
from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.model.evidence import Depth, FailureKind, Source
from tallylight.probes.budget_allocation import Lately, Rhythm, Wish
from tallylight.probes.estimates import estimate
from tallylight.probes.free_probes import Shallow
from tallylight.probes.plan import Watch
from tallylight.verdicts.judge import (
    door_is_up,
    jobs_are_at_odds,
    jobs_are_in_doubt,
    jobs_down_from,
)
from tallylight.verdicts.outage_history import expected
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import Standing

_SHALLOW = frozenset({Source.REACH, Source.CREDENTIALS})

_IN_TURN = 0.8  # what comes sooner than this share of the routine is out of its turn


@dataclass(slots=True)
class Diary:
    """One service's probes so far.

    Args:
        opening: When its first round is due.
        last: When each depth was last probed.
        under_way: What is being probed now.
        off: What turned out to be billed though it was meant to be free.
        bad_in_a_row: Bad shallow results since the last good one.
        unanswered: Free questions in a row that may have been billed.
        put_off_at: When a generation could last not be placed.
        withheld: Which budget did not allow it, "" if none is in the way.
        rhythm: How often a generation is worth its money; None until that was reckoned.
        is_refused: Whether the newest generation was refused, hence cost nothing.
        beyond: What probes out of their turn cost lately: doubts and recoveries.
    """

    opening: datetime
    last: dict[Depth, datetime] = field(default_factory=dict)
    under_way: set[Depth] = field(default_factory=set)
    off: frozenset[Depth] = frozenset()
    bad_in_a_row: int = 0
    unanswered: int = 0
    put_off_at: datetime | None = None
    withheld: str = ""
    rhythm: Rhythm | None = None
    is_refused: bool = False
    beyond: Lately | None = None

    def enter(self, found: Shallow) -> None:
        """Take in what a free probe found."""
        if found.evidence.is_bad:
            self.bad_in_a_row += 1
        elif found.evidence.is_good:
            self.bad_in_a_row = 0
        if found.evidence.source is Source.CREDENTIALS:
            self.unanswered = self.unanswered + 1 if found.is_doubtful else 0

    def placed(self, at: datetime) -> None:
        """Take in that a generation was placed."""
        self.last[Depth.GENERATION] = at
        self.put_off_at, self.withheld = None, ""

    def ended(self, placed_at: datetime, before: datetime | None, cost: float) -> None:
        """Take in what a generation cost; 0 if it was refused."""
        self.is_refused = not cost
        if self.rhythm is None or self.beyond is None or before is None:
            return
        if placed_at - before < self.rhythm.routine * _IN_TURN:
            self.beyond = self.beyond.spent(cost, placed_at)

    def put_off(self, at: datetime, budget: str) -> None:
        """Take in that a generation could not be placed, and which budget did not allow it."""
        self.put_off_at, self.withheld = at, budget


def watch_of(service: Service, diary: Diary, board: Board, clock: Clock) -> Watch:
    """Return all that the plan needs to know about a service now."""
    standing, policy = board.standing(service.id)
    traffic = board.newest(service.id, Source.TRAFFIC)
    traffic_at = None if traffic is None else traffic.at
    in_doubt = jobs_are_in_doubt(standing, clock.now(), policy)
    return watch(service, diary, standing, traffic_at, in_doubt=in_doubt)


def watch(
    service: Service,
    diary: Diary,
    standing: Standing,
    traffic_at: datetime | None,
    *,
    in_doubt: bool,
) -> Watch:
    """Return what the plan needs to know, from a diary and a standing."""
    blocked, usual = standing.blocked, standing.record.median
    return Watch(
        service=service,
        opening=diary.opening,
        last=diary.last,
        bad_in_a_row=diary.bad_in_a_row,
        jobs_in_doubt=in_doubt,
        jobs_at_odds=jobs_are_at_odds(standing),
        jobs_down_from=jobs_down_from(standing),
        jobs_recover=not standing.jobs.is_failing,
        is_refused=diary.is_refused,
        rhythm=diary.rhythm,
        door_is_up=door_is_up(standing),
        status=standing.verdict.status,
        is_key_refused=(
            blocked is not None
            and blocked.kind is FailureKind.AUTH
            and blocked.source in _SHALLOW
            and service.pace.credentials is not None
            and Depth.CREDENTIALS not in diary.off
        ),
        traffic_at=traffic_at,
        usual_job=None if usual is None else timedelta(seconds=usual),
        is_following=Depth.GENERATION in diary.under_way,
        withheld_at=diary.put_off_at,
        off=diary.off,
        unanswered=diary.unanswered,
    )


def wish_of(
    service: Service, diary: Diary, standing: Standing, now: datetime, policy: Policy
) -> Wish | None:
    """Return what sharing the money out needs to know of a service; None if it takes none."""
    pace, price = service.pace.generation, estimate(service)
    if pace is None or not price:
        return None
    between, length = expected(standing, now, policy)
    usual = Lately.assumed(pace, float(price), now)
    diary.beyond = diary.beyond or usual
    return Wish(pace, float(price), between, length, diary.beyond.a_day(now), service.budget)
