"""Builds the requests that all protocols share, from an upstream's URL and key."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import quote

from tallylight.catalogue.services import Upstream
from tallylight.upstreams.inline_files import InlineFile
from tallylight.upstreams.messages import Output, Phase, Request

_DOT_SEGMENT = re.compile(r"(\A|%2F|%5C)(\.{1,2})(?=%2F|%5C|\Z)")


@dataclass(frozen=True, slots=True)
class RequestBuilder:
    """The base URL of an upstream, and the header with its key."""

    base_url: str
    authorization: tuple[str, str] | None = field(repr=False)

    @classmethod
    def of(cls, upstream: Upstream) -> Self:
        """Return a builder for an upstream."""
        key = upstream.key
        bearer = None if key is None else ("Authorization", f"Bearer {key.reveal()}")
        return cls(upstream.base_url.rstrip("/"), bearer)

    def reach(self) -> Request:
        """Return the request for the list of models, without the key."""
        return Request(Phase.REACH, "GET", f"{self.base_url}/models")

    def models(self) -> Request:
        """Return the request for the list of models, with the key."""
        return self.get(Phase.PROBE, "/models")

    def get(self, phase: Phase, path: str) -> Request:
        """Return a GET request with the key."""
        return Request(phase, "GET", f"{self.base_url}{path}", authorization=self.authorization)

    def outputs(self, results: Iterable[str | InlineFile]) -> tuple[Output, ...]:
        """Return the ways to results that an answer names.

        The transport sends the key to the upstream's own origin only.
        """
        return tuple(
            each if isinstance(each, InlineFile) else self._download(each) for each in results
        )

    def _download(self, address: str) -> Request:
        return Request(Phase.CONTENT, "GET", address, authorization=self.authorization)


def path_segment(id_: str) -> str:
    """Return an id of an upstream as one segment of a path, whatever characters it has.

    Dots that a client or server would take for "this folder" or "the folder above" are encoded.
    """
    return _DOT_SEGMENT.sub(lambda dots: dots[1] + "%2E" * len(dots[2]), quote(id_, safe=""))
