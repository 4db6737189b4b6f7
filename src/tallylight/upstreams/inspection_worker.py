"""Decodes one media file, every frame of it, and prints what it saw as one line of JSON.

Run as a program of its own by `inspection`, because decoders are large, fast and written in C: a
file made to harm, or only to be huge, must hit this process's limits and nothing else. It imports
nothing of ours, since it starts for every video, and opens no file but the one it was given.

Usage: inspection_worker.py PATH CPU_SECONDS MEMORY_BYTES

What "black" and "frozen" mean are the defaults of FFmpeg's filters `blackdetect` (a pixel is black
under a tenth of the range, a picture where 98 % of its pixels are) and `freezedetect` (a picture
differs from the one that the stretch began with by no more than -60 dB, which the noise of encoders
stays under), measured on a reduced grey picture.
"""

import json
import operator
import os
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if sys.platform != "win32":
    import resource

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

ALLOWED_CONTAINERS = "mov,matroska,webm,mpegts,avi,flv,ogg,gif,png_pipe,jpeg_pipe,webp_pipe,webp"
"""Formats that only hold media. Playlists, which name other files and addresses, are none."""

MAX_PIXELS = 7680 * 4320
"""The largest picture that is decoded: 8K."""

_WIDTH, _HEIGHT = 64, 36
_PIXELS = _WIDTH * _HEIGHT
_BLACK_LEVELS = bytes(range(26))  # a tenth of 0 to 255
_BLACK_RATIO = 0.98
_FREEZE_THRESHOLD = 0.001 * 255  # -60 dB of the full range, a pixel
_NICENESS = 10


@dataclass(slots=True)
class WorkerReport:
    """What the worker prints; `inspection.Inspection` says what each figure means."""

    size: int = 0
    container: str = ""
    codec: str = ""
    declared_seconds: float | None = None
    seconds: float = 0.0
    width: int = 0
    height: int = 0
    fps: float = 0.0
    has_audio: bool = False
    frames: int = 0
    black_frames: int = 0
    longest_black: float = 0.0
    longest_frozen: float = 0.0
    decode_errors: int = 0
    error: str = ""
    hit_limit: bool = False


@dataclass(slots=True)
class _LongestInterval:
    """The longest time for which something held, of pictures seen one after the other."""

    longest: float = 0.0
    start: float | None = field(default=None)

    def add(self, start: float, end: float, *, holds: bool) -> None:
        if not holds:
            self.start = None
            return
        if self.start is None:
            self.start = start
        self.longest = max(self.longest, end - self.start)


def decode_file(path: Path) -> WorkerReport:
    """Return what is in a file; whatever is wrong with the file stands in `error`."""
    import av  # noqa: PLC0415  # only once the limits hold
    import av.logging  # noqa: PLC0415

    av.logging.set_level(av.logging.PANIC)
    found = WorkerReport(size=path.stat().st_size)
    try:
        with (
            path.open("rb") as file,
            av.open(
                file,
                "r",
                options={"format_whitelist": ALLOWED_CONTAINERS, "max_pixels": str(MAX_PIXELS)},
                io_open=_refuse_open,
            ) as container,
        ):
            _inspect_container(container, found)
    except MemoryError as error:
        found.hit_limit, found.error = True, f"out of memory: {error}"
    except (av.error.FFmpegError, ValueError, OSError) as error:
        found.error = found.error or f"{type(error).__name__}: {error}"
    return found


def _inspect_container(container: "InputContainer", report: WorkerReport) -> None:
    report.container = container.format.name
    if not container.streams.video:
        report.error = "there is no picture in it"
        return
    stream = container.streams.video[0]
    stream.thread_count = 1
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    report.codec = stream.codec_context.codec.canonical_name
    report.width, report.height = stream.width, stream.height
    report.fps = float(stream.average_rate or stream.guessed_rate or 0)
    if stream.duration is not None and stream.time_base is not None:
        report.declared_seconds = float(stream.duration * stream.time_base)
    elif container.duration is not None:
        report.declared_seconds = container.duration / 1_000_000
    if report.width * report.height > MAX_PIXELS:
        report.error = "the picture is larger than 8K"  # which nobody orders
        return
    _decode_frames(container, stream, report)


