"""The real worker and the rules on files of many kinds."""

import asyncio
import os
import struct
import sys
import zlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import av
import pytest

from tallylight.model.evidence import FailureKind, Fault
from tallylight.upstreams.defects import Defect, Inspection, defect_failure, find_defects
from tallylight.upstreams.inspection import InspectionLimits, inspect_file

WIDTH, HEIGHT, FPS = 320, 180, 24
SIZE = f"{WIDTH}x{HEIGHT}"
Luma = Callable[[int, int], int]
"""From the number of a frame and a column to the luma value there."""


def moving(number: int, column: int) -> int:
    return 40 + (column + 4 * number) % 160


def still(_number: int, column: int) -> int:
    return 40 + column % 160


def black(_number: int, _column: int) -> int:
    return 16


def picture(number: int, luma: Luma, width: int = WIDTH, height: int = HEIGHT) -> av.VideoFrame:
    frame = av.VideoFrame(width, height, "yuv420p")
    plane = frame.planes[0]
    line = bytes(luma(number, column) for column in range(width))
    plane.update(line.ljust(plane.line_size, b"\0") * height)
    for chroma in frame.planes[1:]:
        chroma.update(b"\x80" * chroma.buffer_size)
    frame.pts = number
    return frame


def write(
    path: Path, luma: Luma, seconds: float = 4, *, sound: bool = True, movflags: str = ""
) -> Path:
    options = {"movflags": movflags} if movflags else {}
    with av.open(str(path), "w", options=options) as file:
        video = file.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = file.add_stream("aac", rate=48_000, layout="mono") if sound else None
        for number in range(round(seconds * FPS)):
            file.mux(video.encode(picture(number, luma)))
        file.mux(video.encode(None))
        if audio is not None:
            for start in range(0, round(seconds * 48_000), 1024):
                samples = av.AudioFrame(format="fltp", layout="mono", samples=1024)
                samples.rate, samples.pts = 48_000, start
                samples.planes[0].update(bytes(samples.planes[0].buffer_size))
                file.mux(audio.encode(samples))
            file.mux(audio.encode(None))
    return path


def lacks(
    seen: Inspection, seconds: int = 4, size: str = SIZE, *, audio: bool = True
) -> list[Defect]:
    return [found.defect for found in find_defects(seen, seconds, size, audio_expected=audio)]


async def test_a_video_as_ordered_has_no_defects(tmp_path: Path) -> None:
    seen = await inspect_file(write(tmp_path / "video.mp4", moving))

    assert (seen.width, seen.height, seen.frames) == (WIDTH, HEIGHT, 96)
    assert "mp4" in seen.container
    assert seen.decoded_length == pytest.approx(
        timedelta(seconds=4), abs=timedelta(milliseconds=50)
    )
    assert seen.has_audio
    assert seen.black_ratio == 0
    assert seen.longest_frozen < timedelta(seconds=0.5)
    assert lacks(seen) == []
    assert defect_failure(find_defects(seen, 4, SIZE, audio_expected=True)) is None


async def test_a_black_video_is_black_and_not_also_frozen(tmp_path: Path) -> None:
    seen = await inspect_file(write(tmp_path / "video.mp4", black))

    assert seen.black_ratio == 1.0
    assert seen.longest_black >= timedelta(seconds=3.9)
    assert lacks(seen) == [Defect.BLACK]


async def test_a_still_video_is_frozen(tmp_path: Path) -> None:
    seen = await inspect_file(write(tmp_path / "video.mp4", still))

    assert lacks(seen) == [Defect.FROZEN]


async def test_a_fade_from_black_and_a_still_moment_are_no_defects(tmp_path: Path) -> None:
    def faded(number: int, column: int) -> int:
        return 16 if number < 20 else moving(min(number, 70), column)

    seen = await inspect_file(write(tmp_path / "video.mp4", faded))

    assert timedelta(seconds=0.7) < seen.longest_black < timedelta(seconds=0.9)
    assert timedelta(seconds=1) < seen.longest_frozen < timedelta(seconds=1.2)
    assert lacks(seen) == []


