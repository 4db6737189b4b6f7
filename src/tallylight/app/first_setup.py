"""The first setup: what keys open or an address answers, written as files of one's own."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from tallylight.catalogue import facts
from tallylight.catalogue.services import Upstream
from tallylight.clock import Clock
from tallylight.config.first_choices import choices_at, choices_of_environment
from tallylight.config.first_file import FirstFile, SecretPlace, first_file_text
from tallylight.config.schema import configuration_schema
from tallylight.config.settings import load_configuration
from tallylight.discovery.candidates import ApiKey, KnownApis, models_to_ask_for, provider_at
from tallylight.discovery.search import FoundApi, find_api
from tallylight.documents.secret import Secret
from tallylight.gateway.keys import KeyRegistry
from tallylight.storage.database import open_storage
from tallylight.upstreams.protocols.registry import PROTOCOLS
from tallylight.upstreams.transport import Transport

SCHEMA_NAME = "tallylight.schema.json"
_KEY_NAME = "first"


@dataclass(frozen=True, slots=True)
class FirstSecrets:
    """Secrets that are written into files of their own.

    Args:
        texts: The secrets by their paths, relative to the configuration.
    """

    texts: Mapping[str, str] = field(default_factory=dict, repr=False)


async def search_address(
    address: str, secret: str, models: Iterable[str], clock: Clock
) -> FoundApi:
    """Find out what answers at an address, by free questions.

    Args:
        address: The address, with or without its path.
        secret: The key, "" for none.
        models: Models, the first of which is asked for; without any, those of the fact sheets.
        clock: Times the requests.
    """
    profiles = facts.built_in_upstreams()
    provider = provider_at(address if "://" in address else f"https://{address}", profiles)
    asked = dict(models_to_ask_for(facts.fact_sheets().values(), profiles, provider))
    asked |= dict.fromkeys(PROTOCOLS, model) if (model := next(iter(models), "")) else {}
    key = ApiKey(Secret(secret)) if secret else None
    async with Transport(clock) as transport:
        return await find_api(address, key, KnownApis(PROTOCOLS, asked, profiles), transport)


def choices_of(
    upstream: Upstream, place: SecretPlace | None, models: Iterable[str], today: date
) -> FirstFile:
    """Return what may be watched at an upstream that was found.

    The models of a provider with a profile are known. At any other address those are watched that
    are named; nothing is known of their prices.
    """
    profiles = facts.built_in_upstreams()
    profile = profiles.get(str(upstream.provider))
    if profile is not None and upstream.key is not None:
        variables = {profile.key_variable: upstream.key.reveal()}
        found = choices_of_environment(variables, today, profiles)
        own = {id_: replace(each, key=place) for id_, each in found.upstreams.items()}
        return replace(found, upstreams=own)
    return choices_at(upstream, place, models)


def write_first_files(path: Path, answers: FirstFile, secrets: FirstSecrets) -> tuple[Path, ...]:
    """Write the configuration, its schema and the secrets; return their paths.

    Secrets are readable by nobody else, and are there first.

    Raises:
        OSError: if a file cannot be written.
    """
    folder = path.parent
    written = []
    for name, text in secrets.texts.items():
        target = folder / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_private(target, text)
        written.append(target)
    schema = folder / SCHEMA_NAME
    schema.write_text(json.dumps(configuration_schema(), indent=2) + "\n", "utf-8")
    path.write_text(first_file_text(replace(answers, schema=SCHEMA_NAME)), "utf-8")
    return (*written, schema, path)


async def first_gateway_key(path: Path, clock: Clock) -> str:
    """Create a key of the gateway, and return it: it is shown once."""
    configuration = load_configuration(path)
    async with open_storage(configuration.database_url, clock) as history:
        _, secret = await KeyRegistry(history.keys, clock).create(_KEY_NAME)
    return secret


def _write_private(path: Path, text: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
        path.chmod(0o600)  # an older file may be readable by others
        file.write(f"{text}\n")
