"""Element of the picker: its form, its charts, its data and its script."""

from __future__ import annotations

from typing import Any

from tasks.emotion.picker import drawings
from tasks.emotion.picker.data import DIMENSIONS, ERRORS, Columns
from tasks.emotion.picker.script import SCRIPT, STYLE
from tasks.report.charts import json_text

Z_90 = 1.645
"""Half width of a 90 % interval in standard deviations."""

ELEMENT = """<div class="picker" id="artist-picker">
<form data-part="form" role="search"><div class="field">
<label for="artist-name">Artist ({{ number }} to choose from)</label>
<input id="artist-name" data-part="name" type="search" list="artist-names" autocomplete="off"
 spellcheck="false" placeholder="Type a name"></div>
<datalist id="artist-names" data-part="names"></datalist>
<button type="submit">Show</button><button type="button" data-part="random">Random</button></form>
<p data-part="message" role="status"></p><ul data-part="matches"></ul>
<ul aria-label="Suggestions">
{%- for name in examples %}<li><a href="#artist={{ name | urlencode }}">{{ name }}</a></li>{% endfor %}</ul>
<h3 data-part="title" aria-live="polite"></h3><p data-part="facts"></p>
<fieldset data-part="dimension"><legend>Measure</legend>
{%- for name in dimensions %}
<label><input type="radio" name="dimension" value="{{ name }}"{% if loop.first %} checked{% endif %}>
{{- name }}</label>
{%- endfor %}</fieldset>
<h4>Career</h4>{{ career }}<p data-part="career-note"></p>
<h4>Change points</h4><p data-part="changes-note"></p><div data-part="changes">{{ changes }}</div>
<h4>Forecast against truth</h4><p data-part="forecast-note"></p><div data-part="forecast">{{ forecast }}</div>
<h4>Sounds most alike</h4><ul data-part="nearest"></ul><p data-part="nearest-note"></p>
<div class="lists"><div><h4 data-part="named-title">Influences</h4><ul data-part="named"></ul>
<p data-part="named-note"></p></div>
<div><h4 data-part="followers-title">Followers</h4><ul data-part="followers"></ul>
<p data-part="followers-note"></p></div></div>
<noscript><p>The picker needs JavaScript. The tables under Details do not.</p></noscript>
<style>{{ style }}</style>
<script type="application/json" id="artist-data">{{ data }}</script>
</div>
"""


def picker(data: Columns, examples: list[str], first_test: int) -> str:
    """Return the element, to be inserted into a page as it is; see `SCRIPT`.

    Parameters
    ----------
    data : dict
        As `picker_data` returns it.
    examples : list of str
        Names of artists to suggest; the first is shown when the page opens.
    first_test : int
        First year of the test targets.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    names = data["artists"]["name"]
    first = names.index(examples[0]) if examples else 0
    settings: dict[str, Any] = {
        "first": first, "first_test": first_test, "z": Z_90, "dimensions": list(DIMENSIONS), "errors": ERRORS,
    }  # fmt: skip
    charts = {
        "career": drawings.career(),
        "changes": drawings.changes(),
        "forecast": drawings.forecasts(),
    }
    return (
        Environment(autoescape=True, undefined=StrictUndefined)
        .from_string(ELEMENT)
        .render(
            number=f"{len(names):,}",
            examples=examples,
            dimensions=DIMENSIONS,
            style=Markup(STYLE),
            data=Markup(json_text({**data, "settings": settings})),
            **{name: Markup(chart.html()) for name, chart in charts.items()},
        )
    )


def script() -> str:
    """Return the script of the picker, for the end of the page."""
    return SCRIPT
