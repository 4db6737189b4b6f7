"""Tells missing answers that our own network causes from providers that are silent.

A call without any answer is a *miss*. One miss says nothing, so it is held: it counts for no
service until enough is known. Two causes are weighed by Bayes' rule over all hosts called: our
network loses a share `q` of all calls, and each host is silent with probability `w`. Both are
unknown; `silent_probability` sums over a grid of them. What is held counts, with its own times,
once a kind of call has missed three times in a row, another host has answered in between, and the
host is silent with P >= 0.999. An answer of a host drops what is held of it.

While no host answers at all, nobody can be convicted; once enough providers miss twice, our network
is down, and what is held is ours. See "Our own network" in `docs/verdicts.md`.
"""

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from tallylight.model.evidence import Evidence, Fault, Source
from tallylight.model.ids import ProviderId

_NO_RESPONSE_RULE = "exception:"  # prefix of the classifier's rules for calls without a response
_SECOND_HAND = frozenset({Source.FEED, Source.CALENDAR})

_MIN_MISSES = 3  # in a row; fewer never count
_MIN_PROBABILITY = 0.999
_MIN_LIKELY = 0.5  # enough where no further call will come (`settle`)

_QUORUM = 3
"""So many failing providers are enough. With fewer providers all must fail, and at least two: one
alone proves nothing about our network."""
_MIN_HOLDERS = 2
_QUORUM_MISSES = 2  # of each, since the last answer of any host

_LEAD = timedelta(minutes=1)  # calls count from so long before the first miss in a row …
_WINDOW = timedelta(minutes=10)  # … and at most for so long
_DOWN_WINDOW = timedelta(minutes=2)  # misses this close together count as the same moment
RETRACTED_WITHIN = timedelta(minutes=2)
"""What missing answers changed so shortly before our network was found down is taken back."""

_MAX_CALLS = 2000  # of one host that are kept; thousands of services may share one
_WITNESSES = 3
_ASK_AGAIN_AFTER = timedelta(seconds=5)

_USUAL_LOSS = 0.97  # the prior of the smallest loss; the rest is spread evenly
_LOSSES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9, 0.97)
_USUAL_SILENCE = 0.94  # the same for the share of silent hosts
_SILENCES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.97)
_MISS_IF_SILENT = 0.97


class Call(NamedTuple):
    """A call that has ended.

    Args:
        provider: Who runs the host. Hosts of one provider may fail together.
        host: The address that was called.
        flow: The kind of call; a host may hang for one kind alone.
        is_miss: No answer came at all.
    """

    provider: ProviderId
    host: str
    flow: str
    began_at: datetime
    at: datetime
    is_miss: bool


class CallCounts(NamedTuple):
    """The calls to one host in a window: answers, scattered misses, misses in a row at its end."""

    answers: int
    scattered: int
    in_a_row: int


class Ruling(NamedTuple):
    """What follows from a call.

    Args:
        counted: The evidence that is to be judged now, oldest first.
        ours: Former evidence that turned out to be our network's fault.
        witnesses: The hosts to be asked at once.
    """

    counted: tuple[Evidence, ...] = ()
    ours: tuple[Evidence, ...] = ()
    witnesses: tuple[str, ...] = ()


@dataclass(slots=True)
class _Calls:
    """The calls to one host, or those of one flow."""

    times: deque[tuple[datetime, bool]] = field(default_factory=lambda: deque(maxlen=_MAX_CALLS))
    run: int = 0  # misses in a row at its end
    run_began_at: datetime | None = None
    silent_since: datetime | None = None  # its misses count at once since then, until it answers

    def add(self, at: datetime, *, is_miss: bool) -> None:
        self.times.append((at, is_miss))
        while self.times[0][0] < at - _WINDOW:
            self.times.popleft()
        if not is_miss:
            self.run, self.run_began_at, self.silent_since = 0, None, None
            return
        self.run += 1
        self.run_began_at = self.run_began_at or at

    @property
    def is_silent(self) -> bool:
        """Tell whether its misses count at once."""
        return self.silent_since is not None

    def forget_misses(self) -> None:
        """Forget the misses in a row at its end: they were our network's."""
        while self.times and self.times[-1][1]:
            self.times.pop()
        self.run, self.run_began_at, self.silent_since = 0, None, None

    def counts(self, begin: datetime) -> CallCounts:
        answers = misses = in_a_row = 0
        for at, is_miss in reversed(self.times):
            if at < begin:
                break
            if not is_miss:
                answers += 1
            elif answers:
                misses += 1
            else:
                in_a_row += 1
        if in_a_row < 2:  # noqa: PLR2004  # one miss is no run
            return CallCounts(answers, misses + in_a_row, 0)
        return CallCounts(answers, misses, in_a_row)


