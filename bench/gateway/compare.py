"""Measures the same load on a bare upstream, a pass-through, tallylight and LiteLLM's proxy.

    python bench/gateway/compare.py [--targets direct,bare,tallylight,litellm] [--seconds 5]
                                    [--clients 1,16] [--content-mb 50] [--postgres URL]
                                    [--month]

The target runs on one core, upstream and load on another. `uv` installs LiteLLM into its own
virtual environment (some 400 MB, once). Compare only within one run, because machines are noisy.
Tallylight stores every create durably in SQLite before it sends it. `--month` measures instead what
a monthly limit costs: creates of a key with and without `--per-month`, beside 30 days of rows.
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

HERE = Path(__file__).parent
LITELLM = "litellm[proxy]==1.106.2"
KEY = "sk-bench"
TALLYLIGHT = str(Path(sys.executable).with_name("tallylight"))


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextmanager
def process(
    command: list[str], core: int, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process on one core for the duration of the block."""
    cores = os.sched_getaffinity(0)
    affinity = {sorted(cores)[min(core, len(cores) - 1)]}
    running = subprocess.Popen(
        command,
        env={**os.environ, **(env or {})},  # noqa: TID251  # a child's environment
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE if core < 0 else subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, affinity),  # noqa: PLW1509  # no threads here
    )
    try:
        yield running
    finally:
        running.send_signal(signal.SIGTERM)
        try:
            running.wait(15)
        except subprocess.TimeoutExpired:
            running.kill()


def request_json(url: str, key: str, body: object = None) -> dict[str, object]:
    """Send one request and return the JSON of its response."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, data, headers)  # noqa: S310  # our own URL
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
        document: dict[str, object] = json.load(response)
        return document


def until_ready(url: str, key: str, seconds: float = 90) -> float:
    """Wait until models are listed; return the seconds that it took."""
    started_at = time.perf_counter()
    while time.perf_counter() - started_at < seconds:
        try:
            request_json(f"{url}/v1/models", key)
        except OSError:
            time.sleep(0.02)
        else:
            return time.perf_counter() - started_at
    raise SystemExit(f"{url} does not start")


def memory(pid: int, field: str) -> float:
    """Return a memory field of a process and its children from /proc, in MiB."""
    total = 0.0
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field):
            total += int(line.split()[1]) / 1024
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return round(total + sum(memory(int(child), field) for child in children), 1)


def tallylight_config(folder: Path, upstream: str, port: int, database: str) -> Path:
    """Write a configuration with one free service and an open gateway."""
    document = {
        "upstreams": {
            "stub": {
                "provider": "bench",
                "base_url": f"{upstream}/v1",
                "dialect": "openai",
                "key": KEY,
            }
        },
        "services": {
            "sora-2": {
                "upstream": "stub",
                "model": "sora-2",
                "access": "self_hosted",
                "sheet": None,
                "lengths": [4],
                "sizes": ["1280x720"],
            }
        },
        "status": {"listen": f"127.0.0.1:{port}"},
        "gateway": {"open": True},
        "database": {"url": database or f"sqlite:///{folder}/bench.db"},
        "assets": {"location": f"{folder}/assets"},
    }
    path = folder / "tallylight.yaml"
    path.write_text(json.dumps(document))
    return path


def create_keys(config: Path) -> Mapping[str, tuple[str, str]]:
    """Create a key with a monthly limit and one without; return their ids and secrets."""
    found = {}
    for name, limits in (("without", ()), ("with", ("--per-month", "1000000"))):
        command = [TALLYLIGHT, "keys", "create", name, *limits, "--json", "--config", str(config)]
        done = subprocess.run(command, check=True, capture_output=True)
        created = json.loads(done.stdout)
        found[name] = (str(created["id"]), str(created["key"]))
    return found


def measure_month(args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Measure creates of a key with and without a monthly limit, beside 30 days of its rows."""
    upstream_port, port = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tl-bench-")))
        stub = [sys.executable, str(HERE / "upstream.py"), str(upstream_port)]
        stack.enter_context(process(stub, 1))
        config = tallylight_config(folder, f"http://127.0.0.1:{upstream_port}", port, args.postgres)
        document = json.loads(config.read_text())
        document["services"]["sora-2"]["price"] = {"per_call": 0.01}
        config.write_text(json.dumps(document))
        keys = create_keys(config)
        database = document["database"]["url"]
        fill = [sys.executable, str(HERE / "month_of_rows.py"), database, keys["with"][0]]
        subprocess.run(fill, check=True)
        stack.enter_context(process([TALLYLIGHT, "serve", "--config", str(config)], 0))
        until_ready(url, keys["with"][1])
        for clients in args.clients:
            found = {
                name: load(url, "create", args, clients, key=secret, prompt=f"{name} {clients}")
                for name, (_, secret) in keys.items()
            }
            medians = [found[name]["p50_ms"] for name in ("with", "without")]
            yield {
                "target": "tallylight",
                "operation": "create with a monthly limit, 30 days of rows",
                "clients": clients,
                "without": found["without"],
                "with": found["with"],
                "ratio": _ratio(*medians),
            }


