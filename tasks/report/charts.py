"""Interactive charts of a report page: Vega-Lite, embedded once, offline.

``Chart.picture`` is a `Picture`: it goes into a `Figure` like a drawing of matplotlib. The page calls
`with_charts`, which adds the script and the style once if the page has a chart.

A chart is drawn as SVG when the page opens, one in a folded part when that is opened.
Until then, and where scripts are off, the page shows the sentence `alt`. Colours in a specification are
style variables, so that a chart follows the page into dark mode: ``var(--ink)``, ``var(--soft)``,
``var(--line)``, ``var(--paper)`` and ``var(--chart-1)`` to ``var(--chart-6)``, the default categories.

Scripts of a page use ``reportCharts``::

    reportCharts.set("career", {years: rows})          // replace data sets, draw again
    reportCharts.click("career", (row) => ...)         // a mark was clicked
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from tasks.report.blocks import Picture

VEGA_LITE = "6.4"
"""Version of the specifications, as the bundle has it."""

MARK = 'class="chart"'
"""Text of a page that has a chart."""

PLACE = "<!-- charts -->"
"""Comment of a page that the library replaces; scripts after it may use ``reportCharts``."""

STYLE = """
:root { --chart-1: var(--blue); --chart-2: var(--vermilion); --chart-3: var(--green);
  --chart-4: var(--purple); --chart-5: var(--orange); --chart-6: var(--grey); }
.chart { position: relative; width: 100%; min-height: var(--chart-height); }
.chart > .plot { width: 100%; }
.chart svg { background: none !important; min-width: 0 !important; max-width: 100%; overflow: visible; }
.chart > .plot { display: flex; flex-direction: column; }
.chart .vega-bindings { order: -1; font-size: .92rem; }
.chart .vega-bind { display: flex; flex-wrap: wrap; align-items: center; gap: .2rem .8rem;
  margin-bottom: .5rem; }
.chart .vega-bind-name { color: var(--soft); }
.chart .vega-bind-radio { display: flex; flex-wrap: wrap; gap: 0 .9rem; }
.chart .vega-bind-radio label { display: inline-flex; align-items: center; gap: .3rem; min-height: 1.75rem; }
.chart .vega-bind select { font: inherit; color: var(--ink); background: var(--paper); padding: .3rem;
  border: 1px solid var(--soft); border-radius: .3rem; min-height: 2.25rem; max-width: 100%; }
.chart .alt { font-size: .88rem; color: var(--soft); margin: 0; }
.chart.drawn .alt { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
#vg-tooltip-element { background: var(--paper); color: var(--ink); border: 1px solid var(--line);
  border-radius: .3rem; padding: .4rem .6rem; font: .82rem/1.35 system-ui, "DejaVu Sans", sans-serif;
  max-width: min(20rem, 90vw); position: fixed; visibility: hidden; z-index: 1000; pointer-events: none;
  box-shadow: 0 2px 8px rgb(0 0 0 / .25); }
