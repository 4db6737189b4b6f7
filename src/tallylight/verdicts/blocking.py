"""What clears a block: our key refused, or our wallet empty, at one service. The only such rule.

A good result clears a block that an answer of the same depth or a shallower one has set. A refused
key is also cleared by a good credentials probe, because a refused create often is a mistake of a
moment and the probe costs nothing. If creates refuse the key again before one was accepted, the
probe has shown that it says nothing about creates. Until a create is accepted, no credentials probe
clears the key then, so a service with a public list of models does not flap.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from tallylight.catalogue.services import ProbeIntervals
from tallylight.model.evidence import Evidence, FailureKind, Source
from tallylight.verdicts.named_failures import is_deeper, is_disproved_by
from tallylight.verdicts.state import FailureRecord, ServiceState

_MOST_PACES = 3


def clears(standing: ServiceState, source: Source) -> bool:
    """Tell whether a good result of a source, from now on, clears what blocks a service."""
    blocked = standing.blocked
    if blocked is None:
        return False
    is_trusted = standing.cleared_by_probe is None
    is_key_known = blocked.kind is FailureKind.AUTH and source is Source.CREDENTIALS and is_trusted
    return is_key_known or is_disproved_by(blocked, source)


def cleared(standing: ServiceState, evidence: Evidence) -> ServiceState:
    """Return the standing after a good result, with no block that it clears.

    The refusal that a credentials probe has cleared is kept until a create is accepted.
    """
    blocked, by_probe = standing.blocked, standing.cleared_by_probe
    if blocked is not None and evidence.at >= blocked.at and clears(standing, evidence.source):
        if is_deeper(blocked.source, evidence.source):
            by_probe = blocked
        blocked = None
    if (
        by_probe is not None
        and evidence.at >= by_probe.at
        and is_disproved_by(by_probe, evidence.source)
    ):
        by_probe = None
    if blocked is standing.blocked and by_probe is standing.cleared_by_probe:
        return standing
    return replace(standing, blocked=blocked, cleared_by_probe=by_probe)


def is_probed(
    blocked: FailureRecord, pace: ProbeIntervals, now: datetime, *, is_key_known: bool
) -> bool:
    """Tell whether a probe will find that a service can be asked again.

    Each credentials probe that is refused renews the block. One that has neither cleared nor
    renewed it for some paces gets no answer that says anything.

    Args:
        blocked: The newest answer that blocks it.
        pace: How often it is probed.
        now: The moment.
        is_key_known: Whether a good credentials probe would clear it (`clears`).
    """
    if pace.generation is not None:
        return True
    patience = timedelta() if pace.credentials is None else _MOST_PACES * pace.credentials
    return is_key_known and now < blocked.at + patience
