"""Waits for what a twin or an upstream says, and for no time."""

from tallylight.upstreams.steps import Accepted, Step, Working
from tests.contract.site import CLOCK, PAUSE, Site


async def until_started(site: Site, accepted: Accepted) -> None:
    """Wait until a poll says that a job runs."""
    step: Step = accepted.step
    while not (isinstance(step, Working) and step.is_started):
        assert isinstance(step, Working), step
        await CLOCK.sleep(PAUSE)
        step = await site.poll(accepted.job)


async def until_ended(site: Site) -> None:
    """Wait until the twin's job has ended, without a request."""
    while not site.jobs[0].progress_at(site.world.second()).status.is_final:
        await CLOCK.sleep(PAUSE)
