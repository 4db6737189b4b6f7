"""Sends alerts: compares the board with what receivers were notified of."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from tallylight.alerts import rules
from tallylight.alerts.messages import alert_messages
from tallylight.alerts.metrics import AlertMetrics
from tallylight.alerts.notification import Notification
from tallylight.alerts.options import AlertOptions, ReceiverOptions
from tallylight.alerts.receivers import RenderedNotification
from tallylight.alerts.sender import NotificationSender
from tallylight.alerts.snapshot import dump_alert_state, load_alert_state
from tallylight.alerts.state import AlertState
from tallylight.alerts.wording import render_notification
from tallylight.board import Board, NetworkChange
from tallylight.clock import Clock
from tallylight.errors import StorageError
from tallylight.i18n import Language, translator
from tallylight.model.ids import ServiceId
from tallylight.storage.database import Storage
from tallylight.verdicts.judge import is_alertable

log = structlog.get_logger()

_TICK = timedelta(seconds=1)
_STATE_NAME = "alerts"


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """What the configuration in force says on alerts."""

    options: AlertOptions
    language: Language


class AlertDispatcher:
    """Notifies receivers of changes; without receivers it does nothing."""

    def __init__(
        self,
        board: Board,
        history: Storage,
        clock: Clock,
        settings: AlertSettings,
        metrics: AlertMetrics,
    ) -> None:
        self._board = board
        self._history = history
        self._clock = clock
        self._rules = settings.options.rules()
        self._receivers = settings.options.receivers
        self._sender = NotificationSender(
            history.outbox, self._receivers, clock, self._message, metrics
        )
        self._translator = translator(settings.language)

    async def run(self) -> None:
        """Send notifications until cancelled; return at once if there is no receiver."""
        if not self._receivers:
            await self._sender.run()  # drops what waits for receivers of before
            return
        saved = await self._history.component_state(_STATE_NAME)
        state = AlertState() if saved is None else load_alert_state(saved)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._sender.run(), name="receivers")
            await self._dispatch(state)

    async def _dispatch(self, state: AlertState) -> None:
        async with self._board.subscribe() as events:
            state = self._observe(state, self._board.verdicts())
            saved = state
            while True:
                now = self._clock.now()
                changed: dict[ServiceId, None] = {}
                while not events.empty():
                    event = events.get_nowait()
                    if isinstance(event, NetworkChange):
                        is_down = event.is_down
                        state = rules.observe_network(state, now, self._rules, is_down=is_down)
                    else:
                        changed[event.service] = None
                state = self._observe(state, changed)
                evaluated, notifications = rules.evaluate(
                    state,
                    now,
                    self._rules,
                    {service.id: service for service in self._board.services()},
                )
                if evaluated == saved or await self._save_state(evaluated, notifications):
                    # What cannot be saved is not notified, and is evaluated again.
                    saved = state = evaluated
                await self._clock.sleep(_TICK)

    def _observe(self, state: AlertState, services: Iterable[ServiceId]) -> AlertState:
        now = self._clock.now()
        verdicts = self._board.verdicts()
        for id_ in services:
            if id_ in verdicts:
                service_state, policy = self._board.state(id_)
                state = rules.observe_verdict(
                    state,
                    verdicts[id_],
                    now,
                    self._rules,
                    is_confirmed=is_alertable(service_state, policy),
                    has_recovered=service_state.recovery.at is not None,
                )
        return state

    async def _save_state(self, state: AlertState, notifications: Iterable[Notification]) -> bool:
        """Store the state with the notifications that it causes; tell whether that succeeded."""
        messages = alert_messages(notifications, self._receivers)
        try:
            await self._history.save_component_state(_STATE_NAME, dump_alert_state(state), messages)
        except StorageError as error:
            log.warning("alerts.state_not_saved", error=str(error))
            return False
        return True

    def _message(
        self, notification: Notification, _receiver: ReceiverOptions
    ) -> RenderedNotification:
        return render_notification(notification, self._service_name, self._translator)

    def _service_name(self, service: ServiceId) -> str:
        try:
            return self._board.service(service).name
        except KeyError:  # it has left the configuration since
            return service