async def test_a_silent_video_is_defective_only_if_sound_was_ordered(
    tmp_path: Path,
) -> None:
    seen = await inspect_file(write(tmp_path / "video.mp4", moving, sound=False))

    assert not seen.has_audio
    assert lacks(seen) == [Defect.SILENT]
    assert lacks(seen, audio=False) == []


async def test_a_video_of_another_length_or_size_is_defective(tmp_path: Path) -> None:
    seen = await inspect_file(write(tmp_path / "video.mp4", moving, seconds=2))

    assert lacks(seen, seconds=4, size="180x320") == [Defect.WRONG_LENGTH, Defect.WRONG_SIZE]
    assert lacks(seen, seconds=2, size="auto") == []


async def test_a_video_that_breaks_off_is_truncated(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.mp4", moving, sound=False, movflags="faststart")
    video = tmp_path / "video.mp4"
    video.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])

    seen = await inspect_file(video)

    assert seen.declared_length == timedelta(seconds=4)
    assert seen.decoded_length < timedelta(seconds=3.5)
    assert lacks(seen)[0] is Defect.TRUNCATED


async def test_a_video_whose_index_was_cut_off_is_no_media(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.mp4", moving)
    video = tmp_path / "video.mp4"
    video.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])

    assert lacks(await inspect_file(video)) == [Defect.NOT_MEDIA]


async def test_a_video_with_garbage_in_its_middle_is_damaged(tmp_path: Path) -> None:
    video = write(tmp_path / "video.mp4", moving, sound=False, movflags="faststart")
    body = bytearray(video.read_bytes())
    start = body.index(b"mdat") + 200
    body[start:-200] = b"\x5a" * (len(body) - 200 - start)
    video.write_bytes(body)

    seen = await inspect_file(video)

    assert seen.decode_errors > 1
    assert set(lacks(seen)) & {Defect.DAMAGED, Defect.TRUNCATED, Defect.NOT_MEDIA}


