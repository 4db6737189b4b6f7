"""Amazon's signature of a request (Signature Version 4), made with a pair of keys.

The secret never leaves this host: a request carries a digest of its method, target, headers, body
and date, which is valid for some minutes. Why we sign ourselves: docs/decisions/0021.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import quote, urlsplit

from tallylight.upstreams.auth import Wire

_ALGORITHM, _END = "AWS4-HMAC-SHA256", "aws4_request"
_USUAL_PORTS = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True)
class AwsPairAuth:
    """Signs with a pair of keys, whose secret half is the upstream's key.

    Args:
        access_key: The public half.
        region: The region of the service: "us-west-2".
        service: Its name in signatures: "s3".
        escapes_twice: A path is escaped once more for the signature, as all services but S3 do.
    """

    access_key: str
    region: str
    service: str
    escapes_twice: bool = True

    def headers(self, wire: Wire, secret: str, now: float) -> Mapping[str, str]:
        """Return the date, the digest of the body, and the signature of these and the request."""
        moment = f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}"
        added = {"X-Amz-Content-Sha256": _digest(*wire.chunks), "X-Amz-Date": moment}
        signed = _signed_headers(wire, added)
        names = ";".join(signed)
        asked = self._canonical_request(wire, signed, added["X-Amz-Content-Sha256"])
        scope = f"{moment[:8]}/{self.region}/{self.service}/{_END}"
        text = "\n".join((_ALGORITHM, moment, scope, _digest(asked.encode())))
        signature = _keyed(self._signing_key(secret, moment[:8]), text).hex()
        claim = f"Credential={self.access_key}/{scope}, SignedHeaders={names}"
        return {**added, "Authorization": f"{_ALGORITHM} {claim}, Signature={signature}"}

    def _canonical_request(self, wire: Wire, signed: Mapping[str, str], body_digest: str) -> str:
        target = urlsplit(wire.url)
        path = target.path or "/"
        pairs = sorted(each.partition("=")[::2] for each in target.query.split("&") if each)
        return "\n".join(
            (
                wire.method,
                quote(path, safe="/~") if self.escapes_twice else path,
                "&".join(f"{name}={value}" for name, value in pairs),
                *(f"{name}:{value}" for name, value in signed.items()),
                "",
                ";".join(signed),
                body_digest,
            )
        )

    def _signing_key(self, secret: str, day: str) -> bytes:
        key = f"AWS4{secret}".encode()
        for each in (day, self.region, self.service, _END):
            key = _keyed(key, each)
        return key


def _signed_headers(wire: Wire, added: Mapping[str, str]) -> Mapping[str, str]:
    """Return the headers that are signed, sorted: those that no one on the way changes."""
    target = urlsplit(wire.url)
    host = target.netloc.lower().removesuffix(_USUAL_PORTS.get(target.scheme, ""))
    given = {name.lower(): value for name, value in (*wire.headers.items(), *added.items())}
    signed = {n: v for n, v in given.items() if n == "content-type" or n.startswith("x-amz-")}
    return {
        name: " ".join(value.split()) for name, value in sorted({**signed, "host": host}.items())
    }


def _digest(*chunks: bytes) -> str:
    found = sha256()
    for chunk in chunks:
        found.update(chunk)
    return found.hexdigest()


def _keyed(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
