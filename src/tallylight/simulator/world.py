"""The live state of a simulated world: jobs, troubles, books, chance."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from tallylight.simulator.faults import AnyTrouble, Door
from tallylight.simulator.ledger import Entry, Ledger
from tallylight.simulator.outcomes import (
    Fate,
    Result,
    Stage,
    Stretch,
    charge_of,
    fate_of,
    scripted,
    stage_of,
    struck,
    troubles_at,
)
from tallylight.simulator.scenario import Key, Scenario, ServicePart
from tallylight.simulator.status_reports import Statement, lives_of, statement
from tallylight.simulator.time_scale import Pace


@dataclass(frozen=True, slots=True)
class Job:
    """An accepted job.

    Args:
        id: Its id on the wire.
        service: Who makes it.
        upstream: Where.
        prompt: The text.
        asked: What was asked for.
        fate: What becomes of it.
        accepted_at: Seconds since the scenario's start.
        created_at: The same in Unix seconds.
        parent: The video that it was made from by a remix, "" for none.
        owner: The key that created it.
        reference: What it begins from: "image/png, 120 bytes", or an address; "" for nothing.
    """

    id: str
    service: str
    upstream: str
    prompt: str
    asked: Result
    fate: Fate
    accepted_at: float
    created_at: int
    parent: str = ""
    owner: str = ""
    reference: str = ""

    def stage(self, second: float) -> Stage:
        """Return where it stands at a second."""
        return stage_of(self.fate, second - self.accepted_at)

    @property
    def ends_at(self) -> float | None:
        """Return the second of its end, None if it never ends."""
        return None if self.fate.duration is None else self.accepted_at + self.fate.duration


@dataclass(frozen=True, slots=True)
class Commission:
    """What a create asks of a service.

    Args:
        service: Whose model.
        prompt: The text.
        size: The picture's size.
        seconds: The clip's length, 0 for a still image.
        model: The id that the caller used.
        billed_seconds: What is charged, where that is not the clip's length.
        parent: The video that it is made from.
        owner: The caller's key.
        answered: False if the caller is never told.
        reference: As in `Job`.
    """

    service: str
    prompt: str
    size: str
    seconds: int
    model: str
    billed_seconds: int | None = None
    parent: str = ""
    owner: str = ""
    answered: bool = True
    reference: str = ""


class Mode(StrEnum):
    """Who writes a service's troubles."""

    SCRIPT = "script"
    LIVE = "live"


