"""Vertex AI's surroundings: the bucket in which films are stored, and the settings of its clients.

Google's hosts are paths of the upstream. Sources: cloud.google.com/storage/docs/json_api as stored
in 2026.
"""

from pydantic import JsonValue
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from tallylight.simulator.exchange import RouteMaker
from tallylight.simulator.faults import Endpoint
from tallylight.simulator.jobs import SimulatedJob
from tallylight.simulator.kernel import Exchange, Kernel
from tallylight.simulator.protocols.contents import file_response
from tallylight.simulator.protocols.google_accounts import (
    GoogleTokens,
    account_address,
    account_key,
)
from tallylight.simulator.refusals import InvalidRequestError, UnknownJobError
from tallylight.simulator.scenario import ScenarioKey
from tallylight.simulator.twin import ClientSettings

_TOKEN_PATH, _STORAGE_PATH = "/oauth2/token", "/storage.googleapis.com"  # paths
_BUCKET = "simulated-bucket"


def google_client_settings(key: ScenarioKey, base_url: str) -> ClientSettings:
    """Return the settings of a client; a key of Vertex AI is called "sim-vertex…"."""
    if not key.key.startswith("sim-vertex"):
        return {"key": key.key}
    options: dict[str, JsonValue] = {
        "bucket": f"gs://{_BUCKET}/films",
        "storage_url": f"{base_url}{_STORAGE_PATH}",
        "token_url": f"{base_url}{_TOKEN_PATH}",
    }
    if not key.secret:
        return {"key": key.key, "options": options}
    account = {"service_account": account_address(key)}
    return {"key": account_key(key.key), "options": {**options, **account}}


class GoogleStorage:
    """The accounts and the bucket of one upstream at Vertex AI."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._world = kernel.world
        self._tokens = GoogleTokens(kernel, _TOKEN_PATH)
        #: The folders in which jobs store their films.
        self._places: dict[str, str] = {}

    def routes(self, maker: RouteMaker) -> list[BaseRoute]:
        """Return the routes of Google's other hosts."""
        objects = _STORAGE_PATH + "/storage/v1/b/{bucket}/o"
        return [
            maker.file_route(_TOKEN_PATH, self._tokens.exchange, "POST"),
            maker.route(objects, self._list),
            maker.route(objects + "/{object:path}", self._object),
        ]

    def authenticate(self, exchange: Exchange) -> ScenarioKey:
        """Return the key of a bearer."""
        scheme, _, token = exchange.request.headers.get("authorization", "").partition(" ")
        return self._tokens.authenticate(token if scheme == "Bearer" else "")

    def place(self, folder: str, name: str) -> str:
        """Return a folder that a create names; raise for one of another bucket."""
        if folder and not folder.startswith(f"gs://{_BUCKET}/"):
            raise InvalidRequestError("The bucket does not exist.", name)
        return folder

    def store(self, job_id: str, place: str) -> None:
        """Store the films of a job in a folder, once they are made."""
        self._places[job_id] = place

    def films(self, job: SimulatedJob) -> list[str]:
        """Return where the films of a job lie, none if they are not stored."""
        place = self._places.get(job.id, "")
        numbers = range(job.reading.count) if place else ()
        return [f"{place}{_object_name(job, index)}" for index in numbers]

    async def _list(self, exchange: Exchange) -> Response:
        key, bucket = self.authenticate(exchange), exchange.request.path_params["bucket"]
        prefix = exchange.request.query_params.get("prefix", "")
        shown = {job.id for job in self._kernel.jobs(exchange)}
        items: list[JsonValue] = [
            {
                "name": name,
                "bucket": bucket,
                "timeCreated": self._world.clock.datetime_at(job.ends_at or 0.0).isoformat(),
            }
            for name, job in self._stored(bucket)
            if job.id in shown and job.key == key.key and name.startswith(prefix)
        ]
        return JSONResponse(_listing(items))

    async def _object(self, exchange: Exchange) -> Response:
        key, path = self.authenticate(exchange), exchange.request.path_params
        for name, job in self._stored(path["bucket"]):
            if name == path["object"] and job.key == key.key:
                self._kernel.result(exchange, job.id, Endpoint.CONTENT)
                return await file_response(self._world, exchange.request, job)
        raise UnknownJobError(path["object"])

    def _stored(self, bucket: str) -> list[tuple[str, SimulatedJob]]:
        """Return the films in a bucket: their names and jobs."""
        root = f"gs://{bucket}/"
        return [
            (uri.removeprefix(root), job)
            for job in map(self._world.jobs.get, self._places)
            if job is not None and self._is_made(job)
            for uri in self.films(job)
            if uri.startswith(root)
        ]

    def _is_made(self, job: SimulatedJob) -> bool:
        is_over = self._kernel.progress(job).status.is_final
        return is_over and self._kernel.failure(job) is None


def _listing(items: list[JsonValue]) -> JsonValue:
    kind: dict[str, JsonValue] = {"kind": "storage#objects"}
    return {**kind, "items": items} if items else kind


def _object_name(job: SimulatedJob, index: int) -> str:
    return f"{job.id}/sample_{index}.mp4"
