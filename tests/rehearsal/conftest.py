import json
from collections.abc import Callable

import pytest

from tallylight.rehearsal.trace import Trace, parse_trace

DAY = 86_400

Interval = dict[str, object]


@pytest.fixture
def make_trace() -> Callable[..., Trace]:
    """Return a function that makes a trace of one service from its intervals."""

    def trace(*intervals: Interval, days: float = 1, price: float = 0.4, **rest: object) -> Trace:
        service = {"price": price, "spells": list(intervals)}
        return parse_trace(
            json.dumps({"duration": days * DAY, "services": {"sora": service}, **rest}), "test"
        )

    return trace
