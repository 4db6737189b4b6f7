"""The state of one layer, and the failures that it keeps."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from tallylight.model.evidence import FailureKind, Source


class LayerStatus(StrEnum):
    """The status of a layer; between the two thresholds it does not change."""

    UP = "up"
    DOWN = "down"
    UNDECIDED = "undecided"  # no evidence yet, or all of it has expired


@dataclass(frozen=True, slots=True)
class FailureRecord:
    """One failure of an upstream."""

    at: datetime
    source: Source
    kind: FailureKind
    rule: str
    text: str = ""
    names_state: bool = False
    http_status: int | None = None
    mend: str = ""  # of a setup problem: the address or the model that was meant, as far as known


class Run(NamedTuple):
    """Equal results in a row; of bad ones also how many are refusals as too many."""

    since: datetime
    last_at: datetime
    length: int = 1
    limited: int = 0


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Orders in a row that were refused as too many (`rate_limit`).

    Args:
        since: When the first of them was refused.
        last: The newest of them.
        times: How many there are.
        pending: The first of the newest ones that our own pace cannot have caused; they do not
            count yet.
        is_counted: Our own pace is not the cause, so each refusal counts as a failed job.
        retry_after: How long the upstream asks us to wait; None if it does not say.
    """

    since: datetime
    last: FailureRecord
    times: int = 1
    pending: tuple[FailureRecord, ...] = ()
    is_counted: bool = False
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class FalseAlarmRate:
    """The bad results of a layer while it was up.

    Results are pending until the layer proves to have been up.

    Args:
        bad: Bad results that were false alarms.
        total: Results while up.
        pending_bad: Bad results since the layer was last up beyond doubt.
        pending_total: Results since then.
        low: Lower end of the interval of the rate.
    """

    bad: int = 0
    total: int = 0
    pending_bad: int = 0
    pending_total: int = 0
    low: float = 0.0
    high: float = 1.0


class ResultKey(NamedTuple):
    """Identifies a result, so that it is applied once."""

    at: datetime
    source: Source
    is_bad: bool


@dataclass(frozen=True, slots=True)
class LayerState:
    """The state of one layer.

    Args:
        at: The moment of the log-odds.
        log_odds: log(P(down) / P(up)).
        status: The status, with hysteresis.
        since: When the status began, back-dated.
        first_bad_at: The first bad result since P(down) was at its prior or below: the start of the
            current outage, or of one that may follow.
        first_good_at: The first good result since the layer was certainly down: the start of a
            recovery.
        bad_run: The newest run of bad results, which may have ended.
        good_run: The newest run of good results, which may have ended.
        is_failing: Whether the newest result was bad.
        outage_good: Good results within the outage that were followed by bad ones.
        outage_bad: Bad results within the outage.
        false_alarms: Learned while the layer was up.
        lost_from: While UNDECIDED: when the outage began that went stale, None if none did.
    """

    at: datetime
    log_odds: float
    status: LayerStatus = LayerStatus.UNDECIDED
    since: datetime | None = None
    first_bad_at: datetime | None = None
    first_good_at: datetime | None = None
    bad_run: Run | None = None
    good_run: Run | None = None
    is_failing: bool = False
    outage_good: int = 0
    outage_bad: int = 0
    false_alarms: FalseAlarmRate = FalseAlarmRate()
    recent_results: tuple[ResultKey, ...] = ()
    last_failure: FailureRecord | None = None
    lost_from: datetime | None = None

    @property
    def is_lost(self) -> bool:
        """Tell whether the evidence of an outage has expired, so that nobody knows if it lasts."""
        return self.lost_from is not None

    @property
    def resumed_at(self) -> datetime | None:
        """Return when an outage that had gone stale was found again; None if it never was stale."""
        since, first_bad_at = self.since, self.first_bad_at
        if self.status is not LayerStatus.DOWN or since is None or first_bad_at is None:
            return None
        return first_bad_at if first_bad_at > since else None

    @property
    def last_result_at(self) -> datetime | None:
        """Return the time of the newest result, None before the first."""
        run = self.bad_run if self.is_failing else self.good_run
        return None if run is None else run.last_at

    @property
    def current_run(self) -> Run | None:
        """Return the run that the newest result belongs to."""
        return self.bad_run if self.is_failing else self.good_run
