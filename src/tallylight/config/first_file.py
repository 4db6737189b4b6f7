"""Writes a first tallylight.yaml from what an operator answered: text that a person goes on with.

No secret gets here, only the place where it is: a variable of the environment or a file.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from tallylight.catalogue.services import BillingBasis, Feed
from tallylight.documents.parsers import OFF, serialize_duration
from tallylight.model.status import Access

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*|https?://[A-Za-z0-9_.:/-]*[A-Za-z0-9_/-]")
_NOT_TEXT = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
_COMMENT_LENGTH = 100


@dataclass(frozen=True, slots=True)
class SecretPlace:
    """Where a secret is.

    Args:
        variable: The variable of the environment, "" for a file.
        path: The file, relative to tallylight.yaml.
    """

    variable: str = ""
    path: str = ""

    @property
    def text(self) -> str:
        """Return how the file names it."""
        return f"${{{self.variable}}}" if self.variable else f"{{file: {_scalar(self.path)}}}"


@dataclass(frozen=True, slots=True)
class FirstUpstream:
    """An upstream of the file.

    Args:
        title: Who it is, for the comment.
        key: Where its key is; None for an upstream without one.
        options: What its protocol needs besides.
    """

    title: str
    provider: str
    base_url: str
    protocol: str
    dialect: str
    key: SecretPlace | None
    options: Mapping[str, str | SecretPlace] = field(default_factory=dict)
    bills: BillingBasis = BillingBasis.ACCEPTANCES
    feed: Feed | None = None


@dataclass(frozen=True, slots=True)
class FirstService:
    """A service of the file; its facts are those of a built-in sheet, if there is one.

    Args:
        title: Its name, for the comment.
        access: What kind of access it is; None to leave that to the sheet.
        probe_usd: What its paid probe costs; None if that is not known.
    """

    title: str
    upstream: str
    model: str
    access: Access | None = None
    probe_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class FirstFile:
    """What an operator answered.

    Args:
        upstreams: The upstreams by id.
        services: The services by id.
        per_day: What all paid probes may cost in 24 hours; None for free probes alone.
        generation: How often at least a paid probe is sent.
        alert_url: Where alerts go; None if nowhere.
        schema: The address or the path of the JSON Schema, "" for none.
    """

    upstreams: Mapping[str, FirstUpstream]
    services: Mapping[str, FirstService]
    per_day: Decimal | None = None
    generation: timedelta = timedelta(hours=6)
    alert_url: SecretPlace | None = None
    schema: str = ""


def first_file_text(answers: FirstFile) -> str:
    """Return the text of tallylight.yaml."""
    lines = [
        *([f"# yaml-language-server: $schema={answers.schema}"] if answers.schema else []),
        "# Written by `tallylight init`. Each key is described in docs/configuration.md;",
        "# `tallylight config check` checks this file, `tallylight serve` runs it.",
        "",
        "# Where requests go. Keys are named here, and are in the environment or in files.",
        "upstreams:",
        *_joined(_upstream(name, each) for name, each in answers.upstreams.items()),
        "",
        "# What is watched: a model at an upstream. Lengths, sizes and prices are those of the",
        "# built-in fact sheets (`tallylight catalogue list`).",
        "services:",
        *_joined(_service(name, each, answers) for name, each in answers.services.items()),
        "",
        *_probes(answers),
        *_alerts(answers.alert_url),
    ]
    return "\n".join(lines) + "\n"


def _upstream(name: str, upstream: FirstUpstream) -> Iterator[str]:
    yield _comment(upstream.title, 2)
    yield f"  {_scalar(name)}:"
    yield f"    provider: {_scalar(upstream.provider)}"
    yield f"    base_url: {_scalar(upstream.base_url)}"
    yield f"    protocol: {_scalar(upstream.protocol)}"
    yield f"    dialect: {_scalar(upstream.dialect)}"
    if upstream.key is not None:
        yield f"    key: {upstream.key.text}"
    if upstream.options:
        yield "    options:"
    for option, value in upstream.options.items():
        text = value.text if isinstance(value, SecretPlace) else _scalar(value)
        yield f"      {_scalar(option)}: {text}"
    if upstream.bills is not BillingBasis.ACCEPTANCES:
        yield f"    bills: {upstream.bills.value}  # a failed job costs nothing"
    if upstream.feed is not None:
        yield from _feed(upstream.feed)


def _feed(feed: Feed) -> Iterator[str]:
    yield "    feed:"
    yield f"      format: {_scalar(feed.format)}"
    yield f"      url: {_scalar(feed.url)}"
    if feed.component:
        yield f"      component: {_scalar(feed.component)}"


def _service(name: str, service: FirstService, answers: FirstFile) -> Iterator[str]:
    yield _comment(f"{service.title}: {_price(service.probe_usd)}", 2)
    yield f"  {_scalar(name)}:"
    yield f"    upstream: {_scalar(service.upstream)}"
    yield f"    model: {_scalar(service.model)}"
    if service.access is not None:
        yield f"    access: {_scalar(service.access.value)}"
    if answers.per_day is not None and not _may_be_paid(service, answers.per_day):
        yield f"    probes: {{generation: {OFF}}}  # the budget does not pay for it"


def _may_be_paid(service: FirstService, per_day: Decimal) -> bool:
    return service.probe_usd is not None and service.probe_usd <= per_day


def _price(usd: Decimal | None) -> str:
    return "the price is not known" if usd is None else f"a paid probe costs {usd:f} USD"


def _probes(answers: FirstFile) -> Iterator[str]:
    if answers.per_day is None:
        yield "# Free probes alone: does it answer, and does it accept the key? Paid ones prove"
        yield "# that videos are delivered, and need a budget:"
        yield "# probes:"
        yield f"#   generation: {serialize_duration(answers.generation)}"
        yield "# budgets:"
        yield "#   per_day: 2.00"
        return
    yield "# Paid probes prove that videos are delivered. They are sent within the budget alone."
    yield "probes:"
    yield f"  generation: {serialize_duration(answers.generation)}"
    yield ""
    yield "# US dollars, of all probes together."
    yield "budgets:"
    yield f"  per_day: {answers.per_day:f}"


def _alerts(url: SecretPlace | None) -> Iterator[str]:
    yield ""
    if url is None:
        yield "# Who is told of trouble: an Apprise URL, or the address that Slack or Feishu shows."
        yield "# alerts:"
        yield "#   receivers:"
        yield "#     team:"
        yield "#       url: ${TEAM_NOTIFICATION_URL}"
        return
    yield "# Who is told of trouble; `tallylight alerts test` tries it."
    yield "alerts:"
    yield "  receivers:"
    yield "    team:"
    yield f"      url: {url.text}"


def _joined(entries: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield the lines of entries, with an empty one between two."""
    for number, entry in enumerate(entries):
        if number:
            yield ""
        yield from entry


def _comment(text: str, indent: int) -> str:
    words = "".join(each if each.isprintable() else " " for each in text).split()
    return f"{' ' * indent}# {' '.join(words)[:_COMMENT_LENGTH]}"


def _scalar(text: str) -> str:
    """Return a text as YAML reads it, whatever it looks like; nothing is put into it."""
    literal = text.replace("${", "$${")
    if _WORD.fullmatch(literal) and literal.lower() not in _NOT_TEXT:
        return literal
    return f'"{"".join(map(_escaped, literal))}"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"
