from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tallylight.catalogue.services import PaceBasis, ProbeIntervals, ShutdownPrecision
from tallylight.config.options import ListenAddress
from tallylight.config.settings import Configuration, load_configuration
from tallylight.errors import ConfigurationError
from tallylight.model.ids import ServiceId
from tallylight.model.money import Budget
from tallylight.model.status import Access
from tallylight.storage.options import RetentionOptions
from tests.builders import order_of

Load = Callable[..., Configuration]
Complain = Callable[..., list[str]]

MARKED = "sk-marked-key-0123456789"
EXAMPLE = Path(__file__).parents[2] / "examples" / "tallylight.yaml"
TODAY = datetime(2026, 11, 22, 12, tzinfo=UTC)

UPSTREAM = """\
upstreams:
  saygm:
    provider: saygm
    base_url: https://api.saygm.com/v1
    key: ${KEY}
"""
SMALL = f"""\
{UPSTREAM}
services:
  h3:
    upstream: saygm
    model: minimax/h3
"""


def test_the_example_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "tallylight.yaml"
    path.write_bytes(EXAMPLE.read_bytes())
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "laozhang.key").write_text("sk-2\n", encoding="utf-8")
    (tmp_path / "secrets" / "night.url").write_text("json://night.example\n", encoding="utf-8")
    names = ("SAYGM_API_KEY", "RELAY_API_KEY", "TEAM_NOTIFICATION_URL")

    found = load_configuration(path, dict.fromkeys(names, "value-1"))

    assert len(found.catalogue.services) == 4
    assert found.catalogue.total_budget == Budget(
        Decimal("0.75"), Decimal("3.00"), Decimal("60.00")
    )
    assert found.status.listen == ListenAddress("127.0.0.1", 8080)
    assert found.retention == RetentionOptions()
    assert found.warnings == ()
    assert len(found.files) == 3


def test_a_small_file_takes_the_facts_of_the_built_in_sheet(load: Load) -> None:
    found = load(SMALL, KEY=MARKED)

    service = found.catalogue.services[ServiceId("h3")]
    assert service.name == "MiniMax H3"
    assert service.access is Access.OFFICIAL
    assert service.sheet.id == "saygm/minimax/h3"
    assert service.probe_intervals == ProbeIntervals()
    assert service.probe_order is not None
    assert (service.probe_order.seconds, service.probe_order.size) == (4, "1344x768")
    assert service.upstream.dialect == "openai"
    assert service.upstream.key is not None
    assert service.upstream.key.reveal() == MARKED
    assert found.database_url == "sqlite:///tallylight.db"


def test_nothing_of_a_configuration_shows_its_key(load: Load) -> None:
    found = load(
        f"{SMALL}database: {{url: 'postgresql://me:{MARKED}@db.example/tally'}}\n"
        f"alerts: {{receivers: {{team: {{url: 'json://{MARKED}'}}}}}}\n",
        KEY=MARKED,
    )

    assert MARKED not in repr(found)
    assert MARKED not in str(found)


def test_the_operators_facts_are_laid_over_the_sheet(load: Load) -> None:
    found = load(
        f"{SMALL}"
        "    name: Ours\n"
        "    access: reverse\n"
        "    price: {per_second: {720p: 0.10}}\n"
        "    lengths: [6, 9]\n"
        "    sizes: [1280x720]\n"
        "    shutdown_at: 2027-01-31\n"
        "    replacement: another\n",
        KEY="x",
    )

    service = found.catalogue.services[ServiceId("h3")]
    sheet = service.sheet
    assert (service.name, service.access, sheet.access) == ("Ours", Access.REVERSE, Access.REVERSE)
    assert (sheet.lengths, sheet.sizes) == ((6, 9), ("1280x720",))
    assert sheet.price is not None
    assert sheet.price.rates == {"720p": Decimal("0.10")}
    assert sheet.shutdown_at == date(2027, 1, 31)
    assert sheet.shutdown_precision is ShutdownPrecision.EXACT
    assert sheet.replacement == "another"
    assert sheet.title == "MiniMax H3"


def test_a_retired_model_is_allowed_and_stays_retired(load: Load) -> None:
    found = load(f"{SMALL}    sheet: openai/sora-2\n", KEY="x")

    service = found.catalogue.services[ServiceId("h3")]
    assert service.sheet.shutdown_at == date(2026, 9, 24)


