"""Builds the catalogue from checked options: references, overlaid sheets, prices of probes."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from pydantic import ValidationError

from tallylight.catalogue import facts
from tallylight.catalogue.fit import cheapest_order
from tallylight.catalogue.mode_options import overlaid_modes
from tallylight.catalogue.modes import narrowed_modes
from tallylight.catalogue.services import (
    NO_OPTIONS,
    FactSheet,
    Feed,
    ProbeIntervals,
    Service,
    ShutdownPrecision,
    Upstream,
)
from tallylight.config.options import ProbeOptions, ServiceOptions, UpstreamOptions
from tallylight.documents.addresses import is_loopback, is_private, is_unassigned
from tallylight.documents.document import MAX_PROBLEMS, Document, dotted_path, in_file_order
from tallylight.documents.nearest import unknown_name_message
from tallylight.documents.section import Section
from tallylight.documents.validation_messages import (
    model_schema,
    not_allowed_message,
    validation_message,
)
from tallylight.documents.yaml_tree import KeyPath
from tallylight.errors import ConfigurationError, Problem
from tallylight.model.ids import ProviderId, ServiceId, UpstreamId
from tallylight.model.money import Price, PriceUnit
from tallylight.model.order import Medium, Order
from tallylight.model.status import Access
from tallylight.upstreams.feeds.detection import AUTO
from tallylight.upstreams.feeds.reader import page_root
from tallylight.upstreams.feeds.registry import FEED_READERS
from tallylight.upstreams.protocol import Definition
from tallylight.upstreams.protocols.registry import PROTOCOLS

_FACT_FIELDS = frozenset(
    {"price", "lengths", "sizes", "modes", "announced_at", "shutdown_at", "replacement"}
)
_LEAST_INTERVAL = timedelta(seconds=5)
_FREE_PRICE = Price(PriceUnit.PER_CALL, rates={"*": Decimal(0)})


@dataclass(slots=True)
class ConfigReport:
    """Errors make the file unusable; warnings are logged.

    Only `config check` prints remarks, which are warnings about doubts, and notes.
    `MAX_PROBLEMS` errors end the work: `add_error` raises them all as a `ConfigurationError`.
    """

    document: Document
    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    remarks: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)

    def add_error(self, key_path: KeyPath, reason: str) -> None:
        """Add an error at a place of the file.

        Raises:
            ConfigurationError: if the report has as many as are shown at once.
        """
        self.errors.append(self.document.problem(key_path, reason))
        if len(self.errors) >= MAX_PROBLEMS:
            raise ConfigurationError(in_file_order(self.errors), self.document.files)

    def add_warning(self, key_path: KeyPath, reason: str) -> None:
        """Add a warning at a place of the file."""
        self.warnings.append(self.document.problem(key_path, reason))


def upstreams_of(
    options: Mapping[str, UpstreamOptions], directory: Path, report: ConfigReport
) -> dict[str, Upstream]:
    """Return the upstreams; errors in them go to the report."""
    return {name: _upstream(name, each, directory, report) for name, each in options.items()}


def _upstream(
    name: str, options: UpstreamOptions, directory: Path, report: ConfigReport
) -> Upstream:
    place = ("upstreams", name)
    protocol = PROTOCOLS.get(options.protocol)
    dialects = () if protocol is None else protocol.dialects
    if not dialects:
        report.add_error(
            (*place, "protocol"), not_allowed_message(options.protocol, tuple(PROTOCOLS))
        )
    elif options.dialect and options.dialect not in dialects:
        report.add_error((*place, "dialect"), not_allowed_message(options.dialect, dialects))
    _check_encryption(place, options, report)
    ca_file = str(directory / options.ca_file) if options.ca_file else ""
    if ca_file and not Path(ca_file).is_file():
        report.add_error((*place, "ca_file"), f"there is no file {options.ca_file}")
    return Upstream(
        id=UpstreamId(name),
        provider=ProviderId(options.provider),
        base_url=options.base_url,
        protocol=options.protocol,
        dialect=options.dialect or next(iter(dialects), ""),
        key=options.key,
        timeout=options.timeout,
        job_timeout=options.job_timeout,
        ca_file=ca_file,
        feed=_feed(place, options, report),
        bills=options.bills,
        refuses_with_500=options.refuses_with_500,
        lists_all_jobs=options.lists_all_jobs,
        options=_protocol_options(place, options, protocol, report),
    )


def _protocol_options(
    key_path: KeyPath, options: UpstreamOptions, protocol: Definition | None, report: ConfigReport
) -> Section:
    """Return the options of an upstream in the model of its protocol."""
    model = Section if protocol is None else protocol.options
    try:
        return model.model_validate(options.options)
    except ValidationError as error:
        schema = model_schema(model)
        for each in error.errors() if protocol is not None else ():
            place = tuple(each["loc"])
            report.add_error(
                (*key_path, "options", *place), validation_message(each, place, schema)
            )
        return NO_OPTIONS


def _check_encryption(key_path: KeyPath, options: UpstreamOptions, report: ConfigReport) -> None:
    is_unencrypted = options.base_url.startswith("http:") and not is_loopback(options.base_url)
    if options.key is None or not is_unencrypted:
        return
    if is_private(options.base_url):
        report.add_warning(
            (*key_path, "base_url"), "sends the key unencrypted through your own network"
        )
    else:
        report.add_error((*key_path, "base_url"), "would send the key unencrypted; use https")


def _feed(key_path: KeyPath, options: UpstreamOptions, report: ConfigReport) -> Feed | None:
    feed = options.feed
    if feed is None:
        return None
    if feed.format == AUTO:
        return Feed(AUTO, feed.url, feed.component, feed.interval)
    reader = FEED_READERS.get(feed.format)
    if reader is None:
        allowed = (AUTO, *FEED_READERS)
        report.add_error((*key_path, "feed", "format"), not_allowed_message(feed.format, allowed))
        return None
    url = page_root(feed.url) if reader.starts_at_root else feed.url
    return Feed(feed.format, url, feed.component, feed.interval)


@dataclass(frozen=True, slots=True)
class Environment:
    """Context that all services of a file share.

    Args:
        probe_defaults: Probe options for services that do not set their own.
        file_date: Day of the last change of the file, which is the date of the facts in it.
    """

    upstreams: Mapping[str, Upstream]
    probe_defaults: ProbeOptions
    report: ConfigReport
    file_date: date


def services_of(options: Mapping[str, ServiceOptions], context: Environment) -> Iterator[Service]:
    """Yield the valid services; errors in others go to the report."""
    for name, each in options.items():
        upstream = context.upstreams.get(each.upstream)
        if upstream is not None:
            service = _service(name, each, upstream, context)
            if service is not None:
                yield service
            continue
        known = context.report.document.entry_names("upstreams")
        if each.upstream not in known:  # else the error of the upstream itself is already reported
            place = ("services", name, "upstream")
            context.report.add_error(place, unknown_name_message("upstream", each.upstream, known))


def _service(
    name: str, options: ServiceOptions, upstream: Upstream, context: Environment
) -> Service | None:
    place = ("services", name)
    base = _built_in_sheet(options, upstream)
    if base is None and options.sheet is not None:
        unknown = unknown_name_message("fact sheet", options.sheet, facts.fact_sheets().keys())
        reason = f"{unknown} See `tallylight catalogue list`"
        context.report.add_error((*place, "sheet"), reason)
        return None
    access = options.access or (base.access if base else None)
    if access is None:
        allowed = ", ".join(Access)
        context.report.add_error((*place, "access"), f"is missing; allowed: {allowed}")
        return None
    blank = _empty_sheet(options, upstream, access, context)
    base = _spoken_sheet(base or blank, upstream)
    sheet = overlay_facts(base, options, access, context.file_date)
    service = Service(
        id=ServiceId(name),
        name=options.name or sheet.title,
        upstream=upstream,
        model=options.model,
        access=access,
        sheet=sheet,
        probe_intervals=ProbeIntervals(),
        budget=options.budget.budget(),
        probe_order=None,
        own_status_weight=options.status.weight,
    )
    order = _probe_order(place, options, service, context)
    intervals = _probe_intervals(service, options, order, context)
    return replace(service, probe_order=order, probe_intervals=intervals)


def _built_in_sheet(options: ServiceOptions, upstream: Upstream) -> FactSheet | None:
    if options.sheet is not None:
        return facts.sheet_by_id(options.sheet)
    is_disabled = "sheet" in options.model_fields_set
    return None if is_disabled else facts.find_sheet(upstream.provider, options.model)


def _spoken_sheet(sheet: FactSheet, upstream: Upstream) -> FactSheet:
    """Return a sheet without the wording of a protocol that the upstream does not speak."""
    return sheet if sheet.protocol == upstream.protocol else replace(sheet, wire=None)


def _empty_sheet(
    options: ServiceOptions, upstream: Upstream, access: Access, context: Environment
) -> FactSheet:
    return FactSheet(
        provider=upstream.provider,
        model=options.model,
        title=options.name or options.model,
        medium=Medium.VIDEO,
        access=access,
        protocol=upstream.protocol,
        modes=(),
        price=_FREE_PRICE if access is Access.SELF_HOSTED else None,
        announced_at=None,
        shutdown_at=None,
        shutdown_precision=ShutdownPrecision.EXACT,
        replacement="",
        notes="",
        sources=(),
        as_of=context.file_date,
    )


def overlay_facts(
    base: FactSheet, options: ServiceOptions, access: Access, file_date: date
) -> FactSheet:
    """Return a sheet with the operator's facts laid over it; an explicit null clears a date."""
    configured = options.model_fields_set
    configured_facts = configured & _FACT_FIELDS
    return replace(
        base,
        medium=options.medium or base.medium,
        access=access,
        modes=overlaid_modes(base.modes, options.modes, options.lengths, options.sizes),
        wire=base.wire if options.wire is None else options.wire.wording(),
        price=base.price if options.price is None else options.price.price(),
        announced_at=options.announced_at if "announced_at" in configured else base.announced_at,
        shutdown_at=options.shutdown_at if "shutdown_at" in configured else base.shutdown_at,
        shutdown_precision=_precision(base, options),
        replacement=base.replacement if options.replacement is None else options.replacement,
        successors=base.successors if options.replacement is None else (),
        earlier_shutdown_at=None if "shutdown_at" in configured else base.earlier_shutdown_at,
        is_dated_by_operator="shutdown_at" in configured,
        notes=base.notes if options.notes is None else options.notes,
        sources=base.sources if options.sources is None else options.sources,
        as_of=options.as_of or (file_date if configured_facts else base.as_of),
    )