@dataclass(slots=True)
class _Host(_Calls):
    """The calls to one host.

    Args:
        provider: Who runs it.
        held: The evidence of missing answers that does not count yet.
        asked_at: When it was last wanted as a witness.
        unanswered: Its misses since it answered, those of a lost line too.
        misses_since_answer: Its misses since any host answered.
    """

    provider: ProviderId | None = None
    is_page: bool = False
    held: list[Evidence] = field(default_factory=list)
    answered_at: datetime | None = None
    asked_at: datetime | None = None
    unanswered: int = 0
    misses_since_answer: int = 0

    @property
    def is_missing(self) -> bool:
        """Tell whether it may show that the line is lost; a page is read rarely."""
        return self.misses_since_answer >= (1 if self.is_page else _QUORUM_MISSES)

    @property
    def last_at(self) -> datetime | None:
        return self.times[-1][0] if self.times else None


class OwnNetwork:
    """Follows all calls of this process; the same calls in the same order give the same rulings."""

    def __init__(self) -> None:
        self._hosts: dict[str, _Host] = {}
        self._flows: dict[tuple[str, str], _Calls] = {}
        self._missing: set[str] = set()  # the hosts with a miss since the last answer of any host
        self.is_down = False

    def observe(self, call: Call, evidence: Evidence | None = None) -> Ruling:
        """Take in a call, and return what follows.

        Args:
            call: The call.
            evidence: What it says about a service; None if the host is a status page.
        """
        host = self._hosts.setdefault(call.host, _Host())
        host.provider, host.is_page = call.provider, evidence is None
        pieces = () if evidence is None else (evidence,)
        if not call.is_miss:
            return self._answered(host, call, pieces)
        host.unanswered += 1
        if self.is_down:
            return Ruling(ours=pieces, witnesses=self._ask(host, call.at))
        flow = self._flow(call)
        for calls in (host, flow):
            calls.add(call.at, is_miss=True)
        host.misses_since_answer += 1
        self._missing.add(call.host)
        if host.is_silent or flow.is_silent or self._is_alone(host, call.at):
            return Ruling(pieces)
        host.held += pieces
        if pieces and self._is_silent(host, flow, call, _MIN_PROBABILITY):
            return Ruling(self._convict(host, flow, call.at))
        if self._lost_line(call.at):
            return Ruling(ours=self._go_down(call.at))
        is_repeated = max(host.run, flow.run) >= _QUORUM_MISSES
        return Ruling(witnesses=self._ask(host, call.at) if is_repeated else ())

    def settle(self, call: Call) -> Ruling:
        """Return what follows from the calls so far, if no further one of this flow comes soon."""
        host, flow = self._hosts.get(call.host), self._flow(call)
        if host is None or not host.held:
            return Ruling()
        if self._is_silent(host, flow, call, _MIN_LIKELY):
            return Ruling(self._convict(host, flow, call.at))
        return Ruling(ours=_taken(host))

    def _answered(self, host: _Host, call: Call, pieces: tuple[Evidence, ...]) -> Ruling:
        self.is_down = False
        for name in self._missing:
            self._hosts[name].misses_since_answer = 0
        self._missing.clear()
        for calls in (host, self._flow(call)):
            calls.add(call.at, is_miss=False)
        host.answered_at, host.unanswered = call.at, 0
        return Ruling(pieces, _taken(host))

    def _flow(self, call: Call) -> _Calls:
        return self._flows.setdefault((call.host, call.flow), _Calls())

    def _is_alone(self, host: _Host, now: datetime) -> bool:
        """Tell whether no other provider and no page can be a witness."""
        return not any(
            other.provider != host.provider and _is_recent(other, now - _WINDOW)
            for other in self._hosts.values()
        )

    def _is_silent(self, host: _Host, flow: _Calls, call: Call, bar: float) -> bool:
        began_at = flow.run_began_at
        if flow.run < _MIN_MISSES or began_at is None:
            return False
        others = [
            other
            for other in self._hosts.values()
            if other is not host and _is_recent(other, call.at - _WINDOW)
        ]
        # The last miss must have begun after that answer: at the end of a cut the first host that
        # answers would else convict all that were asked shortly before.
        if not any(_answered_within(other, began_at, call.began_at) for other in others):
            return False
        begin = max(began_at - _LEAD, call.at - _WINDOW)
        own = flow.counts(begin)._replace(in_a_row=flow.run)
        return silent_probability(own, [each.counts(begin) for each in others]) >= bar

    def _convict(self, host: _Host, flow: _Calls, now: datetime) -> tuple[Evidence, ...]:
        flow.silent_since = now
        if host.run >= flow.run:  # no other kind of call got an answer either
            host.silent_since = now
        return _taken(host)

    def _lost_line(self, now: datetime) -> bool:
        """Tell whether no host called lately has answered since the first of many misses."""
        lately = [host for host in self._hosts.values() if _is_recent(host, now - _DOWN_WINDOW)]
        # Hosts that were silent before say nothing, unless hardly any other is left.
        others = [host for host in lately if not host.is_silent]
        if not all(host.misses_since_answer or host.is_page for host in others):
            return False  # one that may answer is asked next
        missing = {host.provider for host in lately if host.is_missing}
        failing = {host.provider for host in others if host.is_missing}
        needed = max(1, min(_QUORUM, len({host.provider for host in others})))
        return len(failing) >= needed and len(missing) >= _MIN_HOLDERS

    def _go_down(self, now: datetime) -> tuple[Evidence, ...]:
        self.is_down = True
        held = [piece for host in self._hosts.values() for piece in _taken(host)]
        for calls in (*self._hosts.values(), *self._flows.values()):
            # Who fell silent just before is in doubt again: what that changed is taken back.
            if calls.silent_since is None or calls.silent_since >= now - RETRACTED_WITHIN:
                calls.forget_misses()
        return tuple(sorted(held, key=lambda piece: piece.at))

    def _ask(self, suspect: _Host, now: datetime) -> tuple[str, ...]:
        """Return the hosts to ask: those without a miss since their answer first, then by age.

        On a lost line each host is asked only until it misses, or each miss would ask for more.
        """
        others = [
            (host.unanswered > 0, host.last_at or now, name)
            for name, host in self._hosts.items()
            if host is not suspect
            and not (host.unanswered and (self.is_down or host.is_silent))
            and (host.asked_at is None or now - host.asked_at >= _ASK_AGAIN_AFTER)
        ]
        chosen = tuple(name for _, _, name in sorted(others)[:_WITNESSES])
        for name in chosen:
            self._hosts[name].asked_at = now
        return chosen


