"""The configuration's options for the status page."""

from pydantic import Field

from tallylight.documents.section import Section
from tallylight.i18n import Language


class StatusOptions(Section):
    """The section `status` of the configuration."""

    title: str = Field("tallylight", min_length=1, max_length=100, description="The page's title.")
    public_url: str = Field(
        "",
        pattern=r"^(https?://[^\s?#]+)?$",
        description="The page's public address (https://status.example.com); without it, the "
        "address that each request was sent to.",
    )
    language: Language = Field(
        Language.EN,
        description="The language of readers whose browser asks for none that the page has.",
    )
    listeners: int = Field(
        500, ge=1, le=100_000, description="How many event streams may be open at once."
    )
