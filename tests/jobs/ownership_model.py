"""The rules of ownership, searched exhaustively for a way to pay twice or to lose a paid video.

The model is one video, two followers (processes that may own it) and two services. Each step is
one that the real system takes atomically: a transaction, a request, a response. A follower that
takes no step is stopped, hung or cut off; that it may take its next step at any later time is how
the model has delays. The search is breadth first, so the counterexample that it returns is a
shortest one. Each rule can be taken away; the states of attempts are those of the real table.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from tallylight.model.attempt_state import AttemptEvent, AttemptState, step

SERVICES = 2
NAMES = "AB"

_UNANSWERED = frozenset({AttemptState.INTENDED, AttemptState.IN_DOUBT})


class Rules(NamedTuple):
    """The rules that together keep a video from being paid twice, or paid and lost.

    Args:
        intent_is_written_first: An attempt is in the database before it is sent.
        decisions_are_guarded: A decision is written only while the row has the epoch of its owner.
        decisions_name_the_revision: And only to the revision that it was made from.
        facts_need_nothing: What an upstream said is written whoever owns the video.
        patience_outlasts_the_create: A new owner waits until no create that was sent in time can
            still be answered.
        send_has_a_time_limit: A sender looks, on the line before the send, whether it is in time.
    """

    intent_is_written_first: bool = True
    decisions_are_guarded: bool = True
    decisions_name_the_revision: bool = True
    facts_need_nothing: bool = True
    patience_outlasts_the_create: bool = True
    send_has_a_time_limit: bool = True


class Setting(NamedTuple):
    """The circumstances that a search allows.

    Args:
        has_list: The services list all their jobs.
        reads_apart: A take-over reads the attempts in a transaction after the one that claims.
        take_overs: The largest number of take-overs.
        kills: The largest number of kills; a killed follower forgets everything.
    """

    has_list: bool = True
    reads_apart: bool = False
    take_overs: int = 3
    kills: int = 2


class Violation(StrEnum):
    """What must not happen."""

    PAID_TWICE = "two services have a job"
    ANSWER_DISCARDED = "the answer of a service was discarded while the video was under way"
    ACCEPTANCE_IGNORED = "the video failed although its acceptance was written before"
    STUCK = "the video never ends"


class Stage(StrEnum):
    """What a follower does next."""

    IDLE = "idle"  # it does not follow the video
    READ = "read"
    DECIDE = "decide"
    RECORD = "record"  # the next attempt
    SEND = "send"
    AWAIT = "await"
    REPORT = "report"  # the answer that it heard
    WAIT = "wait"  # until an attempt of another owner can no longer be answered
    RULE = "rule"  # on that attempt, by the list
    COMPLETE = "complete"
    FAIL = "fail"


class Follower(NamedTuple):
    """A process, with what it believes of the video."""

    stage: Stage = Stage.IDLE
    epoch: int = 0
    revision: int = 0
    attempts: tuple[AttemptState, ...] = ()
    current: int = 0  # the index of the attempt that it is at
    heard: AttemptEvent | None = None


class World(NamedTuple):
    """The row of the video, its followers, and the truth at the services.

    Args:
        under_way: Creates on the wire, as pairs of an attempt and its sender.
        jobs: How many jobs each service has accepted.
        overdue: Attempts of which an owner has concluded that they can no longer be answered.
        known_accepted: Attempts whose acceptance was written before the end.
    """

    followers: tuple[Follower, ...]
    owner: int
    take_overs: int
    kills: int
    epoch: int = 1
    revision: int = 1
    end: str = ""
    attempts: tuple[AttemptState, ...] = ()
    under_way: tuple[tuple[int, int], ...] = ()
    jobs: tuple[int, ...] = (0,) * SERVICES
    overdue: frozenset[int] = frozenset()
    known_accepted: frozenset[int] = frozenset()
    has_discarded: bool = False


Step = tuple[str, World]


class Counterexample(NamedTuple):
    """A violation, and a shortest way to it."""

    violation: Violation
    steps: tuple[str, ...]


class Result(NamedTuple):
    """What a search found: at most one counterexample of each violation."""

    states: int
    counterexamples: tuple[Counterexample, ...]


def search(rules: Rules, setting: Setting) -> Result:
    """Visit every state that the rules allow."""
    first = World(
        (Follower(Stage.DECIDE, epoch=1, revision=1), Follower()),
        owner=0,
        take_overs=setting.take_overs,
        kills=setting.kills,
    )
    came_from: dict[World, tuple[World, str] | None] = {first: None}
    found: dict[Violation, World] = {}
    waiting = deque([first])
    while waiting:
        world = waiting.popleft()
        following = [] if violation_of(world) else list(_steps(world, rules, setting))
        for text, after in following:
            if after not in came_from:
                came_from[after] = world, text
                waiting.append(after)
        if violation := violation_of(world) or _standstill(world, following):
            found.setdefault(violation, world)
    examples = (Counterexample(kind, _way_to(world, came_from)) for kind, world in found.items())
    return Result(len(came_from), tuple(examples))


def violation_of(world: World) -> Violation | None:
    """Return what is wrong with a state, None if nothing is."""
    if sum(world.jobs) > 1:
        return Violation.PAID_TWICE
    if world.has_discarded:
        return Violation.ANSWER_DISCARDED
    if world.end == "failed" and world.known_accepted:
        return Violation.ACCEPTANCE_IGNORED
    return None


def _standstill(world: World, following: list[Step]) -> Violation | None:
    is_stuck = not following and not world.end and world.take_overs > 0
    return Violation.STUCK if is_stuck else None


def _way_to(world: World, came_from: Mapping[World, tuple[World, str] | None]) -> tuple[str, ...]:
    origin = came_from[world]
    return () if origin is None else (*_way_to(origin[0], came_from), origin[1])


def _steps(world: World, rules: Rules, setting: Setting) -> Iterator[Step]:
    for index, follower in enumerate(world.followers):
        turn = _Turn(world, index, follower, rules, setting)
        if follower.stage in _DECISIONS and not turn.may_decide:
            yield turn.is_rejected()
        elif follower.stage is not Stage.AWAIT:
            yield from _ACTIONS[follower.stage](turn)
        if follower.stage is not Stage.IDLE and world.kills and index == world.owner:
            killed = world._replace(kills=world.kills - 1)
            yield f"{NAMES[index]} is killed", _with(killed, index, Follower())
    yield from _answers(world)


def _answers(world: World) -> Iterator[Step]:
    """Let a service answer a create that is on the wire."""
    for attempt, sender in sorted(set(world.under_way)):
        remaining = list(world.under_way)
        remaining.remove((attempt, sender))
        for event in (AttemptEvent.ACCEPTED, AttemptEvent.REFUSED):
            jobs = list(world.jobs)
            jobs[attempt] += event is AttemptEvent.ACCEPTED
            after = world._replace(under_way=tuple(remaining), jobs=tuple(jobs))
            follower = world.followers[sender]
            if (follower.stage, follower.current) == (Stage.AWAIT, attempt):
                after = _with(after, sender, follower._replace(stage=Stage.REPORT, heard=event))
            yield f"service {attempt + 1}: {event}", after


def _with(world: World, index: int, follower: Follower) -> World:
    followers = (*world.followers[:index], follower, *world.followers[index + 1 :])
    return world._replace(followers=followers)


class _Turn(NamedTuple):
    """One follower's turn; its methods return steps."""

    world: World
    seat: int
    follower: Follower
    rules: Rules
    setting: Setting

    @property
    def owns(self) -> bool:
        return not self.world.end and self.world.epoch == self.follower.epoch

    @property
    def may_decide(self) -> bool:
        if not self.rules.decisions_are_guarded:
            return not self.world.end
        is_current = self.world.revision == self.follower.revision
        return self.owns and (is_current or not self.rules.decisions_name_the_revision)

    def goes(self, text: str, stage: Stage, **changes: Any) -> Step:
        return self.writes(text, self.follower._replace(stage=stage, **changes))

    def writes(self, text: str, follower: Follower, **changes: Any) -> Step:
        world = self.world._replace(**changes)
        return f"{NAMES[self.seat]} {text}", _with(world, self.seat, follower)

    def stops(self, text: str, **changes: Any) -> Step:
        return self.writes(text, Follower(), **changes)

    def reads(self, text: str) -> Step:
        world = self.world
        return self.goes(text, Stage.DECIDE, attempts=world.attempts, revision=world.revision)

    def is_rejected(self) -> Step:
        return self.reads("reads again") if self.owns else self.stops("has lost it")


