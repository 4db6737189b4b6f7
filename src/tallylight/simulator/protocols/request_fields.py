"""The fields of a Videos API request, from multipart or JSON."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from json import JSONDecodeError

from starlette.datastructures import UploadFile
from starlette.requests import Request

from tallylight.simulator.refusals import InvalidRequestError
from tallylight.simulator.scenario import ScenarioService

_MAX_PROMPT_LENGTH = 32_000
_MAX_IMAGE_BYTES = 20_971_520


def missing_parameter(name: str) -> InvalidRequestError:
    """Return the error for a missing parameter."""
    return InvalidRequestError(
        f"Missing required parameter: '{name}'.", name, "missing_required_parameter"
    )


def unsupported_value(name: str, value: object, allowed: Iterable[object]) -> InvalidRequestError:
    """Return the error for a value that is not in a list."""
    supported = ", ".join(f"'{one}'" for one in allowed)
    message = f"Invalid value: '{value}'. Supported values are: {supported}."
    return InvalidRequestError(message, name, "invalid_value")


@dataclass(frozen=True, slots=True)
class RequestFields:
    """The fields of a request; in JSON they have types, in a form they are all text."""

    values: Mapping[str, object]
    is_form: bool

    def text(self, name: str) -> str | None:
        """Return a text field, None if it is absent; raise InvalidRequestError for another type."""
        value = self.values.get(name)
        if value is None or isinstance(value, str):
            return value
        raise InvalidRequestError(
            f"Invalid type for '{name}': expected a string, but got {_type_name(value)} instead.",
            name,
            "invalid_type",
        )

    def lenient_flag(self, name: str) -> bool | None:
        """Return a boolean, also from the text of one; None for anything else."""
        return {"true": True, "false": False}.get(str(self.values.get(name)).lower())

    def lenient_integer(self, name: str) -> int | None:
        """Return a whole number, also from the text of one; None for anything else."""
        text = str(self.values.get(name)).strip()
        return int(text) if text.isdecimal() else None

    def lenient_text(self, name: str) -> str:
        """Return a text, "" for anything else."""
        value = self.values.get(name)
        return value if isinstance(value, str) else ""

    def reject_unknown(self, known: frozenset[str]) -> None:
        """Raise InvalidRequestError for a field that the operation does not have."""
        for name in self.values:
            if name not in known:
                raise InvalidRequestError(
                    f"Unknown parameter: '{name}'.", name, "unknown_parameter"
                )


def _type_name(value: object) -> str:
    match value:
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a number"
        case list():
            return "an array"
        case UploadFile():
            return "a file"
        case _:
            return "an object"


async def parse_fields(request: Request) -> RequestFields:
    """Parse a body as a form or JSON; raise InvalidRequestError if it is neither."""
    body = await request.body()
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if kind in {"multipart/form-data", "application/x-www-form-urlencoded"}:
        form = await request.form(max_part_size=_MAX_IMAGE_BYTES)
        return RequestFields(dict(form.items()), is_form=True)
    if not body:
        return RequestFields({}, is_form=False)
    try:
        document = await request.json()
    except (JSONDecodeError, UnicodeDecodeError) as error:
        raise InvalidRequestError("We could not parse the JSON body of your request.") from error
    if not isinstance(document, dict):
        raise InvalidRequestError("Invalid body: expected an object.")
    return RequestFields(document, is_form=False)


def parse_prompt(fields: RequestFields) -> str:
    """Return the prompt; raise InvalidRequestError if it is missing, empty or too long."""
    prompt = fields.text("prompt")
    if not prompt:
        raise missing_parameter("prompt")
    if len(prompt) > _MAX_PROMPT_LENGTH:
        raise InvalidRequestError(
            f"Invalid 'prompt': string too long. Expected a string with maximum length "
            f"{_MAX_PROMPT_LENGTH}, but got a string with length {len(prompt)} instead.",
            "prompt",
            "string_above_max_length",
        )
    return prompt


def parse_clip_length(fields: RequestFields, service: ScenarioService, *, strict: bool) -> int:
    """Return an offered length, or raise InvalidRequestError; a strict server takes text only."""
    value = fields.values.get("seconds")
    if value is None and not strict:
        value = fields.values.get("duration")
    if value is None:
        return service.lengths[0] if service.lengths else 0
    if strict and not isinstance(value, str):
        allowed = ", ".join(f"'{length}'" for length in sorted(service.lengths))
        raise InvalidRequestError(
            f"Invalid type for 'seconds': expected one of {allowed}, but got {_type_name(value)}"
            " instead.",
            "seconds",
            "invalid_type",
        )
    if not str(value).isdecimal() or int(str(value)) not in service.lengths:
        raise unsupported_value("seconds", value, sorted(service.lengths))
    return int(str(value))


def parse_frame_size(fields: RequestFields, service: ScenarioService) -> str:
    """Return the frame size; raise InvalidRequestError if the service does not offer it."""
    size = fields.text("size")
    if size is None:
        return service.sizes[0]
    if size not in service.sizes:
        raise unsupported_value("size", size, service.sizes)
    return size


def parse_source_video(fields: RequestFields) -> str | None:
    """Return the id of the source video of an edit or extension; None for an uploaded file.

    Raises InvalidRequestError if there is neither.
    """
    video = fields.values.get("video")
    if isinstance(video, dict) and isinstance(video.get("id"), str):
        return str(video["id"])
    if isinstance(video, UploadFile):
        return None
    bracketed = fields.text("video[id]")
    if bracketed:
        return bracketed
    raise missing_parameter("video")


def bearer_token(request: Request) -> str:
    """Return the token of the Authorization header, "" for none."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""
