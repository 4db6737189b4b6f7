"""The live control under `/_sim`: the ledger, the scenario, and faults on demand."""

from json import JSONDecodeError
from typing import Literal, Self

from pydantic import Field, JsonValue, ValidationError, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tallylight.simulator.catalogue import client_catalogue
from tallylight.simulator.faults import FAULT_ADAPTER, AnyFault, Endpoint
from tallylight.simulator.scenario_section import ScenarioError, ScenarioSection
from tallylight.simulator.world import Simulation

#: The fault of `{"status": "off"}`: the provider pauses the model and does not list it.
PAUSED_FAULT = FAULT_ADAPTER.validate_python(
    {"kind": "refuse", "sign": "suspended", "unlisted": True}
)


class ControlCommand(ScenarioSection):
    """The body of a PUT: one fault, several, none (`null`), or a status.

    Args:
        fault: One fault; null ends all of them, those of the scenario too.
        status: `off` pauses the service, `on` ends all faults, `script` returns to the scenario.
        duration: Scenario seconds until the scenario continues, `for` in requests; None is forever.
    """

    fault: AnyFault | None = None
    faults: tuple[AnyFault, ...] | None = None
    status: Literal["off", "on", "script"] | None = None
    duration: float | None = Field(default=None, gt=0, alias="for")

    @model_validator(mode="after")
    def _check_exclusive(self) -> Self:
        if len(self.model_fields_set & {"fault", "faults", "status"}) != 1:
            raise ValueError("give exactly one of 'fault', 'faults' and 'status'")
        return self

    def requested_faults(self) -> tuple[AnyFault, ...]:
        """Return the faults that replace the current ones."""
        if self.status == "off":
            return (PAUSED_FAULT,)
        if self.faults is not None:
            return self.faults
        return () if self.fault is None else (self.fault,)


def control_routes(world: Simulation) -> list[BaseRoute]:
    """Return the routes of the live control."""
    control = _ControlApi(world)
    return [
        Route("/_sim/ledger", control.ledger),
        Route("/_sim/scenario", control.scenario),
        Route("/_sim/services", control.services),
        Route("/_sim/services/{service}", control.service),
        Route("/_sim/services/{service}", control.command, methods=["PUT"]),
    ]


class _ControlApi:
    def __init__(self, world: Simulation) -> None:
        self._world = world

    async def ledger(self, _: Request) -> Response:
        return JSONResponse(self._world.ledger.as_json(self._world.second()))

    async def scenario(self, _: Request) -> Response:
        """Return the scenario, its current second, and every URL."""
        world = self._world
        return JSONResponse(
            {
                "scenario": world.scenario.model_dump(
                    mode="json", by_alias=True, exclude={"catalogue"}
                ),
                "second": round(world.second(), 3),
                "speed": world.clock.speed,
                "base_urls": dict(world.base_urls),
                "feed_urls": dict(world.feed_urls),
                "catalogue": client_catalogue(
                    world.scenario, world.base_urls, feed_urls=world.feed_urls
                ),
            }
        )

    async def services(self, _: Request) -> Response:
        return JSONResponse([self._service_json(name) for name in self._world.scenario.services])

    async def service(self, request: Request) -> Response:
        name = request.path_params["service"]
        return (
            JSONResponse(self._service_json(name)) if self._exists(name) else self._not_found(name)
        )

    async def command(self, request: Request) -> Response:
        """Replace the faults of a service."""
        name = request.path_params["service"]
        if not self._exists(name):
            return self._not_found(name)
        try:
            command = _parse_command(await request.body(), f"PUT /_sim/services/{name}")
        except ScenarioError as error:
            return JSONResponse({"error": str(error)}, 422)
        if command.status == "script":
            self._world.restore_script(name)
        else:
            self._world.override_faults(name, command.requested_faults(), command.duration)
        return JSONResponse(self._service_json(name))

    def _exists(self, name: str) -> bool:
        return name in self._world.scenario.services

    def _not_found(self, name: str) -> Response:
        known = ", ".join(self._world.scenario.services)
        return JSONResponse(
            {"error": f"no service '{name}' in this scenario; services: {known}"}, 404
        )

    def _service_json(self, name: str) -> dict[str, JsonValue]:
        service = self._world.scenario.services[name]
        return {
            "id": name,
            "name": service.name,
            "upstream": service.upstream,
            "base_url": self._world.base_urls[service.upstream],
            "model": service.model,
            "fault_source": self._world.fault_source(name),
            "faults": [
                fault.model_dump(mode="json", by_alias=True, exclude_defaults=True)
                | {"kind": fault.kind}
                for fault in self._world.active_faults(name)
            ],
            "requests": {
                endpoint.value: self._world.requests[name, endpoint] for endpoint in Endpoint
            },
        }


def _parse_command(body: bytes, source: str) -> ControlCommand:
    try:
        if not body.strip() or body.strip() == b"null":
            return ControlCommand(status="on")
        return ControlCommand.model_validate_json(body)
    except ValidationError as error:
        raise ScenarioError.from_validation(source, error) from error
    except (JSONDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(source, "", "the body is not JSON") from error
