"""Small real media files, intact or defective: a moving pattern with a tone.

Each file is encoded once and cached. Encoding takes CPU time: call `render_output` in a thread.
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

from tallylight.simulator.faults import VideoDefect
from tallylight.simulator.outcomes import OutputSpec

_FRAME_RATE = 10
_SAMPLE_RATE = 22050
_SAMPLES_PER_FRAME = 1024  # the frame size of the AAC encoder
_CACHE_SIZE = 32
_BOX_HEADER_SIZE = 8  # ISO/IEC 14496-12: four bytes of length, four of type
_TONE = array.array(
    "h",
    (int(6000 * math.sin(2 * math.pi * 441 * n / _SAMPLE_RATE)) for n in range(50 * 22)),
).tobytes()

# One encoder at a time, or concurrent requests for the same file would each encode it.
_encoder_lock = Lock()


def render_output(output: OutputSpec) -> bytes:
    """Return the bytes of a completed job: an MP4 file, or a PNG for a still image."""
    with _encoder_lock:
        if output.seconds == 0:
            return _apply_defect(render_image(output.size, "png"), output.defect)
        # Other defects do not change the encoding: their clips share one cache entry.
        defect = output.defect if output.defect in {VideoDefect.BLACK, VideoDefect.FROZEN} else None
        is_silent = output.is_silent or output.defect is VideoDefect.SILENT
        clip = render_clip(output.size, output.seconds, defect, is_silent=is_silent)
        return _apply_defect(clip, output.defect)


def with_padding_box(data: bytes, size: int) -> tuple[bytes, int]:
    """Return a clip with the header of a box that players skip, and the number of zeros in the box.

    Together they have `size` bytes; a clip that is already that long stays as it is.
    """
    padding = size - len(data) - _BOX_HEADER_SIZE
    if padding < 0:
        return data, 0
    return data + (padding + _BOX_HEADER_SIZE).to_bytes(4) + b"free", padding


def _apply_defect(data: bytes, defect: VideoDefect | None) -> bytes:
    if defect is VideoDefect.EMPTY:
        return b""
    # The index is at the end of the file, so a truncated file cannot be played.
    return data[: len(data) * 3 // 5] if defect is VideoDefect.BROKEN else data


@lru_cache(maxsize=_CACHE_SIZE)
def render_clip(
    size: str, seconds: int, defect: VideoDefect | None, *, is_silent: bool = False
) -> bytes:
    """Return an H.264 clip of a size ("1280x720") and length, with AAC unless it is silent."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        video = _video_stream(container, size, defect)
        audio = None if is_silent else _audio_stream(container)
        _encode_frames(container, video, seconds, defect)
        if audio is not None:
            _encode_tone(container, audio, seconds)
    return file.getvalue()


def _video_stream(container: OutputContainer, size: str, defect: VideoDefect | None) -> VideoStream:
    stream = container.add_stream("libx264", rate=_FRAME_RATE)
    stream.width, stream.height = (int(side) for side in size.split("x"))
    stream.pix_fmt = "yuv420p"
    # At low quality the encoder keeps refining a still image, which then seems to move.
    quality = "12" if defect is VideoDefect.FROZEN else "38"
    stream.options = {"preset": "ultrafast", "crf": quality}
    stream.codec_context.thread_count = 1
    return stream


def _audio_stream(container: OutputContainer) -> AudioStream:
    stream = container.add_stream("aac", rate=_SAMPLE_RATE)
    stream.layout = "mono"
    stream.bit_rate = 24_000
    return stream


def _encode_frames(
    container: OutputContainer, stream: VideoStream, seconds: int, defect: VideoDefect | None
) -> None:
    for number in range(seconds * _FRAME_RATE):
        pattern = 0 if defect is VideoDefect.FROZEN else number
        frame = _frame(stream.width, stream.height, pattern, defect)
        frame.pts = number
        frame.time_base = Fraction(1, _FRAME_RATE)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _frame(width: int, height: int, number: int, defect: VideoDefect | None) -> av.VideoFrame:
    frame = av.VideoFrame(width, height, "yuv420p")
    luma, *chroma = frame.planes
    if defect is VideoDefect.BLACK:
        luma.update(bytes([16]) * luma.buffer_size)  # 16 is black in limited range
    else:
        row = bytes((x * 200 // width + number * 6) % 200 + 30 for x in range(luma.line_size))
        luma.update(row * luma.height)
    for plane in chroma:
        tint = 128 if defect is VideoDefect.BLACK else 90 + number * 3 % 70
        plane.update(bytes([tint]) * plane.buffer_size)
    return frame


def _encode_tone(container: OutputContainer, stream: AudioStream, seconds: int) -> None:
    total = seconds * _SAMPLE_RATE
    for start in range(0, total, _SAMPLES_PER_FRAME):
        samples = min(_SAMPLES_PER_FRAME, total - start)
        frame = av.AudioFrame(format="s16", layout="mono", samples=samples)
        plane = frame.planes[0]
        plane.update(_TONE[: samples * 2].ljust(plane.buffer_size, b"\0"))
        frame.sample_rate = _SAMPLE_RATE
        frame.pts = start
        frame.time_base = Fraction(1, _SAMPLE_RATE)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


@lru_cache(maxsize=_CACHE_SIZE)
def render_image(size: str, form: str) -> bytes:
    """Return one image as "png" or "webp"."""
    width, height = (int(side) for side in size.split("x"))
    container_format, codec = ("webp", "libwebp") if form == "webp" else ("image2pipe", "png")
    file = io.BytesIO()
    with av.open(file, "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=1)
        assert isinstance(stream, VideoStream)  # noqa: S101  # for the type checker
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuv420p" if form == "webp" else "rgb24"
        frame = _frame(width, height, 1, None)
        if form != "webp":
            frame = frame.reformat(format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()
