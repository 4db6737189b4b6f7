"""Pages and bare lines in place of an API answer: challenges, proxies, web interfaces.

The numbers are Cloudflare's 1xxx errors (developers.cloudflare.com, "Cloudflare 1xxx errors");
they come as a line `error code: 1020`, or on a page with the same number.
"""

import re
from collections.abc import Mapping

from tallylight.model.evidence import FailureKind
from tallylight.upstreams.classify.rules import Rule

_CLOUDFLARE = "developers.cloudflare.com, Cloudflare 1xxx errors"

#: Challenges and blocks: a bot protection rejected us, or the upstream's account pool.
CHALLENGE = Rule("challenge", FailureKind.RISK_CONTROL, "Cloudflare challenge and block pages")
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
_CHALLENGE = re.compile(
    r"just a moment|attention required! ?\||cf-chl|challenge-platform|cf-browser-verification"
    r"|checking your browser|verify(?:ing)? (?:that )?you are (?:a )?human|are you a robot"
    r"|you have been blocked|unable to access.{0,60}cloudflare|performing security verification"
    r"|enable javascript and cookies to continue|ddos-guard|ddos protection by|px-captcha"
    r"|captcha|turnstile|incapsula incident|pardon our interruption|访问被(?:阻断|拦截|拒绝)"
    r"|人机(?:识别|验证)|滑(?:动|块)验证|安全验证|验证您是(?:真人|人类)|恶意访问"
)
_HTML = re.compile(r"<(?:!doctype html|html|head|body|title|center|h1)\b", re.IGNORECASE)
_TAG = re.compile(r"<(/?)([a-zA-Z!][\w-]{0,40})[^<>]{0,4000}>")
_HIDDEN = frozenset({"script", "style", "svg"})
_WEB_APP_MARKUP = re.compile(
    r"""<div[^>]{0,200}\bid=["']?(?:root|app|__next|__nuxt|main)["'> ]|<script|<noscript""",
    re.IGNORECASE,
)
_MAX_SCANNED = 20_000


def is_html(body: str) -> bool:
    """Tell whether a body is HTML."""
    return _HTML.search(body[:1000]) is not None


def visible_text(body: str) -> str:
    """Return the visible text of a page, title first."""
    parts: list[str] = []
    hidden, at = "", 0
    for tag in _TAG.finditer(body[:_MAX_SCANNED]):
        if not hidden:
            parts.append(body[at : tag.start()])
        at, name = tag.end(), tag[2].lower()
        if name in _HIDDEN:
            hidden = "" if tag[1] else hidden or name
    return " ".join([*parts, "" if hidden else body[at:_MAX_SCANNED]])


def edge_rule(body: str, headers: Mapping[str, str]) -> Rule | None:
    """Return the rule for an edge that answers in place of the service; the body is normalized."""
    if headers.get("cf-mitigated", "").lower() == "challenge":
        return CHALLENGE
    match = _CLOUDFLARE_CODE.search(body)
    number = int(match[1] or match[2]) if match else 0
    if number in _RATE_LIMIT_CODES or "you are being rate limited" in body:
        return EDGE_RATE_LIMIT
    if number in _BAN_CODES:
        return EDGE_BAN
    if number in _ORIGIN_CODES:
        return ORIGIN_UNREACHABLE
    return CHALLENGE if _CHALLENGE.search(body) else None


def unexpected_page_rule(body: str) -> Rule:
    """Return the rule for a page with a success status in place of JSON."""
    return WEB_INTERFACE if _WEB_APP_MARKUP.search(body[:_MAX_SCANNED]) else OTHER_PAGE
