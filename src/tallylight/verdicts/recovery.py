"""Decides when trouble that only free checks have seen is over: once free checks succeed again.

Without paid probes or callers' jobs a service never returns from trouble to OPERATIONAL. Incidents
and alerts therefore also end at the moment that is decided here. If jobs have failed, only a job
ends the trouble. Missing evidence ends none.
"""

from datetime import datetime

from tallylight.model.status import TROUBLE_STATUSES, Status
from tallylight.verdicts.layer_state import LayerStatus
from tallylight.verdicts.state import Recovery, ServiceState, TroubleSource


def recovered(state: ServiceState, status: Status, since: datetime) -> Recovery:
    """Return the trouble under a new status, and when the trouble before UNKNOWN ended.

    The state still holds the former verdict; `since` is when the new status began.
    """
    trouble, api, before = _trouble(state, status), state.api, state.recovery
    name = status if status in TROUBLE_STATUSES else before.status
    if status is not Status.UNKNOWN:
        return Recovery(trouble, status=None if trouble is TroubleSource.NONE else name)
    if trouble is TroubleSource.CHECKS and api.status is LayerStatus.UP:
        return Recovery(TroubleSource.NONE, max(since, api.since or since))
    return Recovery(trouble, before.at, name)


def _trouble(state: ServiceState, status: Status) -> TroubleSource:
    before = state.recovery.trouble
    if status is Status.OPERATIONAL:
        return TroubleSource.NONE
    if _jobs_fail(state):
        return TroubleSource.JOBS
    if status is Status.UNKNOWN or before is TroubleSource.JOBS:
        return before
    return TroubleSource.CHECKS


def _jobs_fail(state: ServiceState) -> bool:
    history = state.job_history
    match state.jobs.status:
        case LayerStatus.DOWN:
            return True
        case LayerStatus.UP:
            return history.partial_failure_since is not None or history.slow_since is not None
        case LayerStatus.UNDECIDED:
            return False
