"""The live control under `/_sim`: the books, the script, and trouble at a word's notice."""

from json import JSONDecodeError
from typing import Literal, Self

from pydantic import Field, JsonValue, ValidationError, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tallylight.simulator.catalogue import catalogue_of
from tallylight.simulator.faults import TROUBLE, AnyTrouble, Door
from tallylight.simulator.section import ScenarioError, Section
from tallylight.simulator.world import World

#: What `{"status": "off"}` does: the maker pauses the model and takes it off its list.
OFF = TROUBLE.validate_python({"kind": "refuse", "sign": "suspended", "unlisted": True})


class Command(Section):
    """What a PUT asks for: a trouble, several, none (`null`), or a switch.

    Args:
        trouble: One trouble; null ends all of them, the script's too.
        troubles: Several.
        status: `off` pauses the service, `on` ends all trouble, `script` returns to the scenario.
        duration: Scenario seconds after which the script goes on; for ever if not given.
    """

    trouble: AnyTrouble | None = None
    troubles: tuple[AnyTrouble, ...] | None = None
    status: Literal["off", "on", "script"] | None = None
    duration: float | None = Field(default=None, gt=0, alias="for")

    @model_validator(mode="after")
    def _asks_for_one_thing(self) -> Self:
        if len(self.model_fields_set & {"trouble", "troubles", "status"}) != 1:
            raise ValueError("give exactly one of 'trouble', 'troubles' and 'status'")
        return self

    def wanted(self) -> tuple[AnyTrouble, ...]:
        """Return the troubles that shall stand from now on."""
        if self.status == "off":
            return (OFF,)
        if self.troubles is not None:
            return self.troubles
        return () if self.trouble is None else (self.trouble,)


def routes(world: World) -> list[BaseRoute]:
    """Return the routes of the live control."""
    control = _Control(world)
    return [
        Route("/_sim/ledger", control.ledger),
        Route("/_sim/scenario", control.scenario),
        Route("/_sim/services", control.services),
        Route("/_sim/services/{service}", control.service),
        Route("/_sim/services/{service}", control.command, methods=["PUT"]),
    ]


class _Control:
    def __init__(self, world: World) -> None:
        self._world = world

    async def ledger(self, _: Request) -> Response:
        """Show what was billed."""
        return JSONResponse(self._world.ledger.statement(self._world.second()))

    async def scenario(self, _: Request) -> Response:
        """Show the script, where it stands, and the addresses of everything."""
        world = self._world
        return JSONResponse(
            {
                "scenario": world.scenario.model_dump(
                    mode="json", by_alias=True, exclude={"catalogue"}
                ),
                "second": round(world.second(), 3),
                "speed": world.pace.speed,
                "base_urls": dict(world.base_urls),
                "feed_urls": dict(world.feed_urls),
                "catalogue": catalogue_of(
                    world.scenario, world.base_urls, feed_urls=world.feed_urls
                ),
            }
        )

    async def services(self, _: Request) -> Response:
        """List all services with what troubles them now."""
        return JSONResponse([self._shown(name) for name in self._world.scenario.services])

    async def service(self, request: Request) -> Response:
        """Show one service."""
        name = request.path_params["service"]
        return JSONResponse(self._shown(name)) if self._knows(name) else self._unknown(name)

    async def command(self, request: Request) -> Response:
        """Change what troubles a service, from now on."""
        name = request.path_params["service"]
        if not self._knows(name):
            return self._unknown(name)
        try:
            asked = _command(await request.body(), f"PUT /_sim/services/{name}")
        except ScenarioError as error:
            return JSONResponse({"error": str(error)}, 422)
        if asked.status == "script":
            self._world.release(name)
        else:
            self._world.override(name, asked.wanted(), asked.duration)
        return JSONResponse(self._shown(name))

    def _knows(self, name: str) -> bool:
        return name in self._world.scenario.services

    def _unknown(self, name: str) -> Response:
        allowed = ", ".join(self._world.scenario.services)
        return JSONResponse(
            {"error": f"no service '{name}' in this scenario; there are {allowed}"}, 404
        )

    def _shown(self, name: str) -> dict[str, JsonValue]:
        service = self._world.scenario.services[name]
        return {
            "id": name,
            "name": service.name,
            "upstream": service.upstream,
            "base_url": self._world.base_urls[service.upstream],
            "model": service.model,
            "mode": self._world.mode(name).value,
            "troubles": [
                trouble.model_dump(mode="json", exclude_defaults=True) | {"kind": trouble.kind}
                for trouble in self._world.troubles(name)
            ],
            "requests": {door.value: self._world.requests[name, door] for door in Door},
        }


def _command(body: bytes, source: str) -> Command:
    try:
        if not body.strip() or body.strip() == b"null":
            return Command(status="on")
        return Command.model_validate_json(body)
    except ValidationError as error:
        raise ScenarioError.from_validation(source, error) from error
    except (JSONDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(source, "", "the body is not JSON") from error
