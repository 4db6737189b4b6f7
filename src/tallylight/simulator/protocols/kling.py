"""Kling's own API: tasks are addressed by kind, and one HTTP status carries five meanings.

Sources: inference-sh/grid `api/klingai/docs`, vercel/ai `packages/klingai`, QuantumNous/new-api
`relay/channel/task/kling`, as stored in 2026. The code that refuses a repeated external_task_id and
the order of the list are not verified.
"""

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal

import jwt
from pydantic import JsonValue
from starlette.datastructures import QueryParams
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from tallylight.simulator.exchange import RouteMaker
from tallylight.simulator.faults import Endpoint, NamedState
from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.kernel import Exchange, Kernel
from tallylight.simulator.outcomes import JobStatus
from tallylight.simulator.protocols.json_fields import JsonFields, offered_size, parse_json_body
from tallylight.simulator.reading import InputReading, OrderReading, sized_reading
from tallylight.simulator.refusals import InvalidRequestError, UnknownJobError, UnknownModelError
from tallylight.simulator.responses import SimulatedResponse
from tallylight.simulator.scenario import ScenarioKey, ScenarioService
from tallylight.simulator.twin import ClientSettings, RefusalTexts, Twin
from tallylight.simulator.world import JobRequest, Simulation

_HTTP = {
    **dict.fromkeys((1000, 1001, 1002, 1003, 1004), 401),
    **dict.fromkeys((1100, 1101, 1102, 1302, 1303, 1304), 429),
    **dict.fromkeys((1200, 1201, 1300, 1301), 400),
    1103: 403,
    1202: 404,
    1203: 404,
    5000: 500,
    5001: 503,
    5002: 504,
}
_MODES = {"std": "720p", "pro": "1080p", "4k": "4k"}
_RATIOS = ("16:9", "9:16", "1:1")
_MAX_TEXT = 2500
_UNIT_USD = Decimal("0.14")
_MAX_PAGE, _MAX_PAGE_SIZE, _PAGE_SIZE = 1000, 500, 30
_COSTS_INTERVAL_S = 1.0


def _refused(code: int, message: str) -> InvalidRequestError:
    return InvalidRequestError(message, code=str(code))


class _KlingTexts(RefusalTexts):
    def __init__(self, world: Simulation) -> None:
        self._world = world

    def _error(self, code: int, message: str) -> SimulatedResponse:
        request_id = self._world.random_hex(32)
        body: dict[str, JsonValue] = {"code": code, "message": message, "request_id": request_id}
        return SimulatedResponse(_HTTP[code], body)

    def unauthorized(self, key: str) -> SimulatedResponse:  # noqa: ARG002
        return self._error(1002, "Authorization is invalid")

    def unknown_model(self, model: str) -> SimulatedResponse:
        return self._error(1203, f"The requested resource does not exist: model {model}")

    def unknown_job(self, job_id: str) -> SimulatedResponse:
        return self._error(1203, f"The requested resource does not exist: task {job_id}")

    def unknown_path(self, method: str, path: str) -> SimulatedResponse:
        return self._error(1202, f"The requested method is invalid: {method} {path}")

    def invalid_request(self, error: InvalidRequestError) -> SimulatedResponse:
        place = f"{error.param}: " if error.param else ""
        return self._error(int(error.code or 1201), place + error.message)

    def state_error(self, state: NamedState, world: Simulation) -> SimulatedResponse:  # noqa: ARG002
        return self._error(*_STATE_ERRORS[state])


_STATE_ERRORS: Mapping[NamedState, tuple[int, str]] = {
    NamedState.RISK_CONTROL: (1300, "The request triggered a strategy of the platform"),
    NamedState.SUSPENDED: (1100, "The account is in an exceptional state"),
    NamedState.MAINTENANCE: (5001, "The server is temporarily unavailable, under maintenance"),
    NamedState.OVERLOADED: (5000, "Internal error of the server"),
    NamedState.RATE_LIMITED: (1302, "The API request is too fast"),
    NamedState.QUOTA: (1102, "The resource pack is used up or has expired"),
    NamedState.AUTH: (1000, "Authentication failed"),
    NamedState.CONTENT_REJECTED: (1301, "The request triggered the content security policy"),
}


def _account_named_by(
    token: str, find: Callable[[str], ScenarioKey | None], now: float
) -> ScenarioKey:
    """Return the key that a signed token proves; raise with the code of what is wrong with it."""
    try:
        head = jwt.get_unverified_header(token)
        claimed = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError as error:
        raise _refused(1002, "Authorization is not a token") from error
    if (head.get("alg"), head.get("typ")) != ("HS256", "JWT"):
        raise _refused(1002, "The token needs alg HS256 and typ JWT")
    known = find(str(claimed.get("iss")))
    if known is None or not known.secret:
        raise _refused(1002, "The access key does not exist")
    try:
        jwt.decode(
            token,
            known.secret,
            algorithms=["HS256"],
            # The simulation has a clock of its own.
            options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
        )
    except jwt.InvalidTokenError as error:
        raise _refused(1000, "The signature is wrong") from error
    begins, ends = claimed.get("nbf"), claimed.get("exp")
    if not isinstance(begins, int | float) or not isinstance(ends, int | float):
        raise _refused(1002, "The token needs nbf and exp")
    if begins > now:
        raise _refused(1003, "The token is not valid yet")
    if ends <= now:
        raise _refused(1004, "The token has expired")
    return known