def _decode_frames(
    container: "InputContainer", stream: "VideoStream", report: WorkerReport
) -> None:
    import av  # noqa: PLC0415

    viewer = _FrameAnalyzer(report)
    try:
        for packet in container.demux(stream, *container.streams.audio):
            if packet.stream.type == "audio":
                report.has_audio = report.has_audio or packet.size > 0
                continue
            try:
                for frame in stream.decode(packet):
                    viewer.add(frame)
            except av.error.InvalidDataError:
                report.decode_errors += 1
    except (av.error.FFmpegError, OSError):
        report.decode_errors += 1  # the file breaks off; what was decoded stands


class _FrameAnalyzer:
    """Sees pictures in their order and keeps count."""

    def __init__(self, report: WorkerReport) -> None:
        from av.video.reformatter import VideoReformatter  # noqa: PLC0415

        self._report = report
        self._reformatter = VideoReformatter()
        self._black, self._frozen = _LongestInterval(), _LongestInterval()
        self._first_start: float | None = None
        self._end = 0.0
        self._reference = b""

    def add(self, frame: "VideoFrame") -> None:
        found = self._report
        start, end = self._interval(frame)
        small = self._reformatter.reformat(
            frame, width=_WIDTH, height=_HEIGHT, format="gray", interpolation="AREA"
        )
        picture = bytes(small.planes[0])[:_PIXELS]
        is_black = len(picture.translate(None, _BLACK_LEVELS)) <= _PIXELS * (1 - _BLACK_RATIO)
        is_still = _mean_difference(picture, self._reference) <= _FREEZE_THRESHOLD
        if not is_still:
            self._reference = picture
        if not found.frames:
            found.width, found.height = frame.width, frame.height
            if frame.rotation % 180:
                found.width, found.height = frame.height, frame.width
            self._first_start = start
        found.frames += 1
        found.black_frames += is_black
        self._black.add(start, end, holds=is_black)
        # The first picture of a frozen stretch differs from the one before it.
        self._frozen.start = self._frozen.start if is_still else start
        self._frozen.add(start, end, holds=True)
        found.longest_black = self._black.longest
        found.longest_frozen = self._frozen.longest if found.frames > 1 else 0.0
        found.seconds = end - (self._first_start or 0.0)

    def _interval(self, frame: "VideoFrame") -> tuple[float, float]:
        start = self._end if frame.pts is None else frame.time
        length = 1 / self._report.fps if self._report.fps else 0.0
        if frame.duration and frame.time_base:
            length = float(frame.duration * frame.time_base)
        self._end = max(start + length, self._end)
        return start, self._end


def _mean_difference(picture: bytes, reference: bytes) -> float:
    """Return by how much two pictures differ, a pixel, from 0 to 255."""
    if picture == reference:
        return 0.0
    if not reference:
        return 255.0
    total: int = sum(map(abs, map(operator.sub, picture, reference)))
    return total / len(picture)


def _refuse_open(url: str, _flags: int, _options: object) -> object:
    raise PermissionError(f"the file points to another one: {url[:80]}")


def _set_limits(cpu_seconds: int, memory: int) -> None:
    if sys.platform == "win32":
        return
    os.nice(_NICENESS)  # the gateway and the probes come first
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(path: str, cpu_seconds: str, memory: str) -> None:
    """Inspect one file under limits and print what was found."""
    _set_limits(int(cpu_seconds), int(memory))
    print(json.dumps(asdict(decode_file(Path(path)))))  # noqa: T201  # the answer to our parent


if __name__ == "__main__":
    main(*sys.argv[1:])
