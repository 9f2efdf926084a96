"""A chart with lines as SVG, for a page that is read on a screen: no program draws it but this."""

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 40, 50
COLOURS = ("#1b6ca8", "#c8553d", "#588157", "#7b4b94", "#b8860b", "#444444")

Point = tuple[float, float]


def chart(title: str, *, across: str, up: str, lines: Mapping[str, Sequence[Point]], note: str = "") -> str:
    """Both axes are logarithmic, so all values are above 0; points are joined in the order of `across`. The note stands below the title."""
    points = [point for line in lines.values() for point in line]
    xs, ys = _Scale([x for x, _ in points]), _Scale([y for _, y in points])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(LEFT, 20, title, size=15),
        _text(LEFT, HEIGHT - 10, across),
        _text(160, TOP - 8, note, size=10),
        _text(8, TOP - 8, up),
    ]
    for value in xs.ticks:
        parts += [
            _line(_x(xs, value), TOP, _x(xs, value), HEIGHT - BOTTOM),
            _text(_x(xs, value) - 12, HEIGHT - BOTTOM + 16, f"{value:,g}"),
        ]
    for value in ys.ticks:
        parts += [
            _line(LEFT, _y(ys, value), WIDTH - RIGHT, _y(ys, value)),
            _text(8, _y(ys, value) + 4, f"{value:,g}"),
        ]
    for number, (name, line) in enumerate(lines.items()):
        places = [(_x(xs, x), _y(ys, y)) for x, y in sorted(line)]
        parts += _drawn(name, places, number)
    return "\n".join([*parts, "</svg>", ""])


class _Scale:
    """From the power of ten below the least value to the tick above the largest."""

    def __init__(self, values: Sequence[float]) -> None:
        low, high = min(values), max(values)
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        candidates = [step * 10.0**decade for decade in decades for step in (1, 2, 5)]
        below = max((tick for tick in candidates if tick <= low), default=low)
        above = min((tick for tick in candidates if tick >= high), default=high)
        if below == above:
            above = below * 10
        self.ticks = [tick for tick in candidates if below <= tick <= above]
        self._low, self._high = math.log10(below), math.log10(above)

    def share(self, value: float) -> float:
        """Where it lies, from 0 to 1."""
        return (math.log10(value) - self._low) / (self._high - self._low)


def _x(scale: _Scale, value: float) -> float:
    return LEFT + scale.share(value) * (WIDTH - LEFT - RIGHT)


def _y(scale: _Scale, value: float) -> float:
    return HEIGHT - BOTTOM - scale.share(value) * (HEIGHT - TOP - BOTTOM)


def _drawn(name: str, places: Sequence[Point], number: int) -> list[str]:
    colour = COLOURS[number % len(COLOURS)]
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places]
    legend = TOP + 20 * number
    return [
        f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="2"/>',
        *dots,
        f'<circle cx="{WIDTH - RIGHT + 20}" cy="{legend}" r="5" fill="{colour}"/>',
        _text(WIDTH - RIGHT + 32, legend + 4, name),
    ]


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#dddddd"/>'


def _text(x: float, y: float, words: str, *, size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="#222222">{escape(words)}</text>'
