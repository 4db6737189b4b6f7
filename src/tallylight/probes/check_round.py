"""Checks a service now: one round of probes at all depths, within its time limit."""

from dataclasses import dataclass, replace
from datetime import timedelta

from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.errors import BudgetError, ProbeUnfinishedError, ProbeWithheldError
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
        unfinished_reason: Why the result of a generation that was sent is not known, "" if it is.
        skipped_depths: Depths that were skipped because a probe of them was billed before.
        is_left_out: No generation was sent, because the service is held to be retired.
    """

    evidence: tuple[Evidence, ...]
    withheld_reason: str = ""
    unfinished_reason: str = ""
    skipped_depths: tuple[Depth, ...] = ()
    is_left_out: bool = False


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
    result = CheckResult((), skipped_depths=tuple(each for each in depths if each in disabled))
    for each in depths:
        if each in disabled:
            continue
        if each is Depth.GENERATION:
            return await _with_generation(result, prober, service)
        evidence = await _probe_with_retries(prober, hurried, each, clock)
        result = replace(result, evidence=(*result.evidence, evidence))
        if evidence.is_bad:
            break
    return result


async def _with_generation(result: CheckResult, prober: Prober, service: Service) -> CheckResult:
    """Send a generation, and return the result with its evidence or with the reason for none."""
    try:
        evidence = await prober.probe(service, Depth.GENERATION)
    except (BudgetError, ProbeWithheldError) as error:
        return replace(result, withheld_reason=str(error))
    except ProbeUnfinishedError as error:
        return replace(result, unfinished_reason=str(error))
    return replace(result, evidence=(*result.evidence, evidence))


async def _probe_with_retries(
    prober: Prober, service: Service, depth: Depth, clock: Clock
) -> Evidence:
    evidence = await prober.probe(service, depth)
    for _ in range(1, _MAX_TRIES):
        if not evidence.is_bad or not await prober.may_repeat(service.id, depth):
            break
        await prober.probe_witnesses()
        await clock.sleep(_RETRY_DELAY)
        evidence = await prober.probe(service, depth)
    return evidence
