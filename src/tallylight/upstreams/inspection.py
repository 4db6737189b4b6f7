"""What a delivered file really holds, found out by decoding all of it in a process with limits."""

import asyncio
import json
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tallylight.documents.environment import worker_environment

_WORKER = Path(__file__).with_name("inspection_worker.py")

_IMAGES = frozenset({"png_pipe", "jpeg_pipe", "webp_pipe", "webp", "gif"})


@dataclass(frozen=True, slots=True)
class InspectionLimits:
    """What looking at one file may take.

    Args:
        wall: Time on the wall.
        cpu: Time on the processor; a 4 s clip in 720p takes 0.3 s, one of 60 s in 4K some 30 s.
        memory: Address space in bytes; starting up takes 200 MB of it, 4K video 300 MB more.
    """

    wall_time: timedelta = timedelta(seconds=120)
    cpu_time: timedelta = timedelta(seconds=60)
    memory_bytes: int = 1024**3


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was seen of a file.

    Args:
        size: Bytes.
        container: The format's name as FFmpeg has it ("mov,mp4,m4a,3gp,3g2,mj2"); "" if none.
        codec: Of the picture ("h264").
        stated: How long the file says its video is; None if it does not.
        length: How long what could be decoded is.
        width: Of a picture as it is shown, in pixels.
        height: The same.
        fps: Pictures a second, 0.0 if unknown.
        has_audio: There is an audio track and something in it.
        frames: How many pictures could be decoded.
        black_share: Share of them that are black, 0.0 to 1.0.
        longest_black: Longest stretch of black pictures.
        longest_frozen: Longest stretch without a visible change.
        decode_errors: How often the decoder met something broken.
        error: Why there is nothing to see, "" if there is.
        is_limited: It took more time or memory than it may, so that nothing can be said.
    """

    size_bytes: int = 0
    container: str = ""
    codec: str = ""
    declared_length: timedelta | None = None
    decoded_length: timedelta = timedelta()
    width: int = 0
    height: int = 0
    fps: float = 0.0
    has_audio: bool = False
    frames: int = 0
    black_ratio: float = 0.0
    longest_black: timedelta = timedelta()
    longest_frozen: timedelta = timedelta()
    decode_errors: int = 0
    error: str = ""
    hit_limit: bool = False

    @property
    def is_image(self) -> bool:
        """Tell whether it is a picture and no video."""
        return self.container in _IMAGES and self.frames <= 1


async def inspect_file(path: Path, limits: InspectionLimits | None = None) -> Inspection:
    """Decode a file and return what was seen; whatever is wrong with it is a value.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    limits = limits or InspectionLimits()
    size = path.stat().st_size  # noqa: ASYNC240  # one look at a local file
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
            printed, _ = await process.communicate()
    except TimeoutError:
        took = f"{limits.wall_time.total_seconds():g} s"
        return Inspection(size_bytes=size, error=f"not decoded within {took}", hit_limit=True)
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        return Inspection(size_bytes=size, error=_exit_message(process.returncode), hit_limit=True)
    return _parse_report(printed)


def _exit_message(returncode: int) -> str:
    if returncode >= 0:
        return f"the decoder stopped with exit code {returncode}"
    with suppress(ValueError):
        return f"the decoder was stopped by {signal.Signals(-returncode).name}"
    return f"the decoder was stopped by signal {-returncode}"


def _parse_report(printed: bytes) -> Inspection:
    found = json.loads(printed)
    stated, frames = found["declared_seconds"], found["frames"]
    return Inspection(
        size_bytes=found["size"],
        container=found["container"],
        codec=found["codec"],
        declared_length=None if stated is None else timedelta(seconds=stated),
        decoded_length=timedelta(seconds=found["seconds"]),
        width=found["width"],
        height=found["height"],
        fps=found["fps"],
        has_audio=found["has_audio"],
        frames=frames,
        black_ratio=found["black_frames"] / frames if frames else 0.0,
        longest_black=timedelta(seconds=found["longest_black"]),
        longest_frozen=timedelta(seconds=found["longest_frozen"]),
        decode_errors=found["decode_errors"],
        error=found["error"],
        hit_limit=found["hit_limit"],
    )
