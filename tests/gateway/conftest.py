"""Fixtures: a fresh database of either kind for each test; services and candidates."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tallylight.catalogue.fit import Expressible
from tallylight.catalogue.services import Service
from tallylight.clock import VirtualClock
from tallylight.gateway.routing.fitter import Fitter
from tallylight.gateway.routing.ranking import Candidate
from tallylight.model.order import Form, Medium, Operation, Role
from tallylight.model.status import Status
from tallylight.model.verdict import Block, Reason, ReasonCode, Verdict
from tallylight.storage.database import Storage, open_storage
from tallylight.upstreams.protocols.request_body import VIDEOS_API_PROFILES

NewDatabase = Callable[[str | None], str]
MakeCandidate = Callable[..., Candidate]

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ALL_SKILLS = Expressible(
    frozenset(Operation),
    {
        (Role.FIRST_FRAME, Medium.IMAGE): frozenset(Form),
        (Role.SOURCE, Medium.VIDEO): frozenset(Form),
    },
    characters=True,
    wording=VIDEOS_API_PROFILES["openai"].wording,
)


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/history.db"
    make: NewDatabase = request.getfixturevalue("new_postgres")
    return make(None)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(datetime(2026, 11, 22, 12, tzinfo=UTC))


@pytest.fixture
async def history(address: str, clock: VirtualClock) -> AsyncIterator[Storage]:
    async with open_storage(address, clock) as history:
        yield history


@pytest.fixture(scope="session")
def make_candidate() -> MakeCandidate:
    """Return a factory of routing candidates."""

    def make(  # noqa: PLR0913  # the facts that tests vary
        service: Service,
        *,
        status: Status = Status.OPERATIONAL,
        blocked: Block | None = None,
        skills: Expressible = ALL_SKILLS,
        delivery: float = 0.95,
        seconds: float = 90.0,
        **more: object,
    ) -> Candidate:
        reason = Reason(ReasonCode.JOBS_DELIVERED, NOON)
        verdict = Verdict(service.id, status, NOON, 0.99, (reason,), blocked)
        can = Fitter(service, skills)
        return Candidate(service, verdict, can, delivery, seconds, **more)  # type: ignore[arg-type]

    return make
