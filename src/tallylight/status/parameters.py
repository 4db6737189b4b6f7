"""FastAPI dependencies of the JSON APIs."""

from typing import Annotated

from fastapi import Depends, HTTPException, Path, Query, Request

from tallylight.i18n import Language, Translator, translator
from tallylight.model.ids import ServiceId
from tallylight.status.requests import PageContext, context_of, translator_of
from tallylight.status.views.services import ServiceRow


def _translator(
    request: Request,
    lang: Annotated[
        Language | None,
        Query(description="The language of sentences; without it Accept-Language decides."),
    ] = None,
) -> Translator:
    return translator_of(request) if lang is None else translator(lang)


ContextParam = Annotated[PageContext, Depends(context_of)]
TranslatorParam = Annotated[Translator, Depends(_translator)]


async def _row(
    context: ContextParam,
    to: TranslatorParam,
    service: Annotated[str, Path(description="A service's id.")],
) -> ServiceRow:
    try:
        return await context.row(ServiceId(service), to)
    except KeyError:
        raise HTTPException(404, f"There is no service {service}.") from None


RowParam = Annotated[ServiceRow, Depends(_row)]
