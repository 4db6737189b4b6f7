"""What HTML shows, and whether it is the page of a web interface."""

import re

_HTML = re.compile(r"<(?:!doctype ?html|html|head|body|title|center|h1|script)\b", re.IGNORECASE)
_TAG = re.compile(r"<(/?)([a-zA-Z!][\w-]{0,40})[^<>]{0,4000}>")
_HIDDEN = frozenset({"script", "style", "svg"})
_APP_ROOT = re.compile(
    r"""<div[^>]{0,200}\bid=["']?(?:root|app|__next|__nuxt|main)["'> ]""", re.IGNORECASE
)
_SCRIPT = re.compile(r"<script|<noscript", re.IGNORECASE)
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


def has_app_root(body: str) -> bool:
    """Tell whether a page has the element that a web application fills."""
    return _APP_ROOT.search(body[:_MAX_SCANNED]) is not None


def is_web_app(body: str) -> bool:
    """Tell whether a page looks like a web interface."""
    return has_app_root(body) or _SCRIPT.search(body[:_MAX_SCANNED]) is not None
