"""What all protocols do with an upstream's address and key."""

from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from tallylight.upstreams.messages import Phase, Request
from tallylight.upstreams.protocol import UpstreamAddress


@dataclass(frozen=True, slots=True)
class RequestBuilder:
    """The address that paths are appended to, and the header that carries the key."""

    base_url: str
    authorization: tuple[str, str] | None = field(repr=False)

    @classmethod
    def of(cls, address: UpstreamAddress) -> Self:
        """Return the base of an upstream."""
        key = address.key
        bearer = None if key is None else ("Authorization", f"Bearer {key.reveal()}")
        return cls(address.base_url.rstrip("/"), bearer)

    def reach(self) -> Request:
        """Return the question for models without the key, asked each minute for any answer."""
        return Request(Phase.REACH, "GET", f"{self.base_url}/models")

    def models(self) -> Request:
        """Return the question for models with the key."""
        return self.get(Phase.PROBE, "/models")

    def get(self, phase: Phase, path: str) -> Request:
        """Return a question with the key."""
        return Request(phase, "GET", f"{self.base_url}{path}", authorization=self.authorization)

    def download(self, url: str) -> Request:
        """Return a download from an address that the upstream named; no stranger gets the key."""
        ours = _origin(url) == _origin(self.base_url)
        key = self.authorization if ours else None
        return Request(Phase.CONTENT, "GET", url, authorization=key)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
