"""Checks a key by asking for a job that is not there, where no other free question needs it."""

from tallylight.model.evidence import Failure
from tallylight.upstreams.error_table import Errors
from tallylight.upstreams.messages import ANY_STATUS, Phase, get
from tallylight.upstreams.protocol import Flow
from tallylight.upstreams.steps import Accepted, Missing


def check_absent_job(errors: Errors, url: str) -> Flow[Accepted | Failure | None]:
    """Ask for the job; return None if it is denied, which only a good key is told, else why not."""
    reply = yield get(Phase.PROBE, url, reads=ANY_STATUS)
    answer = errors.no_job(reply, "check:unreadable")
    return None if isinstance(answer, Missing) else answer.failure