def _client_settings(key: ScenarioKey, base_url: str) -> ClientSettings:  # noqa: ARG001
    options: dict[str, JsonValue] = {"usd_per_unit": str(_UNIT_USD)}
    if not key.secret:
        return {"key": key.key, "options": options}
    # The secret half of a pair signs; the other half is no secret.
    return {"key": key.secret, "options": {**options, "access_key": key.key}}


def _routes(kernel: Kernel) -> list[BaseRoute]:
    tasks, maker = _Tasks(kernel), RouteMaker(kernel, _KlingTexts(kernel.world))
    return [
        maker.check_route("/account/costs", tasks.costs),
        maker.route("/v1/videos/{kind}", tasks.create, "POST"),
        maker.route("/v1/videos/{kind}", tasks.list),
        maker.route("/v1/videos/{kind}/{task}", tasks.query),
        maker.unknown_paths(),
    ]


class _Tasks:
    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._world = kernel.world
        self._kinds: dict[str, str] = {}
        self._costs_asked_at: dict[str, float] = {}

    def _authenticate(self, exchange: Exchange) -> ScenarioKey:
        header = exchange.request.headers.get("authorization", "")
        if not header:
            raise _refused(1001, "Authorization is empty")
        scheme, _, token = header.partition(" ")
        if scheme != "Bearer":
            raise _refused(1002, "Authorization is invalid")
        known = self._kernel.find_key(token)
        if known is None or known.secret:
            now = self._world.clock.unix_time()
            known = _account_named_by(token, self._kernel.find_key, now)
        return self._kernel.authenticate(known.key)

    async def create(self, exchange: Exchange) -> Response:
        """Accept a task."""
        key = self._authenticate(exchange)
        kind = exchange.request.path_params["kind"]
        if kind not in _INPUTS:
            raise _refused(1202, f"The requested method is invalid: {kind}")
        fields = await parse_json_body(exchange.request)
        model = fields.text("model_name")
        try:
            name = self._kernel.find_service(model, key)
        except UnknownModelError:
            if self._kernel.is_offered(model):
                raise _refused(1103, "The account has no right to the model") from None
            raise
        reading = read_task(self._kernel.service(name), kind, fields)
        mark = fields.text("external_task_id")
        if mark and self._kernel.find_mark(key, mark):
            raise InvalidRequestError("The id exists already", "external_task_id")
        job_id = str(int(self._world.random_hex(15), 16))
        self._kinds[job_id] = kind
        order = JobRequest(name, reading, mark=mark, is_moderated_first=True)
        job = self._kernel.create(exchange, key, order, job_id)
        return self._answer(self._task(job))

    async def query(self, exchange: Exchange) -> Response:
        """Return a task, if it is asked for by the kind of its create."""
        key = self._authenticate(exchange)
        path = exchange.request.path_params
        job = self._kernel.job(exchange, path["task"], Endpoint.POLL)
        if self._kinds.get(job.id) != path["kind"] or job.key != key.key:
            raise UnknownJobError(job.id)
        return self._answer(self._task(job))

    async def list(self, exchange: Exchange) -> Response:
        """Return a page of the account's tasks of one kind, newest first."""
        key = self._authenticate(exchange)
        kind, query = exchange.request.path_params["kind"], exchange.request.query_params
        number = _page_figure(query, "pageNum", 1, _MAX_PAGE)
        size = _page_figure(query, "pageSize", _PAGE_SIZE, _MAX_PAGE_SIZE)
        jobs = [
            job
            for job in reversed(self._kernel.jobs(exchange))
            if job.key == key.key and self._kinds.get(job.id) == kind
        ]
        return self._answer([self._task(job) for job in jobs[(number - 1) * size :][:size]])

    async def costs(self, exchange: Exchange) -> Response:
        """Return the resource packs of the account, at most once a second."""
        key = self._authenticate(exchange)
        for name in ("start_time", "end_time"):
            if not exchange.request.query_params.get(name, "").isdecimal():
                raise InvalidRequestError("Expected milliseconds", name)
        now = self._world.clock.unix_time()
        if now - self._costs_asked_at.get(key.key, 0.0) < _COSTS_INTERVAL_S:
            raise _refused(1302, "The API request is too fast")
        self._costs_asked_at[key.key] = now
        is_empty = key.state == "exhausted"
        pack: dict[str, JsonValue] = {
            "resource_pack_name": "Video",
            "total_quantity": 1000,
            "remaining_quantity": 0 if is_empty else 1000,  # 12 hours late: it does not move
            "invalid_time": int((now + 30 * 86_400) * 1000),
            "status": "runOut" if is_empty else "online",
        }
        return self._answer({"code": 0, "msg": "", "resource_pack_subscribe_infos": [pack]})

    def _answer(self, data: JsonValue) -> Response:
        request_id = self._world.random_hex(32)
        return JSONResponse(
            {"code": 0, "message": "SUCCEED", "request_id": request_id, "data": data}
        )

    def _task(self, job: SimulatedJob) -> dict[str, JsonValue]:
        status, failure = self._kernel.progress(job).status, self._kernel.failure(job)
        task: dict[str, JsonValue] = {
            "task_id": job.id,
            "task_status": _STATUS_WORDS[status],
            "task_status_msg": failure.message if failure else "",
            "task_info": {"external_task_id": job.mark} if job.mark else {},
            "created_at": job.created_at * 1000,
            "updated_at": int(self._world.clock.unix_time() * 1000),
        }
        if status is JobStatus.COMPLETED:
            video: dict[str, JsonValue] = {
                "id": f"{job.id}0",
                "url": self._world.file_url(job),
                "duration": str(job.outcome.output.seconds),
            }
            task["task_result"] = {"videos": [video]}
            task["final_unit_deduction"] = f"{job.price / _UNIT_USD:.2f}"
        return task


