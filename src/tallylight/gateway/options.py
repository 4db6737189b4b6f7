"""The section `gateway` of the configuration."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from tallylight.documents.addresses import WebOrigin
from tallylight.documents.budget import BudgetOptions
from tallylight.documents.parsers import Duration
from tallylight.documents.section import Section
from tallylight.gateway.webhooks.options import WebhookEndpoints

_MIB = 1024 * 1024


class GatewayOptions(Section):
    """Options of the API under `/v1`."""

    open: bool = Field(
        default=False,
        description="Requests need no key. Allowed only where the server listens on a loopback "
        "address.",
    )
    allowed_origins: tuple[WebOrigin, ...] = Field(
        (),
        description="Origins of the web pages that may call the API from a browser, such as "
        'https://app.example.com; "*" stands for all.',
    )
    answer_within: Duration = Field(
        timedelta(seconds=20),
        description="How long a create waits for a service to accept the job; after that it "
        "returns the video as queued.",
    )
    largest_body: Annotated[int, Field(ge=_MIB)] = Field(
        64 * _MIB, description="Limit of a request body in bytes, including the reference."
    )
    budget: BudgetOptions = Field(
        default_factory=BudgetOptions,
        description="Limit on the cost of all callers' videos together.",
    )
    webhooks: WebhookEndpoints = Field(
        default_factory=dict,
        description="Endpoints that are called when a video completes or fails, by name.",
    )
