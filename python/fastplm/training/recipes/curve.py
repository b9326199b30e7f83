"""Learning curves as a picture."""

import math
from html import escape
from typing import Any

_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 36, 44  # margins
_COLOURS = {"loss": "#1f5fa8", "eval_loss": "#b3261e"}
_NAMES = {"loss": "training", "eval_loss": "evaluation"}


def svg(log: list[dict[str, Any]], title: str) -> str:
    """The losses of a Trainer's log over its steps, as an SVG document."""
    curves = {
        key: [(e["step"], e[key]) for e in log if key in e and math.isfinite(e[key])] for key in _COLOURS
    }
    points = [point for curve in curves.values() for point in curve]
    across = _ticks(0, max((x for x, _ in points), default=1))
    up = _ticks(min((y for _, y in points), default=0), max((y for _, y in points), default=1))
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        right, above = ((v - t[0]) / (t[-1] - t[0]) for v, t in ((x, across), (y, up)))
        return round(_LEFT + right * width, 1), round(_TOP + (1 - above) * height, 1)

    parts = [_text(_LEFT, 20, title, "start"), _text(_LEFT + width / 2, _HEIGHT - 8, "steps", "middle")]
    for y in up:
        at = place(across[0], y)[1]
        parts += [_line(_LEFT, at, _WIDTH - _RIGHT, at), _text(_LEFT - 6, at + 4, f"{y:.4g}", "end")]
    parts += [_text(place(x, up[0])[0], _HEIGHT - _BOTTOM + 18, f"{x:.6g}", "middle") for x in across]
    for i, (key, curve) in enumerate(curves.items()):
        if not curve:
            continue
        colour, places = _COLOURS[key], [place(*point) for point in curve]
        row = " ".join(f"{x},{y}" for x, y in places)
        parts.append(f'<polyline points="{row}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts += [f'<circle cx="{x}" cy="{y}" r="2.5" fill="{colour}"/>' for x, y in places]
        parts.append(_text(_WIDTH - _RIGHT, 20 + 16 * i, f"{_NAMES[key]} loss", "end", colour))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        f'font-size="12"><rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n'
    )


def _ticks(low: float, high: float) -> list[float]:
    """About five round numbers, from at most low to at least high."""
    span = (high - low) or abs(high) or 1.0
    size = 10.0 ** math.floor(math.log10(span / 5))
    step = next(size * m for m in (1, 2, 5, 10) if size * m >= span / 5)
    first = math.floor(low / step)
    count = max(1, math.ceil(high / step - 1e-9) - first)
    return [(first + i) * step for i in range(count + 1)]


def _text(x: float, y: float, text: str, anchor: str, colour: str = "#333333") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#e5e5e5"/>'
