"""What a process waits for: transactions and requests. The test says when each happens, and how."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar, cast

from tallylight.errors import StorageError, TallylightError, UncertainCommitError
from tests.jobs.stepped_loop import SteppedLoop

T = TypeVar("T")


class CallKind(StrEnum):
    """What a process asks for."""

    COMMIT = "commit"  # a group of writes, in one transaction
    DATABASE = "database"  # any other transaction
    CONNECT = "connect"  # a connection for a create
    REQUEST = "request"  # any request but a create

    @property
    def is_of_database(self) -> bool:
        """Tell whether the database does it."""
        return self in {CallKind.COMMIT, CallKind.DATABASE}


class CallFate(StrEnum):
    """What becomes of a call, and whether its process is told."""

    HEARD = "heard"
    UNHEARD = "unheard"  # it happens, and the process is told that it may not have
    LOST = "lost"  # it does not happen, and the process is told that it failed
    LATE = "late"  # the process is told that it may have happened; if ever, it happens later


@dataclass(slots=True, eq=False)
class Call:
    """A call that a process waits for.

    Args:
        perform: Lets it happen, and returns its result.
        is_held: It hangs while other calls go on.
    """

    kind: CallKind
    perform: Callable[[], Any]
    future: asyncio.Future[Any]
    is_held: bool = False

    def settle(self, fate: CallFate) -> None:
        """Let it happen or not, and tell the process, which hears it when it runs next."""
        if fate is CallFate.HEARD:
            try:
                result = self.perform()
            except TallylightError as error:
                self._fail(error)
                return
            if not self.future.done():
                self.future.set_result(result)
            return
        if fate is CallFate.UNHEARD:
            self.perform()
        self._fail(_failure(self.kind, fate))

    def _fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


def _failure(kind: CallKind, fate: CallFate) -> Exception:
    match kind:
        case CallKind.COMMIT if fate is not CallFate.LOST:
            return UncertainCommitError("database: the connection broke during the commit")
        case CallKind.COMMIT | CallKind.DATABASE:
            return StorageError("database: away")
        case CallKind.CONNECT:
            return ConnectionRefusedError("refused")
        case CallKind.REQUEST:
            return ConnectionResetError("reset")


class Calls:
    """The calls that one process waits for, in their order."""

    def __init__(self, loop: SteppedLoop) -> None:
        self._loop = loop
        self._is_closed = False
        self.pending: list[Call] = []

    async def call(self, kind: CallKind, perform: Callable[[], T]) -> T:
        """Return the result once the test has let it happen."""
        if self._is_closed:
            raise asyncio.CancelledError
        call = Call(kind, perform, self._loop.create_future())
        self.pending.append(call)
        return cast("T", await call.future)

    def close(self) -> tuple[Call, ...]:
        """Let no call happen any more; return those that were under way."""
        self._is_closed = True
        left, self.pending = tuple(self.pending), []
        return left
