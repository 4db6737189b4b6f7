"""What the contract holds for: every service of a scenario, and one of each simulated dialect.

No test lists protocols. What a dialect cannot do is read from its adapter.
"""

from collections.abc import Callable, Iterable

import pytest

from tallylight.catalogue.modes import modes_for
from tallylight.catalogue.services import Service
from tallylight.model.order import Form, Input, Medium, Operation, Role
from tallylight.model.wish import Wish
from tallylight.simulator.protocols.registry import TWINS
from tallylight.simulator.scenario import Scenario, ScenarioKey
from tallylight.upstreams.protocol import Adapter, Site
from tallylight.upstreams.protocols.registry import PROTOCOLS
from tests.protocols import ALL, scenario_of

EMPTY, NARROW = "-empty", "-narrow"
"""What ends the keys without money, and those that may use no service."""

TWIN_DIALECTS = tuple((twin.name, each) for twin in TWINS.values() for each in twin.dialects)


def _with_more_keys(scenario: Scenario) -> Scenario:
    upstreams = {
        name: upstream.model_copy(update={"keys": (*upstream.keys, *_more_keys(upstream.keys[0]))})
        for name, upstream in scenario.upstreams.items()
    }
    return scenario.model_copy(update={"upstreams": upstreams})


def _more_keys(key: ScenarioKey) -> Iterable[ScenarioKey]:
    yield key.model_copy(update={"key": key.key + EMPTY, "state": "exhausted"})
    yield key.model_copy(update={"key": key.key + NARROW, "services": ()})


SCENARIO = _with_more_keys(scenario_of(*ALL))


def dialect_of(service: str) -> tuple[str, str]:
    """Return the protocol and the dialect of a service of the scenario."""
    upstream = SCENARIO.upstreams[SCENARIO.services[service].upstream]
    return upstream.protocol, upstream.dialect


def adapter_of(service: str) -> Adapter:
    """Return an adapter of a service's dialect, at an address where nothing is."""
    protocol, dialect = dialect_of(service)
    return PROTOCOLS[protocol].make(Site("http://127.0.0.1:9", dialect))


SERVICES = tuple(SCENARIO.services)
FIRST_OF_DIALECT = {dialect_of(each): each for each in reversed(SERVICES)}

everywhere = pytest.mark.parametrize("name", SERVICES)
"""At every service."""


def where(has: Callable[[Adapter], object] = lambda _: True) -> pytest.MarkDecorator:
    """Return the mark of a test for one service of each dialect whose adapter has something."""
    return pytest.mark.parametrize(
        "name",
        [
            pytest.param(each, id="-".join(dialect))
            for dialect, each in FIRST_OF_DIALECT.items()
            if has(adapter_of(each))
        ],
    )


each_dialect = where()
"""At one service of each dialect."""


def picture(role: Role, form: Form, medium: Medium = Medium.IMAGE) -> Input:
    """Return an input for a role."""
    if form is Form.URL:
        return Input(role=role, medium=medium, url=f"https://pictures.test/{role}.png")
    return Input(role=role, medium=medium, body=b"PNG", media_type="image/png", name=f"{role}.png")


def plain_wish(service: Service, prompt: str = "a paper boat") -> Wish:
    """Return a wish that leaves all to a service, with the inputs that it cannot do without."""
    mode = modes_for(service.sheet.modes, Operation.CREATE)[0]
    needed = mode.inputs[0] if mode.inputs else ()
    inputs = tuple(picture(role, Form.INLINE) for role, _ in needed)
    return Wish(prompt, medium=service.sheet.medium, inputs=inputs)
