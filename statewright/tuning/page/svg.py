"""Parts of a chart as SVG: scales, lines, marks and a legend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

CHARACTER = 7.1
"""Width of a character of the labels, in pixels."""
STYLE = """
svg{font:12px system-ui,sans-serif;--ink:#1b2733;--faint:#5d6b78;--grid:#dde3e9;--paper:#fff;
--mark:#2167a8;--best:#b3470b;--poor:#8a8f98}
svg text{fill:var(--ink);paint-order:stroke;stroke:var(--paper);stroke-width:3px}
svg .note{fill:var(--faint)} svg .paper{fill:var(--paper)}
svg .grid{stroke:var(--grid)} svg .axis{stroke:var(--faint)} svg .mark{fill:var(--mark)}
svg .best{stroke:var(--best);fill:none;stroke-width:2} svg .bestfill{fill:var(--best)}
svg .again{stroke:var(--best);fill:var(--paper);stroke-width:1.5}
svg .poor{stroke:var(--poor);fill:none;stroke-width:1.5}
svg .default{stroke:var(--faint);stroke-dasharray:5 4} svg .line{fill:none;stroke-width:1.3}
@media (prefers-color-scheme:dark){svg{--ink:#e8edf2;--faint:#a3b1be;--grid:#33404d;--paper:#16202a;
--mark:#6db3f2;--best:#ff9a57;--poor:#8b97a3}}
"""


@dataclass(frozen=True)
class Scale:
    """A linear or logarithmic map from values to pixels.

    Parameters
    ----------
    low, high : float
        Values at the pixels `start` and `end`; values outside are drawn at the nearer end.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """Return the pixel of a value."""
        low, high, value = map(self._map, (self.low, self.high, self._clipped(value)))
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)

    def holds(self, value: float) -> bool:
        """Return whether a value is between the ends."""
        return self.low <= value <= self.high

    def _clipped(self, value: float) -> float:
        return min(max(value, self.low), self.high)

    def _map(self, value: float) -> float:
        return math.log(value) if self.log else value

    def ticks(self, most: int = 5) -> list[float]:
        """Return at most `most` round values between the ends."""
        if self.log and self.high / self.low >= 100:
            powers = range(
                math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9) + 1
            )
            step = max(1, math.ceil(len(powers) / most))
            return [10.0**power for power in powers][::step]
        span = self.high - self.low
        if span <= 0:
            return [self.low]
        power = 10.0 ** math.floor(math.log10(span / most))
        width = next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= most)
        first = math.ceil(self.low / width - 1e-9)
        return [k * width for k in range(first, math.floor(self.high / width + 1e-9) + 1)]


def number(value: float) -> str:
    """Return a number for a label."""
    return f"{value:.4g}"


def shortened(text: str, width: float) -> str:
    """Return the end of a text that fits into a width in pixels."""
    most = max(4, int(width / CHARACTER))
    return text if len(text) <= most else f"…{text[-(most - 1) :]}"


def document(width: float, height: float, alt: str, parts: Sequence[str]) -> str:
    """Return a drawing with its text alternative."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img" aria-label="{escape(alt, quote=True)}"><style>{STYLE}</style>'
        f'<rect class="paper" width="{width:g}" height="{height:g}"/>{"".join(parts)}</svg>'
    )


def text(x: float, y: float, content: str, kind: str = "", anchor: str = "start") -> str:
    """Return a text."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(content)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """Return a line."""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def path(points: Sequence[tuple[float, float]], kind: str, style: str = "", tip: str = "") -> str:
    """Return a line through points; `tip` is shown when the pointer rests on it."""
    steps = " ".join(f"{'L' if k else 'M'}{x:.1f} {y:.1f}" for k, (x, y) in enumerate(points))
    extra = f' style="{style}"' if style else ""
    title = f"<title>{escape(tip)}</title>" if tip else ""
    return f'<path class="{kind}" d="{steps}"{extra}>{title}</path>'


def mark(shape: str, x: float, y: float, kind: str, tip: str = "") -> str:
    """Return a circle, diamond, square, cross or triangle around a point."""
    outlines = {
        "diamond": f"M{x:.1f} {y - 5.5:.1f}l5.5 5.5l-5.5 5.5l-5.5 -5.5z",
        "square": f"M{x - 4:.1f} {y - 4:.1f}h8v8h-8z",
        "cross": f"M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8",
        "triangle": f"M{x - 4.5:.1f} {y - 3.5:.1f}h9l-4.5 8z",
    }
    title = f"<title>{escape(tip)}</title>" if tip else ""
    if shape == "circle":
        return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="4">{title}</circle>'
    return f'<path class="{kind}" d="{outlines[shape]}">{title}</path>'


def legend(
    items: Sequence[tuple[str, str, str]], left: float, top: float, width: float
) -> tuple[list[str], float]:
    """Return marks with their names, and the bottom of the last line.

    Parameters
    ----------
    items : sequence of (shape, kind, name)
        The shape ``line`` is a short line.
    """
    parts, x, y = [], left, top
    for shape, kind, name in items:
        needed = 26 + len(name) * CHARACTER
        if x > left and x + needed > width:
            x, y = left, y + 20
        is_line = shape == "line"
        parts.append(line(x, y - 4, x + 14, y - 4, kind) if is_line else mark(shape, x + 7, y - 4, kind))
        parts.append(text(x + 19, y, name, "note"))
        x += needed + 10
    return parts, y + 8
