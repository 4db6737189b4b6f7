"""Under any evidence transitions form a chain, and a restart restores the same state."""

import asyncio
import shutil
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tallylight.board import Board, BoardEvent
from tallylight.catalogue.services import Service
from tallylight.clock import VirtualClock
from tallylight.model.evidence import Evidence, Failure, FailureKind, Fault, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Access, Status
from tallylight.model.verdict import Transition
from tallylight.storage.database import Storage, open_storage
from tallylight.verdicts.judge import held
from tallylight.verdicts.options import PolicyOptions
from tallylight.verdicts.retraction import retraction_of
from tests.builders import service_named

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
T = TypeVar("T")

FAILURES = st.builds(
    Failure,
    kind=st.sampled_from(FailureKind),
    fault=st.sampled_from(Fault),
    rule=st.sampled_from(("exception:name", "code:overloaded", "words:risk-control")),
    text=st.sampled_from(("", "try again later")),
    names_state=st.booleans(),
    http_status=st.sampled_from((None, 403, 503)),
)
PROBED = st.sampled_from([s for s in Source if s not in {Source.FEED, Source.CALENDAR}])
CLAIMS = st.sampled_from((Status.OPERATIONAL, Status.DEGRADED, Status.SUSPENDED, Status.UNKNOWN))


class BoardMachine(RuleBasedStateMachine):
    """Reports any evidence to a board on SQLite, and restarts it at any time."""

    services: ClassVar[tuple[Service, ...]]
    files: ClassVar[Iterator[Path]]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = VirtualClock(NOON)
        self.file = next(self.files)
        self.announced: list[Transition] = []
        self.stack = AsyncExitStack()
        self.run(self.open())

    def run(self, work: Coroutine[object, object, T]) -> T:
        return self.loop.run_until_complete(work)

    async def open(self) -> None:
        storage = open_storage(f"sqlite:///{self.file}", self.clock)
        self.storage: Storage = await self.stack.enter_async_context(storage)
        self.board = Board(self.storage, self.clock)
        self.events: asyncio.Queue[BoardEvent] = await self.stack.enter_async_context(
            self.board.subscribe()
        )
        await self.board.apply_config(self.services, PolicyOptions())

    @rule(
        service=st.sampled_from("ab"),
        source=PROBED,
        failure=st.none() | FAILURES,
        seconds=st.integers(0, 900),
        late=st.integers(0, 30),
    )
    def report_a_probe(
        self, service: str, source: Source, failure: Failure | None, seconds: int, late: int
    ) -> None:
        self.run(self.clock.advance(timedelta(seconds=seconds)))
        at = self.clock.now() - timedelta(seconds=late)
        latency = timedelta(seconds=60) if failure is None else None
        piece = Evidence(ServiceId(service), at, source, failure=failure, latency=latency)
        self.run(self.board.report(piece))

    @rule(service=st.sampled_from("ab"), claimed=CLAIMS)
    def report_a_feed(self, service: str, claimed: Status) -> None:
        now = self.clock.now()
        self.run(
            self.board.report(
                Evidence(ServiceId(service), now, Source.FEED, claimed_status=claimed)
            )
        )

    @rule(service=st.sampled_from("ab"), hours=st.integers(-2, 48), certain=st.booleans())
    def report_a_shutdown(self, service: str, hours: int, *, certain: bool) -> None:
        now = self.clock.now()
        claimed = Status.RETIRED if certain else Status.OPERATIONAL
        until = now + timedelta(hours=hours)
        piece = Evidence(
            ServiceId(service), now, Source.CALENDAR, claimed_status=claimed, until=until
        )
        self.run(self.board.report(piece))

    @rule(minutes=st.integers(1, 600))
    def advance_time(self, minutes: int) -> None:
        self.run(self.clock.advance(timedelta(minutes=minutes)))
        self.run(self.board.advance_time())

    @rule()
    def save(self) -> None:
        self.run(self.board.save_snapshots())

    @rule()
    def stop_and_start(self) -> None:
        self.run(self.board.advance_time())
        before = {id_: self.board.state(id_) for id_ in self.board.verdicts()}
        was_down = self.board.network_is_down
        self.close()
        self.run(self.open())
        if (
            not was_down
        ):  # no time passes while our network is down; a new process does not know that it is
            now = self.clock.now()  # the new process holds time until its first free check
            restored = {id_: held(state, now, policy) for id_, (state, policy) in before.items()}
            assert {id_: self.board.state(id_)[0] for id_ in before} == restored

    @rule()
    def kill(self) -> None:
        copy = self.file.with_name(f"{len(self.file.name)}-{self.file.name}")
        for suffix in ("", "-wal"):
            if Path(f"{self.file}{suffix}").exists():
                shutil.copy(f"{self.file}{suffix}", f"{copy}{suffix}")
        self.close()
        self.file = copy
        self.run(self.open())
        self.announced = list(self.recorded())  # the newest may have been lost with the process

    @invariant()
    def transitions_form_a_chain(self) -> None:
        taken_back = set()  # whose next announcement is that of the former status
        while not self.events.empty():
            event = self.events.get_nowait()
            if isinstance(event, Evidence) and (retraction := retraction_of(event)) is not None:
                own = [each for each in self.announced if each.service == event.service]
                gone = own[-retraction.count :]
                self.announced = [each for each in self.announced if each not in gone]
                taken_back.add(event.service)
            elif isinstance(event, Transition) and event.service in taken_back:
                taken_back.remove(event.service)
            elif isinstance(event, Transition):
                self.announced.append(event)
        recorded = self.recorded()
        for service in self.services:
            chain = [t for t in self.announced if t.service == service.id]
            assert [t for t in recorded if t.service == service.id] == chain
            for former, later in pairwise(chain):
                assert former.after.status is later.before.status
                assert later.before.status is not later.after.status
                assert former.at <= later.at
            current = self.board.verdict(service.id).status
            assert current is (chain[-1].after.status if chain else Status.UNKNOWN)

    def recorded(self) -> tuple[Transition, ...]:
        end = self.clock.now() + timedelta(days=9)
        return self.run(self.storage.transitions(None, NOON - timedelta(days=9), end))

    def close(self) -> None:
        self.run(self.stack.aclose())
        self.stack = AsyncExitStack()

    def teardown(self) -> None:
        self.close()
        self.loop.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_transitions_form_a_chain_over_all_restarts(new_file: Callable[[], Path]) -> None:
    BoardMachine.services = (
        service_named("a", provider="one"),
        service_named("b", provider="two", access=Access.REVERSE),
    )
    BoardMachine.files = iter(new_file, None)
    BoardMachine.TestCase.settings = settings(
        max_examples=20, stateful_step_count=20, deadline=None
    )

    BoardMachine.TestCase().runTest()
