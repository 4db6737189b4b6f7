"""The form of fact sheet files: one file per provider, with the models' common facts at the top."""

from collections.abc import Iterator
from datetime import date
from typing import Annotated

from pydantic import Field

from tallylight.catalogue.prices import PriceOptions
from tallylight.catalogue.services import BillingBasis, FactSheet, Medium, ShutdownPrecision
from tallylight.documents.parsers import Lengths, Sizes
from tallylight.documents.section import Name, Section
from tallylight.model.ids import ProviderId
from tallylight.model.status import Access

NonEmptyText = Annotated[str, Field(min_length=1)]


class ModelFacts(Section):
    """The facts of one model, or of several ids with the same facts.

    A missing value defaults to the one at the top of the file.
    """

    model: NonEmptyText
    also: tuple[NonEmptyText, ...] = ()
    title: NonEmptyText
    medium: Medium = Medium.VIDEO
    access: Access | None = None
    protocol: str | None = None
    lengths: Lengths = ()
    sizes: Sizes = ()
    price: PriceOptions | None = None
    has_audio: bool = False
    announced_at: date | None = None
    shutdown_at: date | None = None
    shutdown_precision: ShutdownPrecision = ShutdownPrecision.EXACT
    replacement: str = ""
    notes: str = ""
    sources: tuple[NonEmptyText, ...] = ()
    as_of: date | None = None


class ProviderFacts(Section):
    """The content of one file: a provider and its models."""

    provider: Name
    access: Access = Access.OFFICIAL
    protocol: str = ""
    sources: Annotated[tuple[NonEmptyText, ...], Field(min_length=1)]
    as_of: date
    models: Annotated[tuple[ModelFacts, ...], Field(min_length=1)]

    def sheets(self) -> Iterator[FactSheet]:
        """Yield a sheet for each model id."""
        for facts in self.models:
            for model in (facts.model, *facts.also):
                yield self._sheet(model, facts)

    def _sheet(self, model: str, facts: ModelFacts) -> FactSheet:
        return FactSheet(
            provider=ProviderId(self.provider),
            model=model,
            title=facts.title,
            medium=facts.medium,
            access=facts.access or self.access,
            protocol=self.protocol if facts.protocol is None else facts.protocol,
            lengths=facts.lengths,
            sizes=facts.sizes,
            price=None if facts.price is None else facts.price.price(),
            announced_at=facts.announced_at,
            shutdown_at=facts.shutdown_at,
            shutdown_precision=facts.shutdown_precision,
            replacement=facts.replacement,
            notes=facts.notes,
            sources=facts.sources or self.sources,
            as_of=facts.as_of or self.as_of,
            has_audio=facts.has_audio,
        )


class BuiltInUpstream(Section):
    """A provider's upstream, used if the operator has no configuration file.

    Args:
        key_variable: The environment variable that the provider's documentation uses for the key.
        feed: Its status page: format, url, component.
        notes: What is not verified.
    """

    title: NonEmptyText
    base_url: NonEmptyText
    protocol: NonEmptyText
    dialect: str = ""
    key_variable: NonEmptyText
    bills: BillingBasis = BillingBasis.ACCEPTANCES
    feed: dict[str, str] | None = None
    notes: str = ""


class BuiltInUpstreams(Section):
    """The content of the file of built-in upstreams."""

    upstreams: dict[Name, BuiltInUpstream]
