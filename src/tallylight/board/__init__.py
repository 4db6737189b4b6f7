"""The only live state: evidence in, verdict out, transition announced."""

from tallylight.board.archive import Archive
from tallylight.board.events import Event, NetworkChange
from tallylight.board.live import Board
from tallylight.verdicts.holds import UNWATCHED_JOBS_HOLD

__all__ = ["UNWATCHED_JOBS_HOLD", "Archive", "Board", "Event", "NetworkChange"]
