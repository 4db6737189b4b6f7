"""Measures the ranking of a route's services, which every create needs.

    python -m bench.ranking [--services 5] [--rounds 20000]

The gateway caches candidates; here they are created once. The output is the minimum CPU time of
five runs, because other processes on the machine can only add to it.
"""

import argparse
import time
import timeit
from datetime import UTC, datetime
from decimal import Decimal

from tallylight.catalogue.fit import Expressible
from tallylight.catalogue.wording import Wording
from tallylight.gateway.routing.fitter import Fitter
from tallylight.gateway.routing.ordering import rank
from tallylight.gateway.routing.ranking import Candidate
from tallylight.gateway.routing.routes import Route
from tallylight.model.order import Operation
from tallylight.model.status import Status
from tallylight.model.verdict import Verdict
from tests.builders import priced_service, wish_of


def main() -> None:
    """Print microseconds for a request with length and size, and for one without."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--services", type=int, default=5)
    options.add_argument("--rounds", type=int, default=20_000)
    given = options.parse_args()
    candidates = [_candidate(number) for number in range(given.services)]
    route = Route("sora-2", tuple(each.service.id for each in candidates))
    named, open_ = wish_of("a kite", 8, "1280x720"), wish_of("a kite", None, "")
    for name, call in (
        ("with size", lambda: rank(named, route, candidates, draw=0.4)),
        (
            "without size",
            lambda: rank(open_, route, candidates, draw=0.4),
        ),
    ):
        best = min(timeit.repeat(call, number=given.rounds, repeat=5, timer=time.process_time))
        print(f"{name:20} {best / given.rounds * 1e6:6.1f} µs")


def _candidate(number: int) -> Candidate:
    service = priced_service(f"service-{number}", str(Decimal(number + 10) / 100))
    verdict = Verdict(service.id, Status.OPERATIONAL, datetime(2026, 11, 22, tzinfo=UTC), 0.99, ())
    can = Expressible(frozenset(Operation), {}, characters=False, wording=Wording())
    return Candidate(service, verdict, Fitter(service, can), 0.9 + number / 100, 60.0)


if __name__ == "__main__":
    main()
