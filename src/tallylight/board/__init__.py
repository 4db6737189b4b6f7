"""The verdicts on all services in memory: evidence in, verdicts and their transitions out."""

from tallylight.board.board import Board
from tallylight.board.events import BoardEvent, NetworkChange
from tallylight.board.storage_port import BoardStorage

__all__ = ["Board", "BoardEvent", "BoardStorage", "NetworkChange"]
