"""Which share of the newest jobs fails: whether a service that is up fails in part (rule 6)."""

import math
from bisect import bisect_left
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from tallylight.verdicts.baseline_failures import usual_share, with_minutes
from tallylight.verdicts.intervals import chance_of_so_many, wilson
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import JobsRecord, LayerStanding, Minute, Normal, State

_MINUTE = 60
_UNLIKELY = 0.05
_LEAST_BAD = 3  # two are noise, however few the jobs


@dataclass(frozen=True, slots=True)
class Share:
    """So many bad jobs of so many."""

    bad: int
    of: int

    def is_enough(self, policy: Policy) -> bool:
        """Tell whether so many jobs may say anything against a service."""
        return self.bad >= _LEAST_BAD and self.of >= policy.degraded_least

    def is_above(self, share: float, policy: Policy) -> bool:
        """Tell whether the true share is above this one, as far as so many jobs can tell."""
        return self.is_enough(policy) and wilson(self.bad, self.of, policy.sure).low > share

    def is_no_chance(self, share: float, policy: Policy) -> bool:
        """Tell whether so many bad jobs never come by chance where this share is bad."""
        by_chance = 1 - policy.degraded_sure
        return self.is_enough(policy) and chance_of_so_many(self.bad, self.of, share) < by_chance


def minute_of(at: datetime) -> int:
    """Return the minute of Unix time."""
    return int(at.timestamp()) // _MINUTE


def with_job(
    record: JobsRecord, layer: LayerStanding, at: datetime, policy: Policy, *, is_bad: bool
) -> tuple[tuple[Minute, ...], Normal]:
    """Return the record's minutes with one more job in its own, and what is normal then.

    A minute tells of what is normal once it leaves the window without any trouble: the first
    minutes of a spell that is not known yet must not excuse the rest of it.
    """
    number = minute_of(at)
    newest = max(number, record.minutes[-1].number) if record.minutes else number
    oldest = newest - policy.degraded_long // timedelta(seconds=_MINUTE)
    minutes = [m for m in record.minutes if m.number > oldest]
    usual = record.normal
    if layer.state is State.UP and record.partly_since is None:
        usual = with_minutes(usual, record.minutes[: len(record.minutes) - len(minutes)])
    place = bisect_left(minutes, number, key=lambda m: m.number)
    if place < len(minutes) and minutes[place].number == number:
        found = minutes[place]
        minutes[place] = Minute(number, found.good + (not is_bad), found.bad + is_bad)
    elif number > oldest:
        minutes.insert(place, Minute(number, int(not is_bad), int(is_bad)))
    return tuple(minutes), usual


def share(record: JobsRecord, at: datetime, over: timedelta) -> Share:
    """Return the share of bad jobs in the time before a moment."""
    oldest = minute_of(at) - over // timedelta(seconds=_MINUTE)
    bad = good = 0
    for number, well, badly in record.minutes:
        if number > oldest:
            bad += badly
            good += well
    return Share(bad, bad + good)


def since(record: JobsRecord, moment: datetime) -> JobsRecord:
    """Return the record without the jobs before a recovery: they belong to the outage."""
    first = minute_of(moment)
    kept = (Minute(m.number, m.good, 0) for m in record.minutes if m.number >= first)
    return replace(record, minutes=tuple(kept), partly_since=None)


def partly(record: JobsRecord, layer: LayerStanding, at: datetime, policy: Policy) -> JobsRecord:
    """Return the record with what its shares say of a layer that is up.

    It begins when the long window shows a share that is surely none of the service's normal ones,
    and the short one does too; it ends when the long one no longer does, or when so many jobs in
    a row went well as the share would have let pass one time in twenty. Leaving by the short
    window alone would flap.
    """
    if record.partly_since is not None:
        return _still_partly(record, layer, at, policy)
    if not layer.is_failing or not _begins(record, at, policy):
        return record  # it cannot begin with a job that went well
    first = next(m.number for m in record.minutes if m.bad)
    begun = datetime.fromtimestamp(first * _MINUTE, UTC)
    return replace(record, partly_since=max(begun, layer.since or begun))


def _begins(record: JobsRecord, at: datetime, policy: Policy) -> bool:
    long, short = (share(record, at, w) for w in (policy.degraded_long, policy.degraded_short))
    usual = usual_share(record.normal, policy)
    return long.is_no_chance(usual, policy) and short.is_above(usual, policy)


def _still_partly(
    record: JobsRecord, layer: LayerStanding, at: datetime, policy: Policy
) -> JobsRecord:
    long, run = share(record, at, policy.degraded_long), layer.good_run
    if run is not None and not layer.is_failing and _is_relief(long, run.length):
        return since(record, run.since)
    if long.of and not long.is_above(usual_share(record.normal, policy), policy):
        return replace(record, partly_since=None)
    return record


def _is_relief(long: Share, good_in_a_row: int) -> bool:
    going_well = max(1e-9, 1 - long.bad / long.of) if long.of else 1.0
    return good_in_a_row * math.log(going_well) < math.log(_UNLIKELY)
