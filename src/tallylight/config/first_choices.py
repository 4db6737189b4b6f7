"""What an operator may choose to watch: what keys of the environment open, or what answers."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

from tallylight.catalogue.orders import probe_cost
from tallylight.catalogue.services import Service, Upstream
from tallylight.catalogue.sheets import BuiltInUpstream
from tallylight.config.first_file import (
    FirstFile,
    FirstService,
    FirstUpstream,
    SecretPlace,
    first_file_text,
)
from tallylight.config.from_environment import environment_catalogue
from tallylight.config.settings import configuration_of
from tallylight.config.usability import Profiles, found_key
from tallylight.documents.document import parse_document
from tallylight.model.ids import ServiceId
from tallylight.model.status import Access

_NAME = "tallylight.yaml"


def choices_of_environment(
    environment: Mapping[str, str], today: date, profiles: Profiles
) -> FirstFile:
    """Return a file with all that the keys of the environment open, with its prices.

    Raises:
        ConfigurationError: if they open nothing; its text says what to do.
    """
    services = environment_catalogue(environment, today, profiles).catalogue.services
    upstreams = {str(each.upstream.id): each.upstream for each in services.values()}
    found = FirstFile(
        {
            id_: _upstream_with_variables(each, profiles[str(each.provider)], environment)
            for id_, each in upstreams.items()
        },
        {str(id_): _service(each) for id_, each in services.items()},
    )
    return with_probe_prices(found, environment)


def choices_at(upstream: Upstream, key: SecretPlace | None, models: Iterable[str]) -> FirstFile:
    """Return a file with some models at an upstream that was found, of which no more is known."""
    name = (urlsplit(upstream.base_url).hostname or "found").replace(":", "-")
    written = FirstUpstream(
        title=upstream.base_url,
        provider=name,
        base_url=upstream.base_url,
        protocol=upstream.protocol,
        dialect=upstream.dialect,
        key=key,
    )
    services = {
        _id_of(each): FirstService(each, name, each, access=Access.REVERSE) for each in models
    }
    return FirstFile({name: written}, services)


def with_probe_prices(answers: FirstFile, environment: Mapping[str, str]) -> FirstFile:
    """Return a file that names what a paid probe of each service costs, where that is known.

    The prices are those that a server computes which runs the file.

    Raises:
        ConfigurationError: if the file is invalid.
    """
    # Prices need no key, and the file of a key may not be there yet.
    keyless = {id_: replace(each, key=None) for id_, each in answers.upstreams.items()}
    text = first_file_text(replace(answers, upstreams=keyless, alert_url=None))
    document = parse_document(text, _NAME, Path(), environment)
    known = configuration_of(document, Path(_NAME)).catalogue.services
    priced = {
        id_: replace(each, probe_usd=probe_cost(known[ServiceId(id_)]))
        for id_, each in answers.services.items()
    }
    return replace(answers, services=priced)


def only(answers: FirstFile, services: Iterable[str]) -> FirstFile:
    """Return a file with some of its services, and the upstreams that they need.

    Raises:
        KeyError: if there is no such service.
    """
    chosen = {id_: answers.services[id_] for id_ in services}
    needed = {each.upstream for each in chosen.values()}
    upstreams = {id_: each for id_, each in answers.upstreams.items() if id_ in needed}
    return replace(answers, upstreams=upstreams, services=chosen)


def _upstream_with_variables(
    upstream: Upstream, profile: BuiltInUpstream, environment: Mapping[str, str]
) -> FirstUpstream:
    key = found_key(profile, environment)
    variable = "" if key is None else key.variable
    others = profile.key_pairs.get(variable, {})
    return FirstUpstream(
        title=profile.title,
        provider=str(upstream.provider),
        base_url=upstream.base_url,
        protocol=upstream.protocol,
        dialect=upstream.dialect,
        key=SecretPlace(variable),
        options={name: SecretPlace(other) for name, other in others.items()},
        bills=upstream.bills,
        feed=upstream.feed,
    )


def _service(service: Service) -> FirstService:
    return FirstService(service.name, str(service.upstream.id), service.model)


def _id_of(model: str) -> str:
    text = "".join(each if each.isalnum() or each == "." else "-" for each in model.lower())
    return text.strip("-.")
