"""Why a request is not served, in words that belong to no protocol.

The kernel raises these; each protocol has its own response to them.
"""

from tallylight.simulator.faults import NamedState, Refuse
from tallylight.simulator.jobs import SimulatedJob


class RefusalError(Exception):
    """The request is refused with a response."""


class UnknownKeyError(RefusalError):
    """No such key; "" if the request has none."""

    def __init__(self, given: str) -> None:
        super().__init__(given)
        self.given = given


class ExpiredKeyError(RefusalError):
    """The key has expired."""

    def __init__(self, given: str) -> None:
        super().__init__(given)
        self.given = given


class NamedStateError(RefusalError):
    """The upstream names a state that keeps it from serving the request."""

    def __init__(self, state: NamedState) -> None:
        super().__init__(state)
        self.state = state


class ScriptedRefusalError(RefusalError):
    """The scenario gives the response."""

    def __init__(self, fault: Refuse) -> None:
        super().__init__(fault)
        self.fault = fault


class UnknownModelError(RefusalError):
    """The model is not sold to this key; a retirement may give the text of the refusal."""

    def __init__(self, model: str, message: str = "") -> None:
        super().__init__(model, message)
        self.model = model
        self.message = message


class UnknownJobError(RefusalError):
    """No such job."""

    def __init__(self, job_id: str) -> None:
        super().__init__(job_id)
        self.job_id = job_id


class UnknownPathError(RefusalError):
    """No such path."""


class InvalidRequestError(RefusalError):
    """The request, or one parameter of it, breaks the protocol."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code


class NotReadyError(RefusalError):
    """The job has not ended; its status is given."""

    def __init__(self, job: SimulatedJob, status: str) -> None:
        super().__init__(job, status)
        self.job = job
        self.status = status


class NoContentError(RefusalError):
    """The job has no output, or none any more."""

    def __init__(self, job: SimulatedJob) -> None:
        super().__init__(job)
        self.job = job


class ResultLateError(RefusalError):
    """The job has ended, and its output is not there yet."""

    def __init__(self, job: SimulatedJob) -> None:
        super().__init__(job)
        self.job = job


class NoAnswerError(Exception):
    """The upstream never responds."""


class DroppedConnectionError(Exception):
    """The upstream resets the connection."""
