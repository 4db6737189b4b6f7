"""The section of the configuration that is about the gateway itself."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from tallylight.documents.budget import BudgetOptions
from tallylight.documents.parsers import Duration
from tallylight.documents.section import Section
from tallylight.gateway.webhooks.options import WebhookEndpoints

_MIB = 1024 * 1024


class GatewayOptions(Section):
    """The `/v1` address."""

    open: bool = Field(
        default=False,
        description="Whoever reaches the address needs no key. Only where the server listens on "
        "this machine alone.",
    )
    answer_within: Duration = Field(
        timedelta(seconds=20),
        description="How long a create waits for a service to accept; then its caller is told "
        "queued, and the video is followed all the same.",
    )
    largest_body: Annotated[int, Field(ge=_MIB)] = Field(
        64 * _MIB, description="The largest request in bytes, with its reference."
    )
    budget: BudgetOptions = Field(
        default_factory=BudgetOptions, description="What all callers' videos together may cost."
    )
    webhooks: WebhookEndpoints = Field(
        default_factory=dict, description="Who is told when a video has ended, by name."
    )
