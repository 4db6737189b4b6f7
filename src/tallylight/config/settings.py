"""The configuration file: its sections, and the way from the file to one frozen value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pydantic import Field

from tallylight.alerts.options import AlertOptions
from tallylight.catalogue.services import Catalogue
from tallylight.clock import Clock, SystemClock
from tallylight.config import assembly, from_environment
from tallylight.config.budgets import check_budgets
from tallylight.config.options import ProbeOptions, ServicesSection, UpstreamsSection
from tallylight.config.report import ConfigReport
from tallylight.config.routes import routes_of
from tallylight.config.sections import DEFAULT_DATABASE, DatabaseOptions, PageOptions
from tallylight.documents.addresses import is_loopback
from tallylight.documents.budget import BudgetOptions
from tallylight.documents.document import Document, in_file_order, read_document, validate_partially
from tallylight.documents.environment import process_environment
from tallylight.documents.nearest import unknown_name_message
from tallylight.documents.section import Section
from tallylight.errors import ConfigurationError, Problem
from tallylight.gateway.assets.options import AssetOptions
from tallylight.gateway.options import GatewayOptions
from tallylight.gateway.routing.options import Routes
from tallylight.gateway.routing.routes import Route, default_routes
from tallylight.storage.retention import Retention
from tallylight.verdicts.options import PolicyOptions

DEFAULT_PATH = Path("tallylight.yaml")


class Settings(Section):
    """What tallylight.yaml may say."""

    upstreams: UpstreamsSection = Field(
        default_factory=dict, description="The addresses that services are reached at, by id."
    )
    services: ServicesSection = Field(default_factory=dict, description="What is watched, by id.")
    routes: Routes = Field(
        default_factory=dict,
        description="The models that callers may ask for, by name. Without it each model is one, "
        "over all services of it, and each service by its id.",
    )
    probes: ProbeOptions = Field(
        default_factory=ProbeOptions, description="How services are probed."
    )
    budgets: BudgetOptions = Field(
        default_factory=BudgetOptions, description="What all probes together may spend."
    )
    verdicts: PolicyOptions = Field(
        default_factory=PolicyOptions, description="The figures of the judge."
    )
    alerts: AlertOptions = Field(
        default_factory=AlertOptions, description="Who is told of changes, and of which."
    )
    status: PageOptions = Field(
        default_factory=PageOptions, description="The page and its address."
    )
    gateway: GatewayOptions = Field(
        default_factory=GatewayOptions, description="The address that callers ask for videos."
    )
    database: DatabaseOptions = Field(
        default_factory=DatabaseOptions, description="Where the history is kept."
    )
    assets: AssetOptions = Field(
        default_factory=AssetOptions, description="Where finished videos are kept."
    )


@dataclass(frozen=True, slots=True)
class Configuration:
    """All that the operator decided, parsed once.

    Args:
        source: The file; None where keys of the environment stand in for one.
        catalogue: Services with their upstreams and sheets, and the budget of them all.
        routes: What callers may ask for, by name.
        probes: How probes are run.
        verdicts: The figures of the judge.
        alerts: Who is told.
        status: The page, and where the server waits.
        gateway: The address that callers ask for videos.
        assets: Where finished videos are kept.
        database_url: Where the history is; not shown, since it may hold a password.
        retention: How long is kept what.
        warnings: What can hardly be meant, to be logged.
        files: The file and the secret files it names, to be watched for changes.
    """

    path: Path | None
    catalogue: Catalogue
    routes: Mapping[str, Route] = field(default_factory=dict)
    probes: ProbeOptions = field(default_factory=ProbeOptions)
    verdicts: PolicyOptions = field(default_factory=PolicyOptions)
    alerts: AlertOptions = field(default_factory=AlertOptions)
    status: PageOptions = field(default_factory=PageOptions)
    gateway: GatewayOptions = field(default_factory=GatewayOptions)
    assets: AssetOptions = field(default_factory=AssetOptions)
    database_url: str = field(default=DEFAULT_DATABASE, repr=False)
    retention: Retention = field(default_factory=Retention)
    warnings: tuple[Problem, ...] = ()
    files: frozenset[Path] = frozenset()


def load_configuration(
    path: Path | None,
    environment: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> Configuration:
    """Return the configuration.

    Args:
        path: The file; None takes tallylight.yaml in the working directory if it is there, else
            the built-in fact sheets with the keys found in the environment.
        environment: The variables; None for the process's own.
        clock: Tells which built-in models are retired; None for the system's.

    Raises:
        ConfigurationError: with everything that is wrong.
    """
    variables = process_environment() if environment is None else environment
    if path is None and not DEFAULT_PATH.exists():
        today = (clock or SystemClock()).now().date()
        catalogue = from_environment.environment_catalogue(variables, today)
        routes = default_routes(catalogue.services.values())
        return Configuration(path=None, catalogue=catalogue, routes=routes)
    source = path or DEFAULT_PATH
    return configuration_of(read_document(source, variables), source)


def configuration_of(document: Document, source: Path) -> Configuration:
    """Return the configuration that a file's values make.

    Raises:
        ConfigurationError: with everything that is wrong, in the order of the file.
    """
    settings, problems = validate_partially(document, Settings)
    findings = ConfigReport(document, list(problems))
    if settings is None:
        raise ConfigurationError(in_file_order(problems), document.files)
    catalogue = _catalogue(settings, source, findings)
    routes = routes_of(settings.routes, catalogue.services, findings)
    _check_receivers(settings.alerts, findings)
    _check_gateway(settings, findings)
    if not settings.services and not findings.errors:
        findings.add_error(("services",), "names no service; there is nothing to watch")
    if findings.errors:
        raise ConfigurationError(in_file_order(findings.errors), document.files)
    retention = settings.database.retention
    return Configuration(
        path=source,
        catalogue=catalogue,
        routes=routes,
        probes=settings.probes,
        verdicts=settings.verdicts,
        alerts=settings.alerts,
        status=settings.status,
        gateway=settings.gateway,
        assets=settings.assets,
        database_url=settings.database.url,
        retention=Retention(retention.evidence, retention.five_minutes, retention.hours),
        warnings=tuple(findings.warnings),
        files=document.files,
    )


def _catalogue(settings: Settings, source: Path, report: ConfigReport) -> Catalogue:
    upstreams = assembly.upstreams_of(settings.upstreams, source.parent, report)
    around = assembly.Environment(upstreams, settings.probes, report, _file_date(source))
    services = {each.id: each for each in assembly.services_of(settings.services, around)}
    total = settings.budgets.budget()
    check_budgets(services, total, report)
    return Catalogue(services=services, total_budget=total)


def _check_receivers(alerts: AlertOptions, report: ConfigReport) -> None:
    known = report.document.entry_names("services")
    for name, receiver in alerts.receivers.items():
        for service in sorted(receiver.services or ()):
            if service not in known:
                place = ("alerts", "receivers", name, "services")
                report.add_error(place, unknown_name_message("service", service, known))


def _check_gateway(settings: Settings, report: ConfigReport) -> None:
    if settings.gateway.open and not is_loopback(f"http://{settings.status.listen}"):
        report.add_error(
            ("gateway", "open"),
            f"would let whoever reaches {settings.status.listen} spend your money; listen on "
            "127.0.0.1 or make keys with `tallylight keys create`",
        )


def _file_date(source: Path) -> date:
    try:
        seconds = source.stat().st_mtime
    except OSError:  # given as text, as in tests and by the demo
        seconds = 0.0
    return (datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)).date()
