"""What `when_in_doubt` allows: how long to look for a job, and whether to send on."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from tallylight.board import Board
from tallylight.catalogue.services import BillingBasis, Service
from tallylight.clock import Clock
from tallylight.gateway.doubt_experience import DoubtExperience
from tallylight.gateway.risk import SecondPayment, second_payment
from tallylight.gateway.routing.ranking import Choice
from tallylight.gateway.routing.routes import Route, SpendAtMost, WhenInDoubt
from tallylight.jobs.engine import SEARCH_TIME
from tallylight.jobs.tracked_video import TrackedVideo
from tallylight.model.attempt import Attempt
from tallylight.model.attempt_state import MAY_BE_PAID, AttemptState, may_send


class AllowedAttempt(NamedTuple):
    """An attempt that may be sent.

    Args:
        risk: What it risks; None if no earlier attempt may be paid for.
    """

    choice: Choice
    risk: SecondPayment | None


class DoubtPolicy:
    """Decides whether a second attempt may be paid for one video."""

    def __init__(self, board: Board, experience: DoubtExperience, clock: Clock) -> None:
        self._board = board
        self._experience = experience
        self._clock = clock

    def search_for(self, tracked: TrackedVideo, route: Route) -> timedelta:
        """Return how long a job in doubt is searched at least."""
        match route.when_in_doubt:
            case WhenInDoubt.PAY_TWICE:
                return timedelta()
            case WhenInDoubt.WAIT:
                return max(tracked.video.deadline - self._clock.now(), timedelta())
            case WhenInDoubt.RECONCILE | SpendAtMost():
                return SEARCH_TIME

    @staticmethod
    def may_send_on(route: Route) -> bool:
        """Tell whether another service may be asked at all, though an attempt may be paid."""
        match route.when_in_doubt:
            case WhenInDoubt.PAY_TWICE | SpendAtMost():
                return True
            case WhenInDoubt.RECONCILE | WhenInDoubt.WAIT:
                return False

    async def first_allowed(
        self, tracked: TrackedVideo, route: Route, choices: Sequence[Choice]
    ) -> AllowedAttempt | None:
        """Return the first choice that may be sent now, None if none may."""
        risky = [
            each
            for each in tracked.attempts
            if each.state in MAY_BE_PAID and not self.is_paid_on_delivery(each)
        ]
        if may_send(each.state for each in risky):
            return AllowedAttempt(choices[0], None) if choices else None
        setting = route.when_in_doubt
        if not self.may_send_on(route):
            return None
        bound = await self._experience.acceptance_bound()
        for choice in choices:
            entries = tracked.record.entries
            risk = second_payment(tracked.attempts, risky, entries, choice.cost, bound)
            if not isinstance(setting, SpendAtMost) or (
                choice.is_priced and risk.is_within(setting.usd)
            ):
                return AllowedAttempt(choice, risk)
        return None

    @staticmethod
    def may_give_up(route: Route, service: Service) -> bool:
        """Tell whether a stalled job at a service may be replaced before it has ended."""
        is_free = service.upstream.bills is BillingBasis.DELIVERIES
        return is_free or route.when_in_doubt is WhenInDoubt.PAY_TWICE

    def is_paid_on_delivery(self, attempt: Attempt) -> bool:
        """Tell whether an attempt that was given up costs nothing unless it delivers."""
        service = self._board.find_service(attempt.service)
        if attempt.state is not AttemptState.GIVEN_UP or service is None:
            return False
        return service.upstream.bills is BillingBasis.DELIVERIES
