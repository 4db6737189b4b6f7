"""The only live state: evidence in, verdict out, transition announced."""

from tallylight.board.archive import Archive
from tallylight.board.events import Event, NetworkChange
from tallylight.board.live import UNWATCHED_JOBS_HOLD, Board

__all__ = ["UNWATCHED_JOBS_HOLD", "Archive", "Board", "Event", "NetworkChange"]
