"""What Amazon Bedrock and a bucket of S3 say when they refuse a request.

Sources: PyPI botocore `bedrock-runtime/2023-09-30`, docs.aws.amazon.com as stored in 2026. The
sentences of suspension, maintenance and risk control are in no public source; they are our own.
"""

from collections.abc import Mapping

from tallylight.simulator.faults import NamedState
from tallylight.simulator.protocols import aws_signatures
from tallylight.simulator.protocols.aws_signatures import SignatureError
from tallylight.simulator.refusals import InvalidRequestError
from tallylight.simulator.responses import SimulatedResponse
from tallylight.simulator.twin import RefusalTexts
from tallylight.simulator.world import Simulation

_COLON_REST = ":http://internal.amazon.com/coral/com.amazon.bedrock/"
VALIDATION, ACCESS_DENIED = "ValidationException", "AccessDeniedException"
_STATUSES = {
    VALIDATION: 400,
    "ConflictException": 400,
    "ServiceQuotaExceededException": 400,
    "ResourceNotFoundException": 404,
    "UnknownOperationException": 404,
    "ThrottlingException": 429,
    "InternalServerException": 500,
    "ServiceUnavailableException": 503,
}
_FORBIDDEN = 403
_SIGNATURE_KINDS = {
    aws_signatures.UNKNOWN_KEY: "UnrecognizedClientException",
    aws_signatures.UNREADABLE: "IncompleteSignatureException",
    aws_signatures.SKEWED: "InvalidSignatureException",
    aws_signatures.WRONG: "InvalidSignatureException",
}
_STATES: Mapping[NamedState, tuple[str, str]] = {
    NamedState.RISK_CONTROL: (ACCESS_DENIED, "Unusual activity: verify that you are human."),
    NamedState.SUSPENDED: (ACCESS_DENIED, "Your account has been suspended."),
    NamedState.MAINTENANCE: ("ServiceUnavailableException", "The service is under maintenance."),
    NamedState.OVERLOADED: ("InternalServerException", "The system encountered an error."),
    NamedState.RATE_LIMITED: ("ThrottlingException", "Too many requests, please wait."),
    NamedState.QUOTA: ("ServiceQuotaExceededException", "The account has reached its quota."),
    NamedState.AUTH: ("ExpiredTokenException", "The security token in the request is expired"),
    NamedState.CONTENT_REJECTED: (
        VALIDATION,
        "The prompt has been blocked by our content filters (Responsible AI policy).",
    ),
}


def aws_error(kind: str, message: str) -> SimulatedResponse:
    """Return an error of the API: its class is in a header, and the body has a sentence."""
    headers = {"x-amzn-errortype": kind + _COLON_REST}
    return SimulatedResponse(_STATUSES.get(kind, _FORBIDDEN), {"message": message}, headers)


def aws_refusal(kind: str, message: str) -> InvalidRequestError:
    """Return a refusal of a class."""
    return InvalidRequestError(message, code=kind)


def refused_signature(error: SignatureError) -> InvalidRequestError:
    """Return the refusal of a signature by the API."""
    return aws_refusal(_SIGNATURE_KINDS[error.kind], error.message)


class BedrockTexts(RefusalTexts):
    """The API."""

    def headers(self, world: Simulation) -> Mapping[str, str]:
        """Return the id of a request, as every answer has one."""
        return {"x-amzn-requestid": world.random_hex(32)}

    def unauthorized(self, key: str) -> SimulatedResponse:
        """Return the refusal of a bearer, or of none."""
        if key:
            return aws_error("UnrecognizedClientException", "The API key is not valid.")
        return aws_error("MissingAuthenticationTokenException", "Missing Authentication Token")

    def unknown_model(self, model: str) -> SimulatedResponse:
        """Return the refusal of a model that has reached its end."""
        text = f"This model version has reached the end of its life: {model}."
        return aws_error("ResourceNotFoundException", text)

    def unknown_job(self, job_id: str) -> SimulatedResponse:  # noqa: ARG002
        """Return the refusal of an unknown ARN."""
        return aws_error(VALIDATION, "The provided invocation ARN does not exist.")

    def unknown_path(self, method: str, path: str) -> SimulatedResponse:  # noqa: ARG002
        """Return the refusal of an unknown path."""
        return aws_error("UnknownOperationException", "The operation is not known.")

    def invalid_request(self, error: InvalidRequestError) -> SimulatedResponse:
        """Return the refusal of a class, by default of what the API validates."""
        place = f"{error.param}: " if error.param else ""
        return aws_error(error.code or VALIDATION, place + error.message)

    def state_error(self, state: NamedState, world: Simulation) -> SimulatedResponse:  # noqa: ARG002
        """Return the error of a state."""
        return aws_error(*_STATES[state])


_S3_STATUSES = {"NoSuchKey": 404, "NoSuchBucket": 404, "InvalidArgument": 400, "SlowDown": 503}
_S3_SIGNATURE_CODES = {
    aws_signatures.UNKNOWN_KEY: "InvalidAccessKeyId",
    aws_signatures.UNREADABLE: "AuthorizationHeaderMalformed",
    aws_signatures.SKEWED: "RequestTimeTooSkewed",
    aws_signatures.WRONG: "SignatureDoesNotMatch",
}


def _s3_error(code: str, message: str) -> SimulatedResponse:
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    )
    status = _S3_STATUSES.get(code, _FORBIDDEN)
    return SimulatedResponse(status, text, {"content-type": "application/xml"})


def refused_by_s3(error: SignatureError) -> InvalidRequestError:
    """Return the refusal of a signature by a bucket."""
    return aws_refusal(_S3_SIGNATURE_CODES[error.kind], error.message)


class BucketTexts(RefusalTexts):
    """A bucket of S3, which answers XML."""

    def unauthorized(self, key: str) -> SimulatedResponse:  # noqa: ARG002
        """Return the refusal of who may not read."""
        return _s3_error("AccessDenied", "Access Denied")

    def unknown_model(self, model: str) -> SimulatedResponse:
        """Return the refusal of an unknown object."""
        return self.unknown_job(model)

    def unknown_job(self, job_id: str) -> SimulatedResponse:  # noqa: ARG002
        """Return the refusal of an unknown object."""
        return _s3_error("NoSuchKey", "The specified key does not exist.")

    def unknown_path(self, method: str, path: str) -> SimulatedResponse:  # noqa: ARG002
        """Return the refusal of an unknown object."""
        return self.unknown_job(path)

    def invalid_request(self, error: InvalidRequestError) -> SimulatedResponse:
        """Return the refusal of a code."""
        return _s3_error(error.code or "InvalidArgument", error.message)

    def state_error(self, state: NamedState, world: Simulation) -> SimulatedResponse:  # noqa: ARG002
        """Return the refusal of too many requests."""
        return _s3_error("SlowDown", f"Please reduce your request rate ({state}).")
