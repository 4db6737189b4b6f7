"""FastAPI dependencies of the JSON APIs."""

from typing import Annotated

from fastapi import Depends, HTTPException, Path, Query, Request

from tallylight.i18n import Language, Translator, translator
from tallylight.model.ids import ServiceId
from tallylight.status.requests import PageContext, context_of, translator_of
from tallylight.status.views.services import RecordedService, ServiceRow


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


ServiceParam = Annotated[str, Path(description="A service's id.")]


async def _row(context: ContextParam, to: TranslatorParam, service: ServiceParam) -> ServiceRow:
    try:
        return await context.row(ServiceId(service), to)
    except KeyError:
        raise HTTPException(404, await context.unknown_service(ServiceId(service))) from None


RowParam = Annotated[ServiceRow, Depends(_row)]
"""The verdict and the latest evidence of a configured service."""


async def _recorded(
    context: ContextParam, to: TranslatorParam, service: ServiceParam
) -> RecordedService:
    id_ = ServiceId(service)
    try:
        row = await context.row(id_, to)
    except KeyError:
        removed_at = await context.removed_at(id_)
        if removed_at is None:
            raise HTTPException(404, await context.unknown_service(id_)) from None
        intervals = await context.removed_intervals(id_, removed_at)
        return RecordedService(id_, id_, removed_at, intervals)
    return RecordedService(id_, row.service.name, None, row.intervals)


RecordedParam = Annotated[RecordedService, Depends(_recorded)]
"""A service that is configured, or was."""
