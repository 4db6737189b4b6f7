"""Small readers of request bodies, written from the APIs' descriptions and not from our wordings.

The twin of a protocol in the simulator takes the place of its reader here once it reads all of
these members.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Body = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What a server reads in a request; None where it reads nothing."""

    model: object = None
    prompt: object = None
    seconds: int | None = None
    size: str | None = None
    resolution: str | None = None
    aspect: str | None = None
    audio: bool | None = None
    quality: str | None = None
    count: int | None = None
    seed: int | None = None
    negative: str | None = None


Reader = Callable[[Body], ReadBack]


def read_videos_api(body: Body) -> ReadBack:
    """Read OpenAI's fields: `seconds` is text, and so is every field of a form."""
    assert isinstance(body.get("seconds", ""), str)
    return _videos(body, body.get("seconds"))


def read_new_api(body: Body) -> ReadBack:
    """Read a relay's fields: some channels read `duration`, a number, others `seconds`."""
    assert "duration" not in body or str(body["duration"]) == body["seconds"]
    return _videos(body, body.get("duration"))


def read_sglang(body: Body) -> ReadBack:
    """Read SGLang's fields: `seconds` is a number."""
    assert isinstance(body.get("seconds", 0), int)
    return _videos(body, body.get("seconds"))


def _videos(body: Body, seconds: object) -> ReadBack:
    sound = body.get("generate_sound", body.get("generate_audio"))
    return ReadBack(
        body.get("model"),
        body.get("prompt"),
        _number(seconds),
        size=_text(body.get("size")),
        audio=None if sound is None else sound in {True, "true"},
        quality=_text(body.get("quality")),
        seed=_number(body.get("seed")),
        negative=_text(body.get("negative_prompt")),
    )


def read_chat(body: Body) -> ReadBack:
    """Read the fields beside the messages of a chat."""
    return ReadBack(
        audio=_flag(body.get("generate_audio")),
        quality=_text(body.get("quality")),
        seed=_number(body.get("seed")),
        negative=_text(body.get("negative_prompt")),
    )


def read_fal(body: Body) -> ReadBack:
    """Read the inputs of fal's models: the model is the path, a length is 5, "5" or "5s"."""
    resolution, aspect = _text(body["resolution"]), _text(body.get("aspect_ratio"))
    return ReadBack(
        None,
        body["prompt"],
        int(str(body["duration"]).removesuffix("s")),
        resolution=None if resolution is None else resolution.lower(),
        aspect=aspect or "input",
        audio=_flag(body.get("generate_audio")),
        seed=_number(body.get("seed")),
    )


def read_kling(body: Body) -> ReadBack:
    """Read Kling's fields: the mode is the resolution, the length is text, sound is on or off."""
    assert isinstance(body["duration"], str)
    sound = body.get("sound")
    return ReadBack(
        body["model_name"],
        body["prompt"],
        int(body["duration"]),
        resolution={"std": "720p", "pro": "1080p", "4k": "4k"}[str(body["mode"])],
        aspect=_text(body.get("aspect_ratio")) or "input",
        audio=None if sound is None else {"on": True, "off": False}[str(sound)],
        negative=_text(body.get("negative_prompt")),
    )


def read_images(body: Body) -> ReadBack:
    """Read the fields of OpenAI's images."""
    return ReadBack(
        body["model"],
        body["prompt"],
        size=_text(body.get("size")),
        quality=_text(body.get("quality")),
        count=_number(body["n"]),
    )


def read_plain(body: Body) -> ReadBack:
    """Read an API that has a member for each measure."""
    return ReadBack(
        body["model"],
        body["prompt"],
        _number(body.get("seconds")),
        resolution=_text(body.get("resolution")),
        # One like that of the picture is left out.
        aspect=_text(body.get("aspect")) or ("input" if "resolution" in body else None),
        audio=_flag(body.get("audio")),
        quality=_text(body.get("quality")),
        count=_number(body["count"]),
        seed=_number(body.get("seed")),
        negative=_text(body.get("negative")),
    )


def body_of(text: str, form: tuple[tuple[str, str], ...]) -> Body:
    """Return the members of a request in JSON or in a form."""
    found: dict[str, object] = json.loads(text) if text else dict(form)
    return found


def _number(value: object) -> int | None:
    return None if value is None else int(str(value))


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _flag(value: object) -> bool | None:
    assert value is None or isinstance(value, bool)
    return value