def silent_probability(suspect: CallCounts, others: Iterable[CallCounts]) -> float:
    """Return the probability that a host is silent, given the calls to it and to all others.

    Source:
        The grid and the likelihoods are explained in `docs/verdicts.md`, "Our own network".
    """
    groups = Counter(others)
    best, silent, total = -math.inf, 0.0, 0.0
    for q, log_q in _LOG_PRIOR_OF_LOSS.items():
        likelihoods = [(n, *_log_likelihoods(counts, q)) for counts, n in groups.items()]
        up, down = _log_likelihoods(suspect, q)
        for w, log_w in _LOG_PRIOR_OF_SILENCE.items():
            weight = log_q + log_w
            for n, other_up, other_down in likelihoods:
                weight += n * _log_mixture(other_up, other_down, w)
            both = weight + _log_mixture(up, down, w)
            if both > best:  # all terms are relative to the largest one, or they would underflow
                scale = math.exp(best - both)
                best, silent, total = both, silent * scale, total * scale
            total += math.exp(both - best)
            silent += math.exp(weight + math.log(w) + down - best)
    return silent / total


def was_reached(evidence: Evidence) -> bool | None:
    """Tell whether an upstream responded; None if the evidence does not say.

    A stalled job and a black video say nothing about a connection, nor does an error of our own
    process.
    """
    failure = evidence.failure
    if evidence.source in _SECOND_HAND:
        return None
    if failure is None or failure.http_status is not None:
        return True
    is_miss = failure.fault is Fault.UPSTREAM and failure.rule.startswith(_NO_RESPONSE_RULE)
    return False if is_miss else None


def as_ours(evidence: Evidence) -> Evidence:
    """Return evidence of a failure that our own network caused."""
    if evidence.failure is None:
        return evidence
    return replace(evidence, failure=replace(evidence.failure, fault=Fault.OURS))


def _log_likelihoods(counts: CallCounts, q: float) -> tuple[float, float]:
    """Return the log-likelihoods of calls to a host that is up, and to one that is silent."""
    s, f, r = counts
    up = (f + r) * math.log(q) + s * math.log1p(-q)
    if r:  # it fell silent at an unknown moment
        before = f * math.log(q) + s * math.log1p(-q)
        return up, before + r * math.log(_MISS_IF_SILENT) - math.log(s + f + 1)
    return up, f * math.log(_MISS_IF_SILENT) + s * math.log1p(-_MISS_IF_SILENT)


def _log_mixture(up: float, down: float, w: float) -> float:
    one, other = math.log1p(-w) + up, math.log(w) + down
    return max(one, other) + math.log1p(math.exp(-abs(one - other)))


def _log_priors(values: tuple[float, ...], usual: float) -> Mapping[float, float]:
    rest = math.log((1 - usual) / (len(values) - 1))
    return {value: math.log(usual) if n == 0 else rest for n, value in enumerate(values)}


_LOG_PRIOR_OF_LOSS = _log_priors(_LOSSES, _USUAL_LOSS)
_LOG_PRIOR_OF_SILENCE = _log_priors(_SILENCES, _USUAL_SILENCE)


def _is_recent(host: _Host, since: datetime) -> bool:
    return host.last_at is not None and host.last_at >= since


def _answered_within(host: _Host, start: datetime, end: datetime) -> bool:
    if host.answered_at is None or host.answered_at < start:
        return False
    return any(start < at <= end for at, is_miss in reversed(host.times) if not is_miss)


def _taken(host: _Host) -> tuple[Evidence, ...]:
    held, host.held = tuple(host.held), []
    return held
