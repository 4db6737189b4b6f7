"""What may be spoken at an address, and below which paths: the likeliest first."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pydantic import ValidationError

from tallylight.catalogue.services import NO_OPTIONS, FactSheet, Upstream
from tallylight.catalogue.sheets import BuiltInUpstream, FurtherProtocol
from tallylight.documents.secret import Secret
from tallylight.model.ids import ProviderId, UpstreamId
from tallylight.upstreams.protocol import Definition

Definitions = Mapping[str, Definition]
ProviderProfiles = Mapping[str, BuiltInUpstream]

_MOST_PARENTS = 4


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key, and what else the protocol needs beside it.

    Args:
        options: The rest, by the names of the protocol's options: {access_key: …}. A key with some
            is tried by those protocols alone that have them.
    """

    secret: Secret
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    def fits(self, definition: Definition) -> bool:
        """Tell whether a protocol has all its options, and needs no further ones."""
        if not self.options:
            return True
        try:
            definition.options.model_validate(self.options)
        except ValidationError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class KnownApis:
    """What is known before anything is asked.

    Args:
        models: A model to ask for, by protocol.
        profiles: The providers' addresses.
    """

    definitions: Definitions
    models: Mapping[str, str]
    profiles: ProviderProfiles


@dataclass(frozen=True, slots=True)
class ApiCandidate:
    """A protocol and a dialect that may be spoken at a base URL.

    Args:
        upstream: The upstream that it would be.
        is_of_profile: A profile says that it is spoken at this host.
    """

    upstream: Upstream
    is_of_profile: bool = False


def candidate_rounds(
    address: str, key: ApiKey | None, known: KnownApis
) -> Iterator[tuple[ApiCandidate, ...]]:
    """Yield what may be spoken at an address, in rounds: a later one is for an earlier in vain.

    A host that a profile names speaks what the profile says. Any other one may speak everything,
    at the address itself, above it (an address may be that of one request), or below it, where
    profiles have the protocol.
    """
    profiles = known.profiles
    able = [each for each in known.definitions.values() if key is None or key.fits(each)]
    provider = provider_at(address, profiles)
    if provider:
        yield tuple(_of_profile(address, key, provider, profiles[provider], able))
    name = provider or "found"
    bases = [address, *_parents(address)]
    for base in bases:
        yield tuple(
            ApiCandidate(_upstream(name, base, each, dialect, key))
            for each in able
            for dialect in each.dialects
        )
    usual = tuple(_usual_paths(profiles))
    for base in dict.fromkeys((address, bases[-1])):
        yield tuple(
            ApiCandidate(_upstream(name, f"{base}{path}", each, dialect, key))
            for each in able
            for protocol, path in usual
            if protocol == each.name and not base.endswith(path)
            for dialect in each.dialects
        )


def models_to_ask_for(
    sheets: Iterable[FactSheet], profiles: ProviderProfiles, provider: str
) -> Mapping[str, str]:
    """Return a model that is sold, by protocol: one of the provider's own, if it has any."""
    found: dict[str, str] = {}
    known = [each for each in sheets if each.provider in profiles and each.shutdown_at is None]
    for sheet in sorted(known, key=lambda each: each.provider != provider):
        found.setdefault(sheet.protocol, sheet.model)
    return found


def provider_at(address: str, profiles: ProviderProfiles) -> str:
    """Return the provider whose profile names the host of an address, "" if there is none."""
    host = _host_of(address)
    return next((name for name, each in profiles.items() if _host_of(each.base_url) == host), "")


def _of_profile(
    address: str,
    key: ApiKey | None,
    provider: str,
    profile: BuiltInUpstream,
    definitions: Iterable[Definition],
) -> Iterator[ApiCandidate]:
    for each in definitions:
        spoken = profile.spoken(each.name)
        if spoken is not None:
            dialect = spoken.dialect or each.dialects[0]
            # Where the profile's address has a place to fill in, the given one says more.
            base = spoken.base_url or (address if profile.needs_file else profile.base_url)
            upstream = _upstream(provider, base.rstrip("/"), each, dialect, key)
            yield ApiCandidate(upstream, is_of_profile=True)


def _upstream(
    name: str, base: str, definition: Definition, dialect: str, key: ApiKey | None
) -> Upstream:
    told = {} if key is None else key.options
    return Upstream(
        UpstreamId(name),
        ProviderId(name),
        base,
        definition.name,
        dialect,
        None if key is None else key.secret,
        options=definition.options.model_validate(told) if told else NO_OPTIONS,
    )


def _parents(address: str) -> list[str]:
    """Return the addresses above one, the nearest first, and the root last."""
    parts = urlsplit(address)
    segments = [each for each in parts.path.split("/") if each]
    paths = ["/".join(["", *segments[:count]]) for count in reversed(range(len(segments)))]
    above = [parts._replace(path=each).geturl() for each in paths]
    return above if len(above) <= _MOST_PARENTS else [*above[: _MOST_PARENTS - 1], above[-1]]


def _usual_paths(profiles: ProviderProfiles) -> Iterable[tuple[str, str]]:
    """Return protocols with the paths at which profiles have them."""
    found: dict[tuple[str, str], None] = {}
    for profile in profiles.values():
        own = FurtherProtocol(protocol=profile.protocol)
        for each in () if profile.needs_file else (own, *profile.further):
            path = urlsplit(each.base_url or profile.base_url).path.rstrip("/")
            if path:
                found[each.protocol, path] = None
    return found


def _host_of(address: str) -> str:
    return urlsplit(address).netloc.lower()
