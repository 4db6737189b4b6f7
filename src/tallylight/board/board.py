"""The verdicts on all services, kept in memory.

The board is rebuilt from storage at start: the judge is pure, so the last stored snapshot and the
evidence since then give exactly the state that a killed process had in memory.

What evidence does depends on the role of the process. Of the processes that share a database one
is the leader; the others follow it. `change_role` turns one into the other.
"""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog

from tallylight.board.entry import ServiceEntry
from tallylight.board.events import BoardEvent, Subscribers
from tallylight.board.follower import FollowerRole
from tallylight.board.leader import LeaderRole
from tallylight.board.network import NetworkWatcher
from tallylight.board.role import BoardRole
from tallylight.board.storage_port import BoardStorage
from tallylight.catalogue.services import Feed, Service
from tallylight.clock import Clock
from tallylight.errors import StorageError
from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.model.verdict import Verdict
from tallylight.verdicts.blocking import (
    KeyPeriod,
    attribute_forwarded,
    attribute_to_key,
    by_key,
)
from tallylight.verdicts.judge import initial_state
from tallylight.verdicts.options import PolicyOptions, service_policy
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.rate_limit import (
    OWN_PACE_AFTER,
    attribute_to_pace,
    is_accepted_order,
    is_refused_order,
)
from tallylight.verdicts.state import ServiceState

log = structlog.get_logger()

_PACE_CHECK_INTERVAL = timedelta(seconds=5)
"""A burst of refused orders is looked up once."""


class _PaceCheck(NamedTuple):
    at: datetime
    may_be_ours: bool


