"""Checks a service now: one round of probes at all depths, within its time limit."""

from dataclasses import dataclass, replace
from datetime import timedelta

from tallylight.catalogue.orders import probe_cost
from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.errors import BudgetError
from tallylight.model.evidence import Depth, Evidence
from tallylight.probes.prober import Prober

_MAX_TRIES = 3
"""The judge marks the API as down after this many bad free probes in a row."""

_RETRY_DELAY = timedelta(seconds=1)

_DEPTH_ORDER = (Depth.REACH, Depth.CREDENTIALS, Depth.GENERATION)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one round for one service.

    Args:
        evidence: The newest evidence of each probed depth.
        withheld_reason: Why no generation was sent, "" if none was withheld.
        skipped_depths: Depths that were skipped because a probe of them was billed before.
    """

    evidence: tuple[Evidence, ...]
    withheld_reason: str = ""
    skipped_depths: tuple[Depth, ...] = ()


async def check_service(
    prober: Prober, service: Service, depth: Depth, clock: Clock
) -> CheckResult:
    """Probe one service at every depth up to the given one.

    A bad free probe is repeated at once, so that one round is enough for a verdict; the tries share
    the upstream's time limit. If a free probe stays bad, no deeper one is sent.
    """
    timeout = service.upstream.timeout / _MAX_TRIES
    hurried = replace(service, upstream=replace(service.upstream, timeout=timeout))
    disabled = await prober.disabled_depths(service.id)
    depths = _DEPTH_ORDER[: _DEPTH_ORDER.index(depth) + 1]
    evidence: list[Evidence] = []
    withheld_reason = ""
    for each in depths:
        if each in disabled:
            continue
        if each is Depth.GENERATION:
            withheld_reason = await _probe_generation(prober, service, evidence)
            continue
        evidence.append(await _probe_with_retries(prober, hurried, each, clock))
        if evidence[-1].is_bad:
            break
    skipped = tuple(each for each in depths if each in disabled)
    return CheckResult(tuple(evidence), withheld_reason, skipped)


async def _probe_generation(prober: Prober, service: Service, evidence: list[Evidence]) -> str:
    """Send a generation and append its evidence; return why none was sent, "" if one was."""
    if probe_cost(service) is None:
        return "its fact sheet has no price, length or size for an order"
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