@dataclass(slots=True)
class World:
    """One running simulation.

    Args:
        scenario: The script.
        pace: Its clock.
        seed: Where chance begins.
        base_url: Its address, known once it listens.
        empty_url: An address at which nobody listens, known then too.
    """

    scenario: Scenario
    pace: Pace
    seed: int
    base_url: str = ""
    empty_url: str = ""
    ledger: Ledger = field(default_factory=Ledger)
    jobs: dict[str, Job] = field(default_factory=dict)
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    _dice: random.Random = field(init=False)
    _script: Mapping[str, tuple[Stretch, ...]] = field(init=False)
    _overrides: dict[str, list[Stretch]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Unroll the script and set chance to its beginning."""
        services = self.scenario.services
        self._script = {name: scripted(service.spells) for name, service in services.items()}
        self._dice = random.Random(self.seed)  # noqa: S311  # to be repeatable is its purpose

    @property
    def base_urls(self) -> Mapping[str, str]:
        """Return the address of each upstream, with the path that clients append to."""
        return {
            name: f"{self.base_url if upstream.listens else self.empty_url}/{name}/v1"
            for name, upstream in self.scenario.upstreams.items()
        }

    @property
    def feed_urls(self) -> Mapping[str, str]:
        """Return the root of each status page."""
        return {name: f"{self.base_url}/status/{name}" for name in self.scenario.feeds}

    def second(self) -> float:
        """Return the seconds since the scenario's start."""
        return self.pace.second()

    def chance(self) -> float:
        """Draw from 0.0 to 1.0."""
        return self._dice.random()

    def token(self, length: int = 24) -> str:
        """Draw the random part of an id."""
        return f"{self._dice.getrandbits(4 * length):0{length}x}"

    def troubles(self, service: str) -> tuple[AnyTrouble, ...]:
        """Return what troubles a service now."""
        overrides = self._overrides.get(service, ())
        return troubles_at(self._script[service], overrides, self.second())

    def struck(self, service: str, door: Door) -> AnyTrouble | None:
        """Draw which trouble strikes a request to a service, None for none."""
        self.requests[service, door] += 1
        return struck(self.troubles(service), door, self.chance())

    def mode(self, service: str) -> Mode:
        """Tell who writes a service's troubles now."""
        now = self.second()
        live = any(override.covers(now) for override in self._overrides.get(service, ()))
        return Mode.LIVE if live else Mode.SCRIPT

    def override(
        self, service: str, troubles: tuple[AnyTrouble, ...], duration: float | None = None
    ) -> None:
        """Replace a service's troubles from now on, for some seconds or until told otherwise."""
        self.release(service)
        now = self.second()
        end = None if duration is None else now + duration
        self._overrides.setdefault(service, []).append(Stretch(now, end, troubles))

    def release(self, service: str) -> None:
        """Give a service back to its script."""
        now = self.second()
        self._overrides[service] = [
            replace(old, end=now) if old.covers(now) else old
            for old in self._overrides.get(service, ())
            if old.start < now
        ]

    def statement(self, feed: str) -> Statement:
        """Return what a status page says now."""
        lives = {
            name: lives_of(self._script[name], self._overrides.get(name, ()))
            for name in self.scenario.shown_on(feed)
        }
        return statement(self.scenario, feed, lives, self.second())

    def accept(self, asked: Commission, trouble: AnyTrouble | None, job_id: str) -> Job:
        """Accept a job: settle its fate and write it into the books."""
        service = self.scenario.services[asked.service]
        wanted = Result(asked.model, asked.size, asked.seconds)
        second = self.second()
        job = Job(
            id=job_id,
            service=asked.service,
            upstream=service.upstream,
            prompt=asked.prompt,
            asked=wanted,
            fate=fate_of(service, wanted, asked.prompt, trouble, self.chance()),
            accepted_at=second,
            created_at=int(self.pace.unix(second)),
            parent=asked.parent,
            owner=asked.owner,
            reference=asked.reference,
        )
        self.jobs[job_id] = job
        self.ledger.enter(_entry(job, service, asked))
        return job

    def job(self, upstream: str, job_id: str) -> Job | None:
        """Return an upstream's job by its id."""
        job = self.jobs.get(job_id)
        return job if job is not None and job.upstream == upstream else None

    def known_key(self, upstream: str, key: str) -> Key | None:
        """Return what an upstream knows of a key."""
        known = self.scenario.upstreams[upstream].keys
        return next((one for one in known if one.key == key), None)

    def service_of(self, upstream: str, model: str, key: Key) -> str | None:
        """Return the service that a key may use under a model's name."""
        for name, service in self.open_to(upstream, key).items():
            if model in service.wire_names:
                return name
        return None

    def open_to(self, upstream: str, key: Key) -> Mapping[str, ServicePart]:
        """Return the services that a key may use."""
        sold = self.scenario.sold_at(upstream)
        if key.services is None:
            return sold
        return {name: service for name, service in sold.items() if name in key.services}


def _entry(job: Job, service: ServicePart, asked: Commission) -> Entry:
    seconds = asked.seconds if asked.billed_seconds is None else asked.billed_seconds
    return Entry(
        service=job.service,
        upstream=job.upstream,
        job=job.id,
        prompt=job.prompt,
        charge=charge_of(service.price, asked.size, seconds),
        billing=service.billing,
        fate=job.fate,
        accepted_at=job.accepted_at,
        at=job.created_at,
        answered=asked.answered,
    )
