"""Whether a model can be used without a file: by which protocol, with which key."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from tallylight.catalogue.services import FactSheet, Feed, Upstream
from tallylight.catalogue.sheets import BuiltInUpstream, FurtherProtocol
from tallylight.catalogue.wording import find_wording
from tallylight.catalogue.wording_gaps import wording_gaps
from tallylight.documents.addresses import is_loopback
from tallylight.documents.secret import Secret
from tallylight.model.ids import ProviderId, UpstreamId
from tallylight.upstreams.feeds.detection import AUTO
from tallylight.upstreams.feeds.registry import FEED_READERS
from tallylight.upstreams.protocols.registry import PROTOCOLS, adapter_for

Profiles = Mapping[str, BuiltInUpstream]
Variables = Mapping[str, str]


class Obstacle(StrEnum):
    """Why a model cannot be used now."""

    RETIRED = "retired"
    NOT_PUBLIC = "not_public"  # no protocol, or no id on the wire, is known for it
    PROTOCOL = "protocol"  # this version does not speak it
    ADDRESS = "address"  # no address is known, or none to which a key may be sent
    FILE = "file"  # what it needs can only be said in a configuration file
    WORDING = "wording"  # how its orders are spelled is not known
    KEY = "key"  # no variable with a key is set
    SECRETS = "secrets"  # a variable is set, but another one is needed as well


@dataclass(frozen=True, slots=True)
class Usability:
    """Whether a model can be used, and with which key.

    Args:
        key_variable: The variable that holds the key, or that would; "" if none is known.
        obstacle: Why it cannot be used; None if it can.
        detail: The protocol that is not spoken, the reason why a file is needed, or the variables
            that are missing.
    """

    key_variable: str = ""
    obstacle: Obstacle | None = None
    detail: str = ""

    @property
    def is_usable(self) -> bool:
        """Tell whether it can be used now."""
        return self.obstacle is None


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A key of the environment.

    Args:
        options: What else the protocol needs, by the names of its options.
        missing: Variables that are needed as well and not set.
    """

    variable: str
    text: str = field(repr=False)
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    missing: tuple[str, ...] = ()


def found_key(profile: BuiltInUpstream, environment: Variables) -> FoundKey | None:
    """Return the first key of a provider that is whole, else the first that is not; None if none.

    A variable that is set to nothing is not set.
    """
    found = list(_keys(profile, environment))
    whole = (each for each in found if not each.missing)
    return next(whole, found[0] if found else None)


def _keys(profile: BuiltInUpstream, environment: Variables) -> Iterator[FoundKey]:
    for variable in profile.key_variables:
        if text := _set(environment, variable):
            yield FoundKey(variable, text)
    for variable, options in profile.key_pairs.items():
        told = {name: _set(environment, other) for name, other in options.items()}
        missing = tuple(options[name] for name, text in told.items() if not text)
        if text := _set(environment, variable):
            yield FoundKey(variable, text, told, missing)
        elif len(missing) < len(options):
            other = next(options[name] for name, each in told.items() if each)
            yield FoundKey(other, "", told, (variable, *missing))


def _set(environment: Variables, variable: str) -> str:
    return environment.get(variable, "").strip()


def usability(
    sheet: FactSheet, profiles: Profiles, environment: Variables, today: date
) -> Usability:
    """Return whether a model can be used with the keys of the environment."""
    profile = profiles.get(sheet.provider)
    variable = "" if profile is None else profile.key_variable
    if sheet.is_retired(today):
        return Usability(variable, Obstacle.RETIRED)
    if not sheet.protocol:
        return Usability(variable, Obstacle.NOT_PUBLIC)
    if sheet.protocol not in PROTOCOLS:
        return Usability(variable, Obstacle.PROTOCOL, sheet.protocol)
    if profile is None or profile.spoken(sheet.protocol) is None:
        return Usability(variable, Obstacle.ADDRESS)
    if profile.needs_file:
        return Usability(variable, Obstacle.FILE, profile.needs_file)
    return _with_key(sheet, profile, environment)


def _with_key(sheet: FactSheet, profile: BuiltInUpstream, environment: Variables) -> Usability:
    key = found_key(profile, environment)
    upstream = upstream_for(sheet, profile, environment, key)
    if not _is_spelled(sheet, upstream):
        return Usability(profile.key_variable, Obstacle.WORDING)
    if key is None:
        return Usability(profile.key_variable, Obstacle.KEY, profile.key_variable)
    if key.missing:
        return Usability(key.variable, Obstacle.SECRETS, ", ".join(key.missing))
    if upstream.base_url.startswith("http:") and not is_loopback(upstream.base_url):
        return Usability(key.variable, Obstacle.ADDRESS, upstream.base_url)
    return Usability(key.variable)


def upstream_for(
    sheet: FactSheet, profile: BuiltInUpstream, environment: Variables, key: FoundKey | None
) -> Upstream:
    """Return the upstream by which a provider sells a model; its protocol must be spoken there."""
    spoken = profile.spoken(sheet.protocol)
    assert spoken is not None  # noqa: S101  # the caller has looked
    definition = PROTOCOLS[sheet.protocol]
    options = {} if key is None or key.missing else key.options
    return Upstream(
        id=UpstreamId(_upstream_id(sheet, profile)),
        provider=ProviderId(sheet.provider),
        base_url=_base_url(profile, spoken, environment),
        protocol=sheet.protocol,
        dialect=spoken.dialect or definition.dialects[0],
        key=None if key is None else Secret(key.text),
        feed=_feed(profile),
        bills=profile.bills,
        options=definition.options.model_validate(options),
        wordings={} if sheet.wire is None else {sheet.model: sheet.wire},
    )


def _upstream_id(sheet: FactSheet, profile: BuiltInUpstream) -> str:
    if sheet.protocol == profile.protocol:
        return sheet.provider
    return f"{sheet.provider}-{sheet.protocol.replace('_', '-')}"


def _base_url(profile: BuiltInUpstream, spoken: FurtherProtocol, environment: Variables) -> str:
    named = _set(environment, profile.address_variable) if profile.address_variable else ""
    return (spoken.base_url or named or profile.base_url).rstrip("/")


def _feed(profile: BuiltInUpstream) -> Feed | None:
    feed = profile.feed
    if feed is None or feed["format"] not in {AUTO, *FEED_READERS}:
        return None
    return Feed(feed["format"], feed["url"], feed.get("component", ""))


def _is_spelled(sheet: FactSheet, upstream: Upstream) -> bool:
    """Tell whether the wording of a model has a word for all that its sheet leaves to choose."""
    wording = find_wording(adapter_for(upstream).features.wordings, sheet.model)
    if wording is None:
        return False
    is_short = all(mode.audio is None for mode in sheet.modes)
    return (is_short and sheet.wire is None) or not wording_gaps(sheet.modes, wording)
