"""Measures the ranking of a route's services, which every create needs.

    python bench/ranking.py [--services 5] [--rounds 20000]

The gateway caches candidates; here they are created once. The output is the minimum CPU time of
five runs, because other processes on the machine can only add to it.
"""

import argparse
import time
import timeit
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from tallylight.catalogue import facts
from tallylight.catalogue.services import ProbeIntervals, Service, Upstream
from tallylight.gateway.routing.capability import Capability, Features
from tallylight.gateway.routing.ordering import rank
from tallylight.gateway.routing.ranking import Candidate
from tallylight.gateway.routing.routes import Route
from tallylight.model.ids import ProviderId, ServiceId, UpstreamId
from tallylight.model.money import Budget, Price, PriceUnit
from tallylight.model.order import Order
from tallylight.model.status import Access, Status
from tallylight.model.verdict import Verdict


def main() -> None:
    """Print microseconds for a request with length and size, and for one without."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--services", type=int, default=5)
    options.add_argument("--rounds", type=int, default=20_000)
    given = options.parse_args()
    candidates = [_candidate(number) for number in range(given.services)]
    route = Route("sora-2", tuple(each.service.id for each in candidates))
    named, open_ = Order("a kite", 8, "1280x720"), Order("a kite", 0, "")
    for name, call in (
        ("with size", lambda: rank(named, route, candidates, draw=0.4)),
        (
            "without size",
            lambda: rank(open_, route, candidates, chosen=("seconds", "size"), draw=0.4),
        ),
    ):
        best = min(timeit.repeat(call, number=given.rounds, repeat=5, timer=time.process_time))
        print(f"{name:20} {best / given.rounds * 1e6:6.1f} µs")


def _candidate(number: int) -> Candidate:
    sheet = next(iter(facts.fact_sheets().values()))
    price = Price(PriceUnit.PER_SECOND, {"*": Decimal(number + 10) / 100})
    sheet = replace(sheet, lengths=(4, 8, 12), sizes=("1280x720", "720x1280"), price=price)
    service = Service(
        id=ServiceId(f"service-{number}"),
        name=f"Service {number}",
        upstream=Upstream(
            id=UpstreamId("upstream"),
            provider=ProviderId("provider"),
            base_url="http://127.0.0.1:1/v1",
            protocol="openai_videos",
            dialect="openai",
            key=None,
        ),
        model="sora-2",
        access=Access.OFFICIAL,
        sheet=sheet,
        probe_intervals=ProbeIntervals(),
        budget=Budget(),
        probe_order=None,
    )
    verdict = Verdict(service.id, Status.OPERATIONAL, datetime(2026, 11, 22, tzinfo=UTC), 0.99, ())
    return Candidate(service, verdict, Capability(service, Features()), 0.9 + number / 100, 60.0)


if __name__ == "__main__":
    main()
