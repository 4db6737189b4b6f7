"""Small real media files: what a service delivers, good or flawed.

Frames are cheap patterns that move; the sound is a tone. A file is made once for each kind and
kept. The work is the encoder's: call `delivery` in a thread.
"""

import array
import io
import math
from fractions import Fraction
from functools import lru_cache
from threading import Lock

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

from tallylight.simulator.faults import Flaw
from tallylight.simulator.outcomes import Result

_FRAMES_A_SECOND = 10
_SAMPLES_A_SECOND = 22050
_SAMPLES_A_FRAME = 1024  # what the AAC encoder takes at a time
_KEPT_FILES = 32
_BOX_HEAD = 8  # ISO/IEC 14496-12: four bytes of length, four of type
_TONE = array.array(
    "h",
    (int(6000 * math.sin(2 * math.pi * 441 * n / _SAMPLES_A_SECOND)) for n in range(50 * 22)),
).tobytes()

# One encoder at a time: two callers of the same file would otherwise both make it.
_making = Lock()


def delivery(result: Result) -> bytes:
    """Return the bytes that a completed job delivers: an MP4 file, or a PNG for a still image."""
    with _making:
        if result.seconds == 0:
            return _spoil(still(result.size, "png"), result.flaw)
        look = result.flaw if result.flaw in {Flaw.BLACK, Flaw.FROZEN, Flaw.SILENT} else None
        return _spoil(clip(result.size, result.seconds, look), result.flaw)


def padding_of(data: bytes, size: int) -> tuple[bytes, int]:
    """Return a clip that may grow to a size, and by how many zeros: one box that players skip."""
    room = size - len(data) - _BOX_HEAD
    if room < 0:
        return data, 0
    return data + (room + _BOX_HEAD).to_bytes(4) + b"free", room


def _spoil(data: bytes, flaw: Flaw | None) -> bytes:
    if flaw is Flaw.EMPTY:
        return b""
    # The index stands at the end of the file, so a cut leaves nothing that can be played.
    return data[: len(data) * 3 // 5] if flaw is Flaw.BROKEN else data


@lru_cache(maxsize=_KEPT_FILES)
def clip(size: str, seconds: int, look: Flaw | None) -> bytes:
    """Return an H.264 and AAC clip of a size ("1280x720") and length."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        picture = _picture_stream(container, size, look)
        sound = None if look is Flaw.SILENT else _sound_stream(container)
        _draw(container, picture, seconds, look)
        if sound is not None:
            _play(container, sound, seconds)
    return file.getvalue()


def _picture_stream(container: OutputContainer, size: str, look: Flaw | None) -> VideoStream:
    stream = container.add_stream("libx264", rate=_FRAMES_A_SECOND)
    stream.width, stream.height = (int(side) for side in size.split("x"))
    stream.pix_fmt = "yuv420p"
    # A coarse encoder keeps refining a still picture, which would then seem to move.
    quality = "12" if look is Flaw.FROZEN else "38"
    stream.options = {"preset": "ultrafast", "crf": quality}
    stream.codec_context.thread_count = 1
    return stream


def _sound_stream(container: OutputContainer) -> AudioStream:
    stream = container.add_stream("aac", rate=_SAMPLES_A_SECOND)
    stream.layout = "mono"
    stream.bit_rate = 24_000
    return stream


def _draw(container: OutputContainer, stream: VideoStream, seconds: int, look: Flaw | None) -> None:
    for number in range(seconds * _FRAMES_A_SECOND):
        frame = _frame(stream.width, stream.height, 0 if look is Flaw.FROZEN else number, look)
        frame.pts = number
        frame.time_base = Fraction(1, _FRAMES_A_SECOND)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _frame(width: int, height: int, number: int, look: Flaw | None) -> av.VideoFrame:
    frame = av.VideoFrame(width, height, "yuv420p")
    light, *colours = frame.planes
    if look is Flaw.BLACK:
        light.update(bytes([16]) * light.buffer_size)
    else:
        row = bytes((x * 200 // width + number * 6) % 200 + 30 for x in range(light.line_size))
        light.update(row * light.height)
    for plane in colours:
        tint = 128 if look is Flaw.BLACK else 90 + number * 3 % 70
        plane.update(bytes([tint]) * plane.buffer_size)
    return frame


def _play(container: OutputContainer, stream: AudioStream, seconds: int) -> None:
    total = seconds * _SAMPLES_A_SECOND
    for start in range(0, total, _SAMPLES_A_FRAME):
        samples = min(_SAMPLES_A_FRAME, total - start)
        frame = av.AudioFrame(format="s16", layout="mono", samples=samples)
        plane = frame.planes[0]
        plane.update(_TONE[: samples * 2].ljust(plane.buffer_size, b"\0"))
        frame.sample_rate = _SAMPLES_A_SECOND
        frame.pts = start
        frame.time_base = Fraction(1, _SAMPLES_A_SECOND)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


@lru_cache(maxsize=_KEPT_FILES)
def still(size: str, form: str) -> bytes:
    """Return one picture as "png" or "webp"."""
    width, height = (int(side) for side in size.split("x"))
    container_format, codec = ("webp", "libwebp") if form == "webp" else ("image2pipe", "png")
    file = io.BytesIO()
    with av.open(file, "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=1)
        assert isinstance(stream, VideoStream)  # noqa: S101  # narrows what a codec's name cannot
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuv420p" if form == "webp" else "rgb24"
        frame = _frame(width, height, 1, None)
        if form != "webp":
            frame = frame.reformat(format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()
