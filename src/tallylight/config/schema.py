"""The JSON Schema of tallylight.yaml, for editors."""

from datetime import timedelta

from pydantic.json_schema import GenerateJsonSchema

from tallylight.config.options import ListenAddress
from tallylight.config.settings import Settings
from tallylight.documents.parsers import OFF, serialize_duration
from tallylight.upstreams.feeds.detection import AUTO
from tallylight.upstreams.feeds.registry import FEED_READERS
from tallylight.upstreams.protocols.registry import PROTOCOLS


class _Generator(GenerateJsonSchema):
    """Writes defaults in the notation of the file."""

    def encode_default(self, dft: object) -> object:
        match dft:
            case timedelta():
                return serialize_duration(dft)
            case ListenAddress():
                return str(dft)
            case tuple():
                return [self.encode_default(each) for each in dft]
            case _:
                return super().encode_default(dft)


def configuration_schema() -> dict[str, object]:
    """Return the schema, with the protocols, dialects and feed formats of this version."""
    found = Settings.model_json_schema(schema_generator=_Generator)
    definitions = found["$defs"]
    upstream = definitions["UpstreamOptions"]["properties"]
    upstream["protocol"]["enum"] = list(PROTOCOLS)
    upstream["dialect"]["enum"] = [
        "",
        *sorted({name for each in PROTOCOLS.values() for name in each.dialects}),
    ]
    definitions["FeedOptions"]["properties"]["format"]["enum"] = [AUTO, *FEED_READERS]
    definitions["ProbeOptions"]["properties"]["generation"]["default"] = OFF
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **found,
        "title": "tallylight.yaml",
    }