#vg-tooltip-element.visible { visibility: visible; }
#vg-tooltip-element td.key { color: var(--soft); padding-right: .6rem; white-space: nowrap; }
#vg-tooltip-element td { border: 0; padding: .05rem .3rem .05rem 0; text-align: left; white-space: normal; }
"""

SCRIPT = r"""
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const font = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";
  const rows = (data) => Array.isArray(data) ? data
    : Array.from({length: Math.max(0, ...Object.values(data).map((column) => column.length))},
        (_, k) => Object.fromEntries(Object.keys(data).map((name) => [name, data[name][k]])));
  // Text over any colour of a ramp is readable in --ink.
  const ramp = [["#f1f6fa", "#5aa5d8"], ["#1a2128", "#2b6894"]];
  const config = () => ({
    background: null, font, view: {stroke: null},
    axis: {labelColor: "var(--ink)", titleColor: "var(--soft)", gridColor: "var(--line)", gridOpacity: .6,
      domainColor: "var(--soft)", tickColor: "var(--soft)", labelFontSize: 12, titleFontSize: 12,
      titleFontWeight: "normal", labelLimit: 140, labelOverlap: true, labelSeparation: 8},
    legend: {labelColor: "var(--ink)", titleColor: "var(--soft)", labelFontSize: 12, titleFontSize: 12,
      titleFontWeight: "normal", orient: "top", labelLimit: 200},
    header: {labelColor: "var(--ink)", titleColor: "var(--soft)", labelFontSize: 12},
    title: {color: "var(--ink)", anchor: "start", fontSize: 13},
    text: {color: "var(--ink)"}, rule: {color: "var(--soft)"}, mark: {color: "var(--chart-1)"},
    range: {
      category: [1, 2, 3, 4, 5, 6].map((k) => `var(--chart-${k})`),
      ramp: ramp[dark.matches ? 1 : 0], heatmap: ramp[dark.matches ? 1 : 0]},
  });
  const charts = new Map();
  const draw = async (chart) => {
    chart.near = true;
    const turn = chart.turn = (chart.turn || 0) + 1;
    const datasets = Object.fromEntries(Object.entries(chart.datasets).map(([k, data]) => [k, rows(data)]));
    try {
      const result = await vegaEmbed(chart.plot, {...chart.spec, datasets}, {
        mode: "vega-lite", renderer: "svg", actions: false, config: config(),
        tooltip: {disableDefaultStyle: true}, hover: true,
        logLevel: 1});  // errors only: an empty data set is no fault
      if (turn !== chart.turn) { result.finalize(); return; }
      if (chart.result) chart.result.finalize();
      chart.result = result;
      for (const react of chart.clicks) {
        result.view.addEventListener("click", (_, item) => item?.datum && react(item.datum));
      }
      chart.host.classList.add("drawn");
      chart.host.dispatchEvent(new CustomEvent("drawn"));
    } catch (error) {
      console.error(`chart ${chart.host.id}: ${error.message}`);
      chart.host.classList.remove("drawn");
    }
  };
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) { watch.unobserve(entry.target); draw(charts.get(entry.target.dataset.key)); }
    }
  }, {rootMargin: "20000px"});  // all but those in folded parts, so that a long screenshot has them
  for (const host of document.querySelectorAll(".chart")) {
    const {datasets = {}, ...spec} = JSON.parse(host.querySelector("script").textContent);
    charts.set(host.dataset.key, {host, plot: host.querySelector(".plot"), spec, datasets, clicks: []});
    watch.observe(host);
  }
  dark.addEventListener("change", () => charts.forEach((chart) => chart.near && draw(chart)));
  addEventListener("beforeprint", () => charts.forEach((chart) => chart.near || draw(chart)));
  window.reportCharts = {
    set(key, datasets, alt) {
      const chart = charts.get(key);
      Object.assign(chart.datasets, datasets);
      if (alt) {
        chart.host.setAttribute("aria-label", alt);
        chart.host.querySelector(".alt").textContent = chart.spec.description = alt;
      }
      if (chart.near) draw(chart);
    },
    click(key, react) {
      const chart = charts.get(key);
      chart.clicks.push(react);
      if (chart.near) draw(chart);
    },
  };
})();
"""


@dataclass(frozen=True)
class Chart:
    """A Vega-Lite specification with its data and its text alternative.

    Attributes
    ----------
    key : str
        Unique in the page; the element has the identifier ``chart-KEY``.
    spec : mapping
        A single or layered view in Vega-Lite, as a dictionary or from ``altair.Chart.to_dict``. Its width
        is that of the page unless it names one. Text of the data is never read as HTML.
    alt : str
        One or two sentences with the message of the chart, for readers who do not see it.
    datasets : mapping of str
        Data by name, for ``"data": {"name": ...}``: a list of rows, or columns of equal length
        (`columns`), which take less space.
    height : int
        Pixels to reserve until the chart is drawn.
    """

    key: str
    spec: Mapping[str, Any]
    alt: str
    datasets: Mapping[str, Any] = field(default_factory=dict)
    height: int = 320

    def html(self) -> str:
        """Return the element that holds the chart, to be inserted as it is."""
        from markupsafe import escape

        spec: dict[str, Any] = {"width": "container", "height": self.height - 60} | dict(self.spec)
        spec["description"] = self.alt
        spec["datasets"] = {**spec.get("datasets", {}), **self.datasets}
        spec.pop("$schema", None)
        return (
            f'<div {MARK} id="chart-{escape(self.key)}" data-key="{escape(self.key)}" role="group" '
            f'aria-label="{escape(self.alt)}" style="--chart-height: {self.height}px">'
            f'<div class="plot"></div><p class="alt">{escape(self.alt)}</p>'
            '<noscript><p class="note">The chart itself needs JavaScript.</p></noscript>'
            f'<script type="application/json">{json_text(spec)}</script></div>'
        )

    def picture(self, title: str = "", note: str = "") -> Picture:
        """Return the chart as a picture of a figure."""
        return Picture(self.html(), title, note)


def with_charts(html: str) -> str:
    """Add the library and the style to a page if it has charts.

    Raises
    ------
    ValueError
        The page has charts but not the comment `PLACE`, or no ``</head>``.
    """
    if MARK not in html:
        return html.replace(PLACE, "")
    for text in ("</head>", PLACE):
        if text not in html:
            raise ValueError(f"a page with charts has no {text}, expected a document from report_page")
    head, _, rest = html.partition("</head>")
    body, _, end = rest.rpartition(PLACE)
    scripts = f"<script>{library()}</script>\n<script>{SCRIPT}</script>"
    return f"{head}<style>{STYLE}</style>\n</head>{body}{scripts}{end}"


@cache
def library() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script of about 0.9 MB."""
    import vl_convert

    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE)
    return str(bundle).replace("</script", "<\\/script")


def columns(table: pd.DataFrame, digits: int = 3) -> dict[str, list[Any]]:
    """Return the columns of a table as lists for JSON; see `values`."""
    return {str(name): values(table[name], digits) for name in table.columns}


def values(column: pd.Series | Sequence[Any], digits: int = 3) -> list[Any]:
    """Return a column for JSON, rounded; a missing number is None."""
    series = pd.Series(column)
    if not pd.api.types.is_float_dtype(series):
        return [None if value is None else value for value in series.astype(object).tolist()]
    return [_number(value) for value in np.round(series.to_numpy(float), digits).tolist()]


def _number(value: float) -> float | int | None:
    if not np.isfinite(value):
        return None
    return int(value) if value == int(value) else value


def json_text(value: Any) -> str:
    """Return compact JSON that cannot end the script element around it.

    Raises
    ------
    ValueError
        A number is not finite.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
