"""The hosts of Amazon Bedrock: the API, its list of models, and the bucket that takes the films.

A pair of keys signs for all of them. An API key of Bedrock is a bearer, and no bucket takes one: so
its films are fetched without a key, and the bucket has to permit that.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import Field

from tallylight.documents.addresses import HttpUrl
from tallylight.documents.section import Section
from tallylight.upstreams.auth import BEARER, Auth, Wire
from tallylight.upstreams.aws_signature import AwsPairAuth
from tallylight.upstreams.protocol import Site

JOBS_PATH, MODELS_PATH = "/async-invoke", "/foundation-models"
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]{2,10}){1,3}-\d{1,2}")
_RUNTIME, _STORE = "bedrock-runtime", "s3"
_SERVICE = _RUNTIME.removesuffix("-runtime")
_USUAL_REGION = "us-east-1"


class _AnyOptions(Section):
    bucket: str = ""
    access_key: str = ""
    region: str = Field("", pattern=r"^[a-z0-9-]{0,30}$")
    storage_url: HttpUrl | None = None
    control_url: HttpUrl | None = None


class BedrockOptions(_AnyOptions):
    """What an upstream sets.

    Args:
        bucket: The folder of a bucket of yours that takes the films, each create in one of its own:
            "s3://my-bucket/films".
        access_key: The id of a pair of keys, whose secret is the upstream's `key`; "" where the key
            is an API key of Bedrock.
        region: The region of signatures; that of the host's name if it has one.
        storage_url: The host of the bucket; that of the upstream's region if it is at Amazon.
        control_url: The host that lists models; that of the upstream's region if it is at Amazon.
    """

    bucket: str = Field(pattern=r"^s3://[a-z0-9.-]{3,63}(/[A-Za-z0-9._-]{1,100}){0,8}$")


@dataclass(frozen=True, slots=True)
class BedrockHosts:
    """Where an upstream's API, its list of models and its bucket are.

    Args:
        bucket: The folder of the bucket.
    """

    api: str
    control: str
    storage: str
    bucket: str

    @classmethod
    def of(cls, site: Site) -> "BedrockHosts":
        """Return the hosts of a site; what neither an option nor its name tells, is its own."""
        options = site.options_as(_AnyOptions)
        return cls(
            site.base_url,
            options.control_url or _sibling(site.base_url, _SERVICE),
            options.storage_url or _sibling(site.base_url, _STORE),
            options.bucket,
        )

    def is_stored(self, url: str) -> bool:
        """Tell whether an address is one in the bucket."""
        return not url.startswith((self.api + JOBS_PATH, self.control + MODELS_PATH))


def _sibling(base_url: str, service: str) -> str:
    """Return the address of another service of Amazon in the same region."""
    scheme, mark, host = base_url.partition("://")
    is_named = host.startswith(_RUNTIME)
    return f"{scheme}{mark}{service}{host.removeprefix(_RUNTIME)}" if is_named else base_url


@dataclass(frozen=True, slots=True)
class _BedrockAuth:
    """Signs for the API, and for the bucket if a bucket takes such keys."""

    hosts: BedrockHosts
    api: Auth
    storage: Auth | None

    def headers(self, wire: Wire, secret: str, now: float) -> Mapping[str, str]:
        """Return the headers."""
        auth = self.storage if self.hosts.is_stored(wire.url) else self.api
        return {} if auth is None else auth.headers(wire, secret, now)


def bedrock_auth(site: Site) -> Auth:
    """Return how requests from a site are signed."""
    hosts, options = BedrockHosts.of(site), site.options_as(_AnyOptions)
    if not options.access_key:
        return _BedrockAuth(hosts, BEARER, None)
    api, storage = (options.region or _region(each) for each in (hosts.api, hosts.storage))
    return _BedrockAuth(
        hosts,
        AwsPairAuth(options.access_key, api, _SERVICE),
        AwsPairAuth(options.access_key, storage, _STORE, escapes_twice=False),
    )


def _region(url: str) -> str:
    labels = (urlsplit(url).hostname or "").split(".")
    return next(filter(_REGION.fullmatch, labels), _USUAL_REGION)


def bedrock_origins(site: Site) -> tuple[str, ...]:
    """Return URLs at the further origins of a site."""
    hosts = BedrockHosts.of(site)
    return (hosts.storage, hosts.control)
