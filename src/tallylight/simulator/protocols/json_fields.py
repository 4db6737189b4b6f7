"""The fields of a JSON object, read as strictly as the makers of the larger APIs do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from json import JSONDecodeError

from starlette.requests import Request

from tallylight.simulator.protocols.references import parse_image_url
from tallylight.simulator.reading import matching_size
from tallylight.simulator.refusals import InvalidRequestError


@dataclass(frozen=True, slots=True)
class JsonFields:
    """Fields by name; each method raises InvalidRequestError for a value of another type."""

    values: Mapping[str, object]

    def text(self, name: str) -> str:
        """Return a text, "" for none."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, str):
            raise InvalidRequestError("Input should be a valid string", name)
        return value or ""

    def integer(self, name: str) -> int | None:
        """Return a whole number, None for none."""
        value = self.values.get(name)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        raise InvalidRequestError("Input should be a valid integer", name)

    def flag(self, name: str) -> bool | None:
        """Return a boolean, None for none."""
        value = self.values.get(name)
        if value is None or isinstance(value, bool):
            return value
        raise InvalidRequestError("Input should be a valid boolean", name)

    def address(self, name: str, code: str, medium: str = "image") -> str:
        """Return a URL, or the description of a data URL of a medium; "" for none."""
        value = self.values.get(name)
        if value is None:
            return ""
        try:
            return parse_image_url(value, medium)
        except InvalidRequestError as error:
            raise InvalidRequestError(error.message, name, code) from error

    def items(self, name: str) -> "list[JsonFields]":
        """Return the objects of an array, none for none."""
        values = self.values.get(name)
        if values is None:
            return []
        if not isinstance(values, list) or not all(isinstance(each, dict) for each in values):
            raise InvalidRequestError("Input should be an array of objects", name)
        return [JsonFields(each) for each in values]

    def choice(self, name: str, allowed: Sequence[str]) -> str:
        """Return one of several texts, by default the first."""
        value = self.text(name) or allowed[0]
        if value not in allowed:
            raise InvalidRequestError(f"Input should be one of {', '.join(allowed)}", name)
        return value


def offered_size(sizes: Sequence[str], resolution: tuple[str, str], aspect: tuple[str, str]) -> str:
    """Return the first offered size of a class and an aspect, each with the name of its field."""
    if matching_size(sizes, resolution[1]) is None:
        raise InvalidRequestError(f"'{resolution[1]}' is not supported", resolution[0])
    size = matching_size(sizes, resolution[1], aspect[1])
    if size is None:
        raise InvalidRequestError(f"'{aspect[1]}' is not supported", aspect[0])
    return size


async def parse_json_body(request: Request) -> JsonFields:
    """Parse a body that is a JSON object; raise InvalidRequestError for anything else."""
    try:
        document = await request.json()
    except (JSONDecodeError, UnicodeDecodeError) as error:
        raise InvalidRequestError("The body is not JSON") from error
    if not isinstance(document, dict):
        raise InvalidRequestError("The body is not an object")
    return JsonFields(document)
