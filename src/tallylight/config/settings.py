"""The sections of the configuration file, and how a file becomes one frozen `Configuration`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from pydantic import Field

from tallylight.alerts.options import AlertOptions, ReportOptions
from tallylight.alerts.reports import LATEST_REPORT
from tallylight.catalogue.orders import probe_cost
from tallylight.catalogue.services import Catalogue, Service
from tallylight.clock import Clock, SystemClock
from tallylight.config import assembly, from_environment
from tallylight.config.assembly import ConfigReport
from tallylight.config.doubt_remarks import remark_on_doubts
from tallylight.config.options import (
    DEFAULT_DATABASE,
    DatabaseOptions,
    PageOptions,
    ProbeOptions,
    ServicesSection,
    UpstreamsSection,
)
from tallylight.config.wordings import with_wordings
from tallylight.documents.addresses import is_loopback
from tallylight.documents.budget import BudgetOptions
from tallylight.documents.document import Document, in_file_order, read_document, validate_partially
from tallylight.documents.environment import process_environment
from tallylight.documents.nearest import unknown_name_message
from tallylight.documents.section import Section
from tallylight.documents.yaml_tree import KeyPath
from tallylight.errors import ConfigurationError, Problem
from tallylight.gateway.assets.options import AssetOptions
from tallylight.gateway.options import GatewayOptions
from tallylight.gateway.routing.options import RouteOptions, Routes
from tallylight.gateway.routing.routes import Route, default_routes, usual_routes
from tallylight.model.ids import ServiceId
from tallylight.model.money import Budget
from tallylight.storage.options import DEFAULT_POOL_SIZE, RetentionOptions
from tallylight.verdicts.options import PolicyOptions

_LONGEST_MONTH = 31
DEFAULT_PATH = Path("tallylight.yaml")


class Settings(Section):
    """The sections of tallylight.yaml."""

    upstreams: UpstreamsSection = Field(
        default_factory=dict, description="The addresses of services, by id."
    )
    services: ServicesSection = Field(
        default_factory=dict, description="The monitored services, by id."
    )
    routes: Routes = Field(
        default_factory=dict,
        description="The models that callers may request, by name. Without it there is one route "
        "for each model, over all its services, and one for each service, named by its id.",
    )
    probes: ProbeOptions = Field(
        default_factory=ProbeOptions, description="How services are probed."
    )
    budgets: BudgetOptions = Field(
        default_factory=BudgetOptions, description="Spending limits of all probes together."
    )
    verdicts: PolicyOptions = Field(
        default_factory=PolicyOptions, description="Thresholds of the verdicts."
    )
    alerts: AlertOptions = Field(
        default_factory=AlertOptions, description="Receivers of alerts, and what they receive."
    )
    report: ReportOptions = Field(
        default_factory=ReportOptions, description="Who is sent the report on each month."
    )
    status: PageOptions = Field(
        default_factory=PageOptions, description="The status page and the listen address."
    )
    gateway: GatewayOptions = Field(
        default_factory=GatewayOptions, description="The gateway for callers' requests."
    )
    database: DatabaseOptions = Field(
        default_factory=DatabaseOptions, description="The database of the history."
    )
    assets: AssetOptions = Field(
        default_factory=AssetOptions, description="The store of finished videos."
    )


@dataclass(frozen=True, slots=True)
class Configuration:
    """The operator's configuration, parsed and checked.

    Args:
        path: The file; None if keys of the environment take its place.
        database_url: Address of the database; hidden in `repr`, because it may hold a password.
        database_pool: Connections to PostgreSQL that transactions use at most.
        warnings: Questionable settings, to be logged.
        remarks: Questionable settings that only `config check` tells.
        notes: What settings mean that promise something.
        files: The file and the secret files it names; a change of one reloads the configuration.
    """

    path: Path | None
    catalogue: Catalogue
    routes: Mapping[str, Route] = field(default_factory=dict)
    probes: ProbeOptions = field(default_factory=ProbeOptions)
    verdicts: PolicyOptions = field(default_factory=PolicyOptions)
    alerts: AlertOptions = field(default_factory=AlertOptions)
    report: ReportOptions = field(default_factory=ReportOptions)
    status: PageOptions = field(default_factory=PageOptions)
    gateway: GatewayOptions = field(default_factory=GatewayOptions)
    assets: AssetOptions = field(default_factory=AssetOptions)
    database_url: str = field(default=DEFAULT_DATABASE, repr=False)
    database_pool: int = DEFAULT_POOL_SIZE
    retention: RetentionOptions = field(default_factory=RetentionOptions)
    warnings: tuple[Problem, ...] = ()
    remarks: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()
    files: frozenset[Path] = frozenset()


def load_configuration(
    path: Path | None,
    environment: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> Configuration:
    """Return the configuration.

    Args:
        path: The file; None takes tallylight.yaml in the working directory if it exists, else
            the built-in fact sheets with the keys found in the environment.
        environment: Environment variables; None for those of the process.
        clock: Decides which built-in models are retired; None for the system clock.

    Raises:
        ConfigurationError: with all errors.
    """
    variables = process_environment() if environment is None else environment
    if path is None and not DEFAULT_PATH.exists():
        today = (clock or SystemClock()).now().date()
        found = from_environment.environment_catalogue(variables, today)
        routes = usual_routes(found.catalogue.services.values())
        return Configuration(
            path=None, catalogue=found.catalogue, routes=routes, warnings=found.warnings
        )
    source = path or DEFAULT_PATH
    return configuration_of(read_document(source, variables), source)


def configuration_of(document: Document, source: Path) -> Configuration:
    """Return the configuration of a parsed file.

    Raises:
        ConfigurationError: with all errors, in the order of the file.
    """
    settings, problems = validate_partially(document, Settings)
    report = ConfigReport(document, list(problems))
    if settings is None:
        raise ConfigurationError(in_file_order(problems), document.files)
    catalogue = _catalogue(settings, source, report)
    routes = _routes_of(settings.routes, catalogue.services, report)
    _check_receivers(settings, report)
    _check_gateway(settings, report)
    _check_report(settings, report)
    if not settings.services and not report.errors:
        report.add_error(("services",), "has no service; there is nothing to monitor")
    if report.errors:
        raise ConfigurationError(in_file_order(report.errors), document.files)
    remark_on_doubts(catalogue.services, routes, settings.routes, report)
    return Configuration(
        path=source,
        catalogue=catalogue,
        routes=routes,
        probes=settings.probes,
        verdicts=settings.verdicts,
        alerts=settings.alerts,
        report=settings.report,
        status=settings.status,
        gateway=settings.gateway,
        assets=settings.assets,
        database_url=settings.database.url,
        database_pool=settings.database.pool,
        retention=settings.database.retention,
        warnings=tuple(report.warnings),
        remarks=tuple(report.remarks),
        notes=tuple(report.notes),
        files=document.files,
    )


def _catalogue(settings: Settings, source: Path, report: ConfigReport) -> Catalogue:
    upstreams = assembly.upstreams_of(settings.upstreams, source.parent, report)
    context = assembly.Environment(upstreams, settings.probes, report, _file_date(source))
    services, problems = with_wordings(assembly.services_of(settings.services, context))
    for id_, reason in problems.items():
        report.add_error(("services", id_), reason)
    total = settings.budgets.budget()
    _check_budgets(services, total, report)
    return Catalogue(services=assembly.named_apart(services), total_budget=total)


def _check_receivers(settings: Settings, report: ConfigReport) -> None:
    known = report.document.entry_names("services")
    for name, receiver in settings.alerts.receivers.items():
        for service in sorted(receiver.services or ()):
            if service not in known:
                place = ("alerts", "receivers", name, "services")
                report.add_error(place, unknown_name_message("service", service, known))
    receivers = report.document.entry_names("alerts", "receivers")
    for index, name in enumerate(settings.report.receivers):
        if name not in receivers:
            reason = unknown_name_message("receiver", name, receivers)
            report.add_error(("report", "receivers", index), reason)


def _check_report(settings: Settings, report: ConfigReport) -> None:
    """Warn if the ledger forgets what the videos of a month cost before it is reported."""
    kept = settings.database.retention.ledger
    needed = timedelta(days=_LONGEST_MONTH + settings.report.day) + LATEST_REPORT
    if settings.report.receivers and kept is not None and kept < needed:
        report.add_warning(
            ("database", "retention", "ledger"),
            f"is less than {needed.days}d, so the report on a month may tell too low a cost per "
            "video",
        )


def _check_gateway(settings: Settings, report: ConfigReport) -> None:
    if settings.gateway.open and not is_loopback(f"http://{settings.status.listen}"):
        report.add_error(
            ("gateway", "open"),
            f"would let anyone who reaches {settings.status.listen} spend your money; listen on "
            "127.0.0.1 or create keys with `tallylight keys create`",
        )


def _file_date(source: Path) -> date:
    try:
        seconds = source.stat().st_mtime
    except OSError:  # the text has no file: in tests and in the demo
        seconds = 0.0
    return (datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)).date()


def _check_budgets(
    services: Mapping[ServiceId, Service], total: Budget, report: ConfigReport
) -> None:
    """Report paid probes without a budget, and warn of budgets too small for one probe."""
    unlimited = []
    for service in services.values():
        cost = probe_cost(service)
        if service.probe_intervals.generation is None or not cost:
            continue
        limits = [
            limit
            for each in (service.budget, total)
            if (limit := _smallest_limit(each)) is not None
        ]
        if not limits:
            unlimited.append(service.id)
        elif min(limits) < cost:
            report.add_warning(
                ("services", service.id),
                f"its paid probe costs {cost} USD, more than its budget of {min(limits)} USD: "
                "it is never sent",
            )
    if unlimited:
        report.add_error(
            _generation_key_path(unlimited[0], report.document),
            "paid probes need a limit: set budgets.per_day, or budget.per_day of "
            + ", ".join(unlimited),
        )


def _smallest_limit(budget: Budget) -> Decimal | None:
    limits = (budget.per_hour, budget.per_day, budget.per_month)
    return min((limit for limit in limits if limit is not None), default=None)


def _generation_key_path(service: ServiceId, document: Document) -> KeyPath:
    service_path = ("services", service, "probes", "generation")
    return service_path if service_path in document.lines else ("probes", "generation")


def _routes_of(
    options: Mapping[str, RouteOptions],
    services: Mapping[ServiceId, Service],
    report: ConfigReport,
) -> Mapping[str, Route]:
    """Return the routes by name; errors in them go to the report."""
    for name, each in options.items():
        _check_route(name, each, services, report)
    if not options:
        return default_routes(services.values())
    return {name: each.route(name) for name, each in options.items()}


def _check_route(
    name: str,
    options: RouteOptions,
    services: Mapping[ServiceId, Service],
    report: ConfigReport,
) -> None:
    known = report.document.entry_names("services")
    seen: set[str] = set()
    made = [
        services[id_].sheet.medium for id_ in map(ServiceId, options.services) if id_ in services
    ]
    for index, id_ in enumerate(options.services):
        place = ("routes", name, "services", index)
        service = services.get(ServiceId(id_))
        if id_ in seen:
            report.add_error(place, f"'{id_}' is listed twice")
        elif id_ not in known:
            report.add_error(place, unknown_name_message("service", id_, known))
        elif service is not None and service.sheet.medium is not made[0]:
            report.add_error(
                place, f"'{id_}' makes {service.sheet.medium}s; the services before it do not"
            )
        seen.add(id_)
    for id_ in options.weights.keys() - seen:
        report.add_error(
            ("routes", name, "weights", id_),
            unknown_name_message("service of this route", id_, options.services),
        )
