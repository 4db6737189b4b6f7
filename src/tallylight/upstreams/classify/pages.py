"""Pages and bare lines in place of an API answer: challenges, proxies, web interfaces.

The numbers are Cloudflare's 1xxx errors (developers.cloudflare.com, "Cloudflare 1xxx errors");
they come as a line `error code: 1020`, or on a page with the same number.
"""

import re

from tallylight.model.evidence import FailureKind
from tallylight.upstreams.classify import challenges, html
from tallylight.upstreams.classify.rules import Rule
from tallylight.upstreams.messages import Reply
from tallylight.upstreams.normalize import normalize_text

_CLOUDFLARE = "developers.cloudflare.com, Cloudflare 1xxx errors"

#: Challenges and blocks: a bot protection rejected us, or the upstream's account pool.
CHALLENGE = Rule("challenge", FailureKind.RISK_CONTROL, "challenges: the makers' scripts")
#: The provider's edge limits our rate.
EDGE_RATE_LIMIT = Rule("cloudflare-1015", FailureKind.RATE_LIMITED, _CLOUDFLARE)
#: The edge bans our address, country or client.
EDGE_BAN = Rule("cloudflare-ban", FailureKind.RISK_CONTROL, _CLOUDFLARE)
#: The edge cannot reach or resolve the origin server.
ORIGIN_UNREACHABLE = Rule("cloudflare-origin", FailureKind.DEGRADED, _CLOUDFLARE)
#: A web interface in place of the API: the base URL lacks its path, usually /v1.
WEB_INTERFACE = Rule("web-interface", FailureKind.INVALID_REQUEST, "new-api and one-api web UI")
#: Any other page.
OTHER_PAGE = Rule("page", FailureKind.UNKNOWN, "an HTML page is no API answer")

_BAN_CODES = frozenset({1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1020, 1106})
_RATE_LIMIT_CODES = frozenset({1015})
_ORIGIN_CODES = frozenset({1000, 1001, 1002, 1003, 1004, 1014, 1016, 1018, 1033, 1101, 1102, 1200})

_CLOUDFLARE_CODE = re.compile(r"\berror(?: code)?:? (1\d{3})\b|\bcloudflare error (1\d{3})\b")


def edge_rule(reply: Reply) -> Rule | None:
    """Return the rule for an edge that answers with text or a page in place of the service."""
    text = normalize_text(reply.body)
    match = _CLOUDFLARE_CODE.search(text)
    number = int(match[1] or match[2]) if match else 0
    if number in _RATE_LIMIT_CODES or "you are being rate limited" in text:
        return EDGE_RATE_LIMIT
    if number in _BAN_CODES:
        return EDGE_BAN
    if number in _ORIGIN_CODES:
        return ORIGIN_UNREACHABLE
    return CHALLENGE if challenges.is_challenge_page(reply) else None


def unexpected_page_rule(body: str) -> Rule:
    """Return the rule for a page with a success status in place of JSON."""
    return WEB_INTERFACE if html.is_web_app(body) else OTHER_PAGE