_STATUS_WORDS = {
    JobStatus.QUEUED: "submitted",
    JobStatus.IN_PROGRESS: "processing",
    JobStatus.COMPLETED: "succeed",
    JobStatus.FAILED: "failed",
}


def _page_figure(query: QueryParams, name: str, default: int, most: int) -> int:
    text = query.get(name, str(default))
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise InvalidRequestError(f"Expected 1 to {most}", name)
    return int(text)


def read_task(service: ScenarioService, kind: str, fields: JsonFields) -> OrderReading:
    """Return what a kind of task reads from its body; raise InvalidRequestError."""
    prompt, negative = fields.text("prompt"), fields.text("negative_prompt")
    if not prompt and kind != "image2video":
        raise InvalidRequestError("prompt is required", "prompt")
    if len(prompt) > _MAX_TEXT or len(negative) > _MAX_TEXT:
        raise InvalidRequestError(f"at most {_MAX_TEXT} characters", "prompt")
    inputs = tuple(_INPUTS[kind](fields))
    has_picture = any(each.medium == "image" for each in inputs)
    resolution = _MODES[fields.choice("mode", tuple(_MODES))]
    # With a picture the aspect ratio is ignored.
    aspect = "" if has_picture else fields.choice("aspect_ratio", _RATIOS)
    size = offered_size(service.sizes, ("mode", resolution), ("aspect_ratio", aspect))
    lengths = tuple(str(length) for length in service.lengths)
    seconds = int(fields.choice("duration", lengths))
    sized = sized_reading(prompt, size, seconds, fields.text("model_name"))
    return replace(
        sized,
        aspect="input" if has_picture else sized.aspect,
        audio=_sound(service, fields),
        negative=negative,
        inputs=inputs,
    )


def _sound(service: ScenarioService, fields: JsonFields) -> bool | None:
    if service.wire.get("sound") != "none":
        return fields.choice("sound", ("off", "on")) == "on"
    if "sound" in fields.values:
        raise InvalidRequestError("the model has no sound", "sound")
    return None


def _no_inputs(_: JsonFields) -> Iterator[InputReading]:
    yield from ()


def _frames(fields: JsonFields) -> Iterator[InputReading]:
    if not fields.text("image") and not fields.text("image_tail"):
        raise InvalidRequestError("image or image_tail is required", "image")
    for name, role in (("image", "first_frame"), ("image_tail", "last_frame")):
        if given := fields.text(name):
            yield InputReading(role, "image", _picture(given, name))


def _references(fields: JsonFields) -> Iterator[InputReading]:
    pictures = [_picture(each.text("image"), "image_list") for each in fields.items("image_list")]
    if not pictures:
        raise InvalidRequestError("image_list is required", "image_list")
    yield from (InputReading("reference", "image", each) for each in pictures)


def _omni_inputs(fields: JsonFields) -> Iterator[InputReading]:
    roles = {"": "reference", "first_frame": "first_frame", "end_frame": "last_frame"}
    for each in fields.items("image_list"):
        role = roles[each.choice("type", tuple(roles))]
        yield InputReading(role, "image", _picture(each.text("image_url"), "image_list"))
    for each in fields.items("video_list"):
        role = "source" if each.choice("refer_type", ("feature", "base")) == "base" else "reference"
        yield InputReading(role, "video", each.address("video_url", "1201"))


#: The inputs of each kind of task that is simulated.
_INPUTS: Mapping[str, Callable[[JsonFields], Iterator[InputReading]]] = {
    "text2video": _no_inputs,
    "image2video": _frames,
    "multi-image2video": _references,
    "omni-video": _omni_inputs,
}


def _picture(given: str, name: str) -> str:
    """Return a URL, or the size of a picture in base64; a data URL is refused."""
    if given.startswith(("http://", "https://")):
        return given
    try:
        return f"{len(base64.b64decode(given, validate=True))} bytes"
    except binascii.Error as error:
        raise InvalidRequestError("expected a URL, or base64 without a prefix", name) from error


TWIN = Twin("kling", ("kling",), "", _routes, _client_settings)
