"""How far a service's status page is believed: as far as it has agreed with the service's jobs.

Two figures are learned, from four counts: the trust in a page that turns red, and in one that turns
green again. They are counted always, and used only if the policy says so (`learned_feed_trust`).
"""

import math
from datetime import datetime, timedelta
from typing import NamedTuple

from tallylight.verdicts.layer_state import FailureRecord

WEIGHT_OF_PASS = math.log(0.5 / 0.97)
"""What a delivered job adds at most for "up" while the page is believed: an outage is presumed in
which half of the jobs pass."""

_MAX_TRUST = 0.95
_BELIEVED_FROM = 0.5
_SHOWN_FROM = 0.6
_GOOD_JOBS_TO_REFUTE = 3
_REFUTED_BELOW = 0.2
_PASSES_IF_RED_IS_RIGHT, _PASSES_IF_UP = 0.5, 0.97
_JOBS_AFTER_GREEN = 3
_MUTE_TIME = timedelta(days=30)
_DENIALS_TO_MUTE = 2


class FeedTrust(NamedTuple):
    """What a status page has earned, and its present episode of trouble.

    Args:
        agreed: Episodes in which a job failed, or jobs were down already.
        denied: Episodes that jobs refuted.
        green_agreed: Ends of an episode after which three jobs went well.
        green_denied: Ends of an episode after which a job failed.
        good_jobs: Jobs that went well in the present episode.
        is_settled: The present episode has been counted.
        is_refuted: Jobs have refuted the present episode.
        is_ours: Jobs failed in the present episode and none had passed before them: a complete
            outage, whose end jobs show before the page does.
        jobs_since_green: Jobs that went well since the page turned green; None if that was counted.
        denied_at: When the newest two episodes were denied.
    """

    agreed: int = 0
    denied: int = 0
    green_agreed: int = 0
    green_denied: int = 0
    good_jobs: int = 0
    is_settled: bool = False
    is_refuted: bool = False
    is_ours: bool = False
    jobs_since_green: int | None = None
    denied_at: tuple[datetime, ...] = ()

    @property
    def red(self) -> float:
        """Return the probability that trouble on the page is real."""
        return min(_MAX_TRUST, (self.agreed + 1) / (self.agreed + 2 * self.denied + 4))

    @property
    def green(self) -> float:
        """Return the probability that trouble is over when the page says so."""
        agreed, denied = self.green_agreed, self.green_denied
        return min(_MAX_TRUST, (agreed + 1) / (agreed + 2 * denied + 4))

    @property
    def red_is_believed(self) -> bool:
        """Tell whether trouble on the page is likelier than not."""
        return self.red >= _BELIEVED_FROM

    @property
    def green_is_believed(self) -> bool:
        """Tell whether the end of trouble is likelier than not once the page says so."""
        return self.green >= _BELIEVED_FROM


UNTRIED = FeedTrust()
"""The trust in a page that has reported no trouble yet."""


def is_mute(trust: FeedTrust, at: datetime) -> bool:
    """Tell whether a page was denied twice within 30 days, less than 30 days ago."""
    if len(trust.denied_at) < _DENIALS_TO_MUTE:
        return False
    first, second = trust.denied_at
    return second - first <= _MUTE_TIME and at - second < _MUTE_TIME


def is_shown(trust: FeedTrust, at: datetime) -> bool:
    """Tell whether trouble on the page is shown although jobs pass, while the page is red."""
    return not trust.is_refuted and trust.red >= _SHOWN_FROM and not is_mute(trust, at)


def turned_red(trust: FeedTrust, *, jobs_are_down: bool) -> FeedTrust:
    """Return the trust as an episode of trouble on the page begins."""
    return trust._replace(
        agreed=trust.agreed + jobs_are_down,
        good_jobs=0,
        is_settled=jobs_are_down,
        is_refuted=False,
        is_ours=jobs_are_down,
        jobs_since_green=None,
    )


def turned_green(trust: FeedTrust) -> FeedTrust:
    """Return the trust as an episode ends."""
    return trust._replace(jobs_since_green=0)


def with_job_while_red(trust: FeedTrust, at: datetime, failure: FailureRecord | None) -> FeedTrust:
    """Return the trust after a job that ended while the page was red."""
    if failure is not None:
        return trust._replace(
            agreed=trust.agreed + (not trust.is_settled),
            is_settled=True,
            is_ours=not trust.good_jobs,
        )
    trust = trust._replace(good_jobs=trust.good_jobs + 1)
    is_open = not trust.is_settled and trust.good_jobs >= _GOOD_JOBS_TO_REFUTE
    if not is_open or not _is_refuted(trust):
        return trust
    return trust._replace(
        denied=trust.denied + 1,
        is_settled=True,
        is_refuted=True,
        denied_at=(*trust.denied_at[1 - _DENIALS_TO_MUTE :], at),
    )


def with_job_after_green(trust: FeedTrust, failure: FailureRecord | None) -> FeedTrust:
    """Return the trust after a job that ended since the page turned green."""
    if trust.jobs_since_green is None:
        return trust
    if failure is not None:
        return trust._replace(green_denied=trust.green_denied + 1, jobs_since_green=None)
    if trust.jobs_since_green + 1 < _JOBS_AFTER_GREEN:
        return trust._replace(jobs_since_green=trust.jobs_since_green + 1)
    return trust._replace(green_agreed=trust.green_agreed + 1, jobs_since_green=None)


def _is_refuted(trust: FeedTrust) -> bool:
    red = trust.red * _PASSES_IF_RED_IS_RIGHT**trust.good_jobs
    return red < _REFUTED_BELOW * (red + (1 - trust.red) * _PASSES_IF_UP**trust.good_jobs)
