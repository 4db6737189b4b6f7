"""Azure's images: what its errors mean, which are not OpenAI's."""

import json

import pytest

from tallylight.model.evidence import FailureKind
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.protocol import Site
from tallylight.upstreams.protocols.registry import PROTOCOLS

BASE_URL = "https://resource.openai.azure.com/openai/v1"
ADAPTER = PROTOCOLS["openai_images"].make(Site(BASE_URL, "azure"))


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (
            404,
            {"code": "DeploymentNotFound", "message": "The API deployment does not exist."},
            FailureKind.UNKNOWN,
        ),
        (
            400,
            {"code": "BadRequest", "innererror": {"code": "ResponsibleAIPolicyViolation"}},
            FailureKind.CONTENT_REJECTED,
        ),
        (400, {"code": "contentFilter", "message": "no"}, FailureKind.CONTENT_REJECTED),
        (
            429,
            {"code": "429", "message": "Requests have exceeded token rate limit of your tier."},
            FailureKind.RATE_LIMITED,
        ),
        (403, {"code": "403", "message": "Out of call volume quota."}, FailureKind.QUOTA),
    ],
)
def test_an_error_of_azure_means_what_azure_means(
    status: int, error: dict[str, object], kind: FailureKind
) -> None:
    reply = Reply(Phase.CREATE, status, {}, json.dumps({"error": error}))

    failure = ADAPTER.errors.of(reply)

    assert failure is not None
    assert failure.kind is kind
