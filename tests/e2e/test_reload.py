"""A running server takes a changed configuration, keeps the old one over a broken one, and ends."""

import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from tests.e2e.conftest import Document, Eventually, Launcher, Serve

Write = Callable[["Document"], Path]


def of_services(document: "Document", *ids: str) -> "Document":
    services = {id_: about for id_, about in document["services"].items() if id_ in ids}
    return deepcopy(document) | {"services": services, "probes": {"reach": "1s"}}


def test_sighup_takes_services_in_and_out_without_a_restart(
    document: "Document", serve: "Serve", write: Write, eventually: "Eventually"
) -> None:
    server = serve(of_services(document, "film"))
    assert list(server.statuses()) == ["film"]

    write(of_services(document, "film", "relayed"))
    server.program.process.send_signal(signal.SIGHUP)

    eventually(lambda: list(server.statuses()) == ["film", "relayed"])
    eventually(lambda: server.evidence("relayed", "reach"))

    write(of_services(document, "relayed"))
    server.program.process.send_signal(signal.SIGHUP)

    eventually(lambda: list(server.statuses()) == ["relayed"])
    page = server.get("/services/film")
    assert page.status_code == 200
    assert "This service was removed from the configuration on" in page.text
    assert server.get("/services/flim").status_code == 404
    assert server.program.process.poll() is None


def test_a_broken_file_keeps_the_old_one_and_says_once_what_is_wrong(
    document: "Document", serve: "Serve", write: Write, eventually: "Eventually"
) -> None:
    server = serve(of_services(document, "film"))
    broken = of_services(document, "film", "relayed")
    broken["services"]["relayed"]["upstream"] = "nowhere"

    write(broken)
    (refusal,) = eventually(lambda: server.program.events("configuration.refused"))

    assert "services.relayed.upstream" in str(refusal["problem"])
    assert "nowhere" in str(refusal["problem"])
    assert list(server.statuses()) == ["film"]

    write(of_services(document, "film", "streamed"))

    eventually(lambda: list(server.statuses()) == ["film", "streamed"])
    assert len(server.program.events("configuration.refused")) == 1


@pytest.mark.parametrize(
    "text_and_reason",
    [
        ("x: &a {<<: *a}\n", "repeats a value inside of itself"),
        ("x: " + "[" * 100_000, "is nested more than 50 levels deep"),
        ("services: {x: {access: 0x" + "f" * 5000 + "}}\n", "is not allowed"),
    ],
    ids=["merge of itself", "brackets", "long number"],
)
def test_a_file_made_to_exhaust_the_server_is_refused_like_any_other(
    document: "Document",
    launch: "Launcher",
    serve: "Serve",
    eventually: "Eventually",
    text_and_reason: tuple[str, str],
) -> None:
    text, reason = text_and_reason
    server = serve(of_services(document, "film"))
    (launch.folder / "tallylight.yaml").write_text(text, encoding="utf-8")

    (refusal,) = eventually(lambda: server.program.events("configuration.refused"))
    check = launch("config", "check", "--config", "tallylight.yaml")

    assert reason in str(refusal["problem"])
    assert list(server.statuses()) == ["film"]
    assert check.ends() == 2
    assert reason in check.logged()
    assert "Traceback" not in check.logged()


def test_after_a_reload_the_files_of_the_new_configuration_are_watched(
    document: "Document",
    launch: "Launcher",
    serve: "Serve",
    write: Write,
    eventually: "Eventually",
) -> None:
    secret = launch.folder / "film.key"
    secret.write_text("sim-maker-key\n", encoding="utf-8")
    server = serve(of_services(document, "film"))
    changed = of_services(document, "film")
    changed["upstreams"]["maker"]["key"] = {"file": "film.key"}
    write(changed)
    eventually(lambda: server.program.events("configuration.reloaded"))

    secret.write_text("sim-maker-key-of-tomorrow\n", encoding="utf-8")

    eventually(lambda: len(server.program.events("configuration.reloaded")) == 2)


def test_a_refused_key_that_a_reload_replaces_is_checked_at_once(
    document: "Document", serve: "Serve", write: Write, eventually: "Eventually"
) -> None:
    first = of_services(document, "film")
    first["probes"] = {"reach": "1s", "credentials": "1h"}
    first["upstreams"]["maker"]["key"] = "sim-maker-key-of-yesterday"
    server = serve(first)
    eventually(lambda: server.get("/api/services/film").json()["blocked"] == "auth")

    second = deepcopy(first)
    second["upstreams"]["maker"]["key"] = "sim-maker-key"
    write(second)

    eventually(lambda: server.get("/api/services/film").json()["blocked"] is None)
    eventually(lambda: len(server.evidence("film", "credentials")) == 2)
    newest, oldest = server.evidence("film", "credentials")
    assert newest["failure"] is None
    assert oldest["failure"]["kind"] == "auth"


def test_a_secret_file_that_was_missing_is_taken_as_soon_as_it_is_there(
    document: "Document",
    launch: "Launcher",
    serve: "Serve",
    write: Write,
    eventually: "Eventually",
) -> None:
    server = serve(of_services(document, "film"))
    changed = of_services(document, "film")
    changed["upstreams"]["maker"]["key"] = {"file": "film.key"}
    write(changed)
    (refusal,) = eventually(lambda: server.program.events("configuration.refused"))
    assert "there is no file film.key" in str(refusal["problem"])

    (launch.folder / "film.key").write_text("sim-maker-key\n", encoding="utf-8")

    eventually(lambda: server.program.events("configuration.reloaded"))


def test_sigterm_ends_it_within_seconds_with_nothing_lost(
    document: "Document", launch: "Launcher", serve: "Serve", eventually: "Eventually"
) -> None:
    server = serve(document)
    eventually(lambda: server.evidence("film", "generation"))
    reader = requests.get(f"{server.page}/api/events", stream=True, timeout=60)
    seen = server.evidence("film", "reach")

    code = server.program.end(within=60)

    reader.close()
    assert code == 0, server.program.logged()
    assert server.program.events("stopped")
    with closing(sqlite3.connect(launch.folder / "history.db")) as database:
        question = "SELECT count(*) FROM evidence WHERE service = 'film' AND source = 'reach'"
        ((stored,),) = database.execute(question)
    assert stored >= len(seen)


def test_a_second_server_on_the_same_database_is_refused(
    document: "Document", launch: "Launcher", serve: "Serve"
) -> None:
    serve(of_services(document, "film"))

    second = launch("serve", "--config", "tallylight.yaml")

    assert second.ends() == 1
    assert "another tallylight server uses this database" in second.logged()
    assert "Traceback" not in second.logged()
