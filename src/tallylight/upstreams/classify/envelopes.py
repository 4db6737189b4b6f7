"""Walking through a JSON answer of whatever envelope and collecting what rules can read."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tallylight.upstreams.classify import states, unwrapping
from tallylight.upstreams.classify.answer import Envelope, Number
from tallylight.upstreams.classify.wording import name_of

_CODES = frozenset(
    "code error_code err_code failure_code fail_code errorcode reason quota_id quota_metric "
    "block_reason limit_source error_type".split()
)
_STATES = frozenset({"status", "state", "task_status", "job_status"})
_WORDS = frozenset(
    "message msg detail error errors error_message error_msg error_description err_msg title "
    "failure failure_reason fail_reason fail_msg failure_msg task_status_msg status_msg "
    "status_message reason reasons raw description rai_media_filtered_reasons hint error_detail "
    "failure_message block_reason_message".split()
)
#: Members that say what they mean by being there at all.
_TELLING_KEYS = frozenset({"flagged_input", "block_reason"})
_FILTERED = ("rai_media_filtered_reasons", "rai_media_filtered_count")
_IDENTIFIER = re.compile(r"[A-Za-z]+(?:[_.:-]?[A-Za-z0-9]+){1,12}")
#: Where an error, or the job that failed, may be one step deeper.
_INSIDE = frozenset(
    "error errors detail details data output base_resp response innererror inner_error body "
    "metadata cause result violations prompt_feedback generate_video_response err task "
    "issues misalignment ctx".split()
)
_GOOD_CODES = frozenset({"success", "succeed", "succeeded", "ok", "completed", "null", "none", ""})
_GOOD_NUMBERS = frozenset({0, *range(200, 300)})
_STOPS = frozenset({"stop", "length", "max_tokens", "finish_reason_unspecified", "tool_calls", ""})

_MOST_NODES = 400
_MOST_ITEMS = 20
_DEEPEST = 24
_HTTP = range(400, 600)
_RPC = range(1, 17)
_KLING = range(1000, 6000)
_SECONDS = re.compile(r"(\d{1,7}(?:\.\d{1,9})?)s?")


@dataclass(slots=True)
class Finds:
    """What a walk has found, with the depth of each find."""

    codes: list[tuple[int, str]] = field(default_factory=list)
    types: list[tuple[int, str]] = field(default_factory=list)
    numbers: list[tuple[int, Number]] = field(default_factory=list)
    words: list[tuple[int, str]] = field(default_factory=list)
    state: str = ""
    failed: bool = False
    retry_seconds: float | None = None
    nodes: int = 0


def walk(value: object, dialect: str = "") -> Finds:
    """Return what a JSON value says, whatever envelope it is in.

    Args:
        value: The parsed body.
        dialect: A hint whose numbers bare numeric codes are, for envelopes that do not tell.
    """
    finds = Finds()
    _visit(finds, value, 0, dialect)
    return finds


def by_depth(found: list[tuple[int, str]]) -> tuple[tuple[str, ...], ...]:
    """Return finds grouped by depth, innermost first."""
    depths = sorted({depth for depth, _ in found}, reverse=True)
    return tuple(tuple(name for at, name in found if at == depth) for depth in depths)


def _visit(finds: Finds, value: object, depth: int, dialect: str) -> None:
    finds.nodes += 1
    if finds.nodes > _MOST_NODES or depth > _DEEPEST:
        return
    if isinstance(value, list):
        for item in value[:_MOST_ITEMS]:
            _visit(finds, item, depth, dialect)
    elif isinstance(value, dict):
        node = {name_of(str(key)): item for key, item in value.items()}
        _note_outcome(finds, node)
        for key, item in node.items():
            _note(finds, node, key, item, depth, dialect)


def _note(  # noqa: PLR0913  # one member of one node, with all that its meaning depends on
    finds: Finds, node: Mapping[str, object], key: str, item: object, depth: int, dialect: str
) -> None:
    """Take down what one member of an object says, and look inside it."""
    if isinstance(item, str):
        _note_text(finds, key, item, depth, dialect)
        _note_number(finds, node, key, int(item) if _is_digits(item) else None, depth, dialect)
    elif isinstance(item, int) and not isinstance(item, bool):
        _note_number(finds, node, key, item, depth, dialect)
    elif key in _WORDS and isinstance(item, list):
        finds.words.extend((depth + 1, text) for text in item if isinstance(text, str) and text)
    if key in _INSIDE and isinstance(item, dict | list):
        _visit(finds, item, depth + 1, dialect)
    if key in {"retry_delay", "retry_after", "retry_after_seconds"}:
        finds.retry_seconds = _seconds(item)


def _note_text(finds: Finds, key: str, text: str, depth: int, dialect: str) -> None:
    name = name_of(text)
    if key in _CODES and name not in _GOOD_CODES and (key == "code" or " " not in text.strip()):
        finds.codes.append((depth, name))
    elif key in _TELLING_KEYS:
        finds.codes.append((depth, key))
    elif key in _WORDS and _IDENTIFIER.fullmatch(text.strip()) and name not in _GOOD_CODES:
        finds.codes.append((depth, name))  # "TASK_QUEUE_MAXED" as a message is a code
    if key == "type":
        finds.types.append((depth, name))
    elif key in _STATES:
        _note_state(finds, key, name, depth)
    elif (key in _WORDS or (key == "code" and " " in text)) and text.strip():
        inner = unwrapping.embedded(text)
        if inner is not None and depth < _DEEPEST:
            _visit(finds, inner, depth + 1, dialect)
            text = text[: text.find("{")] if "{" in text else text
        finds.words.append((depth, text))


def _note_state(finds: Finds, key: str, name: str, depth: int) -> None:
    """Take down a job's state, or the google.rpc status that stands under the same name."""
    state = states.LOST if (key, name) == ("task_status", "unknown") else states.state_of(name)
    if state and not finds.state:
        finds.state = state
    elif not state and name:
        finds.types.append((depth, name))


