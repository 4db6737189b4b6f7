"""Real processes, watched from outside: by their output, over HTTP, in the files that they leave.

Nothing waits for a fixed time: `eventually` looks until something is so, or fails at its deadline.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest
import requests

from tallylight.documents.environment import process_environment

T = TypeVar("T")

Document = dict[str, Any]
"""What a configuration file says."""

_DEADLINE = 180.0
_LOOK = 0.05
_KEPT = {"PATH", "PYTHONPATH", "TMPDIR"}
"""Of our environment: neither the developer's keys nor a Python that flushes for us."""
_QUICK_WORLD = Path(__file__).parents[1] / "data" / "quick-world.yaml"


def _eventually(
    found: Callable[[], T | None],
    *,
    within: float = _DEADLINE,
    of: "Iterable[Program]" = (),
    why: Callable[[], object] = lambda: "nothing",
) -> T:
    """Return what is found once it is something true; fail if that is not within some seconds."""
    ends = time.monotonic() + within
    while True:
        for program in of:
            program.check()
        value = found()
        if value:
            return value
        if time.monotonic() > ends:
            pytest.fail(f"not within {within:g} s; the last look found {why()}")
        time.sleep(_LOOK)


class Eventually(Protocol):
    """Looks until something is so."""

    def __call__(self, found: Callable[[], T | None], *, within: float = _DEADLINE) -> T:
        """Return what is found once it is something true."""
        ...


@dataclass(slots=True)
class Program:
    """A process of tallylight.

    Args:
        process: It.
        out: Where its standard output goes.
        log: Where its standard error goes.
        may_end: Its end is no surprise.
    """

    process: subprocess.Popen[bytes]
    out: Path
    log: Path
    may_end: bool = False

    def check(self) -> None:
        """Fail if it has ended though nobody asked it to."""
        code = self.process.poll()
        if code is not None and not self.may_end:
            pytest.fail(f"a process ended with {code}: {self.logged()}")

    def said(self) -> str:
        """Return what it has printed so far."""
        return self.out.read_text(encoding="utf-8")

    def logged(self) -> str:
        """Return what it has logged so far."""
        return self.log.read_text(encoding="utf-8")

    def events(self, name: str) -> list[dict[str, object]]:
        """Return the events of a name that it has logged as JSON."""
        lines = [json.loads(line) for line in self.logged().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == name]

    def has_printed(self, pattern: str) -> re.Match[str]:
        """Return the first match of a pattern in its output, as soon as there is one."""
        return _eventually(lambda: re.search(pattern, self.said()), of=[self])

    def ends(self, *, within: float = _DEADLINE) -> int:
        """Return its exit code once it has ended."""
        self.may_end = True
        return self.process.wait(within)

    def end(self, *, within: float = 20) -> int:
        """Ask it to end, and return its exit code."""
        self.may_end = True
        self.process.terminate()
        return self.process.wait(within)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.may_end = True
        self.process.kill()
        self.process.wait(20)