class Board:
    """Takes in evidence, and publishes verdicts and their transitions."""

    def __init__(self, storage: BoardStorage, clock: Clock, *, is_leader: bool = True) -> None:
        self._clock = clock
        self._services: tuple[Service, ...] = ()
        self._subscribers = Subscribers[BoardEvent]()
        self._network = NetworkWatcher(self._subscribers)
        self._role = self._new_role(storage, is_leader=is_leader)
        self._entries_lock = asyncio.Lock()
        self._pace_checks: dict[tuple[ServiceId, ...], _PaceCheck] = {}
        self._by_key: Mapping[ServiceId, tuple[ServiceId, ...]] = {}

    @property
    def is_leader(self) -> bool:
        """Tell whether this process judges and records."""
        return self._role.is_leader

    async def apply_config(self, services: Iterable[Service], options: PolicyOptions) -> None:
        """Replace the services on the board; those that stay keep their state.

        Raises:
            StorageError: if the stored state of new services cannot be read; nothing has changed
                then.
        """
        wanted = {service.id: service for service in services}
        async with self._entries_lock:
            role = self._role
            new = {
                id_: self._new_entry(service, service_policy(service, options))
                for id_, service in wanted.items()
                if id_ not in role.entries
            }
            has_unsaved, transitions = await role.load(new)
            # Not earlier: a snapshot stored with a transition contains all evidence before it.
            await role.flush()
            if role.entries.keys() - wanted.keys():  # their states say until when they were here
                await role.save_snapshots()
            for entry in new.values():
                entry.publish()
            for transition in transitions:
                role.announce(transition)
            for id_, entry in role.entries.items():
                if id_ in wanted:
                    policy = service_policy(wanted[id_], options)
                    entry.apply_config(wanted[id_], policy, self._clock.now())
            known = {**role.entries, **new}
            role.entries = {id_: known[id_] for id_ in wanted}
            self._services = tuple(wanted.values())
            self._by_key = by_key(self._services)
        try:
            await self.advance_time()
            if has_unsaved:  # a restart then replays from where this process started
                await self.save_snapshots()
        except StorageError as error:
            # The services are in force already, and both steps are repeated on schedule.
            log.warning("board.unsaved", error=str(error))

    async def change_role(self, storage: BoardStorage, *, is_leader: bool) -> None:
        """Rebuild the board from storage, as the leader or as a follower.

        Evidence that is reported in the meantime is applied by the former role.

        Raises:
            StorageError: if the database cannot be reached; nothing has changed then.
        """
        async with self._entries_lock:
            role = self._new_role(storage, is_leader=is_leader)
            entries = {
                id_: self._new_entry(entry.service, entry.policy)
                for id_, entry in self._role.entries.items()
            }
            await role.load(entries)
            for id_, entry in entries.items():
                entry.apply_key_period(self._role.entries[id_].key_period)
            await role.flush()
            # No await from here: evidence meets either the whole former role or the whole new one.
            former, self._role = self._role, role
            former.is_replaced = True
            role.entries = entries
            for id_, entry in entries.items():
                entry.publish()
                role.announce_change(former.entries[id_].published, entry)

    async def catch_up(self) -> None:
        """Apply the evidence that the leader has stored since the last call.

        Raises:
            StorageError: if the database cannot be reached.
        """
        async with self._entries_lock:
            await self._role.catch_up()

    async def report(self, evidence: Evidence, began_at: datetime | None = None) -> Verdict:
        """Apply evidence that this process has seen, and return the verdict after it.

        Args:
            evidence: The observation.
            began_at: When its request began, or the job that it ends; None if it was timed.

        Raises:
            KeyError: if the service is not on the board.
        """
        service, began = evidence.service, began_at or evidence.began_at
        evidence = attribute_to_key(evidence, began, self.key_period(service))
        if is_refused_order(evidence) and await self._may_be_own_pace(service, began):
            evidence = attribute_to_pace(evidence)
        upstream = self.service(service).upstream
        await self._apply_all(self._network.judged_now(evidence, upstream, began))
        return self.verdict(service)

    async def report_page(self, page: Feed, *, is_answered: bool) -> None:
        """Report whether a status page answered: it is a witness for our own network."""
        now = self._clock.now()
        await self._apply_all(self._network.page_was_read(page, now, is_answered=is_answered))

    async def settle(self, evidence: Evidence) -> None:
        """Judge what is held of the host of a missing answer, because no further call follows."""
        if (service := self.find_service(evidence.service)) is not None:
            await self._apply_all(self._network.settled(evidence, service.upstream))

    async def apply(self, evidence: Evidence) -> Verdict:
        """Apply evidence that another process has seen over its own network.

        Raises:
            KeyError: if the service is not on the board.
        """
        forwarded = attribute_forwarded(evidence, self.key_period(evidence.service))
        return await self._apply(forwarded, is_own=False)

    async def _apply_all(self, pieces: Iterable[Evidence]) -> None:
        was_down = self._network.is_down
        for piece in pieces:
            if piece.service in self:  # it may have left the board while its evidence was held
                await self._apply(piece)
        if self._network.is_down and not was_down:
            await self._role.take_back()

    async def _apply(self, evidence: Evidence, *, is_own: bool = True) -> Verdict:
        while (verdict := await self._role.apply(evidence, is_own=is_own)) is None:
            pass  # the role changed while the call waited: the new one applies it
        if self.is_leader and is_accepted_order(evidence):
            await self._report_to_siblings(evidence)
        return verdict

    async def _may_be_own_pace(self, id_: ServiceId, sent_at: datetime) -> bool:
        """Tell whether our own pace may be the cause of an order that was refused as too many."""
        sharing = self._by_key[id_]
        checked = self._pace_checks.get(sharing)
        if checked is not None and abs(sent_at - checked.at) < _PACE_CHECK_INTERVAL:
            return checked.may_be_ours
        try:
            may_be_ours = await self._role.storage.had_jobs(sharing, sent_at, OWN_PACE_AFTER)
        except StorageError:
            return True  # unknown: nothing may be said against the service
        self._pace_checks[sharing] = _PaceCheck(sent_at, may_be_ours)
        return may_be_ours

    async def _report_to_siblings(self, evidence: Evidence) -> None:
        """Report an accepted order to the services that the same key keeps out."""
        for id_ in self._by_key.get(evidence.service, ()):
            state = self._role.entries[id_].state
            if id_ != evidence.service and (state.blocked or state.rate_limit):
                await self._apply(Evidence(id_, evidence.at, Source.SIBLING))

    async def advance_time(self) -> None:
        """Apply what time alone changes: expired evidence, maintenance windows, shutdown dates."""
        await self._role.flush()
        if not self._network.is_down:  # verdicts are frozen while our own network is down
            await self._role.advance_time()

    async def save_snapshots(self) -> None:
        """Store the states of all services, so that a restart has little evidence to replay.

        Raises:
            StorageError: if the database cannot be reached; nothing is lost by it.
        """
        await self._role.flush()
        await self._role.save_snapshots()

    def services(self) -> tuple[Service, ...]:
        """Return the services on the board, in the catalogue's order."""
        return tuple(self._role.entries[each.id].known_service for each in self._services)

    def __contains__(self, id_: ServiceId) -> bool:
        return id_ in self._role.entries

    def service(self, id_: ServiceId) -> Service:
        """Return one service; raise KeyError if it is not on the board."""
        return self._role.entries[id_].known_service

    def open_incident(self, id_: ServiceId) -> str:
        """Return the id of a service's open incident, "" if it has none."""
        incident = self._role.entries[id_].open_incident
        return "" if incident is None else incident.id

    def find_service(self, id_: ServiceId) -> Service | None:
        """Return one service; None if it is not on the board."""
        entry = self._role.entries.get(id_)
        return None if entry is None else entry.known_service

    def current_service(self, service: Service) -> Service:
        """Return a service as it is configured now, or unchanged if it has left the board."""
        return self.find_service(service.id) or service

    def verdict(self, id_: ServiceId) -> Verdict:
        """Return the verdict on one service; raise KeyError if it is not on the board."""
        return self._role.entries[id_].published

    def verdicts(self) -> Mapping[ServiceId, Verdict]:
        """Return all verdicts, in the catalogue's order."""
        return {id_: entry.published for id_, entry in self._role.entries.items()}

    def state(self, id_: ServiceId) -> tuple[ServiceState, Policy]:
        """Return the judge's state of a service, and the policy it is judged by."""
        entry = self._role.entries[id_]
        return entry.state, entry.policy

    def key_period(self, id_: ServiceId) -> KeyPeriod:
        """Return since when this process has used its present key at a service."""
        return self._role.entries[id_].key_period

    def latest_evidence(self, id_: ServiceId, source: Source) -> Evidence | None:
        """Return the newest evidence of one source that is in memory, if any."""
        return self._role.entries[id_].latest.get(source)

    @property
    def network_is_down(self) -> bool:
        """Tell whether no provider answers, so that the fault is ours."""
        return self._network.is_down

    def witnesses_wanted_since(self, at: datetime) -> frozenset[str]:
        """Return the hosts to be called at once, so that a missing answer can be explained."""
        return self._network.witnesses_wanted_since(at)

    def subscribe(self) -> AbstractAsyncContextManager[asyncio.Queue[BoardEvent]]:
        """Open a queue of events; a subscriber that does not read loses the oldest ones."""
        return self._subscribers.subscribe()

    def _new_role(self, storage: BoardStorage, *, is_leader: bool) -> BoardRole:
        role = LeaderRole if is_leader else FollowerRole
        return role(storage, self._clock, self._subscribers, self._network)

    def _new_entry(self, service: Service, policy: Policy) -> ServiceEntry:
        return ServiceEntry(service, policy, initial_state(service.id, self._clock.now()))
