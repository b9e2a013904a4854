"""Drawing of figures as inline SVG: one style, and the same bytes each time."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette: distinct for every common kind of colour blindness.
BLUE, VERMILION, GREEN, PURPLE, ORANGE = "#0072B2", "#D55E00", "#00795A", "#A8447F", "#C98A00"
INK, GREY, PALE = "#1d2329", "#5f6973", "#dfe3e7"

STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",  # ships with matplotlib, so the layout is the same everywhere
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#eceff1",
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
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    settings: Any = {**STYLE, "svg.hashsalt": name}
    with rc_context(settings):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        page = io.StringIO()
        figure.savefig(page, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return inline(page.getvalue(), name, alt)


def inline(document: str, name: str, alt: str) -> str:
    """Return an SVG document as an element for the inside of a page.

    Its identifiers are unique in the page, and `alt` is its text for screen readers.
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
    width = float(box.split()[2])
    return (
        f'<svg viewBox="{box}" width="{width:g}pt" role="img" aria-label="{escape(alt)}">{body.strip()}</svg>'
    )


def label_once(axes: Axes, **options: Any) -> None:
    """Add a legend above the axes, where it covers no data."""
    options = {"loc": "lower right", "bbox_to_anchor": (1, 1), "borderaxespad": 0.2, "ncols": 4} | options
    axes.legend(**options)
