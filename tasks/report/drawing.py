"""Drawing of figures as inline SVG: one style, and the same bytes each time."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from textwrap import fill
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, darkened until text in it has the contrast of WCAG level AA on white.
BLUE, VERMILION, GREEN, PURPLE, ORANGE = "#0072b2", "#c24a00", "#00795a", "#a8447f", "#b57a00"
INK, GREY, PALE, PAPER, RULE = "#1d2329", "#5f6973", "#dfe3e7", "#ffffff", "#eceff1"

VARIABLES = {
    BLUE: "blue", VERMILION: "vermilion", GREEN: "green", PURPLE: "purple", ORANGE: "orange",
    INK: "ink", GREY: "grey", PALE: "pale", PAPER: "paper", RULE: "rule",
    "#000000": "ink",
}  # fmt: skip
"""Colour of a figure -> variable of the style sheet, which has another value in dark mode."""
PHONE = 3.8
"""Width in inches of a figure on a phone: 365 CSS pixels, so that its text keeps its size."""
WIDEST_TILE = 4.6
"""Width in inches up to which one drawing serves both: its text is readable on a phone."""
LINE = 0.14
"""Height in inches of a further line of a label."""
COLOUR = re.compile(r"(?<=: )#[0-9a-f]{6}\b")
"""A colour in the style of an SVG element."""

STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",  # ships with matplotlib, so the layout is the same everywhere
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.facecolor": "none",
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "figure.facecolor": "none",
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.6,
    "path.simplify": False,
}


def svg(name: str, size: tuple[float, float], alt: str, draw: Callable[[Figure], None]) -> str:
    """Draw on an empty figure and return it as inline SVG.

    A figure wider than `WIDEST_TILE` is drawn a second time for a phone; the page shows the one that
    fits. `draw` may ask `narrow` to stack its panels.

    Parameters
    ----------
    name : str
        Unique in the page: the prefix of all identifiers inside the SVG.
    size : tuple of float
        Width and height in inches.
    alt : str
        Text for screen readers.
    draw : callable
        Draws on the figure that it receives.
    """
    width, height = size
    if width <= WIDEST_TILE:
        return _drawn(name, size, alt, draw)
    wide, phone = _drawn(name, size, alt, draw), _drawn(f"{name}-phone", (PHONE, height), alt, draw)
    return f'<div class="on-wide">{wide}</div><div class="on-phone">{phone}</div>'


def narrow(figure: Figure) -> bool:
    """Return whether a figure is drawn for a phone."""
    return bool(figure.get_figwidth() <= PHONE)


def _drawn(name: str, size: tuple[float, float], alt: str, draw: Callable[[Figure], None]) -> str:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    settings: Any = {**STYLE, "svg.hashsalt": name}
    with rc_context(settings):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        if size[0] <= WIDEST_TILE:
            _wrap(figure)
        page = io.StringIO()
        figure.savefig(page, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return inline(page.getvalue(), name, alt)


def _wrap(figure: Figure) -> None:
    """Break long labels of a narrow figure into lines."""
    from matplotlib.category import StrCategoryLocator
    from matplotlib.ticker import FixedLocator

    letters = round(10.5 * figure.get_figwidth())
    for axes in figure.axes:
        names = [label.get_text() for label in axes.get_yticklabels()]
        if isinstance(axes.yaxis.get_major_locator(), FixedLocator | StrCategoryLocator) and any(names):
            wrapped = [fill(name, 17) for name in names]
            axes.set_yticks(axes.get_yticks(), wrapped)
            lines = max(name.count("\n") + 1 for name in wrapped)
            figure.set_figheight(figure.get_figheight() + max(lines - 2, 0) * len(names) * LINE)
        axes.set_xlabel(fill(axes.get_xlabel(), letters))
        axes.set_title(fill(axes.get_title(loc="left"), letters), loc="left")


def inline(document: str, name: str, alt: str) -> str:
    """Return an SVG document as an element for the inside of a page.

    Its identifiers are unique in the page, and `alt` is its text for screen readers. Its colours are
    variables of the style sheet. If it has others, such as those of a colour scale, the class `card`
    keeps it on a light ground in dark mode too.
    """
    from markupsafe import escape

    element = re.search(r"<svg\b[^>]*?viewBox=\"([^\"]+)\"[^>]*>(.*)</svg>", document, re.DOTALL)
    if element is None:
        raise ValueError(f"figure '{name}': matplotlib wrote no <svg> element")
    box, body = element.groups()
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r"url\(#", f"url(#{name}-", body)
    body = re.sub(r'(?:xlink:)?href="#', f'href="#{name}-', body)
    body = body.replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")
    body = _compact(body)
    others = set(re.findall(COLOUR, body)) - set(VARIABLES)
    card = ' class="card"' if others or "<image" in body else ""
    body = re.sub(COLOUR, lambda colour: _variable(colour[0]), body)
    width = float(box.split()[2])
    return (
        f'<svg viewBox="{box}" width="{width:g}pt"{card} role="img" aria-label="{escape(alt)}">'
        f"{body.strip()}</svg>"
    )


def _compact(body: str) -> str:
    """Drop line breaks, and round coordinates to a hundredth of a point."""
    body = re.sub(r"\s*\n\s*", " ", body).replace("> <", "><")
    return re.sub(r"<[^>]+>", lambda tag: re.sub(r"-?\d+\.\d{3,}", _hundredths, tag[0]), body)


def _hundredths(number: re.Match[str]) -> str:
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")


def _variable(colour: str) -> str:
    return f"var(--{VARIABLES[colour]})" if colour in VARIABLES else colour


def label_once(axes: Axes, **further: Any) -> None:
    """Add a legend above the axes, where it covers no data."""
    options: dict[str, Any] = {
        "loc": "lower right",
        "bbox_to_anchor": (1, 1),
        "borderaxespad": 0.2,
        "ncols": 4,
    }
    options |= further
    figure = axes.get_figure(root=True)
    if figure is not None and narrow(figure):
        options["ncols"] = min(options["ncols"], 2)
    axes.legend(**options)
