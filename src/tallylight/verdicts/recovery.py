"""When trouble that jobs have had no part in is over: free checks that succeed again end it.

Without paid probes or callers nothing leads from trouble back to operational. Incidents and alerts
take the moment that is decided here for the end, as they take OPERATIONAL. Where jobs have failed,
only a job ends the trouble; silence ends none.
"""

from datetime import datetime

from tallylight.model.status import Status
from tallylight.verdicts.state import LayerStatus, Recovery, ServiceState, Trouble


def recovered(standing: ServiceState, status: Status, since: datetime) -> Recovery:
    """Return what is in trouble under a new status, and when the trouble before UNKNOWN ended.

    Args:
        standing: With the verdict that stood before.
        status: What was found.
        since: When that began.
    """
    trouble, door = _trouble(standing, status), standing.api
    if status is not Status.UNKNOWN:
        return Recovery(trouble)
    if trouble is Trouble.CHECKS and door.status is LayerStatus.UP:
        return Recovery(Trouble.NONE, max(since, door.since or since))
    return Recovery(trouble, standing.recovery.at)


def _trouble(standing: ServiceState, status: Status) -> Trouble:
    before = standing.recovery.trouble
    if status is Status.OPERATIONAL:
        return Trouble.NONE
    if _jobs_fail(standing):
        return Trouble.JOBS
    if status is Status.UNKNOWN or before is Trouble.JOBS:
        return before
    return Trouble.CHECKS


def _jobs_fail(standing: ServiceState) -> bool:
    record = standing.job_history
    match standing.jobs.status:
        case LayerStatus.DOWN:
            return True
        case LayerStatus.UP:
            return record.partial_failure_since is not None or record.slow_since is not None
        case LayerStatus.UNDECIDED:
            return False
