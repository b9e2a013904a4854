"""Elements of the page: bars by bin, table of mistakes, search of items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from tasks.report.blocks import share

WEAK = 0.5
"""Share of right bins below which a bin is marked."""

BARS = """<div class="bars" id="bins">
{%- for city in cities %}
<div><h3>{{ city.name }}: {{ city.share }} of {{ city.names }} names</h3>
<ul>
{%- for bin in city.bins %}
<li><a href="#mistakes" data-city="{{ city.place }}" data-true="{{ bin.place }}"
{%- if bin.weak %} class="weak"{% endif %}><span class="bin">{{ bin.name }}</span>
<span class="track" aria-hidden="true"><i style="left:{{ bin.low }}%;right:{{ 100 - bin.high }}%"></i>
{#- #}<b style="left:{{ bin.percent }}%"></b></span>
<span class="of">{{ bin.right }} of {{ bin.names }}<span class="away"> right, {{ bin.share }},
 95% interval {{ bin.low }} to {{ bin.high }}%</span></span></a></li>
{%- endfor %}
</ul><p class="scale" aria-hidden="true"><span>0%</span><span>50%</span><span>100%</span></p></div>
{%- endfor %}
</div>
<style>{{ style }}</style>"""

MISTAKES = """<div class="mistakes" id="mistakes">
<div class="cities" role="group" aria-label="City">
{%- for city in cities %}
<button type="button" data-city="{{ city.place }}" aria-pressed="{{ "true" if loop.first else "false" }}">
{{- city.name }}</button>
{%- endfor %}</div>
{%- for city in cities %}
<div class="matrix" data-city="{{ city.place }}"{% if not loop.first %} hidden{% endif %}>
<table><caption>{{ city.name }}: bin on the list (rows) and bin of the assistant (columns)</caption>
<thead><tr><td></td>
{%- for name in city.given %}<th scope="col"><span>{{ name }}</span></th>{% endfor %}</tr></thead>
<tbody>
{%- for row in city.rows %}
<tr><th scope="row">{{ row.name }}</th>
{%- for cell in row.cells %}
<td>{% if cell.names %}<button type="button" data-city="{{ city.place }}" data-true="{{ row.place }}"
 data-given="{{ cell.place }}"{% if cell.right %} class="right"{% endif %} style="--share:{{ cell.shade }}%"
 aria-label="{{ cell.names }} of {{ row.name }} given {{ cell.name }}">{{ cell.names }}</button>
{%- endif %}</td>
{%- endfor %}</tr>
{%- endfor %}
</tbody></table></div>
{%- endfor %}
<div class="list" aria-live="polite"><h3 data-part="title"></h3><ul data-part="names"></ul>
<button type="button" data-part="more" hidden></button></div>
<noscript><p class="note">The list of names behind a cell needs JavaScript.</p></noscript>
<script type="application/json" id="mistakes-data">{{ data }}</script>
</div>"""

SEARCH = """<div class="find" id="find">
<form role="search"><label for="item-name">Name of an item, in English ({{ number }} to choose from)</label>
<input id="item-name" type="search" autocomplete="off" spellcheck="false" placeholder="Type a name"
 value="{{ examples[0] if examples else "" }}"></form>
<p class="examples">For example: {% for name in examples %}<button type="button">{{ name }}</button>
{%- endfor %}</p>
<p data-part="count" role="status"></p>
<ul data-part="found"></ul>
<button type="button" data-part="more" hidden>Show more</button>
<noscript><p class="note">The search needs JavaScript.</p></noscript>
<script type="application/json" id="items-data">{{ data }}</script>
</div>"""


@dataclass(frozen=True)
class BinScore:
    """Right names of one true bin in a city, with the 95 % Wilson interval."""

    city: str
    bin: str
    names: int
    right: int

    @property
    def share(self) -> float:
        """The share of right names."""
        return self.right / self.names

    @property
    def interval(self) -> tuple[float, float]:
        """The bounds of the interval."""
        bounds = binomtest(self.right, self.names).proportion_ci(0.95, method="wilson")
        return float(bounds.low), float(bounds.high)


def bin_scores(tested: pd.DataFrame) -> list[BinScore]:
    """Return the score of each true bin, by city and number of names."""
    scores = [
        BinScore(str(city), str(name), len(rows), int(rows["right"].sum()))
        for (city, name), rows in tested.groupby(["city", "true"])
    ]
    return sorted(scores, key=lambda score: (score.city, -score.names, score.bin))


def bars(tested: pd.DataFrame, data: dict[str, Any], style: str) -> str:
    """Return the share of right bins by city and bin, each with its interval."""
    scores = bin_scores(tested)
    cities = []
    for city in _cities(tested):
        rows = tested[tested["city"] == city]
        cities.append(
            {
                "name": city,
                "place": data["cities"].index(city),
                "names": len(rows),
                "share": share(rows["right"].mean()),
                "bins": [_bar(score, data) for score in scores if score.city == city],
            }
        )
    return _render(BARS, cities=cities, style=style)


def _bar(score: BinScore, data: dict[str, Any]) -> dict[str, Any]:
    low, high = score.interval
    return {
        "name": score.bin, "place": data["bins"].index(score.bin), "names": score.names, "right": score.right,
        "share": share(score.share), "percent": round(100 * score.share), "low": round(100 * low),
        "high": round(100 * high), "weak": score.share < WEAK,
    }  # fmt: skip


def mistakes(tested: pd.DataFrame, data: dict[str, Any]) -> str:
    """Return the table of true and given bins; its cells list their names."""
    from tasks.report.charts import json_text

    cities = [_matrix(city, tested[tested["city"] == city], data) for city in _cities(tested)]
    return _render(MISTAKES, cities=cities, data=json_text(data))


def _matrix(city: str, rows: pd.DataFrame, data: dict[str, Any]) -> dict[str, Any]:
    counts = pd.crosstab(rows["true"], rows["given"])
    commonest = counts.sum(axis=1).sort_values(ascending=False, kind="stable").index.tolist()
    given = [name for name in commonest if name in counts.columns]
    given += [name for name in counts.columns if name not in commonest]
    counts = counts.reindex(index=commonest, columns=given)
    shares = counts.to_numpy() / np.maximum(counts.to_numpy().sum(axis=1, keepdims=True), 1)
    return {
        "name": city,
        "place": data["cities"].index(city),
        "given": given,
        "rows": [
            {
                "name": true,
                "place": data["bins"].index(true),
                "cells": [
                    {"name": name, "place": data["bins"].index(name), "names": int(counts.loc[true, name]),
                     "right": true == name, "shade": round(12 + 33 * shares[i, j])}
                    for j, name in enumerate(given)
                ],
            }
            for i, true in enumerate(commonest)
        ],
    }  # fmt: skip


def search(data: dict[str, Any], examples: list[str]) -> str:
    """Return the search of all items, with a few names to try."""
    from tasks.report.charts import json_text

    return _render(SEARCH, data=json_text(data), number=f"{len(data['items']):,}", examples=examples)


def _cities(tested: pd.DataFrame) -> list[str]:
    """Return the cities by their number of tested names, the largest first."""
    return [str(city) for city in tested["city"].value_counts(sort=True).index]


def _render(template: str, **values: Any) -> str:
    """Render an element; all text is escaped except the style sheet and the JSON."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    safe = {name: Markup(values.pop(name)) for name in ("style", "data") if name in values}
    return (
        Environment(autoescape=True, undefined=StrictUndefined).from_string(template).render(**values, **safe)
    )
