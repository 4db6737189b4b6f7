"""Inspects a delivered file by decoding all of it in a child process with limits."""

import asyncio
import json
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tallylight.documents.environment import worker_environment
from tallylight.upstreams.defects import Inspection

_WORKER = Path(__file__).with_name("inspection_worker.py")


@dataclass(frozen=True, slots=True)
class InspectionLimits:
    """Limits of one inspection.

    Args:
        wall_time: Elapsed time.
        cpu_time: Processor time; a 4 s clip in 720p takes 0.3 s, a 60 s clip in 4K some 30 s.
        memory_bytes: Address space; the start takes 200 MB of it, 4K video 300 MB more.
    """

    wall_time: timedelta = timedelta(seconds=120)
    cpu_time: timedelta = timedelta(seconds=60)
    memory_bytes: int = 1024**3


async def inspect_file(path: Path, limits: InspectionLimits | None = None) -> Inspection:
    """Decode a file; its defects are values, but a missing file raises FileNotFoundError."""
    limits = limits or InspectionLimits()
    size = path.stat().st_size  # noqa: ASYNC240  # one stat of a local file
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        str(_WORKER),
        str(path),
        str(max(1, round(limits.cpu_time.total_seconds()))),
        str(limits.memory_bytes),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=worker_environment(),
    )
    try:
        async with asyncio.timeout(limits.wall_time.total_seconds()):
            output, _ = await process.communicate()
    except TimeoutError:
        limit = f"{limits.wall_time.total_seconds():g} s"
        return Inspection(size_bytes=size, error=f"not decoded within {limit}", hit_limit=True)
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        return Inspection(size_bytes=size, error=_exit_message(process.returncode), hit_limit=True)
    return _parse_report(output)


def _exit_message(returncode: int) -> str:
    if returncode >= 0:
        return f"the decoder stopped with exit code {returncode}"
    with suppress(ValueError):
        return f"the decoder was stopped by {signal.Signals(-returncode).name}"
    return f"the decoder was stopped by signal {-returncode}"


def _parse_report(output: bytes) -> Inspection:
    report = json.loads(output)
    declared, frames = report["declared_seconds"], report["frames"]
    return Inspection(
        size_bytes=report["size"],
        container=report["container"],
        declared_length=None if declared is None else timedelta(seconds=declared),
        decoded_length=timedelta(seconds=report["seconds"]),
        width=report["width"],
        height=report["height"],
        has_audio=report["has_audio"],
        frames=frames,
        black_ratio=report["black_frames"] / frames if frames else 0.0,
        longest_black=timedelta(seconds=report["longest_black"]),
        longest_frozen=timedelta(seconds=report["longest_frozen"]),
        decode_errors=report["decode_errors"],
        error=report["error"],
        hit_limit=report["hit_limit"],
    )
