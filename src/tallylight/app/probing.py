"""All probes of one process: on schedule while it leads, and at once for `check`."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from tallylight.board import Board
from tallylight.clock import Clock
from tallylight.model.evidence import Depth
from tallylight.model.ids import ServiceId
from tallylight.probes.check_round import CheckResult, check_service
from tallylight.probes.feeds import FeedPoller
from tallylight.probes.prober import Prober


@dataclass(frozen=True, slots=True)
class Probing:
    """Runs the prober and the poller of status pages."""

    board: Board
    prober: Prober
    feed_poller: FeedPoller
    clock: Clock

    async def run(self) -> None:
        """Probe on schedule and read status pages until cancelled."""
        self.prober.reset()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.prober.run(), name="prober")
            tasks.create_task(self.feed_poller.run(), name="feeds")

    async def check(
        self, services: Collection[ServiceId], depth: Depth
    ) -> Mapping[ServiceId, CheckResult]:
        """Probe services now, all at the same time, and return the results."""
        async with asyncio.TaskGroup() as tasks:
            checks = {
                id_: tasks.create_task(
                    check_service(self.prober, self.board.service(id_), depth, self.clock)
                )
                for id_ in services
            }
        return {id_: task.result() for id_, task in checks.items()}
