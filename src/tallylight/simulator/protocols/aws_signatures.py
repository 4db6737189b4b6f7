"""Checks signatures of Amazon's Signature Version 4, as a service of Amazon does.

Sources: docs.aws.amazon.com/IAM "Create a signed AWS API request", RFC 2104, as stored in 2026.
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, unquote

from starlette.requests import Request

from tallylight.simulator.scenario import ScenarioKey

_CLAIM = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/, ]+)/(?P<day>\d{8})/(?P<region>[^/, ]+)"
    r"/(?P<service>[^/, ]+)/aws4_request, ?SignedHeaders=(?P<names>[^, ]+), ?"
    r"Signature=(?P<signature>[0-9a-f]{64})"
)
_MOMENT, _SPACES = re.compile(r"\d{8}T\d{6}Z"), re.compile(" +")
_MOST_SKEW_S = 300
_UNRESERVED = "-_.~"

FindKey = Callable[[str], ScenarioKey | None]


class SignatureError(Exception):
    """A signature is not accepted; `kind` is one of the names below."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(kind, message)
        self.kind = kind
        self.message = message


UNKNOWN_KEY, WRONG, SKEWED, UNREADABLE = "unknown_key", "wrong", "skewed", "unreadable"


@dataclass(frozen=True, slots=True)
class SignatureCheck:
    """What one service accepts.

    Args:
        region: Its region.
        service: Its name in signatures.
        find_key: Returns the pair of an access key.
        is_path_plain: The path is not escaped again for the signature, as only S3 has it.
    """

    region: str
    service: str
    find_key: FindKey
    is_path_plain: bool = False

    async def signer_of(self, request: Request, now: float) -> ScenarioKey:
        """Return the pair of keys that signed a request.

        Raises:
            SignatureError: if none did.
        """
        claim = _CLAIM.fullmatch(request.headers.get("authorization", ""))
        if claim is None:
            raise SignatureError(UNREADABLE, "Authorization header requires its parameters.")
        names = claim["names"].split(";")
        moment = request.headers.get("x-amz-date", "")
        self._require_scope(request, claim, names, moment)
        pair = self.find_key(claim["key"])
        if pair is None or not pair.secret:
            raise SignatureError(UNKNOWN_KEY, "The security token in the request is invalid.")
        expected = await self._signature(request, pair.secret, names, moment)
        if not hmac.compare_digest(expected, claim["signature"]):
            text = "The request signature we calculated does not match the signature you provided."
            raise SignatureError(WRONG, text)
        _require_time(moment, now)
        return pair

    def _require_scope(
        self, request: Request, claim: re.Match[str], names: list[str], moment: str
    ) -> None:
        if not _MOMENT.fullmatch(moment) or moment[:8] != claim["day"]:
            raise SignatureError(UNREADABLE, "Date in Credential scope does not match x-amz-date.")
        if (claim["region"], claim["service"]) != (self.region, self.service):
            text = f"Credential should be scoped to a valid region and to '{self.service}'."
            raise SignatureError(WRONG, text)
        needed = {"host", *(each for each in request.headers if each.startswith("x-amz-"))}
        if not needed <= set(names) or names != sorted(names):
            raise SignatureError(UNREADABLE, "host and x-amz-* have to be signed, in order.")

    async def _signature(self, request: Request, secret: str, names: list[str], moment: str) -> str:
        raw_path = request.scope["raw_path"].decode("ascii")
        body = hashlib.sha256(await request.body()).hexdigest()
        told = request.headers.get("x-amz-content-sha256", body)
        if told != body:
            raise SignatureError(WRONG, "The provided x-amz-content-sha256 does not match.")
        lines = [
            request.method,
            raw_path if self.is_path_plain else _escaped(raw_path, keep="/"),
            _canonical_query(request.url.query),
            *(f"{each}:{_trimmed(request, each)}" for each in names),
            "",
            ";".join(names),
            body,
        ]
        asked = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        scope = "/".join((moment[:8], self.region, self.service, "aws4_request"))
        key = ("AWS4" + secret).encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{asked}"
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _require_time(moment: str, now: float) -> None:
    signed_at = datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    if abs(now - signed_at) > _MOST_SKEW_S:
        late = "expired" if signed_at < now else "not yet current"
        raise SignatureError(SKEWED, f"Signature {late}: {moment} is not within 5 min.")


def _trimmed(request: Request, name: str) -> str:
    values = request.headers.getlist(name)
    return ",".join(_SPACES.sub(" ", each.strip()) for each in values)


def _canonical_query(query: str) -> str:
    """Return the parameters decoded, escaped anew and sorted: a plus sign is none of them."""
    pairs = []
    for each in query.split("&") if query else []:
        name, _, value = each.partition("=")
        pairs.append((_escaped(unquote(name)), _escaped(unquote(value))))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _escaped(text: str, keep: str = "") -> str:
    return quote(text, safe=_UNRESERVED + keep)