def _precision(base: FactSheet, options: ServiceOptions) -> ShutdownPrecision:
    if options.shutdown_precision is not None:
        return options.shutdown_precision
    is_configured = "shutdown_at" in options.model_fields_set
    return ShutdownPrecision.EXACT if is_configured else base.shutdown_precision


def _probe_order(
    key_path: KeyPath, options: ServiceOptions, service: Service, context: Environment
) -> Order | None:
    """Return the cheapest order, or the cheapest of the length and the size that the file wants."""
    probe, sheet = options.probes, service.sheet
    if probe.seconds is not None and sheet.lengths and probe.seconds not in sheet.lengths:
        allowed = tuple(map(str, sheet.lengths))
        context.report.add_error(
            (*key_path, "probes", "seconds"), not_allowed_message(probe.seconds, allowed)
        )
    if probe.size is not None and sheet.sizes and probe.size not in sheet.sizes:
        context.report.add_error(
            (*key_path, "probes", "size"), not_allowed_message(probe.size, sheet.sizes)
        )
    modes = narrowed_modes(sheet.modes, probe.seconds, probe.size)
    return cheapest_order(
        replace(service, sheet=replace(sheet, modes=modes)), context.probe_defaults.prompt
    )


def _probe_intervals(
    service: Service, options: ServiceOptions, order: Order | None, context: Environment
) -> ProbeIntervals:
    key_path: KeyPath = ("services", service.id)
    intervals = options.probes.merged_with(context.probe_defaults.intervals())
    _check_least_interval(key_path, options, intervals, service.upstream.base_url, context)
    if intervals.generation is None or order is not None:
        return intervals
    if "generation" in options.probes.model_fields_set:
        context.report.add_error(
            (*key_path, "probes", "generation"),
            "cannot be priced; set this service's price, lengths and sizes",
        )
    # The interval for all services applies only to those whose probe has a known price.
    return replace(intervals, generation=None)