def _take_over(turn: _Turn) -> Iterator[Step]:
    world = turn.world
    if world.end or not world.take_overs or world.owner == turn.seat:
        return
    epoch, revision = world.epoch + 1, world.revision + 1
    informed = Follower(Stage.DECIDE, epoch, revision, world.attempts)
    yield turn.writes(
        "takes over",
        Follower(Stage.READ, epoch) if turn.setting.reads_apart else informed,
        owner=turn.seat,
        epoch=epoch,
        revision=revision,
        take_overs=world.take_overs - 1,
    )


def _read(turn: _Turn) -> Iterator[Step]:
    yield turn.reads("reads")


def _decide(turn: _Turn) -> Iterator[Step]:
    attempts = turn.follower.attempts
    last = len(attempts) - 1
    state = attempts[-1] if attempts else AttemptState.REFUSED
    if state in _UNANSWERED:
        yield turn.goes(f"waits for attempt {last + 1}", Stage.WAIT, current=last)
    elif state is AttemptState.ACCEPTED:
        yield turn.goes("polls", Stage.COMPLETE, current=last)
    elif state is not AttemptState.REFUSED:
        yield turn.stops("finds it ended")
    elif len(attempts) < SERVICES:
        stage = Stage.RECORD if turn.rules.intent_is_written_first else Stage.SEND
        yield turn.goes(f"chooses service {last + 2}", stage, current=last + 1)
    else:
        yield turn.goes("has no service left", Stage.FAIL)


