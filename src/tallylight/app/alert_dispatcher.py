"""Sends alerts: compares the board with what receivers were notified of."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from tallylight.alerts import rules
from tallylight.alerts.budgets import BudgetShare, update_budgets
from tallylight.alerts.contradictions import update_contradictions
from tallylight.alerts.messages import alert_messages
from tallylight.alerts.metrics import AlertMetrics
from tallylight.alerts.notification import Notification, NotificationKind
from tallylight.alerts.options import AlertOptions, ReceiverOptions, ReportOptions
from tallylight.alerts.receivers import RenderedNotification
from tallylight.alerts.reports import update_reports
from tallylight.alerts.sender import NotificationSender
from tallylight.alerts.snapshot import dump_alert_state, load_alert_state
from tallylight.alerts.state import AlertState
from tallylight.alerts.wording import AlertContext, render_for_receiver
from tallylight.app.report_message import ReportRenderer
from tallylight.board import Board, NetworkChange
from tallylight.clock import Clock
from tallylight.errors import StorageError
from tallylight.i18n import Language
from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.model.money import Budget
from tallylight.model.status import Status
from tallylight.status.budgets import TOTAL_SCOPE, budget_usage
from tallylight.storage.database import Storage
from tallylight.verdicts.judge import is_alertable

log = structlog.get_logger()

_TICK = timedelta(seconds=1)
_STATE_NAME = "alerts"
_SLOW_INTERVAL = timedelta(minutes=1)
_TROUBLE = frozenset({NotificationKind.FIRING, NotificationKind.REMINDER})


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """What the configuration in force says on alerts.

    Args:
        report: Who is sent the report on each month.
        alternatives: Returns the names of the services to use in place of some, best first.
    """

    options: AlertOptions
    language: Language
    report: ReportOptions
    public_url: str = ""
    total_budget: Budget = field(default_factory=Budget)
    alternatives: Callable[[Sequence[ServiceId]], Sequence[str]] = lambda _: ()


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
        self._sender = NotificationSender(history, self._receivers, clock, self._render, metrics)
        self._total_budget = settings.total_budget
        self._report = settings.report
        self._evaluated_at: datetime | None = None
        self._context = AlertContext(
            self._service_name, settings.alternatives, settings.public_url, settings.language
        )
        self._reports = ReportRenderer(history, board.services, clock, self._context)

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
                        if isinstance(event, Evidence) and event.source is Source.RETRACTION:
                            state = rules.observe_retraction(state, event.service)
                        changed[event.service] = None
                state = self._observe(state, changed)
                evaluated, notifications = rules.evaluate(
                    state,
                    now,
                    self._rules,
                    {service.id: service for service in self._board.services()},
                )
                evaluated, more = await self._evaluate_slowly(evaluated, now)
                notifications = (*notifications, *more)
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
                    incident=self._board.open_incident(id_),
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

    async def _evaluate_slowly(self, state: AlertState, now: datetime) -> rules.Evaluation:
        """Once a minute, return what is due of budgets, of status pages and of reports."""
        if self._evaluated_at is not None and now - self._evaluated_at < _SLOW_INTERVAL:
            return state, ()
        self._evaluated_at = now
        state, spent = await self._evaluate_budgets(state, now)
        claims = {}
        for service in self._board.services():
            feed = self._board.state(service.id)[0].feed
            if feed.at is not None and feed.is_readable:
                claims[service.id] = feed.claimed_status
        state, due = update_contradictions(
            state,
            claims,
            now,
            self._rules,
            {service.id: service for service in self._board.services()},
        )
        before = state.reports_sent
        sent, reports = update_reports(before, self._report, self._receivers, now)
        told = {report.receiver for report in reports}
        for name, month in sent.items():
            if name not in told and month > before.get(name, month):
                log.warning("report.left_out", receiver=name, month=month.isoformat())
        return replace(state, reports_sent=sent), (*spent, *due, *reports)

    async def _evaluate_budgets(self, state: AlertState, now: datetime) -> rules.Evaluation:
        try:
            usage = await budget_usage(
                self._history.ledger, self._board.services(), self._total_budget, now
            )
        except StorageError as error:
            log.warning("alerts.budgets_unread", error=str(error))
            return state, ()
        shares = [
            BudgetShare(
                None if each.scope == TOTAL_SCOPE else ServiceId(each.scope),
                each.window,
                each.spent,
                each.limit,
            )
            for each in usage
        ]
        notified, due = update_budgets(state.budgets_notified, shares, now, self._rules)
        return replace(state, budgets_notified=notified), due

    async def _render(
        self, notification: Notification, receiver: ReceiverOptions
    ) -> RenderedNotification | None:
        """Return a notification as a receiver gets it; None if it was delayed and is over."""
        if notification.kind is NotificationKind.REPORT:
            await self._history.update_rollups()  # a server that was down may lack the last hours
            return await self._reports.render(notification, receiver)
        is_delayed = receiver.after is not None or receiver.quiet_hours is not None
        told = self._without_ended(notification) if is_delayed else notification
        return None if told is None else render_for_receiver(told, receiver, self._context)

    def _without_ended(self, notification: Notification) -> Notification | None:
        if notification.kind not in _TROUBLE:
            return notification
        verdicts = self._board.verdicts()
        changes = tuple(
            change
            for change in notification.changes
            if change.service in verdicts
            and verdicts[change.service].status is not Status.OPERATIONAL
        )
        services = tuple(change.service for change in changes)
        return replace(notification, changes=changes, services=services) if changes else None

    def _service_name(self, service: ServiceId) -> str:
        try:
            return self._board.service(service).name
        except KeyError:  # it has left the configuration since
            return service