def test_null_takes_away_a_built_in_date_and_a_built_in_sheet(load: Load) -> None:
    text = SMALL.replace("model: minimax/h3", "model: minimax/h3\n    sheet: null")
    dated = load(f"{SMALL}    sheet: openai/sora-2\n    shutdown_at: null\n", KEY="x")

    bare = load(f"{text}    access: official\n", KEY="x")

    assert dated.catalogue.services[ServiceId("h3")].sheet.shutdown_at is None
    assert bare.catalogue.services[ServiceId("h3")].sheet.price is None
    assert bare.catalogue.services[ServiceId("h3")].name == "minimax/h3"


def test_a_service_without_a_sheet_must_say_its_access(complain: Complain) -> None:
    text = SMALL.replace("minimax/h3", "unheard-of")

    assert complain(text, KEY="x") == [
        "tallylight.yaml:8: services.h3.access: is missing; allowed: official, reverse, self_hosted"
    ]


def test_a_sheet_that_is_not_there_is_told_with_the_nearest(complain: Complain) -> None:
    (found,) = complain(f"{SMALL}    sheet: openai/sora2\n", KEY="x")

    assert found == (
        "tallylight.yaml:11: services.h3.sheet: No such fact sheet: openai/sora2. "
        "Did you mean openai/sora-2? See `tallylight catalogue list`"
    )


def test_wrong_names_are_told_with_those_there_are_all_at_once(complain: Complain) -> None:
    found = complain(
        """\
upstreams:
  a:
    provider: saygm
    base_url: https://a.example/v1
    protocol: openai_video
  b:
    provider: saygm
    base_url: ftp://b.example
    dialect: newapi
  c:
    provider: saygm
    base_url: https://c.example/v1
    dialect: newapi
    feed: {format: status_page, url: https://status.example.com}
services:
  one: {upstream: d, model: m, access: revers}
  two: {upstream: d, model: m, access: reverse}
  three: {upstream: b, model: m, access: reverse}
  Four: {upstream: c, model: m, access: reverse}
alerts:
  receivers:
    team: {url: 'json://x', services: [five]}
report: {receivers: [teem]}
"""
    )

    assert [line.split(": ", 2)[:2] for line in found] == [
        ["tallylight.yaml:5", "upstreams.a.protocol"],
        ["tallylight.yaml:8", "upstreams.b.base_url"],
        ["tallylight.yaml:13", "upstreams.c.dialect"],
        ["tallylight.yaml:14", "upstreams.c.feed.format"],
        ["tallylight.yaml:16", "services.one.access"],
        ["tallylight.yaml:17", "services.two.upstream"],
        ["tallylight.yaml:19", "services.Four"],
        ["tallylight.yaml:22", "alerts.receivers.team.services"],
        ["tallylight.yaml:23", "report.receivers.0"],
    ]
    assert "Did you mean openai_videos? Allowed: " in found[0]
    assert "Did you mean new_api?" in found[2]
    assert "Did you mean statuspage? Allowed: auto, statuspage" in found[3]
    assert "No such upstream: d. Known: a, b, c." in found[5]
    assert "No such receiver: teem. Did you mean team?" in found[8]


def test_an_unknown_key_is_told_with_those_of_its_entry(complain: Complain) -> None:
    text = SMALL.replace("base_url", "base-url")

    found = "\n".join(complain(f"{text}    acess: reverse\n", KEY="x"))

    assert "services.h3.acess: is not a known key. Did you mean access?" in found
    assert "upstreams.saygm.base-url: is not a known key. Did you mean base_url?" in found
    assert "tallylight.yaml:2: upstreams.saygm.base_url: is missing" in found


def test_a_repeated_service_is_told(complain: Complain) -> None:
    (found,) = complain(f"{SMALL}  h3: {{upstream: saygm, model: minimax/h3}}\n", KEY="x")

    assert found == "tallylight.yaml:11: services.h3: is repeated; first in line 8"


@pytest.mark.parametrize(
    "base_url", ["api.example.com", "https://", "https://a b", "https://u:p@h"]
)
def test_a_base_url_must_be_an_address_without_secrets(complain: Complain, base_url: str) -> None:
    text = SMALL.replace("https://api.saygm.com/v1", f"'{base_url}'")

    (found,) = complain(text, KEY="x")

    assert found.startswith("tallylight.yaml:4: upstreams.saygm.base_url: ")


