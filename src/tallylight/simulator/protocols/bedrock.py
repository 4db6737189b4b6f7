"""Amazon Bedrock's asynchronous invocations, and the buckets that take their films.

Sources: PyPI botocore `bedrock-runtime/2023-09-30`, docs.aws.amazon.com/bedrock ("Luma AI models",
"Nova Reel") as stored in 2026. How an unknown ARN is refused, and whether the place in a bucket is
told with the id of the invocation, is not verified; a page has fewer entries than it may have.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from pydantic import JsonValue
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from tallylight.simulator.exchange import RouteMaker
from tallylight.simulator.faults import Endpoint
from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.kernel import Exchange, Kernel
from tallylight.simulator.outcomes import JobFailure, JobStatus
from tallylight.simulator.protocols.aws_signatures import SignatureCheck, SignatureError
from tallylight.simulator.protocols.bedrock_texts import (
    ACCESS_DENIED,
    BedrockTexts,
    BucketTexts,
    aws_refusal,
    refused_by_s3,
    refused_signature,
)
from tallylight.simulator.protocols.contents import file_response
from tallylight.simulator.protocols.json_fields import JsonFields, offered_size, parse_json_body
from tallylight.simulator.reading import InputReading, OrderReading, sized_reading
from tallylight.simulator.refusals import (
    InvalidRequestError,
    UnknownJobError,
    UnknownKeyError,
    UnknownModelError,
    UnknownPathError,
)
from tallylight.simulator.scenario import ScenarioKey, ScenarioService
from tallylight.simulator.twin import ClientSettings, Twin
from tallylight.simulator.world import JobRequest

_REGION, _ACCOUNT = "us-west-2", "123456789012"
_STORAGE = "/s3"
_BUCKET, _PUBLIC_BUCKET = "simulated-bucket", "simulated-public-bucket"
_PLACE = re.compile(r"s3://([a-z0-9][.\-a-z0-9]{1,61}[a-z0-9])((?:/.{0,900})?)")
_ARN = re.compile(r"arn:aws:bedrock:[a-z0-9-]{1,20}:\d{12}:async-invoke/[a-z0-9]{12}")
_TOKEN = re.compile(r"[!-~]{1,256}")
_MOST_RESULTS, _PAGE = 1000, 50
_STATUS_WORDS = {JobStatus.COMPLETED: "Completed", JobStatus.FAILED: "Failed"}
_FILTERED = (
    "The request was blocked by our content filters. Please change the prompt and try again."
)

_FIELDS = frozenset({"clientRequestToken", "modelId", "modelInput", "outputDataConfig", "tags"})
_LUMA_FIELDS = frozenset({"prompt", "aspect_ratio", "loop", "duration", "resolution", "keyframes"})
_LUMA_RATIOS = ("16:9", "1:1", "9:16", "4:3", "3:4", "21:9", "9:21")
_LUMA_LENGTHS = {"5s": 5, "9s": 9}
_LUMA_FRAMES = {"frame0": "first_frame", "frame1": "last_frame"}
_MOST_LUMA_TEXT, _MOST_NOVA_TEXT = 5000, 512
_NOVA_FIELDS = frozenset({"taskType", "textToVideoParams", "videoGenerationConfig"})
_NOVA_FPS = 24
_MAX_SEED = 2_147_483_646


def _client_settings(key: ScenarioKey, base_url: str) -> ClientSettings:
    bucket = _BUCKET if key.secret else _PUBLIC_BUCKET
    options: dict[str, JsonValue] = {
        "bucket": f"s3://{bucket}/films",
        "region": _REGION,
        "storage_url": base_url + _STORAGE,
    }
    if not key.secret:
        return {"key": key.key, "options": options}
    # The secret half of a pair signs; the other half is no secret.
    return {"key": key.secret, "options": {**options, "access_key": key.key}}


def _routes(kernel: Kernel) -> list[BaseRoute]:
    jobs = _Invocations(kernel)
    maker, bucket = RouteMaker(kernel, BedrockTexts()), RouteMaker(kernel, BucketTexts())
    return [
        maker.check_route("/foundation-models/{model}", jobs.model),
        maker.route("/async-invoke", jobs.create, "POST"),
        maker.check_route("/async-invoke", jobs.list),
        maker.route("/async-invoke/{arn:path}", jobs.get),
        bucket.file_route(_STORAGE + "/{bucket}/{key:path}", jobs.object),
        maker.unknown_paths(),
    ]


class _Invocations:
    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._world = kernel.world
        self._api = SignatureCheck(_REGION, "bedrock", kernel.find_key)
        self._storage = SignatureCheck(_REGION, "s3", kernel.find_key, is_path_plain=True)
        self._places: dict[str, str] = {}
        #: What was sent with each token of a key.
        self._sent: dict[tuple[str, str], Mapping[str, object]] = {}

    async def _authenticate(self, exchange: Exchange) -> ScenarioKey:
        scheme, _, key = exchange.request.headers.get("authorization", "").partition(" ")
        if scheme != "AWS4-HMAC-SHA256":
            known = self._kernel.authenticate(key if scheme == "Bearer" else "")
            if known.secret:
                raise UnknownKeyError(key)
            return known
        now = self._world.clock.unix_time()
        try:
            pair = await self._api.signer_of(exchange.request, now)
        except SignatureError as error:
            raise refused_signature(error) from error
        return self._kernel.authenticate(pair.key)

    async def model(self, exchange: Exchange) -> Response:
        """Return one model, with the end of its life if it is known."""
        key, model = await self._authenticate(exchange), exchange.request.path_params["model"]
        if model not in self._kernel.listed_models(key):
            raise UnknownModelError(model)
        ends = self._kernel.service(self._kernel.find_service(model, key)).wire.get("ends")
        lifecycle = {"status": "LEGACY", "endOfLifeTime": ends} if ends else {"status": "ACTIVE"}
        details = {"modelId": model, "modelArn": _model_arn(model), "modelLifecycle": lifecycle}
        return JSONResponse({"modelDetails": details})

    async def create(self, exchange: Exchange) -> Response:
        """Accept an invocation; the same one again for a token that was used."""
        key = await self._authenticate(exchange)
        fields = await parse_json_body(exchange.request)
        _reject_unknown(fields, _FIELDS)
        token = fields.text("clientRequestToken") or self._world.random_hex(32)
        if not _TOKEN.fullmatch(token):
            raise InvalidRequestError("failed to satisfy constraint", "clientRequestToken")
        if (known := self._kernel.find_mark(key, token)) is not None:
            if self._sent[key.key, token] != fields.values:
                raise aws_refusal("ConflictException", "The token was used with other parameters.")
            return JSONResponse({"invocationArn": known.id})
        model, place = fields.text("modelId"), _place(fields)
        try:
            name = self._kernel.find_service(model, key)
        except UnknownModelError:
            if self._kernel.is_offered(model):
                text = "You don't have access to the model with the specified model ID."
                raise aws_refusal(ACCESS_DENIED, text) from None
            raise
        reading = _read(self._kernel.service(name), model, _object(fields, "modelInput"))
        id_ = self._world.random_hex(12)
        arn = f"arn:aws:bedrock:{_REGION}:{_ACCOUNT}:async-invoke/{id_}"
        self._places[arn], self._sent[key.key, token] = f"{place}/{id_}", fields.values
        self._kernel.create(exchange, key, JobRequest(name, reading, mark=token), arn)
        return JSONResponse({"invocationArn": arn})

    async def get(self, exchange: Exchange) -> Response:
        """Return an invocation; its ARN is one segment of the path."""
        key, arn = await self._authenticate(exchange), exchange.request.path_params["arn"]
        raw = exchange.request.scope["raw_path"].decode("ascii").partition("/async-invoke/")[2]
        if "/" in raw:
            raise UnknownPathError
        if not _ARN.fullmatch(arn):
            raise InvalidRequestError("failed to satisfy constraint", "invocationArn")
        job = self._kernel.job(exchange, arn, Endpoint.POLL)
        if job.key != key.key:
            raise UnknownJobError(arn)
        return JSONResponse(self._invocation(job))

    async def list(self, exchange: Exchange) -> Response:
        """Return a page of the invocations of a key."""
        key, query = await self._authenticate(exchange), exchange.request.query_params
        most = query.get("maxResults", str(_PAGE))
        if not most.isdecimal() or not 1 <= int(most) <= _MOST_RESULTS:
            raise InvalidRequestError(f"Expected 1 to {_MOST_RESULTS}", "maxResults")
        found = [self._invocation(job) for job in self._kernel.jobs(exchange) if job.key == key.key]
        if query.get("sortOrder", "Descending") == "Descending":
            found.reverse()
        if wanted := query.get("statusEquals"):
            found = [each for each in found if each["status"] == wanted]
        if after := query.get("submitTimeAfter"):
            found = [each for each in found if _time(str(each["submitTime"])) >= _time(after)]
        start, size = _offset(query.get("nextToken", "")), min(int(most), _PAGE)
        answer: dict[str, JsonValue] = {"asyncInvokeSummaries": [*found[start:][:size]]}
        if len(found) > start + size:
            answer["nextToken"] = _cursor(start + size)
        return JSONResponse(answer)

    async def object(self, exchange: Exchange) -> Response:
        """Return a film; one bucket may be read by anybody."""
        path, request = exchange.request.path_params, exchange.request
        place = f"s3://{path['bucket']}/{path['key']}"
        authorization = request.headers.get("authorization", "")
        if authorization.startswith("Bearer"):
            raise InvalidRequestError("Unsupported Authorization Type")
        if not authorization and path["bucket"] != _PUBLIC_BUCKET:
            raise UnknownKeyError("")
        if authorization:
            try:
                await self._storage.signer_of(request, self._world.clock.unix_time())
            except SignatureError as error:
                raise refused_by_s3(error) from error
        arn = next((arn for arn, each in self._places.items() if place == f"{each}/output.mp4"), "")
        job = self._kernel.result(exchange, arn, Endpoint.CONTENT)
        return await file_response(self._world, request, job)

    def _invocation(self, job: SimulatedJob) -> dict[str, JsonValue]:
        status, failure = self._kernel.progress(job).status, self._kernel.failure(job)
        told: dict[str, JsonValue] = {
            "invocationArn": job.id,
            "modelArn": _model_arn(job.outcome.output.model),
            "clientRequestToken": job.mark,
            "status": _STATUS_WORDS.get(status, "InProgress"),
            "submitTime": self._moment(job.accepted_at),
            "lastModifiedTime": self._moment(job.accepted_at),
            "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": self._places[job.id]}},
        }
        if failure is not None:
            told["failureMessage"] = _failure_message(failure)
        if status.is_final:
            told["endTime"] = told["lastModifiedTime"] = self._moment(job.ends_at or 0.0)
        return told

    def _moment(self, second: float) -> str:
        return self._world.clock.datetime_at(second).isoformat().replace("+00:00", "Z")


def _failure_message(failure: JobFailure) -> str:
    return _FILTERED if failure.code == "moderation_blocked" else failure.message


def _model_arn(model: str) -> str:
    return f"arn:aws:bedrock:{_REGION}::foundation-model/{model}"


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidRequestError("is not a time", "submitTimeAfter") from error


def _cursor(offset: int) -> str:
    """Return an opaque text, with the characters that a query has to escape."""
    return base64.b64encode(b"\xfb\xff\xbe" + str(offset).encode()).decode()


def _offset(cursor: str) -> int:
    if not cursor:
        return 0
    try:
        return int(base64.b64decode(cursor, validate=True)[3:])
    except (binascii.Error, ValueError) as error:
        raise InvalidRequestError("is not a token of ours", "nextToken") from error


def _object(fields: JsonFields, name: str) -> JsonFields:
    given = fields.values.get(name)
    if not isinstance(given, dict):
        raise InvalidRequestError("Member must be an object", name)
    return JsonFields(given)


def _place(fields: JsonFields) -> str:
    config = _object(_object(fields, "outputDataConfig"), "s3OutputDataConfig")
    found = _PLACE.fullmatch(config.text("s3Uri"))
    if found is None:
        raise InvalidRequestError("failed to satisfy constraint", "s3Uri")
    if found[1] not in {_BUCKET, _PUBLIC_BUCKET}:
        raise InvalidRequestError("Invalid Output Config/Credentials")
    return found[0].rstrip("/")


def _reject_unknown(fields: JsonFields, known: frozenset[str]) -> None:
    for name in fields.values.keys() - known:
        text = f"Malformed input request: #: extraneous key [{name}] is not permitted"
        raise InvalidRequestError(text)


def _read(service: ScenarioService, model: str, given: JsonFields) -> OrderReading:
    """Return what a model reads from its input."""
    return (_read_nova if "nova-reel" in model else _read_luma)(service, model, given)


def _read_luma(service: ScenarioService, model: str, given: JsonFields) -> OrderReading:
    _reject_unknown(given, _LUMA_FIELDS)
    given.flag("loop")
    prompt = _prompt(given, "prompt", _MOST_LUMA_TEXT)
    seconds = _LUMA_LENGTHS[given.choice("duration", tuple(_LUMA_LENGTHS))]
    resolution = given.choice("resolution", ("720p", "540p"))
    aspect = given.choice("aspect_ratio", _LUMA_RATIOS)
    size = offered_size(service.sizes, ("resolution", resolution), ("aspect_ratio", aspect))
    sized = sized_reading(prompt, size, seconds, model)
    return replace(sized, inputs=tuple(_luma_frames(given)))


def _luma_frames(given: JsonFields) -> Iterator[InputReading]:
    if "keyframes" not in given.values:
        return
    frames = _object(given, "keyframes")
    _reject_unknown(frames, frozenset(_LUMA_FRAMES))
    for name in sorted(frames.values):
        frame = _object(frames, name)
        source = _object(frame, "source")
        if (frame.text("type"), source.text("type")) != ("image", "base64"):
            raise InvalidRequestError("Expected an image in base64", name)
        media_type = source.text("media_type")
        if not media_type.startswith("image/"):
            raise InvalidRequestError("Expected the type of an image", name)
        yield InputReading(_LUMA_FRAMES[name], "image", _picture(source.text("data"), name))


def _read_nova(service: ScenarioService, model: str, given: JsonFields) -> OrderReading:
    _reject_unknown(given, _NOVA_FIELDS)
    if given.text("taskType") != "TEXT_VIDEO":
        raise InvalidRequestError("Expected TEXT_VIDEO", "taskType")
    text, config = _object(given, "textToVideoParams"), _object(given, "videoGenerationConfig")
    prompt = _prompt(text, "text", _MOST_NOVA_TEXT)
    seconds, fps = config.integer("durationSeconds"), config.integer("fps")
    if seconds not in service.lengths or fps != _NOVA_FPS:
        raise InvalidRequestError("Expected 6 s at 24 fps", "videoGenerationConfig")
    if (size := config.text("dimension")) not in service.sizes:
        raise InvalidRequestError("Expected 1280x720", "dimension")
    seed = config.integer("seed")
    if seed is not None and not 0 <= seed <= _MAX_SEED:
        raise InvalidRequestError(f"Expected 0 to {_MAX_SEED}", "seed")
    pictures = tuple(_nova_pictures(text))
    if len(pictures) > 1:
        raise InvalidRequestError("Expected one image", "images")
    sized = sized_reading(prompt, size, seconds, model)
    return replace(sized, seed=seed, inputs=pictures)


def _nova_pictures(text: JsonFields) -> Iterator[InputReading]:
    for each in text.items("images"):
        each.choice("format", ("png", "jpeg"))
        source = _object(each, "source")
        yield InputReading("first_frame", "image", _picture(source.text("bytes"), "images"))


def _prompt(given: JsonFields, name: str, most: int) -> str:
    prompt = given.text(name)
    if not 1 <= len(prompt) <= most:
        raise InvalidRequestError(f"Expected 1 to {most} characters", name)
    return prompt


def _picture(data: str, name: str) -> str:
    try:
        return f"{len(base64.b64decode(data, validate=True))} bytes"
    except binascii.Error as error:
        raise InvalidRequestError("Expected base64", name) from error


TWIN = Twin("bedrock", ("bedrock",), "", _routes, _client_settings)
