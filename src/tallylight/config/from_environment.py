"""The catalogue without a file: built-in fact sheets of providers with a key in the environment."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from typing import NamedTuple

from tallylight.catalogue import facts
from tallylight.catalogue.services import Catalogue, FactSheet, ProbeIntervals, Service
from tallylight.catalogue.sheets import BuiltInUpstream
from tallylight.config.usability import (
    Obstacle,
    Profiles,
    Usability,
    found_key,
    upstream_for,
    usability,
)
from tallylight.config.wordings import with_wordings
from tallylight.errors import ConfigurationError, Problem
from tallylight.model.ids import ServiceId
from tallylight.model.money import Budget

_NOT_ID = re.compile(r"[^a-z0-9.]+")


class FoundCatalogue(NamedTuple):
    """What keys of the environment open, and why some of them open nothing."""

    catalogue: Catalogue
    warnings: tuple[Problem, ...]


def environment_catalogue(
    environment: Mapping[str, str], today: date, profiles: Profiles | None = None
) -> FoundCatalogue:
    """Return the live models of each provider whose key is set and whose protocol is spoken.

    Only free probes are sent, because spending needs a budget in a file.

    Args:
        environment: The variables.
        today: Decides which models are retired.
        profiles: The providers' addresses and variables; None for the built-in ones.

    Raises:
        ConfigurationError: if there is no such model; its text says what to do.
    """
    known = facts.built_in_upstreams() if profiles is None else profiles
    services: list[Service] = []
    unused: list[Problem] = []
    used: set[str] = set()
    for provider, profile in known.items():
        found = tuple(_services(provider, profile, known, environment, today))
        services += found
        key = found_key(profile, environment)
        if found and key is not None:
            used.add(key.variable)
        elif key is not None:
            reason = _why_unused(provider, known, environment, today)
            unused.append(Problem("environment", key.variable, f"is set, but {reason}"))
    if not services:
        text = _no_key_message(known, unused, environment, today)
        raise ConfigurationError((Problem("configuration", "", text),))
    spelled, _ = with_wordings(_told_apart(services))
    # One variable may hold the key of two regions; it opens one of them.
    warnings = tuple(each for each in unused if each.key not in used)
    return FoundCatalogue(Catalogue(services=spelled), warnings)


def _services(
    provider: str,
    profile: BuiltInUpstream,
    profiles: Profiles,
    environment: Mapping[str, str],
    today: date,
) -> Iterator[Service]:
    for sheet in _sheets_of(provider):
        if usability(sheet, profiles, environment, today).is_usable:
            key = found_key(profile, environment)
            yield Service(
                id=ServiceId(_NOT_ID.sub("-", f"{sheet.model}-{provider}".lower())),
                name=f"{sheet.title} ({profile.title})",
                upstream=upstream_for(sheet, profile, environment, key),
                model=sheet.model,
                access=sheet.access,
                sheet=sheet,
                probe_intervals=ProbeIntervals(generation=None),
                budget=Budget(),
                probe_order=None,
            )


def _sheets_of(provider: str) -> tuple[FactSheet, ...]:
    return tuple(each for each in facts.fact_sheets().values() if each.provider == provider)


def _told_apart(services: list[Service]) -> Iterator[Service]:
    """Yield services whose ids and names differ: those of one title at a provider name the model.

    Ids that differ in their signs alone, sora_image and sora-image, are numbered.
    """
    names, ids = Counter(each.name for each in services), Counter[ServiceId]()
    for each in services:
        ids[each.id] += 1
        number = "" if ids[each.id] == 1 else f"-{ids[each.id]}"
        is_alone = names[each.name] == 1
        name = each.name if is_alone else f"{each.name.removesuffix(')')}, {each.model})"
        yield replace(each, id=ServiceId(f"{each.id}{number}"), name=name)


def _why_unused(
    provider: str, profiles: Profiles, environment: Mapping[str, str], today: date
) -> str:
    """Return why no model of a provider can be used with the key that is set."""
    found = [usability(each, profiles, environment, today) for each in _sheets_of(provider)]
    live = [each for each in found if each.obstacle not in {Obstacle.RETIRED, Obstacle.NOT_PUBLIC}]
    return "no live model is known there" if not live else _reason(live[0])


def _reason(found: Usability) -> str:
    match found.obstacle:
        case Obstacle.PROTOCOL:
            return f"this version does not speak its protocol ({found.detail})"
        case Obstacle.FILE:
            return f"it needs a tallylight.yaml: {found.detail}"
        case Obstacle.SECRETS:
            return f"{found.detail} is needed as well"
        case Obstacle.ADDRESS if found.detail:
            return f"{found.detail} would send the key unencrypted; use https"
        case Obstacle.ADDRESS:
            return "it needs a tallylight.yaml: no address is known"
        case _:
            return "how its orders are spelled is not known"


def _no_key_message(
    profiles: Profiles, unused: list[Problem], environment: Mapping[str, str], today: date
) -> str:
    useful = [
        profile.key_variable
        for provider, profile in profiles.items()
        if any(
            usability(each, profiles, environment, today).obstacle is Obstacle.KEY
            for each in _sheets_of(provider)
        )
    ]
    why = "; ".join(f"{each.key} {each.reason}" for each in unused)
    return (
        f"there is no tallylight.yaml and no key to work with{f' ({why})' if why else ''}; "
        f"set {' or '.join(useful)}, write a tallylight.yaml (docs/configuration.md), or try "
        "`tallylight demo`"
    )