def _ratio(value: object, reference: object) -> float | None:
    """Return a ratio, None if one of the two was not measured: no response came in time."""
    if isinstance(value, float) and isinstance(reference, float):
        return round(value / reference, 2)
    return None


def litellm_home() -> Path:
    """Install LiteLLM if necessary, and return its environment."""
    home = Path(tempfile.gettempdir()) / "tallylight-bench-litellm"
    if not (home / "bin" / "litellm").exists():
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([str(uv), "venv", "-q", str(home)], check=True)
        python = str(home / "bin" / "python")
        subprocess.run([str(uv), "pip", "install", "-q", "--python", python, LITELLM], check=True)
    return home


def litellm_command(folder: Path, upstream: str, port: int) -> list[str]:
    """Write LiteLLM's configuration, and return its command."""
    config = folder / "litellm.yaml"
    model = {
        "model_name": "sora-2",
        "litellm_params": {
            "model": "openai/sora-2",
            "api_base": f"{upstream}/v1",
            "api_key": KEY,
        },
    }
    general = {"dangerously_permit_weak_or_unset_master_key": True}
    config.write_text(json.dumps({"model_list": [model], "general_settings": general}))
    return [str(litellm_home() / "bin" / "litellm"), "--config", str(config), "--port", str(port)]


def load(
    url: str, operation: str, args: argparse.Namespace, clients: int, **more: str
) -> dict[str, object]:
    """Run the load against a target, and return the measurements."""
    command = [sys.executable, str(HERE / "load.py"), url, operation]
    command += ["--clients", str(clients), "--seconds", str(args.seconds)]
    for name, value in {"key": KEY, **more}.items():
        command += [f"--{name}", value]
    cores = sorted(os.sched_getaffinity(0))
    done = subprocess.run(
        command,
        check=True,
        capture_output=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {cores[-1]}),  # no threads
    )
    result: dict[str, object] = json.loads(done.stdout)
    return result


def completed_video(url: str) -> str:
    """Create a video and return its id once it is completed."""
    body = {"model": "sora-2", "prompt": "done", "seconds": "4"}
    id_ = str(request_json(f"{url}/v1/videos", KEY, body)["id"])
    for _ in range(600):
        if request_json(f"{url}/v1/videos/{id_}", KEY)["status"] == "completed":
            return id_
        time.sleep(0.1)
    raise SystemExit(f"{url} does not complete a video")


def measure(name: str, args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Measure one target."""
    upstream_port, port = free_port(), free_port()
    upstream, url = f"http://127.0.0.1:{upstream_port}", f"http://127.0.0.1:{port}"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tl-bench-")))
        stub = [sys.executable, str(HERE / "upstream.py"), str(upstream_port)]
        stack.enter_context(process([*stub, str(args.content_mb)], 1))
        until_ready(upstream, KEY)
        env: dict[str, str] = {}
        match name:
            case "direct":
                command, url = [], upstream
            case "bare":
                command = [sys.executable, "-m", "uvicorn", "--app-dir", str(HERE)]
                command += ["pass_through:app", "--port", str(port), "--no-access-log"]
                env = {"UPSTREAM": upstream}
            case "tallylight":
                config = tallylight_config(folder, upstream, port, args.postgres)
                command = [TALLYLIGHT, "serve", "--config", str(config)]
            case _:
                command = litellm_command(folder, upstream, port)
                env = {"LITELLM_LOG": "ERROR", "LITELLM_MASTER_KEY": KEY}
        started, pid = 0.0, os.getpid()
        if command:
            pid = stack.enter_context(process(command, 0, env)).pid
            started = until_ready(url, KEY)
        video_id = completed_video(url)
        for operation in ("retrieve", "content", "create", "create_mp"):
            for clients in args.clients if operation != "content" else (2,):
                if command:
                    Path(f"/proc/{pid}/clear_refs").write_text("5")
                result = load(url, operation, args, clients, id=video_id)
                peak = memory(pid, "VmHWM") if command else None
                yield {
                    "target": name,
                    "operation": operation,
                    "clients": clients,
                    **result,
                    "peak_mib": peak,
                    "start_s": round(started, 2),
                }


def main() -> None:
    """Measure all targets and print one line for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", default="direct,bare,tallylight")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--clients", default="1,16")
    parser.add_argument("--content-mb", type=int, default=50)
    parser.add_argument("--postgres", default="")
    parser.add_argument("--month", action="store_true")
    args = parser.parse_args()
    args.clients = tuple(map(int, args.clients.split(",")))
    if args.month:
        for line in measure_month(args):
            print(json.dumps(line), flush=True)
        return
    for name in args.targets.split(","):
        for line in measure(name, args):
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
