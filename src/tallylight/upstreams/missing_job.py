"""Whether an answer says that an upstream no longer knows a job that it accepted."""

from tallylight.model.evidence import Failure
from tallylight.upstreams.classify.codes import NO_SUCH_JOB_CODES
from tallylight.upstreams.json_access import is_json_object
from tallylight.upstreams.messages import Reply

_STATUSES = frozenset({404, 410})
_RULES = frozenset(
    {"words:no-such-job", "state:lost", *(f"code:{code}" for code in NO_SUCH_JOB_CODES)}
)


def says_no_such_job(failure: Failure, reply: Reply) -> bool:
    """Tell whether an answer to a poll or a download denies the job, under whatever status.

    A bare 404 counts as a JSON document: an HTML page is the answer of a proxy while the service
    behind it is redeployed.
    """
    has_status = failure.http_status in _STATUSES and is_json_object(reply.body)
    return has_status or failure.rule in _RULES
