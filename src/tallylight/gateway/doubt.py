"""What `when_in_doubt` allows: how long to look for a job, and whether to send on."""

from datetime import timedelta

from tallylight.board import Board
from tallylight.catalogue.services import BillingBasis, Service
from tallylight.clock import Clock
from tallylight.gateway.routing.ranking import Choice
from tallylight.gateway.routing.routes import Route, WhenInDoubt
from tallylight.jobs.engine import SEARCH_TIME
from tallylight.jobs.tracked_video import TrackedVideo
from tallylight.model.attempt import Attempt
from tallylight.model.attempt_state import AttemptState, may_send


class DoubtPolicy:
    """Decides whether a second attempt may be paid for one video."""

    def __init__(self, board: Board, clock: Clock) -> None:
        self._board = board
        self._clock = clock

    def search_for(self, tracked: TrackedVideo, route: Route) -> timedelta:
        """Return how long a job in doubt is searched at least."""
        match route.when_in_doubt:
            case WhenInDoubt.PAY_TWICE:
                return timedelta()
            case WhenInDoubt.WAIT:
                return max(tracked.video.deadline - self._clock.now(), timedelta())
            case WhenInDoubt.RECONCILE:
                return SEARCH_TIME

    async def sends_on(self, tracked: TrackedVideo, route: Route) -> bool:
        """Tell whether a video may go to the next service, though an attempt may be paid."""
        return route.when_in_doubt is WhenInDoubt.PAY_TWICE

    async def may_send(self, tracked: TrackedVideo, route: Route, choice: Choice) -> bool:
        """Tell whether an attempt may be sent now."""
        if route.when_in_doubt is WhenInDoubt.PAY_TWICE:
            return True
        blocking = [each for each in tracked.attempts if not self.is_paid_on_delivery(each)]
        return may_send(each.state for each in blocking)

    @staticmethod
    def may_give_up(route: Route, service: Service) -> bool:
        """Tell whether a stalled job at a service may be replaced before it has ended."""
        is_free = service.upstream.bills is BillingBasis.DELIVERIES
        return is_free or route.when_in_doubt is WhenInDoubt.PAY_TWICE

    def is_paid_on_delivery(self, attempt: Attempt) -> bool:
        """Tell whether an attempt that was given up costs nothing unless it delivers."""
        if attempt.state is not AttemptState.GIVEN_UP or attempt.service not in self._board:
            return False
        return self._board.service(attempt.service).upstream.bills is BillingBasis.DELIVERIES
