"""Exceptions in place of an answer, by the name of their class and, for a few, their text.

Names are those of Python's socket and ssl modules, aiohttp, httpx/httpx2, requests, urllib3.
A name that does not resolve, a refused connection, a broken TLS handshake: the path to the service
is down, and the exception does not tell whose part of it. What only our own process can cause is
UNKNOWN and our fault.
"""

import re

from tallylight.model.evidence import FailureKind, Fault
from tallylight.upstreams.classify.rules import Rule

#: The rule of a failure of our own process: nothing was sent, and it says nothing of the service.
OWN_PROCESS_RULE = "exception:own-process"
_PYTHON = "Python, aiohttp 3.14, httpx2 2.16, requests 2.34 exception classes"


def _row(
    name: str, pattern: str, kind: FailureKind, fault: Fault | None = None
) -> tuple[re.Pattern[str], Rule]:
    return re.compile(pattern, re.IGNORECASE), Rule(name, kind, _PYTHON, fault=fault)


#: The first match decides; the text is "Class: message", possibly with a module before the class.
EXCEPTION_RULES: tuple[tuple[re.Pattern[str], Rule], ...] = (
    _row(
        "own-process",
        r"^[\w.]*(?:PoolTimeout|CancelledError|MemoryError|EmptyPoolError|KeyboardInterrupt)\b"
        r"|^TooLate: not sent|too many open files|\[errno (?:12|23|24|28)\]|unclosed"
        r"|session is closed|loop is closed",
        FailureKind.UNKNOWN,
        Fault.OURS,
    ),
    _row(
        "own-request",
        r"^[\w.]*(?:InvalidURL|InvalidUrl|NonHttpUrl|UnsupportedProtocol|LocalProtocolError"
        r"|MissingSchema|InvalidSchema|InvalidHeader|LocationParseError|CookieConflict)\w*",
        FailureKind.INVALID_REQUEST,
    ),
    _row("token-refused", r"^[\w.]*TokenRefusedError\b", FailureKind.AUTH),
    _row(
        "redirects",
        r"^[\w.]*(?:TooManyRedirects|Redirect\w{0,40}Error|InnerAddressError)\b",
        FailureKind.UNKNOWN,
    ),
    _row(
        "name",
        r"DNSError|gaierror|name or service not known|nodename nor servname|getaddrinfo"
        r"|name resolution|no address associated|NameResolutionError",
        FailureKind.DEGRADED,
    ),
    _row("tls", r"ssl|tls|certificate|fingerprint", FailureKind.DEGRADED),
    _row("too-slow", r"time(?:d[ -]?)?out", FailureKind.DEGRADED),
    _row(
        "connection",
        r"connect|reset|refused|disconnected|closed|broken pipe|unreachable|network|proxy|socket",
        FailureKind.DEGRADED,
    ),
    _row(
        "broken-answer",
        r"payload|protocol|incomplete|decod|chunked|content ?encoding|badstatusline|badhttp"
        r"|transferencoding|readerror|writeerror|bytes (?:missing|read)|httpexception",
        FailureKind.DEGRADED,
    ),
    _row("other", r"", FailureKind.DEGRADED),
)


def exception_rule(error: str) -> Rule:
    """Return the rule for an exception that is given as "Class: message"."""
    return next(rule for pattern, rule in EXCEPTION_RULES if pattern.search(error))
