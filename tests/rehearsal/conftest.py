import json
from collections.abc import Callable

import pytest

from tallylight.rehearsal.trace import Trace, parse_trace

DAY = 86_400

Told = dict[str, object]


@pytest.fixture
def told() -> Callable[..., Trace]:
    """Return a maker of traces of one service, from its spells."""

    def trace(*spells: Told, days: float = 1, price: float = 0.4, **rest: object) -> Trace:
        service = {"price": price, "spells": list(spells)}
        return parse_trace(
            json.dumps({"duration": days * DAY, "services": {"sora": service}, **rest}), "test"
        )

    return trace
