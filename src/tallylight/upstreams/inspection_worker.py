"""Decodes every frame of one media file and prints a report as one line of JSON.

`inspection` runs it as a program of its own, because decoders are large and written in C: a
malicious or huge file must hit the limits of this process and nothing else. It imports no other
module of the package, since it starts for every video, and opens no file but the given one.

Usage: inspection_worker.py PATH CPU_SECONDS MEMORY_BYTES

"Black" and "frozen" follow the defaults of FFmpeg's filters `blackdetect` (a pixel is black below
10 % of the range, a frame if 98 % of its pixels are) and `freezedetect` (a frame is frozen if it
differs from the first frame of the run by at most -60 dB, more than encoder noise), measured on a
reduced grey frame.
"""

import json
import operator
import os
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

if sys.platform != "win32":
    import resource

if TYPE_CHECKING:
    from av.codec.context import CodecContext
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

ALLOWED_CONTAINERS = "mov,matroska,webm,mpegts,avi,flv,ogg,gif,png_pipe,jpeg_pipe,webp_pipe,webp"
"""Formats that hold only media, unlike playlists, which name other files and URLs."""

MAX_PIXELS = 7680 * 4320
"""The largest frame that is decoded: 8K."""

_WIDTH, _HEIGHT = 64, 36
_PIXELS = _WIDTH * _HEIGHT
_BLACK_LEVELS = bytes(range(26))  # a tenth of 0 to 255
_BLACK_RATIO = 0.98
_FREEZE_THRESHOLD = 0.001 * 255  # -60 dB of the full range, per pixel
_NICENESS = 10  # the gateway and the probes come first


@dataclass(slots=True)
class WorkerReport:
    """What the worker prints; `defects.Inspection` documents each figure."""

    size: int = 0
    container: str = ""
    declared_seconds: float | None = None
    seconds: float = 0.0
    width: int = 0
    height: int = 0
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
    """The longest time for which a condition held over consecutive frames."""

    longest: float = 0.0
    start: float | None = field(default=None)

    def add(self, start: float, end: float, *, holds: bool) -> None:
        if not holds:
            self.start = None
            return
        if self.start is None:
            self.start = start
        self.longest = max(self.longest, end - self.start)


_DEFECTS_OF_A_FILE = (ArithmeticError, ValueError, AttributeError, LookupError, TypeError)


def decode_file(path: Path) -> WorkerReport:
    """Return the report on a file; `error` says why it cannot be decoded."""
    import av  # noqa: PLC0415  # only after the limits are set
    import av.logging  # noqa: PLC0415

    av.logging.set_level(av.logging.PANIC)
    report = WorkerReport(size=path.stat().st_size)
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
            _inspect_container(container, report)
    except MemoryError as error:
        report.hit_limit, report.error = True, f"out of memory: {error}"
    # A damaged head can hold figures that no calculation takes, and lack what PyAV takes for given.
    except (av.error.FFmpegError, OSError, *_DEFECTS_OF_A_FILE) as error:
        report.error = report.error or f"{type(error).__name__}: {error}"
    return report


def _inspect_container(container: "InputContainer", report: WorkerReport) -> None:
    report.container = container.format.name
    if not container.streams.video:
        report.error = "it has no video track"
        return
    stream = container.streams.video[0]
    # PyAV's types leave it out: a track whose codec has no decoder has no context.
    if cast("CodecContext | None", stream.codec_context) is None:
        report.error = "no decoder reads its video codec"
        return
    stream.thread_count = 1
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    report.width, report.height = stream.width, stream.height
    if stream.duration is not None and stream.time_base is not None:
        report.declared_seconds = float(stream.duration * stream.time_base)
    elif container.duration is not None:
        report.declared_seconds = container.duration / 1_000_000
    if report.width * report.height > MAX_PIXELS:
        report.error = "the frame is larger than 8K"
        return
    _decode_frames(container, stream, report)


def _decode_frames(
    container: "InputContainer", stream: "VideoStream", report: WorkerReport
) -> None:
    import av  # noqa: PLC0415

    fps = float(stream.average_rate or stream.guessed_rate or 0)
    analyzer = _FrameAnalyzer(report, fps)
    try:
        for packet in container.demux(stream, *container.streams.audio):
            if packet.stream.type == "audio":
                report.has_audio = report.has_audio or packet.size > 0
                continue
            try:
                for frame in stream.decode(packet):
                    analyzer.add(frame)
            except av.error.InvalidDataError:
                report.decode_errors += 1
    except (av.error.FFmpegError, OSError):
        report.decode_errors += 1  # the file breaks off; the frames before that count


class _FrameAnalyzer:
    """Measures frames in their order and adds them to the report."""

    def __init__(self, report: WorkerReport, fps: float) -> None:
        from av.video.reformatter import VideoReformatter  # noqa: PLC0415

        self._report = report
        self._default_length = 1 / fps if fps else 0.0
        self._reformatter = VideoReformatter()
        self._black, self._frozen = _LongestInterval(), _LongestInterval()
        self._first_start: float | None = None
        self._end = 0.0
        self._reference = b""

    def add(self, frame: "VideoFrame") -> None:
        report = self._report
        start, end = self._interval(frame)
        small = self._reformatter.reformat(
            frame, width=_WIDTH, height=_HEIGHT, format="gray", interpolation="AREA"
        )
        pixels = bytes(small.planes[0])[:_PIXELS]
        is_black = len(pixels.translate(None, _BLACK_LEVELS)) <= _PIXELS * (1 - _BLACK_RATIO)
        is_still = _mean_difference(pixels, self._reference) <= _FREEZE_THRESHOLD
        if not is_still:
            self._reference = pixels
        if not report.frames:
            report.width, report.height = frame.width, frame.height
            if frame.rotation % 180:
                report.width, report.height = frame.height, frame.width
            self._first_start = start
        report.frames += 1
        report.black_frames += is_black
        self._black.add(start, end, holds=is_black)
        # The first frame of a frozen run differs from the one before it.
        self._frozen.start = self._frozen.start if is_still else start
        self._frozen.add(start, end, holds=True)
        report.longest_black = self._black.longest
        report.longest_frozen = self._frozen.longest if report.frames > 1 else 0.0
        report.seconds = end - (self._first_start or 0.0)

    def _interval(self, frame: "VideoFrame") -> tuple[float, float]:
        start = self._end if frame.pts is None else frame.time
        length = self._default_length
        if frame.duration and frame.time_base:
            length = float(frame.duration * frame.time_base)
        self._end = max(start + length, self._end)
        return start, self._end


def _mean_difference(pixels: bytes, reference: bytes) -> float:
    """Return the mean difference of two frames per pixel, from 0 to 255."""
    if pixels == reference:
        return 0.0
    if not reference:
        return 255.0
    total: int = sum(map(abs, map(operator.sub, pixels, reference)))
    return total / len(pixels)


def _refuse_open(url: str, _flags: int, _options: object) -> object:
    raise PermissionError(f"the file refers to another one: {url[:80]}")


def _set_limits(cpu_seconds: int, memory: int) -> None:
    if sys.platform == "win32":
        return
    os.nice(_NICENESS)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(path: str, cpu_seconds: str, memory: str) -> None:
    """Inspect one file under limits and print the report."""
    _set_limits(int(cpu_seconds), int(memory))
    print(json.dumps(asdict(decode_file(Path(path)))))  # noqa: T201  # the answer to the parent process


if __name__ == "__main__":
    main(*sys.argv[1:])
