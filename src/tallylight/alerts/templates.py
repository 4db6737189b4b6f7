"""Templates of operators for titles and bodies: sandboxed, and checked with the configuration."""

from collections.abc import Mapping
from functools import lru_cache

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

_SERVICE = {
    "id": "sora-2",
    "name": "Sora 2",
    "status": "suspended",
    "before": "operational",
    "since": "2026-01-28T12:00:00+00:00",
    "incident": "",
    "reasons": ["All checks have failed."],
}
_SAMPLE: Mapping[str, object] = {
    "kind": "firing",
    "severity": "failure",
    "at": "2026-01-28T12:00:00+00:00",
    "title": "Sora 2: suspended",
    "body": "Sora 2: suspended",
    "link": "https://status.example.com/",
    "services": [_SERVICE],
    "facts": {},
}
"""The variables of a template, as docs/alerts.md lists them."""


_FAILURES = (
    TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    OverflowError,
    TypeError,
    ValueError,
)


@lru_cache(maxsize=128)
def _compiled(source: str) -> Template:
    # Plain text: the receiver's plugin escapes it.
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
    return environment.from_string(source)


def check_template(source: str) -> str:
    """Return a template; refuse one that does not render."""
    try:
        _compiled(source).render(_SAMPLE)
    except _FAILURES as error:
        raise ValueError(f"is not a template that can be used: {error}") from None
    return source


def render_template(source: str | None, variables: Mapping[str, object], *, otherwise: str) -> str:
    """Return the text of a template; another text if there is none, or if these values fail."""
    if source is None:
        return otherwise
    try:
        return _compiled(source).render(variables).strip()
    except _FAILURES:
        return otherwise
