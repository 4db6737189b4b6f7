"""The only live state: evidence in, verdict out, transition announced."""

from tallylight.board.board import Board
from tallylight.board.events import BoardEvent, NetworkChange
from tallylight.board.storage_port import BoardStorage
from tallylight.verdicts.evidence_ttl import UNWATCHED_JOBS_HOLD

__all__ = ["UNWATCHED_JOBS_HOLD", "BoardStorage", "Board", "BoardEvent", "NetworkChange"]
