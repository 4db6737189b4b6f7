"""Options of webhooks: the endpoints that are called when a video completes or fails."""

from enum import StrEnum

from pydantic import Field

from tallylight.documents.section import Name, Section
from tallylight.documents.webhooks import WebhookSecret, WebhookUrl


class WebhookEvent(StrEnum):
    """The events of a video that an endpoint can receive."""

    COMPLETED = "video.completed"
    FAILED = "video.failed"


class WebhookOptions(Section):
    """An endpoint that receives webhooks."""

    url: WebhookUrl = Field(
        description="URL of the endpoint, https://host/path. It may contain a token, so it is "
        "never shown."
    )
    secret: WebhookSecret = Field(
        description="Secret that signs the webhooks: whsec_ and 24 to 64 random bytes in base64."
    )
    events: frozenset[WebhookEvent] = Field(
        frozenset(WebhookEvent),
        min_length=1,
        description="Events that it receives: video.completed, video.failed.",
    )


WebhookEndpoints = dict[Name, WebhookOptions]
