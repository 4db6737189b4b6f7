"""The videos are real: they decode, move, have sound, and have the requested defects."""

import io
from collections.abc import Iterator

import av
import pytest
from av.error import FFmpegError

from tallylight.simulator.faults import VideoDefect
from tallylight.simulator.media import render_image, render_output
from tallylight.simulator.outcomes import OutputSpec


def frames(data: bytes) -> Iterator[bytes]:
    with av.open(io.BytesIO(data), "r") as container:
        for frame in container.decode(video=0):
            luma = frame.planes[0]
            rows = memoryview(luma)
            starts = range(0, luma.line_size * frame.height, luma.line_size)
            yield b"".join(rows[start : start + frame.width] for start in starts)


@pytest.mark.parametrize(
    ("size", "seconds"), [("1280x720", 4), ("720x1280", 8), ("1280x704", 10), ("1536x672", 5)]
)
def test_a_clip_has_the_requested_size_and_length_and_an_audio_track(
    size: str, seconds: int
) -> None:
    data = render_output(OutputSpec("sora-2", size, seconds))

    with av.open(io.BytesIO(data), "r") as container:
        picture = container.streams.video[0]
        assert f"{picture.width}x{picture.height}" == size
        assert picture.codec_context.name == "h264"
        assert container.streams.audio[0].codec_context.name == "aac"
        assert container.duration is not None
        assert container.duration / av.time_base == pytest.approx(seconds, abs=0.15)
        assert sum(1 for _ in container.decode(audio=0)) > seconds * 20


def test_an_intact_clip_moves() -> None:
    images = list(frames(render_output(OutputSpec("sora-2", "320x180", 2))))

    assert len(images) == 20
    assert len(set(images)) == len(images)


def test_a_frozen_clip_does_not_move() -> None:
    data = render_output(OutputSpec("sora-2", "320x180", 2, VideoDefect.FROZEN))

    first, *others = frames(data)
    for other in others:
        drift = sum(abs(a - b) for a, b in zip(first, other, strict=True)) / len(first)
        assert drift < 0.5  # of 256 steps: what a lossy encoder changes by itself


def test_a_black_clip_is_black() -> None:
    data = render_output(OutputSpec("sora-2", "320x180", 2, VideoDefect.BLACK))

    assert max(max(frame) for frame in frames(data)) <= 18


def test_a_silent_clip_has_no_audio_track() -> None:
    data = render_output(OutputSpec("sora-2", "320x180", 2, VideoDefect.SILENT))

    with av.open(io.BytesIO(data), "r") as container:
        assert not container.streams.audio


def test_a_broken_clip_does_not_open() -> None:
    data = render_output(OutputSpec("sora-2", "320x180", 2, VideoDefect.BROKEN))

    assert data[4:8] == b"ftyp"
    with pytest.raises(FFmpegError):
        av.open(io.BytesIO(data)).close()


def test_an_empty_clip_has_no_bytes() -> None:
    assert render_output(OutputSpec("sora-2", "320x180", 2, VideoDefect.EMPTY)) == b""


@pytest.mark.parametrize(("form", "head"), [("png", b"\x89PNG"), ("webp", b"RIFF")])
def test_images_are_valid(form: str, head: bytes) -> None:
    data = render_image("640x360", form)

    assert data.startswith(head)
    with av.open(io.BytesIO(data), "r") as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (640, 360)


def test_the_same_clip_is_encoded_once() -> None:
    output = OutputSpec("sora-2", "320x180", 3)

    assert render_output(output) is render_output(output)
