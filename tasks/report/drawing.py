"""How every figure of a page is drawn: one style, inline SVG, the same bytes each time."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette: apart for every common kind of colour blindness.
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
    """Draw on an empty figure of `size` inches and give it back as SVG for the inside of a page.

    `name` must be unique in the page: all identifiers inside begin with it. `alt` is what a
    screen reader says instead.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({**STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        page = io.StringIO()
        figure.savefig(page, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return inline(page.getvalue(), name, alt)


def inline(document: str, name: str, alt: str) -> str:
    """Strip what only a file needs; make identifiers unique; name the picture for screen readers."""
    from markupsafe import escape

    found = re.search(r"<svg\b[^>]*?viewBox=\"([^\"]+)\"[^>]*>(.*)</svg>", document, re.DOTALL)
    if found is None:
        raise ValueError(f"figure '{name}': matplotlib wrote no <svg> element")
    box, body = found.groups()
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
    """A legend above the axes, where it covers nothing."""
    options = {"loc": "lower right", "bbox_to_anchor": (1, 1), "borderaxespad": 0.2, "ncols": 4} | options
    axes.legend(**options)