def _note_number(  # noqa: PLR0913  # as `_note`
    finds: Finds,
    node: Mapping[str, object],
    key: str,
    value: int | None,
    depth: int,
    dialect: str,
) -> None:
    if value is None:
        return
    if key == "status_code" and "status_msg" in node:
        envelope = Envelope.MINIMAX
    elif key in {"code", "status", "status_code", "error_code"}:
        bare = _envelope(node, value, dialect)
        if bare is None:
            return
        envelope = bare
    elif key == "quota_value" and value == 0:
        finds.codes.append((depth, "quota_value_zero"))
        return
    else:
        return
    finds.numbers.append((depth, Number(envelope, value)))


def _envelope(node: Mapping[str, object], value: int, dialect: str) -> Envelope | None:
    """Return whose numeric code this is, judged by its size and its neighbours."""
    if value in _HTTP:
        return Envelope.KIE if "msg" in node and "message" not in node else Envelope.HTTP
    if value in _RPC and "message" in node:
        return Envelope.RPC
    if value in _KLING and dialect == "minimax":
        return Envelope.MINIMAX
    if value in _KLING and ("request_id" in node or dialect == "kling"):
        return Envelope.KLING
    return None


def _note_outcome(finds: Finds, node: Mapping[str, object]) -> None:
    """Find out whether an object claims a failure."""
    finds.failed = finds.failed or any(_failures(node))
    if any(node.get(key) for key in _FILTERED):
        finds.codes.append((0, "rai_media_filtered"))
    for candidate in _dicts(node.get("candidates")):
        reason = name_of(str(candidate.get("finishReason") or ""))
        if reason not in _STOPS:
            finds.failed = True
            finds.codes.append((1, f"finish_{reason}"))


def _failures(node: Mapping[str, object]) -> Iterator[bool]:
    yield any(_says_something(node.get(key)) for key in ("error", "errors", "failure"))
    yield node.get("success") is False or node.get("ok") is False
    yield any(
        states.state_of(name_of(word)) in states.BAD
        for word in (node.get(key) for key in _STATES)
        if isinstance(word, str)
    )
    yield name_of(str(node.get("task_status"))) == "unknown"
    yield "status_msg" in node and node.get("status_code", 0) != 0
    yield bool(node.get("block_reason"))
    yield _is_bad_code(node)
    yield any(node.get(key) for key in _FILTERED)


def _is_bad_code(node: Mapping[str, object]) -> bool:
    """Tell whether the `code` beside a message, or beside data, stands for a failure."""
    if not {"message", "msg", "data"} & node.keys():
        return False
    code = node.get("code")
    if isinstance(code, str):
        number = int(code) if _is_digits(code) else None
        return name_of(code) not in _GOOD_CODES if number is None else number not in _GOOD_NUMBERS
    return isinstance(code, int) and not isinstance(code, bool) and code not in _GOOD_NUMBERS


def _says_something(value: object) -> bool:
    if isinstance(value, dict):
        return any(item not in (None, "", 0, [], {}) for item in value.values())
    return isinstance(value, str | list) and len(value) > 0


def _dicts(value: object) -> Iterator[Mapping[str, object]]:
    if isinstance(value, list):
        yield from (item for item in value[:_MOST_ITEMS] if isinstance(item, dict))


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < _MOST_ITEMS


def _seconds(value: object) -> float | None:
    if isinstance(value, str):
        match = _SECONDS.fullmatch(value.strip())
        return float(match[1]) if match else None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < 1e7 else None
