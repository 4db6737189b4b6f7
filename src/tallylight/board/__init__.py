"""The verdicts on all services in memory: evidence in, verdicts and their transitions out."""

from tallylight.board.board import Board
from tallylight.board.events import BoardEvent, NetworkChange
from tallylight.board.storage_port import BoardStorage
from tallylight.verdicts.evidence_ttl import DEFAULT_JOBS_TTL

__all__ = ["DEFAULT_JOBS_TTL", "Board", "BoardEvent", "BoardStorage", "NetworkChange"]
