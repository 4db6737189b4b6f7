"""What a request carries: the way to the house, the reader's language, the page's address."""

from typing import Annotated

from fastapi import Depends, HTTPException, Path, Query, Request
from starlette.requests import HTTPConnection

from tallylight.languages import Language, Translator, negotiate, translator
from tallylight.status.reading import Reading
from tallylight.status.views.services import Facts
from tallylight.terms import ServiceId

COOKIE = "lang"


def reading_of(request: HTTPConnection) -> Reading:
    """Return the doors to the rest of the house, hung on the app by `make_app`."""
    reading: Reading = request.app.state.reading
    return reading


def language_of(request: HTTPConnection) -> Language:
    """Return what the address asks for, else the reader's former choice, else the browser's."""
    for wish in (request.query_params.get(COOKIE), request.cookies.get(COOKIE)):
        if wish in set(Language):
            return Language(wish)
    options = reading_of(request).state.options
    return negotiate(request.headers.get("accept-language", ""), options.language)


def translator_of(request: HTTPConnection) -> Translator:
    """Return the translator into a request's language."""
    return translator(language_of(request))


def base_of(request: HTTPConnection) -> str:
    """Return the page's address without a slash at its end."""
    return (reading_of(request).state.options.public_url or str(request.base_url)).rstrip("/")


def _asked(request: Request) -> Reading:
    return reading_of(request)


def _speech(
    request: Request,
    lang: Annotated[
        Language | None,
        Query(description="The language of sentences; without it Accept-Language decides."),
    ] = None,
) -> Translator:
    return translator_of(request) if lang is None else translator(lang)


async def _known(
    request: Request, service: Annotated[str, Path(description="A service's id.")]
) -> Facts:
    try:
        return await reading_of(request).facts(ServiceId(service))
    except KeyError:
        raise HTTPException(404, f"There is no service {service}.") from None


House = Annotated[Reading, Depends(_asked)]
Speech = Annotated[Translator, Depends(_speech)]
Known = Annotated[Facts, Depends(_known)]
