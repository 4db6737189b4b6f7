"""What clears a block (our key refused, or our balance empty) at one service. The only such rule.

A good result clears a block that a response of the same or a lesser depth has set. A good
credentials probe also clears a refused key, because a refused create often is a momentary mistake
and the probe costs nothing. If creates refuse the key again before one was accepted, the probe has
shown that it says nothing about creates. From then until a create is accepted no credentials probe
clears the key, so that a service with a public list of models does not flap.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from tallylight.catalogue.services import ProbeIntervals
from tallylight.model.evidence import Evidence, FailureKind, Source
from tallylight.verdicts.named_failures import is_deeper, is_disproved_by
from tallylight.verdicts.state import FailureRecord, ServiceState

_MAX_INTERVALS = 3  # without an answer from a credentials probe that says anything


def clears(state: ServiceState, source: Source) -> bool:
    """Tell whether a new good result of a source clears the block of a service."""
    blocked = state.blocked
    if blocked is None:
        return False
    is_trusted = state.cleared_by_probe is None
    is_key_known = blocked.kind is FailureKind.AUTH and source is Source.CREDENTIALS and is_trusted
    return is_key_known or is_disproved_by(blocked, source)


def cleared(state: ServiceState, evidence: Evidence) -> ServiceState:
    """Return the state after a good result, without the block if the result clears it.

    A refusal that a credentials probe has cleared is kept until a create is accepted.
    """
    blocked, by_probe = state.blocked, state.cleared_by_probe
    if blocked is not None and evidence.at >= blocked.at and clears(state, evidence.source):
        if is_deeper(blocked.source, evidence.source):
            by_probe = blocked
        blocked = None
    if (
        by_probe is not None
        and evidence.at >= by_probe.at
        and is_disproved_by(by_probe, evidence.source)
    ):
        by_probe = None
    if blocked is state.blocked and by_probe is state.cleared_by_probe:
        return state
    return replace(state, blocked=blocked, cleared_by_probe=by_probe)


def is_probed(
    blocked: FailureRecord, intervals: ProbeIntervals, now: datetime, *, is_key_known: bool
) -> bool:
    """Tell whether a probe will detect the end of a block.

    Each refused credentials probe renews the block. If none has cleared or renewed it for some
    intervals, credentials probes get no conclusive answer. `is_key_known` says whether a good one
    would clear the block (`clears`).
    """
    if intervals.generation is not None:
        return True
    credentials = intervals.credentials
    patience = timedelta() if credentials is None else _MAX_INTERVALS * credentials
    return is_key_known and now < blocked.at + patience