def _record(turn: _Turn) -> Iterator[Step]:
    world, follower = turn.world, turn.follower
    if len(world.attempts) != follower.current:  # attempts have unique numbers
        yield turn.is_rejected()
        return
    revision = world.revision + 1
    yield turn.writes(
        f"records attempt {follower.current + 1}",
        follower._replace(stage=Stage.SEND, revision=revision),
        attempts=(*world.attempts, AttemptState.INTENDED),
        revision=revision,
    )


def _send(turn: _Turn) -> Iterator[Step]:
    attempt = turn.follower.current
    if turn.rules.send_has_a_time_limit and attempt in turn.world.overdue:
        yield turn.goes("is too late to send", Stage.REPORT, heard=AttemptEvent.NOT_SENT)
        return
    yield turn.writes(
        f"sends attempt {attempt + 1}",
        turn.follower._replace(stage=Stage.AWAIT),
        under_way=tuple(sorted((*turn.world.under_way, (attempt, turn.seat)))),
    )


def _report(turn: _Turn) -> Iterator[Step]:
    world, follower = turn.world, turn.follower
    event, attempt = follower.heard, follower.current
    assert event is not None
    is_news = event is AttemptEvent.ACCEPTED and not world.end
    if not (turn.rules.facts_need_nothing or turn.owns):
        yield turn.stops(f"may not write {event}", has_discarded=is_news)
        return
    attempts = _with_events(world.attempts, attempt, event)
    revision = world.revision + (attempts != world.attempts)
    informed = Follower(Stage.DECIDE, follower.epoch, revision, attempts)
    yield turn.writes(
        f"writes {event} of attempt {attempt + 1}",
        informed if turn.owns else Follower(),
        attempts=attempts,
        revision=revision,
        known_accepted=world.known_accepted | ({attempt} if is_news else set()),
    )


def _with_events(
    attempts: tuple[AttemptState, ...], index: int, *events: AttemptEvent
) -> tuple[AttemptState, ...]:
    """Return the attempts after events of one of them, which is new if it was not recorded."""
    states = [*attempts, AttemptState.INTENDED] if index == len(attempts) else list(attempts)
    for event in events:
        states[index], _ = step(states[index], event)
    return tuple(states)


def _wait(turn: _Turn) -> Iterator[Step]:
    world, attempt = turn.world, turn.follower.current
    if world.attempts[attempt] not in _UNANSWERED:
        yield turn.reads(f"finds the answer to attempt {attempt + 1}")
        return
    is_under_way = any(sent == attempt for sent, _ in world.under_way)
    if is_under_way and turn.rules.patience_outlasts_the_create:
        return
    event = AttemptEvent.SHOWN if world.jobs[attempt] else AttemptEvent.ABSENT
    heard = event if turn.setting.has_list else AttemptEvent.CLOSE
    yield turn.writes(
        f"has waited for attempt {attempt + 1}: {heard}",
        turn.follower._replace(stage=Stage.RULE, heard=heard),
        overdue=world.overdue | {attempt},
    )


def _rule(turn: _Turn) -> Iterator[Step]:
    world, follower = turn.world, turn.follower
    event = follower.heard
    assert event is not None
    attempts = _with_events(world.attempts, follower.current, AttemptEvent.LEAVE, event)
    revision = world.revision + 1
    closes = event is AttemptEvent.CLOSE
    informed = Follower(Stage.DECIDE, follower.epoch, revision, attempts)
    yield turn.writes(
        f"rules on attempt {follower.current + 1}: {event}",
        Follower() if closes else informed,
        attempts=attempts,
        revision=revision,
        end="failed" if closes else "",
    )


def _end(turn: _Turn) -> Iterator[Step]:
    end = "completed" if turn.follower.stage is Stage.COMPLETE else "failed"
    yield turn.stops(f"ends the video: {end}", end=end, revision=turn.world.revision + 1)


_DECISIONS = frozenset({Stage.RECORD, Stage.RULE, Stage.COMPLETE, Stage.FAIL})
_ACTIONS: Mapping[Stage, Callable[[_Turn], Iterator[Step]]] = {
    Stage.IDLE: _take_over,
    Stage.READ: _read,
    Stage.DECIDE: _decide,
    Stage.RECORD: _record,
    Stage.SEND: _send,
    Stage.REPORT: _report,
    Stage.WAIT: _wait,
    Stage.RULE: _rule,
    Stage.COMPLETE: _end,
    Stage.FAIL: _end,
}