def _check_least_interval(
    key_path: KeyPath,
    options: ServiceOptions,
    intervals: ProbeIntervals,
    base_url: str,
    context: Environment,
) -> None:
    """Refuse free probes that a stranger's server would take for an attack."""
    if is_loopback(base_url) or is_unassigned(base_url):
        return
    for depth, interval in (
        ("reach", intervals.reach),
        ("credentials", intervals.credentials),
    ):
        if interval is not None and interval < _LEAST_INTERVAL:
            is_own = depth in options.probes.model_fields_set
            place = (*key_path, "probes", depth) if is_own else ("probes", depth)
            if dotted_path(place) not in {each.key for each in context.report.errors}:
                context.report.add_error(place, "must be at least 5s for a server of others")


def named_apart(services: Mapping[ServiceId, Service]) -> dict[ServiceId, Service]:
    """Return services whose names differ: those of one name are told apart by provider, then id."""
    by_provider = _named_apart(services, lambda each: each.upstream.provider)
    return _named_apart(by_provider, lambda each: each.id)


def _named_apart(
    services: Mapping[ServiceId, Service], mark: Callable[[Service], str]
) -> dict[ServiceId, Service]:
    counts = Counter(service.name for service in services.values())
    return {
        id_: service
        if counts[service.name] == 1
        else replace(service, name=f"{service.name} ({mark(service)})")
        for id_, service in services.items()
    }