def test_a_key_is_not_sent_unencrypted_over_the_internet(complain: Complain) -> None:
    text = SMALL.replace("https://api.saygm.com", "http://api.saygm.com")

    (found,) = complain(text, KEY=MARKED)

    assert found.endswith("base_url: would send the key unencrypted; use https")


def test_a_key_may_travel_unencrypted_at_home_with_a_warning_if_it_leaves_the_machine(
    load: Load,
) -> None:
    local = load(SMALL.replace("https://api.saygm.com", "http://127.0.0.1:30000"), KEY="x")
    private = load(SMALL.replace("https://api.saygm.com", "http://10.0.0.7:30000"), KEY="x")

    assert local.warnings == ()
    assert [warning.key for warning in private.warnings] == ["upstreams.saygm.base_url"]


def test_paid_probes_without_a_budget_are_one_clear_problem(complain: Complain) -> None:
    found = complain(
        f"{SMALL}  more: {{upstream: saygm, model: minimax/h3}}\nprobes: {{generation: 3h}}\n",
        KEY="x",
    )

    assert found == [
        (
            "tallylight.yaml:12: probes.generation: paid probes need a limit: "
            "set budgets.per_day, or budget.per_day of h3, more"
        )
    ]


@pytest.mark.parametrize(
    "budget",
    ["    budget: {per_month: 9}\n", "budgets: {per_hour: 1}\n", "budgets: {per_day: 0}\n"],
)
def test_any_limit_makes_paid_probes_possible(load: Load, budget: str) -> None:
    found = load(f"{SMALL}    probes: {{generation: 3h}}\n{budget}", KEY="x")

    assert found.catalogue.services[ServiceId("h3")].probe_intervals.generation == timedelta(
        hours=3
    )


def test_a_budget_that_never_pays_for_a_probe_is_worth_a_warning(load: Load) -> None:
    found = load(f"{SMALL}probes: {{generation: 3h}}\nbudgets: {{per_day: 0.10}}\n", KEY="x")

    (warning,) = found.warnings
    assert "costs 0.288 USD, more than its budget of 0.10 USD: it is never sent" in warning.reason


def test_a_ledger_that_forgets_a_month_before_its_report_is_worth_a_warning(load: Load) -> None:
    retention = "database: {retention: {videos: 10d, ledger: 38d}}"
    receivers = "alerts: {receivers: {team: {url: 'json://host'}}}"

    found = load(f"{SMALL}{retention}\n{receivers}\nreport: {{receivers: [team]}}\n", KEY="x")
    silent = load(f"{SMALL}{retention}\n{receivers}\n", KEY="x")

    assert [each.key for each in found.warnings] == ["database.retention.ledger"]
    assert "is less than 39d" in found.warnings[0].reason
    assert silent.warnings == ()


def test_a_free_service_needs_no_budget(load: Load) -> None:
    text = SMALL.replace("minimax/h3", "wan")

    found = load(
        f"{text}    access: self_hosted\n    lengths: [1]\n    sizes: [832x480]\n"
        "    probes: {generation: 30m}\n",
        KEY="x",
    )

    order = found.catalogue.services[ServiceId("h3")].probe_order
    assert order is not None
    assert (order.seconds, order.size) == (1, "832x480")


def test_a_paid_probe_of_unknown_cost_is_refused_where_it_was_asked_for(
    load: Load, complain: Complain
) -> None:
    text = SMALL.replace("minimax/h3", "google/veo-3.1-fast") + "budgets: {per_day: 1}\n"
    asked = text.replace("budgets", "    probes: {generation: 3h}\nbudgets")

    found = load(f"{text}probes: {{generation: 3h}}\n", KEY="x")

    assert found.catalogue.services[ServiceId("h3")].probe_intervals.generation is None
    assert complain(asked, KEY="x") == [
        (
            "tallylight.yaml:11: services.h3.probes.generation: cannot be priced; "
            "set this service's price, lengths and sizes"
        )
    ]


def test_a_service_overrides_the_paces_and_the_order_of_its_probes(load: Load) -> None:
    found = load(
        f"{SMALL}    probes: {{reach: 30s, credentials: off, seconds: 6, size: 1024x768}}\n"
        "probes: {reach: 2m, credentials: 1h, prompt: A red kite.}\n",
        KEY="x",
    )

    service = found.catalogue.services[ServiceId("h3")]
    assert service.probe_intervals == ProbeIntervals(timedelta(seconds=30), None, None)
    assert service.probe_order == order_of("A red kite.", 6, "1024x768", model="minimax/h3")


