"""How the history is stored and how long it is kept, as the operator writes it.

Nothing here imports the database's library: reading a configuration needs none.
"""

from datetime import timedelta
from typing import Self

from pydantic import Field, model_validator

from tallylight.documents.parsers import Duration
from tallylight.documents.section import Section

#: Connections to PostgreSQL that a process opens at most for its transactions.
DEFAULT_POOL_SIZE = 15

#: How long entries of the ledger are kept at least: pages tell what was spent in 30 days.
LEAST_LEDGER = timedelta(days=31)
_LEAST_VIDEOS = timedelta(days=1)


class RetentionOptions(Section):
    """Retention; transitions, incidents, daily rollups and sums of money are kept for ever."""

    evidence: Duration = Field(timedelta(days=30), description="Individual pieces of evidence.")
    five_minutes: Duration = Field(
        timedelta(days=90), description="Evidence aggregated over five minutes."
    )
    hours: Duration = Field(timedelta(days=730), description="Evidence aggregated over one hour.")
    videos: Duration | None = Field(
        None,
        description="Videos that have ended, from their creation, with their attempts and "
        "webhooks; at least 1d. Without it they are kept for ever.",
    )
    ledger: Duration | None = Field(
        None,
        description="Entries of the ledger whose video is gone; at least 31d, and no shorter than "
        "`videos`. Without it they are kept for ever.",
    )
    trust_clock: bool = Field(
        default=False,
        description="Delete by this machine's clock alone, also while no upstream or status page "
        "on another machine confirms it to a day.",
    )

    @model_validator(mode="after")
    def _money_outlives_videos(self) -> Self:
        if self.videos is not None and self.videos < _LEAST_VIDEOS:
            raise ValueError("videos must be at least 1d")
        if self.ledger is not None:
            if self.ledger < LEAST_LEDGER:
                raise ValueError("ledger must be at least 31d: pages tell what 30 days cost")
            if self.videos is None or self.videos > self.ledger:
                raise ValueError(
                    "ledger needs videos that are kept no longer: an entry stays with its video"
                )
        return self
