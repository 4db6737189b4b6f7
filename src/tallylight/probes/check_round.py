"""One round of probes now, within the time limit of each service."""

from dataclasses import dataclass, replace
from datetime import timedelta

from tallylight.catalogue.orders import probe_cost
from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.errors import BudgetError
from tallylight.model.evidence import Depth, Evidence
from tallylight.probes.prober import Prober

_MAX_TRIES = 3
"""So many bad shallow results in a row close the door by the judge's figures."""

_RETRY_DELAY = timedelta(seconds=1)

_DEPTH_ORDER = (Depth.REACH, Depth.CREDENTIALS, Depth.GENERATION)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one round found about one service.

    Args:
        found: The newest evidence of each depth that was probed.
        withheld: Why a generation was not sent, "" if nothing kept it.
        off: Depths that were left out, since a probe of them has cost money.
    """

    evidence: tuple[Evidence, ...]
    withheld_reason: str = ""
    skipped_depths: tuple[Depth, ...] = ()


async def check_service(
    prober: Prober, service: Service, depth: Depth, clock: Clock
) -> CheckResult:
    """Probe one service at every depth up to the given one.

    A bad free probe is looked at again at once, so that one round is enough for a verdict; the
    looks share the upstream's time limit. Nothing deeper is asked behind a door that stays closed.
    """
    patience = service.upstream.timeout / _MAX_TRIES
    quick = replace(service, upstream=replace(service.upstream, timeout=patience))
    off = await prober.disabled_depths(service.id)
    steps = _DEPTH_ORDER[: _DEPTH_ORDER.index(depth) + 1]
    found: list[Evidence] = []
    withheld = ""
    for step in steps:
        if step in off:
            continue
        if step is Depth.GENERATION:
            withheld = await _probe_generation(prober, service, found)
            continue
        found.append(await _probe_with_retries(prober, quick, step, clock))
        if found[-1].is_bad:
            break
    return CheckResult(tuple(found), withheld, tuple(step for step in steps if step in off))


async def _probe_generation(prober: Prober, service: Service, evidence: list[Evidence]) -> str:
    """Send a generation; return why none was sent, "" if one was."""
    if probe_cost(service) is None:
        return "its fact sheet has no price, length or size to order by"
    try:
        evidence.append(await prober.probe(service, Depth.GENERATION))
    except BudgetError as error:
        return str(error)
    return ""


async def _probe_with_retries(
    prober: Prober, service: Service, depth: Depth, clock: Clock
) -> Evidence:
    evidence = await prober.probe(service, depth)
    for _ in range(1, _MAX_TRIES):
        if not evidence.is_bad or not await prober.may_repeat(service.id, depth):
            break
        await clock.sleep(_RETRY_DELAY)
        evidence = await prober.probe(service, depth)
    return evidence
