"""The form of fact sheet files: one file per provider, with the models' common facts at the top."""

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Self

from pydantic import Field, model_validator

from tallylight.catalogue.mode_options import Modes
from tallylight.catalogue.modes import Mode, short_modes
from tallylight.catalogue.prices import PriceOptions
from tallylight.catalogue.services import BillingBasis, FactSheet, ShutdownPrecision, Successor
from tallylight.catalogue.wire_options import WireOptions
from tallylight.documents.parsers import Lengths, Sizes
from tallylight.documents.section import DisplayText, Name, Section
from tallylight.model.ids import ProviderId
from tallylight.model.order import Medium
from tallylight.model.status import Access

NonEmptyText = Annotated[str, Field(min_length=1)]


class ModelFacts(Section):
    """The facts of one model, or of several ids with the same facts.

    A missing value defaults to the one at the top of the file.
    """

    model: NonEmptyText
    also: tuple[NonEmptyText, ...] = ()
    title: Annotated[DisplayText, Field(min_length=1)]
    medium: Medium = Medium.VIDEO
    access: Access | None = None
    protocol: str | None = None
    lengths: Lengths = ()
    sizes: Sizes = ()
    modes: Modes | None = None
    wire: WireOptions | None = None
    price: PriceOptions | None = None
    has_audio: bool = False
    announced_at: date | None = None
    shutdown_at: date | None = None
    shutdown_precision: ShutdownPrecision = ShutdownPrecision.EXACT
    earlier_shutdown_at: date | None = None
    replacement: str = ""
    notes: str = ""
    sources: tuple[NonEmptyText, ...] = ()
    as_of: date | None = None

    @model_validator(mode="after")
    def _one_form_of_modes(self) -> Self:
        if self.modes is not None and (self.lengths or self.sizes):
            raise ValueError("has modes; lengths and sizes are the short form of one mode")
        return self

    def certain_shutdown(self) -> date | None:
        """Return the day on which it shuts down for certain; None if there is none."""
        is_certain = self.shutdown_precision is not ShutdownPrecision.NOT_BEFORE
        return self.shutdown_at if is_certain else None

    def all_modes(self) -> tuple[Mode, ...]:
        """Return the modes, written out or in their short form."""
        if self.modes is None:
            return short_modes(self.lengths, self.sizes)
        return tuple(each.mode() for each in self.modes)


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
            modes=facts.all_modes(),
            price=None if facts.price is None else facts.price.price(),
            announced_at=facts.announced_at,
            shutdown_at=facts.shutdown_at,
            shutdown_precision=facts.shutdown_precision,
            replacement=facts.replacement,
            notes=facts.notes,
            sources=facts.sources or self.sources,
            as_of=facts.as_of or self.as_of,
            has_audio=facts.has_audio,
            wire=None if facts.wire is None else facts.wire.wording(),
            successors=tuple(self._successors(facts)),
            earlier_shutdown_at=facts.earlier_shutdown_at,
            alias_of="" if model == facts.model else facts.model,
        )

    def _successors(self, facts: ModelFacts) -> Iterator[Successor]:
        """Yield the replacement of a model, what replaces that one, and so on."""
        by_model = {model: each for each in self.models for model in (each.model, *each.also)}
        seen = {facts.model, *facts.also}
        while facts.replacement and facts.replacement not in seen:
            model, next_facts = facts.replacement, by_model.get(facts.replacement)
            yield Successor(model, None if next_facts is None else next_facts.certain_shutdown())
            if next_facts is None:
                return
            seen |= {model}
            facts = next_facts


class FurtherProtocol(Section):
    """Another protocol that a provider speaks for some of its models.

    Args:
        base_url: Where it is spoken, if not at the provider's base URL.
    """

    protocol: NonEmptyText
    dialect: str = ""
    base_url: str = ""


class BuiltInUpstream(Section):
    """A provider's upstream, used if the operator has no configuration file.

    Args:
        protocol: The protocol of most of its models.
        key_variable: The environment variable that the provider's documentation uses for the key.
        other_key_variables: Further variables that its own clients read, after the first.
        key_pairs: Variables of keys that need others beside them, by the protocol's options:
            {KLINGAI_SECRET_KEY: {access_key: KLINGAI_ACCESS_KEY}}.
        address_variable: The variable by which its own clients are pointed at another base URL.
        price_map_names: Its names (`litellm_provider`) in price maps of LiteLLM's form.
        further: Protocols of the rest of its models.
        needs_file: Why it cannot be used without a configuration file, "" if it can.
        feed: Its status page: format, url, component.
        notes: What is not verified.
    """

    title: Annotated[DisplayText, Field(min_length=1)]
    base_url: NonEmptyText
    protocol: NonEmptyText
    dialect: str = ""
    key_variable: NonEmptyText
    other_key_variables: tuple[NonEmptyText, ...] = ()
    key_pairs: dict[NonEmptyText, dict[NonEmptyText, NonEmptyText]] = Field(default_factory=dict)
    address_variable: str = ""
    price_map_names: tuple[NonEmptyText, ...] = ()
    further: tuple[FurtherProtocol, ...] = ()
    needs_file: str = ""
    bills: BillingBasis = BillingBasis.ACCEPTANCES
    feed: dict[str, str] | None = None
    notes: str = ""

    @property
    def key_variables(self) -> tuple[str, ...]:
        """Return the variables each of which may hold a whole key, in their order."""
        return (self.key_variable, *self.other_key_variables)

    def spoken(self, protocol: str) -> FurtherProtocol | None:
        """Return how and where a protocol is spoken; None if it is not."""
        main = FurtherProtocol(protocol=self.protocol, dialect=self.dialect)
        found = (each for each in (main, *self.further) if each.protocol == protocol)
        return next(found, None)


class BuiltInUpstreams(Section):
    """The content of the file of built-in upstreams."""

    upstreams: dict[Name, BuiltInUpstream]