@dataclass(slots=True)
class Launcher:
    """Starts processes in a folder, and sees to it that none is left."""

    folder: Path
    started: list[Program] = field(default_factory=list)

    def __call__(self, *arguments: str, env: Mapping[str, str] | None = None) -> Program:
        """Start `tallylight` with some arguments."""
        return self.python("-m", "tallylight", *arguments, env=env)

    def python(self, *arguments: str, env: Mapping[str, str] | None = None) -> Program:
        """Start Python with some arguments."""
        number = len(self.started)
        out, log = self.folder / f"{number}.out", self.folder / f"{number}.log"
        with out.open("wb") as stdout, log.open("wb") as stderr:
            process = subprocess.Popen(  # noqa: S603  # our own program
                [sys.executable, *arguments],
                cwd=self.folder,
                env=_surroundings(self.folder) | dict(env or {}),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
        program = Program(process, out, log)
        self.started.append(program)
        return program

    def stop(self) -> None:
        """End all that still runs."""
        for program in self.started:
            if program.process.poll() is None:
                program.process.terminate()
        for program in self.started:
            with suppress(subprocess.TimeoutExpired):
                program.process.wait(10)
            if program.process.poll() is None:
                program.process.kill()
                program.process.wait()


def _surroundings(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in process_environment().items() if name in _KEPT}
    return kept | {"HOME": str(home), "LANG": "C.UTF-8"}


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo that runs.

    Args:
        program: Its process.
        page: The address of its page.
        world: The address of its simulated world.
        config: The configuration by which it watches.
        seconds: How long it took to print all that.
    """

    program: Program
    page: str
    world: str
    config: Path
    seconds: float

    def services(self) -> dict[str, dict[str, object]]:
        """Return what /api/services says, by id."""
        answer = requests.get(f"{self.page}/api/services", timeout=10).json()
        return {service["id"]: service for service in answer}

    def statuses(self) -> dict[str, object]:
        """Return the status of every service."""
        return {id_: service["status"] for id_, service in self.services().items()}

    def shows(self, statuses: Mapping[str, str]) -> None:
        """Return once it shows these statuses."""
        wrong: dict[str, object] = {}

        def is_so() -> bool:
            wrong.clear()
            wrong.update(
                (id_, service["reasons"])
                for id_, service in self.services().items()
                if service["status"] != statuses[id_]
            )
            return not wrong

        _eventually(is_so, within=90, of=[self.program], why=lambda: wrong)

    def order(self, service: str, body: Document) -> None:
        """Tell the simulated world what shall trouble a service."""
        order(self.world, service, body)


def order(world: str, service: str, body: Document) -> None:
    """Tell a simulated world what shall trouble a service."""
    answer = requests.put(f"{world}/_sim/services/{service}", json=body, timeout=10)
    assert answer.status_code == 200, answer.text


@dataclass(frozen=True, slots=True)
class World:
    """A simulated world in a process of its own."""

    url: str

    def order(self, service: str, body: Document) -> None:
        """Tell it what shall trouble a service."""
        order(self.url, service, body)

    def entries(self, service: str) -> list[dict[str, object]]:
        """Return what its own ledger says of a service."""
        answer = requests.get(f"{self.url}/_sim/ledger", timeout=10).json()
        return [entry for entry in answer["entries"] if entry["service"] == service]

    def configuration(self) -> Document:
        """Return the sections by which it is watched; the caller may change them."""
        told: Document = requests.get(f"{self.url}/_sim/scenario", timeout=10).json()
        document: Document = told["catalogue"]
        return document


@dataclass(slots=True)
class Server:
    """A server that runs, with logs in JSON.

    Args:
        program: Its process.
        page: Its address.
    """

    program: Program
    page: str

    def get(self, path: str) -> requests.Response:
        """Fetch a page."""
        return requests.get(f"{self.page}{path}", timeout=10)

    def statuses(self) -> dict[str, str]:
        """Return the status of every service."""
        return {service["id"]: service["status"] for service in self.get("/api/services").json()}

    def evidence(self, service: str, source: str) -> list[Document]:
        """Return what one source found of a service, newest first."""
        found: list[Document] = self.get(f"/api/services/{service}/evidence?limit=1000").json()
        return [piece for piece in found if piece["source"] == source]


class Serve(Protocol):
    """Starts servers."""

    def __call__(self, document: Document, env: Mapping[str, str] | None = None) -> Server:
        """Return a server that watches by a configuration, once it listens."""
        ...


def _written(path: Path, document: Document) -> Path:
    scratch = path.with_suffix(".new")
    scratch.write_text(json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8")
    return scratch.replace(path)  # as a whole: a server may be looking at it


@contextmanager
def _launcher() -> Iterator[Launcher]:
    with tempfile.TemporaryDirectory(prefix="tallylight-e2e-") as folder:
        launcher = Launcher(Path(folder))
        try:
            yield launcher
        finally:
            launcher.stop()


@pytest.fixture
def launch() -> Iterator[Launcher]:
    """Start processes in a folder of their own that end with the test."""
    with _launcher() as launcher:
        yield launcher


@pytest.fixture
def eventually(launch: Launcher) -> Eventually:
    """Wait for something, though not beyond the end of a process of the test's."""

    def eventually(found: Callable[[], T | None], *, within: float = _DEADLINE) -> T:
        return _eventually(found, within=within, of=launch.started)

    return eventually


@pytest.fixture(scope="module")
def demo(request: pytest.FixtureRequest) -> Iterator[Demo]:
    """Run one demo for a module; the module's SCENARIO names what it plays."""
    with _launcher() as launcher:
        scenario = getattr(request.module, "SCENARIO", "january")
        began = time.monotonic()
        program = launcher("demo", "--for", "15m", "--port", "0", "--scenario", scenario)
        page = program.has_printed(r"Status page: +(http://\S+)/\n")[1]
        world = program.has_printed(r"Simulated world: +(http://\S+)/_sim/services\n")[1]
        config = Path(program.has_printed(r"--config (\S+)\n")[1])
        yield Demo(program, page, world, config, time.monotonic() - began)
        program.check()


@pytest.fixture
def scenario() -> Path:
    """Return what the world plays; a module may have its own."""
    return _QUICK_WORLD


@pytest.fixture
def world(scenario: Path) -> Iterator[World]:
    """Run a simulated world in a process and a folder of its own."""
    with _launcher() as launcher:
        program = launcher("simulate", "--scenario", str(scenario), "--port", "0")
        yield World(program.has_printed(r"(http://\S+)/_sim/scenario\n")[1])
        program.check()


@pytest.fixture
def document(world: World, launch: Launcher) -> Document:
    """Return a configuration by which a server of the test watches the quick world."""
    return world.configuration() | {
        "database": {"url": f"sqlite:///{launch.folder / 'history.db'}"},
        "status": {"listen": "127.0.0.1:0"},
    }


@pytest.fixture
def write(launch: Launcher) -> Callable[[Document], Path]:
    """Return what writes tallylight.yaml into the folder of the test's processes."""
    return lambda document: _written(launch.folder / "tallylight.yaml", document)


@pytest.fixture
def serve(launch: Launcher, write: Callable[[Document], Path]) -> Serve:
    """Return what starts servers that end with the test."""

    def serve(document: Document, env: Mapping[str, str] | None = None) -> Server:
        program = launch("serve", "--json-logs", "--config", str(write(document)), env=env)

        def address() -> str | None:
            return next((str(event["address"]) for event in program.events("serving")), None)

        return Server(program, _eventually(address, of=[program]))

    return serve
