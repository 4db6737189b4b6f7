"""When the files of a job expire, where its maker says how long they live."""

from datetime import datetime, timedelta

from tallylight.upstreams.json_access import json_timestamp


def expires_after(ended_at: object, life: timedelta) -> datetime | None:
    """Return when files expire that live for some time from a time that an answer tells.

    None if the answer tells none.
    """
    ended = json_timestamp(ended_at)
    try:
        return None if ended is None else ended + life
    except OverflowError:  # the last days of the year 9999
        return None
