"""What the JSON APIs take from a request, as FastAPI is told of it."""

from typing import Annotated

from fastapi import Depends, HTTPException, Path, Query, Request

from tallylight.i18n import Language, Translator, translator
from tallylight.model.ids import ServiceId
from tallylight.status.page_data import PageContext
from tallylight.status.requests import context_of, translator_of
from tallylight.status.views.services import ServiceFacts


def _context(request: Request) -> PageContext:
    return context_of(request)


def _translator(
    request: Request,
    lang: Annotated[
        Language | None,
        Query(description="The language of sentences; without it Accept-Language decides."),
    ] = None,
) -> Translator:
    return translator_of(request) if lang is None else translator(lang)


async def _facts(
    request: Request, service: Annotated[str, Path(description="A service's id.")]
) -> ServiceFacts:
    try:
        return await context_of(request).facts(ServiceId(service))
    except KeyError:
        raise HTTPException(404, f"There is no service {service}.") from None


ContextParam = Annotated[PageContext, Depends(_context)]
TranslatorParam = Annotated[Translator, Depends(_translator)]
FactsParam = Annotated[ServiceFacts, Depends(_facts)]