async def test_a_video_whose_codec_nothing_decodes_is_no_media(tmp_path: Path) -> None:
    video = tmp_path / "video.webm"
    with av.open(str(video), "w") as file:
        stream = file.add_stream("libvpx", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(FPS):
            file.mux(stream.encode(picture(number, moving)))
        file.mux(stream.encode(None))
    body = video.read_bytes()
    assert b"V_VP8" in body
    video.write_bytes(body.replace(b"V_VP8", b"V_QQ8"))

    seen = await inspect_file(video)

    assert not seen.hit_limit
    assert lacks(seen, 1, audio=False) == [Defect.NOT_MEDIA]


@pytest.mark.parametrize(
    ("body", "lack"),
    [
        (b"", Defect.EMPTY),
        (b"<!doctype html><title>Sign in</title>" * 50, Defect.NOT_MEDIA),
        (b'{"error": {"message": "expired"}}', Defect.NOT_MEDIA),
        (b"#EXTM3U\n#EXTINF:4,\nhttp://127.0.0.1:9/secret.ts\n#EXT-X-ENDLIST\n", Defect.NOT_MEDIA),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", Defect.NOT_MEDIA),
        (bytes(100_000), Defect.NOT_MEDIA),
    ],
    ids=["nothing", "html", "json", "playlist", "concat", "zeros"],
)
async def test_a_file_that_is_no_video_is_recognized(
    tmp_path: Path, body: bytes, lack: Defect
) -> None:
    video = tmp_path / "video.mp4"
    video.write_bytes(body)

    seen = await inspect_file(video)

    assert lacks(seen) == [lack]
    failure = defect_failure(find_defects(seen, 4, SIZE, audio_expected=True))
    assert failure is not None
    assert (failure.kind, failure.fault) == (FailureKind.DEGRADED, Fault.UPSTREAM)
    assert failure.rule == f"inspection:{lack}"


def png(path: Path, width: int, height: int, grey: int = 200) -> Path:
    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)

    packer = zlib.compressobj()
    line = b"\0" + bytes([grey]) * width
    pixels = b"".join(packer.compress(line) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    return path


def encoded(path: Path, codec: str, pix_fmt: str) -> Path:
    encoder = av.CodecContext.create(codec, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, pix_fmt
    encoder.framerate = FPS  # type: ignore[assignment]
    frame = picture(0, still).reformat(format=pix_fmt)
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    path.write_bytes(b"".join(bytes(packet) for packet in packets))
    return path


async def test_a_png_as_ordered_has_no_defects(tmp_path: Path) -> None:
    seen = await inspect_file(png(tmp_path / "image", WIDTH, HEIGHT))

    assert seen.is_image
    assert lacks(seen, seconds=0) == []
    assert lacks(seen, seconds=0, size="1024x1024") == [Defect.WRONG_SIZE]
    assert lacks(seen, seconds=4) == [Defect.WRONG_MEDIUM]


async def test_a_black_image_is_black(tmp_path: Path) -> None:
    seen = await inspect_file(png(tmp_path / "image", WIDTH, HEIGHT, grey=0))

    assert lacks(seen, seconds=0) == [Defect.BLACK]


@pytest.mark.parametrize(("codec", "pix_fmt"), [("mjpeg", "yuvj420p"), ("libwebp", "yuv420p")])
async def test_other_image_formats_are_read(tmp_path: Path, codec: str, pix_fmt: str) -> None:
    seen = await inspect_file(encoded(tmp_path / "image", codec, pix_fmt))

    assert (seen.width, seen.height) == (WIDTH, HEIGHT)
    assert seen.is_image
    assert lacks(seen, seconds=0) == []


async def test_a_video_in_place_of_an_image_is_recognized(tmp_path: Path) -> None:
    seen = await inspect_file(write(tmp_path / "video.mp4", moving, seconds=1))

    assert lacks(seen, seconds=0) == [Defect.WRONG_MEDIUM]


async def test_an_image_that_would_fill_the_memory_is_not_decoded(tmp_path: Path) -> None:
    bomb = png(tmp_path / "image", 20_000, 20_000)

    seen = await inspect_file(bomb)

    assert bomb.stat().st_size < 1_000_000
    assert seen.frames == 0
    assert lacks(seen, seconds=0, size="1024x1024") == [Defect.NOT_MEDIA]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no resource limits")
async def test_a_worker_out_of_memory_says_nothing_against_the_service(tmp_path: Path) -> None:
    video = write(tmp_path / "video.mp4", moving)

    seen = await inspect_file(video, InspectionLimits(memory_bytes=64 * 1024**2))

    failure = defect_failure(find_defects(seen, 4, SIZE, audio_expected=True))
    assert failure is not None
    assert (failure.kind, failure.fault) == (FailureKind.UNKNOWN, Fault.OURS)
    assert failure.rule == "inspection:not_checked"


async def test_a_worker_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    video = write(tmp_path / "video.mp4", moving)

    seen = await inspect_file(video, InspectionLimits(wall_time=timedelta(milliseconds=1)))

    assert seen.hit_limit
    assert lacks(seen) == [Defect.NOT_CHECKED]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes")
async def test_an_inspection_that_is_cancelled_ends_its_worker(tmp_path: Path) -> None:
    pipe = tmp_path / "video.mp4"
    os.mkfifo(pipe)
    task = asyncio.create_task(inspect_file(pipe))
    to_worker = await asyncio.to_thread(pipe.open, "wb", buffering=0)  # until the worker reads

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    with to_worker, pytest.raises(BrokenPipeError):
        to_worker.write(bytes(1_000_000))


async def test_a_missing_file_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await inspect_file(tmp_path / "video.mp4")


async def test_the_decoder_stays_out_of_our_process() -> None:
    # This file imports it to make videos, hence a fresh interpreter.
    code = "import sys, tallylight.upstreams.defects; sys.exit('av' in sys.modules)"

    fresh = await asyncio.create_subprocess_exec(sys.executable, "-c", code)

    assert await fresh.wait() == 0
