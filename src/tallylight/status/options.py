"""The configuration's options for the status page."""

from urllib.parse import urlsplit

from pydantic import Field

from tallylight.documents.section import DisplayText, Section
from tallylight.i18n import Language


class StatusOptions(Section):
    """The section `status` of the configuration."""

    title: DisplayText = Field(
        "tallylight", min_length=1, max_length=100, description="The page's title."
    )
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
    connections_per_client: int = Field(
        512,
        ge=8,
        le=100_000,
        description="How many connections one client address may have open; beyond that, the one "
        "that has waited longest for a request is closed.",
    )
    base_path: str = Field(
        "",
        pattern=r"^(/[A-Za-z0-9._~-]+)*$",
        description="The path below which a proxy shows the page (/status); without it, the path "
        "of `public_url`.",
    )

    @property
    def prefix(self) -> str:
        """Return what stands before each of our paths, without a trailing slash."""
        return self.base_path or urlsplit(self.public_url).path.rstrip("/")

    @property
    def authority(self) -> str:
        """Return the host that ids are named for, whatever name a request asks for."""
        return urlsplit(self.public_url).hostname or "tallylight.invalid"
