"""An SVG chart of delay and wrong time against daily spend."""

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

from tallylight.rehearsal.rules import RuleScore
from tallylight.rehearsal.score import Score

_WIDTH, _PANEL, _HEIGHT = 980, 400, 470
_LEFT, _TOP, _BASELINE_Y = 70, 70, 350
_GAP = 480
_MIN_SPEND = 0.05
_SVG_ATTRIBUTES = (
    'xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="title desc" '
    'font-family="sans-serif" font-size="13"'
)
_COLOURS = ("#0b6e4f", "#08415c", "#b23a48", "#7a4e00", "#5b3f8c", "#444444", "#9c27b0", "#00695c")
_MARKERS = ("●", "■", "▲", "◆", "▼", "✚", "★", "○")


def render_chart(results: Sequence[RuleScore], title: str) -> str:
    """Return an SVG with two panels: median delay and wrong time, both against daily spend.

    The axis of the spend is logarithmic, with 0 at its left end. Rules differ in marker and
    colour, so that the chart is readable without colours.
    """
    by_rule: dict[str, list[Score]] = {}
    for result in results:
        by_rule.setdefault(result.rule, []).append(result.score)
    max_spend = max((result.score.spend_per_day for result in results), default=1.0)
    height = _HEIGHT + 12 * len(by_rule)
    parts = [
        f'<svg {_SVG_ATTRIBUTES} viewBox="0 0 {_WIDTH} {height}">',
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="desc">{escape(_description(by_rule))}</desc>',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="30" font-size="18" fill="#111111">{escape(title)}</text>',
    ]
    parts += _panel(by_rule, max_spend, 0, "median delay, minutes", lambda s: s.median_delay)
    parts += _panel(by_rule, max_spend, _GAP, "wrong status, %", lambda s: 100 * s.wrong_share)
    parts += _legend(by_rule)
    return "\n".join([*parts, "</svg>", ""])


def _panel(
    by_rule: Mapping[str, Sequence[Score]],
    max_spend: float,
    offset: int,
    label: str,
    value: Callable[[Score], float | None],
) -> list[str]:
    values = [v for scores in by_rule.values() for s in scores if (v := value(s)) is not None]
    top = _round_up_nicely(max(values, default=1.0))
    left, right = _LEFT + offset, _LEFT + offset + _PANEL
    parts = [f'<text x="{left}" y="{_TOP - 14}" fill="#333333">{label}</text>']
    for step in range(5):
        y = _BASELINE_Y - (_BASELINE_Y - _TOP) * step / 4
        parts.append(f'<path d="M{left} {y:.1f}H{right}" stroke="#dddddd"/>')
        parts.append(
            f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#333333">'
            f"{top * step / 4:.3g}</text>"
        )
    for amount in _ticks(max_spend):
        x = left + _x_position(amount, max_spend)
        text = "0" if amount == 0 else f"{amount:g}"
        parts.append(f'<path d="M{x:.1f} {_BASELINE_Y}v5" stroke="#333333"/>')
        parts.append(_axis_label(x, _BASELINE_Y + 20, text))
    parts.append(_axis_label((left + right) / 2, _BASELINE_Y + 40, "USD a day"))
    for index, scores in enumerate(by_rule.values()):
        points = [
            (
                left + _x_position(s.spend_per_day, max_spend),
                _BASELINE_Y - (_BASELINE_Y - _TOP) * v / top,
            )
            for s in scores
            if (v := value(s)) is not None
        ]
        parts += _series(points, index)
    return parts


def _axis_label(x: float, y: int, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y}" text-anchor="middle" fill="#333333">{text}</text>'


def _series(points: Sequence[tuple[float, float]], index: int) -> list[str]:
    colour, mark = _COLOURS[index % len(_COLOURS)], _MARKERS[index % len(_MARKERS)]
    parts = [
        f'<text x="{x:.1f}" y="{y + 5:.1f}" text-anchor="middle" fill="{colour}">{mark}</text>'
        for x, y in points
    ]
    if len(points) > 1:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in sorted(points))
        parts.insert(0, f'<polyline points="{path}" fill="none" stroke="{colour}"/>')
    return parts


def _legend(by_rule: Mapping[str, Sequence[Score]]) -> list[str]:
    parts = []
    for index, name in enumerate(by_rule):
        x, y = _LEFT + _GAP * (index % 2), _HEIGHT - 50 + 24 * (index // 2)
        colour, mark = _COLOURS[index % len(_COLOURS)], _MARKERS[index % len(_MARKERS)]
        parts.append(f'<text x="{x}" y="{y}" fill="{colour}">{mark} {escape(name)}</text>')
    return parts


def _description(by_rule: Mapping[str, Sequence[Score]]) -> str:
    sentences = []
    for name, scores in by_rule.items():
        for s in scores:
            delay = "no delay" if s.median_delay is None else f"{s.median_delay:.1f} minutes late"
            spend, wrong = f"{s.spend_per_day:.2f} USD a day", f"{100 * s.wrong_share:.2f} % wrong"
            sentences.append(f"{name}: {spend}, {delay}, {wrong}")
    return "; ".join(sentences)


def _x_position(amount: float, max_spend: float) -> float:
    if amount <= 0:
        return 0.0
    highest = math.log(max(max_spend, 1.0) / _MIN_SPEND)
    share = max(0.0, math.log(amount / _MIN_SPEND)) / highest
    return _PANEL * (0.06 + 0.94 * min(1.0, share))


def _ticks(max_spend: float) -> list[float]:
    ticks, amount = [0.0], 0.1
    while amount <= max_spend:
        ticks.append(amount)
        amount = round(amount * 10, 6)
    return ticks


def _round_up_nicely(value: float) -> float:
    if value <= 0:
        return 1.0
    scale = 10.0 ** math.floor(math.log10(value))
    return next(step * scale for step in (1, 2, 4, 5, 8, 10) if step * scale >= value)
