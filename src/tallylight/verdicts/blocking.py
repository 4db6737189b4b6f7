"""What sets and what clears a block (our key refused, or our balance empty). The only such rule.

A rate limit blocks as well; its rule is that of `rate_limit`.

The block of a service says that its upstream refuses our present key or that our balance there is
empty. A refusal sets it if its request began with the present key. A good result of a request that
began after the refusal clears it if it tests the service as deeply. A good credentials probe also
clears a refused key, because a refused create often is a momentary mistake and the probe costs
nothing. If creates refuse the key again before one was accepted, the probe has shown that it says
nothing about creates. From then until a create is accepted, or the key is replaced, no credentials
probe clears the key, so that a service with a public list of models does not flap.

An order that another service accepts with the same key clears a block and a rate limit at once,
with the same reserve: a key, balance or rate that is refused again, for this model alone, is from
then on cleared by an order of its own only.

No stored value is derived from a key: a process knows since when it has used its present key
(`KeyPeriod`), and a request of an earlier moment says nothing about that key.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tallylight.catalogue.services import ProbeIntervals, Service, Upstream
from tallylight.documents.secret import Secret
from tallylight.model.evidence import Evidence, Failure, FailureKind, Fault, Source
from tallylight.model.ids import ServiceId
from tallylight.model.verdict import Block
from tallylight.verdicts import rate_limit
from tallylight.verdicts.layer_state import FailureRecord
from tallylight.verdicts.named_failures import failure_record, is_deeper, is_disproved_by
from tallylight.verdicts.state import ServiceState

EARLIER_KEY_RULE = "key:replaced"
"""The rule of a refusal that says nothing about the present key."""

_BLOCKING_KINDS = frozenset({FailureKind.AUTH, FailureKind.QUOTA})
_MAX_INTERVALS = 3  # without an answer from a credentials probe that says anything
_MAX_ROLLOUT = timedelta(minutes=2)  # until every process of a database uses a replaced key


@dataclass(frozen=True, slots=True)
class KeyPeriod:
    """Since when one process has used its present key at a service.

    Args:
        began_at: When the process started, or replaced an earlier key.
        is_first: The process has used no other key before. Another process may have.
    """

    began_at: datetime
    is_first: bool = True

    @property
    def replaced_at(self) -> datetime | None:
        """Return when the present key replaced another one; None if it did not."""
        return None if self.is_first else self.began_at


def by_key(services: Iterable[Service]) -> Mapping[ServiceId, tuple[ServiceId, ...]]:
    """Return for each service those whose upstream gets the same key, itself included."""
    groups: dict[tuple[str, Secret | None], list[ServiceId]] = defaultdict(list)
    for service in services:
        groups[_key_of(service.upstream)].append(service.id)
    return {id_: tuple(group) for group in groups.values() for id_ in group}


def _key_of(upstream: Upstream) -> tuple[str, Secret | None]:
    """Return what refusals are about: a key at an address."""
    return upstream.base_url, upstream.key


def has_other_key(before: Upstream, after: Upstream) -> bool:
    """Tell whether refusals of one upstream say nothing about the key at another one."""
    return _key_of(before) != _key_of(after)


def is_refusal(failure: Failure | None) -> bool:
    """Tell whether a failure says that our key is refused or our balance empty."""
    return failure is not None and failure.fault is Fault.OURS and failure.kind in _BLOCKING_KINDS


def is_refusal_of_earlier_key(failure: Failure, began_at: datetime, period: KeyPeriod) -> bool:
    """Tell whether a failure is a refusal of a request that began before the present key."""
    return is_refusal(failure) and began_at < period.began_at


def attribute_to_key(evidence: Evidence, began_at: datetime, period: KeyPeriod) -> Evidence:
    """Return evidence of this process; a refusal of an earlier key becomes one that says nothing.

    Args:
        evidence: The observation.
        began_at: When its request began; the create, if the request followed a job.
        period: The period of the present key.
    """
    return _of_earlier_key(evidence) if began_at < period.began_at else evidence


def attribute_forwarded(evidence: Evidence, period: KeyPeriod) -> Evidence:
    """Return evidence of another process; the same for a process that may use an earlier key.

    The processes of a database do not reload their configurations at the same moment.
    """
    replaced_at = period.replaced_at
    is_rolled_out = replaced_at is None or evidence.at >= replaced_at + _MAX_ROLLOUT
    return evidence if is_rolled_out else _of_earlier_key(evidence)


def blocked(state: ServiceState, evidence: Evidence) -> ServiceState:
    """Return the state after a refusal."""
    return replace(state, blocked=failure_record(evidence))


def block_of(state: ServiceState) -> Block | None:
    """Return what keeps the upstream from taking our orders; None if nothing does."""
    if state.blocked is not None:
        return Block(state.blocked.kind.value)
    return Block.RATE if rate_limit.blocks(state.rate_limit) else None


def orders_refused_at(state: ServiceState) -> datetime | None:
    """Return when our key, balance or rate of orders was last refused; None once it is accepted."""
    limit = state.rate_limit
    times = [each.at for each in (state.blocked, None if limit is None else limit.last) if each]
    return max(times, default=None)


def clears(state: ServiceState, source: Source) -> bool:
    """Tell whether a new good result of a source clears the block of a service."""
    block = state.blocked
    if block is None:
        return False
    is_trusted = state.cleared_indirectly is None
    is_key_known = block.kind is FailureKind.AUTH and source is Source.CREDENTIALS and is_trusted
    return is_key_known or is_disproved_by(block, source)


def cleared(state: ServiceState, evidence: Evidence) -> ServiceState:
    """Return the state after a good result, without the block if the result clears it.

    A job that was accepted before the refusal says nothing about it when it delivers. A refusal
    that a credentials probe has cleared is kept until a create is accepted.
    """
    block, by_probe = state.blocked, state.cleared_indirectly
    if block is not None and evidence.began_at >= block.at and clears(state, evidence.source):
        if is_deeper(block.source, evidence.source):
            by_probe = block
        block = None
    if (
        by_probe is not None
        and evidence.began_at >= by_probe.at
        and is_disproved_by(by_probe, evidence.source)
    ):
        by_probe = None
    if block is state.blocked and by_probe is state.cleared_indirectly:
        return state
    return replace(state, blocked=block, cleared_indirectly=by_probe)


def accepted_elsewhere(state: ServiceState) -> ServiceState:
    """Return the state after another service has accepted an order with the same key."""
    limit = state.rate_limit
    refusal = state.blocked or (None if limit is None else limit.last)
    if refusal is None or state.cleared_indirectly is not None:
        return state
    return replace(state, blocked=None, rate_limit=None, cleared_indirectly=refusal)


def with_period(state: ServiceState, period: KeyPeriod) -> ServiceState:
    """Return the state in a period of a key: credentials probes of a replacement count again.

    The block stays, because nothing has shown yet that the upstream accepts the replacement.
    """
    by_probe, replaced_at = state.cleared_indirectly, period.replaced_at
    if by_probe is None or replaced_at is None or by_probe.at >= replaced_at:
        return state
    return replace(state, cleared_indirectly=None)


def is_of_earlier_key(block: FailureRecord, period: KeyPeriod) -> bool:
    """Tell whether a block may speak of an earlier key, so that the present one is worth a try."""
    return block.at < period.began_at


def is_probed(state: ServiceState, intervals: ProbeIntervals, now: datetime) -> bool:
    """Tell whether a probe will detect the end of the block of a service."""
    until = _credentials_tell_until(state, intervals)
    return intervals.generation is not None or (until is not None and now < until)


def paid_probes_wait_until(state: ServiceState, intervals: ProbeIntervals) -> datetime | None:
    """Return until when paid probes are left out, because a credentials probe tells the same.

    Only a key that a free probe has found refused is left to free probes. A refused create costs
    nothing, and is often the only way to see that a balance was topped up.
    """
    block = state.blocked
    if (
        block is None
        or block.kind is not FailureKind.AUTH
        or is_deeper(block.source, Source.CREDENTIALS)
    ):
        return None
    return _credentials_tell_until(state, intervals)


def _credentials_tell_until(state: ServiceState, intervals: ProbeIntervals) -> datetime | None:
    """Return until when credentials probes are expected to detect the end of a block.

    Each refused credentials probe renews the block. If none has cleared or renewed it for some
    intervals, credentials probes get no conclusive answer.
    """
    if (
        state.blocked is None
        or intervals.credentials is None
        or not clears(state, Source.CREDENTIALS)
    ):
        return None
    return state.blocked.at + _MAX_INTERVALS * intervals.credentials


def _of_earlier_key(evidence: Evidence) -> Evidence:
    failure = evidence.failure
    if failure is None or not is_refusal(failure):
        return evidence
    said_nothing = replace(failure, kind=FailureKind.UNKNOWN, rule=EARLIER_KEY_RULE)
    return replace(evidence, failure=said_nothing)
