"""What the JSON APIs take from a request, as FastAPI is told of it."""

from typing import Annotated

from fastapi import Depends, HTTPException, Path, Query, Request

from tallylight.i18n import Language, Translator, translator
from tallylight.model.ids import ServiceId
from tallylight.status.page_data import Reading
from tallylight.status.requests import reading_of, translator_of
from tallylight.status.views.services import Facts


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