def test_a_probe_the_service_does_not_accept_is_told(complain: Complain) -> None:
    found = complain(f"{SMALL}    probes: {{seconds: 3, size: 1280x720}}\n", KEY="x")

    assert "probes.seconds: '3' is not allowed. Allowed: 4, 5, 6" in found[0]
    assert "probes.size: '1280x720' is not allowed. Allowed: 1344x768, 768x1344" in found[1]


def test_a_certificate_file_is_sought_beside_the_configuration(
    load: Load, complain: Complain, tmp_path: Path
) -> None:
    text = SMALL.replace("    key:", "    ca_file: ca.pem\n    key:")

    (missing,) = complain(text, KEY="x")
    (tmp_path / "ca.pem").touch()
    found = load(text, KEY="x")

    assert missing == "tallylight.yaml:5: upstreams.saygm.ca_file: there is no file ca.pem"
    assert found.catalogue.services[ServiceId("h3")].upstream.ca_file == str(tmp_path / "ca.pem")


def test_a_file_without_services_is_refused(complain: Complain) -> None:
    assert complain("services: {}\n") == [
        "tallylight.yaml:1: services: has no service; there is nothing to monitor"
    ]


@pytest.mark.parametrize("url", ["mysql://h/d", "tallylight.db", f"postgres://u:{MARKED}@h/d"])
def test_an_unknown_database_is_refused_without_its_address(complain: Complain, url: str) -> None:
    (found,) = complain(f"{SMALL}database: {{url: '{url}'}}\n", KEY="x")

    assert "database.url: is not an address; write sqlite:///path or postgresql://" in found
    assert MARKED not in found


@pytest.mark.parametrize(
    ("written", "listen"),
    [
        ("0.0.0.0:80", ListenAddress("0.0.0.0", 80)),  # noqa: S104  # as an operator writes it
        (":8081", ListenAddress("0.0.0.0", 8081)),  # noqa: S104
        ("'[::1]:0'", ListenAddress("::1", 0)),
    ],
)
def test_the_address_to_listen_at_is_host_and_port(
    load: Load, written: str, listen: ListenAddress
) -> None:
    assert load(
        f"{SMALL}status: {{listen: '{written.strip(chr(39))}'}}\n", KEY="x"
    ).status.listen == (listen)


@pytest.mark.parametrize("written", ["8080", "localhost", "host:http", "host:70000"])
def test_an_address_without_a_port_is_refused(complain: Complain, written: str) -> None:
    (found,) = complain(f"{SMALL}status: {{listen: '{written}'}}\n", KEY="x")

    assert f"status.listen: '{written}' is not a listen address" in found


def test_without_a_path_the_file_in_the_working_directory_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tallylight.yaml").write_text(SMALL, encoding="utf-8")

    found = load_configuration(None, {"KEY": "x"})

    assert list(found.catalogue.services) == ["h3"]


def test_the_number_of_connections_is_a_setting(load: Load) -> None:
    assert load(f"{SMALL}database: {{pool: 40}}\n", KEY="x").database_pool == 40


@pytest.mark.parametrize(
    ("written", "interval", "basis"),
    [
        ("6h", timedelta(hours=6), PaceBasis.AT_LEAST),
        ("{at_least: 6h}", timedelta(hours=6), PaceBasis.AT_LEAST),
        ("{about: 6h}", timedelta(hours=6), PaceBasis.ABOUT),
        ("off", None, PaceBasis.ABOUT),
    ],
)
def test_the_pace_of_paid_probes_is_at_least_so_often_or_about(
    load: Load, written: str, interval: timedelta | None, basis: PaceBasis
) -> None:
    found = load(f"{SMALL}probes: {{generation: {written}}}\nbudgets: {{per_day: 9}}\n", KEY="x")

    intervals = found.catalogue.services[ServiceId("h3")].probe_intervals
    assert (intervals.generation, intervals.generation_basis) == (interval, basis)


def test_another_pace_is_an_error(load: Load) -> None:
    with pytest.raises(ConfigurationError, match=r"at_least: 6h"):
        load(f"{SMALL}probes: {{generation: {{most: 6h}}}}\nbudgets: {{per_day: 9}}\n", KEY="x")
