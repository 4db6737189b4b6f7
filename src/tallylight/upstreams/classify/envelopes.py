"""Walks through a JSON answer of any envelope and collects what the rules read."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tallylight.upstreams.classify import claims, embedded_json
from tallylight.upstreams.classify.answer import Envelope, NumericCode
from tallylight.upstreams.normalize import normalize_code, normalize_dotted_code
from tallylight.upstreams.status_words import StatusMeaning, status_meaning


def _keys(words: str) -> frozenset[str]:
    return frozenset(words.split())


_CODE_KEYS = _keys(
    "code error_code err_code failure_code fail_code errorcode reason quota_id quota_metric "
    "limit_source error_type"
)
_TEXT_KEYS = _keys(
    "message msg detail error errors error_message error_msg error_description err_msg title "
    "failure failure_reason fail_reason fail_msg failure_msg task_status_msg status_msg "
    "status_message reason reasons raw description rai_media_filtered_reasons hint error_detail "
    "failure_message block_reason_message"
)
#: Members whose presence is a code.
_MARKER_KEYS = frozenset({"flagged_input", "block_reason"})
_IDENTIFIER = re.compile(r"(?=..)[A-Za-z][A-Za-z0-9]*(?:[_.:-][A-Za-z0-9]+){0,12}")
#: Members that may hold the error or the failed job.
_NESTED_KEYS = _keys(
    "error errors detail details data output base_resp response innererror inner_error body "
    "metadata cause result violations prompt_feedback generate_video_response err task issues "
    "misalignment ctx"
)

_MAX_SECONDS = 10_000_000
_MAX_NODES = 400
_MAX_ITEMS = 20
_MAX_DEPTH = 24
_NUMBER_KEYS = frozenset({"code", "status", "status_code", "error_code"})
_DELAY_KEYS = frozenset({"retry_delay", "retry_after", "retry_after_seconds"})
_HTTP = range(400, 600)
_RPC = range(1, 17)
_JSON_START = re.compile(r"[\[{\"]")
_SECONDS = re.compile(r"(\d{1,7}(?:\.\d{1,9})?)s?")


@dataclass(slots=True)
class EnvelopeSignals:
    """What the walk collected, with the depth of each signal."""

    codes: list[tuple[int, str]] = field(default_factory=list)
    types: list[tuple[int, str]] = field(default_factory=list)
    numbers: list[tuple[int, NumericCode]] = field(default_factory=list)
    texts: list[tuple[int, str]] = field(default_factory=list)
    state: StatusMeaning | None = None
    failed: bool = False
    retry_seconds: float | None = None
    nodes: int = 0


def by_depth(names: list[tuple[int, str]]) -> tuple[tuple[str, ...], ...]:
    """Return names grouped by depth, innermost first."""
    depths = sorted({depth for depth, _ in names}, reverse=True)
    return tuple(tuple(name for at, name in names if at == depth) for depth in depths)


def collect_signals(value: object) -> EnvelopeSignals:
    """Return the signals in a JSON value."""
    signals = EnvelopeSignals()
    _ObjectVisitor(signals, depth=0).visit(value)
    return signals


@dataclass(frozen=True, slots=True)
class _ObjectVisitor:
    """One object of the walk, with the context that its members depend on."""

    signals: EnvelopeSignals
    depth: int
    node: Mapping[str, object] = field(default_factory=dict)

    def visit(self, value: object) -> None:
        """Collect the signals of a value, and of the values in it."""
        self.signals.nodes += 1
        if self.signals.nodes > _MAX_NODES or self.depth > _MAX_DEPTH:
            return
        if isinstance(value, list):
            for item in value[:_MAX_ITEMS]:
                self.visit(item)
        elif isinstance(value, dict):
            replace(
                self, node={normalize_code(str(key)): item for key, item in value.items()}
            ).collect()

    def collect(self) -> None:
        """Collect the signals of this object's members."""
        self.signals.failed = self.signals.failed or claims.claims_failure(self.node)
        self.signals.codes.extend((self.depth, code) for code in claims.implied_codes(self.node))
        for key, item in self.node.items():
            if isinstance(item, str):
                self._collect_text(key, item)
                self._collect_number(key, claims.parse_integer(item))
            elif isinstance(item, int) and not isinstance(item, bool):
                self._collect_number(key, item)
            elif key in _TEXT_KEYS and isinstance(item, list):
                texts = (text for text in item if isinstance(text, str) and text)
                self.signals.texts.extend((self.depth + 1, text) for text in texts)
            if key in _NESTED_KEYS and isinstance(item, dict | list):
                replace(self, depth=self.depth + 1).visit(item)
            if key in _DELAY_KEYS:
                self.signals.retry_seconds = _seconds(item)

    def _collect_text(self, key: str, text: str) -> None:
        code = self._code(key, text.strip())
        if code and not claims.is_success_code(code):
            self.signals.codes.append((self.depth, code))
        if key == "type":
            self.signals.types.append((self.depth, normalize_code(text)))
        elif key in claims.STATE_KEYS:
            self._collect_state(key, normalize_code(text))
        elif text.strip() and (key in _TEXT_KEYS or (key == "code" and " " in text)):
            self._collect_message(text)

    def _code(self, key: str, text: str) -> str:
        """Return the code in a member, "" for none."""
        if key == "code" or (key in _CODE_KEYS and " " not in text):
            return normalize_dotted_code(text)
        if key in _MARKER_KEYS:
            return key
        # "TASK_QUEUE_MAXED" as a message is a code.
        return (
            normalize_dotted_code(text) if key in _TEXT_KEYS and _IDENTIFIER.fullmatch(text) else ""
        )

    def _collect_message(self, text: str) -> None:
        """Collect a text; JSON in it is an envelope of its own."""
        embedded = embedded_json.embedded_value(text)
        if embedded is not None:
            replace(self, depth=self.depth + 1).visit(embedded)
            text = _JSON_START.split(text, maxsplit=1)[0]
        self.signals.texts.append((self.depth, text))

    def _collect_state(self, key: str, name: str) -> None:
        """Collect the status of a job, or a google.rpc status under the same key."""
        is_lost = (key, name) == ("task_status", "unknown")
        state = StatusMeaning.LOST if is_lost else status_meaning(name)
        if state and not self.signals.state:
            self.signals.state = state
        elif not state and name:
            self.signals.types.append((self.depth, name))

    def _collect_number(self, key: str, value: int | None) -> None:
        if value is not None and key in _NUMBER_KEYS:
            envelope = self._envelope(key, value)
            if envelope is not None:
                self.signals.numbers.append((self.depth, NumericCode(envelope, value)))

    def _envelope(self, key: str, value: int) -> Envelope | None:
        """Return the numbering scheme of a code, by its size and its neighbours."""
        if key == "status_code" and "status_msg" in self.node:
            return Envelope.MINIMAX
        if value in _HTTP:
            is_kie = "msg" in self.node and "message" not in self.node
            return Envelope.KIE if is_kie else Envelope.HTTP
        if value in _RPC and "message" in self.node:
            return Envelope.RPC
        return None


def _seconds(value: object) -> float | None:
    if isinstance(value, str):
        match = _SECONDS.fullmatch(value.strip())
        return float(match[1]) if match else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if 0 <= value < _MAX_SECONDS else None
    return None
