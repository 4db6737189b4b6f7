"""Boards on a real SQLite database, and services for them."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.builders import service_named

from tallylight.board import Board
from tallylight.catalogue.services import (
    ProbeIntervals,
    Service,
)
from tallylight.clock import VirtualClock
from tallylight.model.evidence import Evidence, Failure, FailureKind, Fault, Source
from tallylight.model.ids import ServiceId, UpstreamId
from tallylight.model.status import Access
from tallylight.storage.database import Storage, open_storage
from tallylight.verdicts.options import PolicyOptions

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)

MakeService = Callable[..., Service]
MakeEvidence = Callable[..., Evidence]
NewFile = Callable[[], Path]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOON)


@pytest.fixture(scope="session")
def make_service() -> MakeService:
    """Return a factory of services."""

    def make(
        name: str = "sora",
        provider: str = "openai",
        access: Access = Access.OFFICIAL,
        generation: timedelta | None = timedelta(hours=3),
    ) -> Service:
        service = service_named(name, provider=provider, access=access)
        return replace(
            service,
            upstream=replace(service.upstream, id=UpstreamId(provider)),
            probe_intervals=ProbeIntervals(generation=generation),
        )

    return make


@pytest.fixture
def make_evidence(clock: VirtualClock) -> MakeEvidence:
    """Return a factory of evidence of this moment."""

    def make_evidence(
        source: Source,
        *,
        service: str = "sora",
        rule: str = "",
        kind: FailureKind = FailureKind.DEGRADED,
        http_status: int | None = 503,
        **more: object,
    ) -> Evidence:
        is_answered = not rule.startswith("exception:")
        failure = Failure(
            kind, Fault.UPSTREAM, rule, http_status=http_status if is_answered else None
        )
        facts: dict[str, object] = {"failure": failure if rule else None, **more}
        return Evidence(ServiceId(service), clock.now(), source, **facts)  # type: ignore[arg-type]

    return make_evidence


@pytest.fixture(scope="session")
def new_file(tmp_path_factory: pytest.TempPathFactory) -> NewFile:
    """Return a factory of database files with our tables."""
    template = tmp_path_factory.mktemp("template") / "history.db"

    async def prepare() -> None:
        async with open_storage(f"sqlite:///{template}", VirtualClock(NOON)):
            pass

    asyncio.run(prepare())

    def new() -> Path:
        return Path(shutil.copy(template, tmp_path_factory.mktemp("board") / "history.db"))

    return new


@pytest.fixture
def file(new_file: NewFile) -> Path:
    return new_file()


@pytest.fixture
async def storage(file: Path, clock: VirtualClock) -> AsyncIterator[Storage]:
    async with open_storage(f"sqlite:///{file}", clock) as storage:
        yield storage


@pytest.fixture
async def board(storage: Storage, clock: VirtualClock, make_service: MakeService) -> Board:
    """Return a board with one service, "sora"."""
    board = Board(storage, clock)
    await board.apply_config([make_service()], PolicyOptions())
    return board
