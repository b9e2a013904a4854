"""Template of a report page: an opening, then folded details."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.report.blocks import Opening, Section
from tasks.report.charts import PLACE, with_charts
from tasks.report.style import STYLE

SCRIPT = """
const parts = [...document.querySelectorAll("details.part")];
const button = document.querySelector("#all");
function show() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (const part of parts) if (target.contains(part) || part.contains(target)) part.open = true;
  target.scrollIntoView();
}
addEventListener("hashchange", show);
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="#"]');
  if (link && link.hash === location.hash) show();
});
button.addEventListener("click", () => {
  const open = !parts.every((part) => part.open);
  for (const part of parts) part.open = open;
});
document.addEventListener("toggle", () => {
  button.textContent = parts.every((part) => part.open) ? "Close all" : "Open all";
}, true);
let folded = [];
addEventListener("beforeprint", () => {
  folded = parts.filter((part) => !part.open);
  for (const part of folded) part.open = true;
});
addEventListener("afterprint", () => { for (const part of folded) part.open = false; });
show();
"""
"""Opens the part that a link leads to, and all parts on demand and for print."""

PAGE = """{% set number = namespace(figure=0, grid=0) %}
{%- macro figure(block, level) %}
{%- set number.figure = number.figure + 1 %}
<figure id="figure-{{ number.figure }}">
{%- if block.title %}<h{{ level }}>{{ block.title }}</h{{ level }}>{% endif %}
<div{% if block.small %} class="tiles" style="--tile: {{ block.tile }}rem"{% endif %}>
{%- for picture in block.pictures %}
<div>{% if picture.title %}<h3>{{ picture.title }}</h3>{% endif %}{{ picture.svg | safe }}
{%- if picture.note %}<p class="note">{{ picture.note }}</p>{% endif %}</div>
{%- endfor %}
</div>
<figcaption><b>Figure {{ number.figure }}.</b> {{ block.caption }}</figcaption>
</figure>
{%- endmacro %}
{%- macro grid(block) %}
{%- set number.grid = number.grid + 1 %}
<div class="table{{ "" if block.columns | length > 3 else " small" }} scroll" tabindex="0" role="group" aria-label="Table {{ number.grid }}">
<table>
<caption><b>Table {{ number.grid }}.</b> {{ block.caption }}</caption>
<thead><tr>
{%- for column in block.columns %}<th scope="col"{% if loop.index0 in block.text_columns %} class="words"{% endif %}>
{{- column }}</th>{% endfor -%}
</tr></thead>
<tbody>
{%- for row in block.rows %}
<tr><th scope="row">{{ row[0].text }}</th>
{%- for cell in row[1:] -%}
<td data-column="{{ block.columns[loop.index] }}"
{%- if cell.best or loop.index in block.text_columns %} class="{{ "best" if cell.best }}{{ " words" if loop.index in block.text_columns }}"{% endif %}>{{ cell.text }}</td>
{%- endfor %}</tr>
{%- endfor %}
</tbody>
</table>
</div>
{%- endmacro -%}
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ opening.title }}</title>
<style>{{ style }}</style>
</head>
<body>
<a class="skip" href="#details">Skip to the details</a>
<div class="page">
<nav aria-labelledby="contents"><h2 id="contents">On this page</h2>
<ol>
{%- for section in sections %}
<li><a href="#{{ section.key }}">{{ section.title }}</a></li>
{%- endfor %}
</ol></nav>
<header>
<h1>{{ opening.title }}</h1>
<div class="answer">
{%- for sentence in opening.sentences %}
<p>{{ sentence }}</p>
{%- endfor %}
</div>
</header>
<main>
{%- for block in opening.figures %}{{ figure(block, 2) }}{% endfor %}
<div class="bar" id="details"><h2>Details</h2><button type="button" id="all">Open all</button></div>
{%- for section in sections %}
<section id="{{ section.key }}"><details class="part">
<summary><h2>{{ section.title }}</h2>{% if section.hint %}<p>{{ section.hint }}</p>{% endif %}</summary>
<div class="inside">
{%- for block in section.blocks %}
{%- if block.kind == "prose" %}
{%- if block.text %}
<p>{{ block.text }}</p>
{%- endif %}
{%- if block.points %}
<ul>
{%- for point in block.points %}
<li>{{ point }}</li>
{%- endfor %}
</ul>
{%- endif %}
{%- elif block.kind == "commands" %}
<pre><code>{{ block.lines | join("\\n") }}</code></pre>
{%- elif block.kind == "figure" %}{{ figure(block, 3) }}
{%- elif block.kind == "grid" %}{{ grid(block) }}
{%- endif %}
{%- endfor %}
</div>
</details></section>
{%- endfor %}
</main>
<footer>{{ foot }}</footer>
</div>
{{ charts }}
<script>{{ script }}</script>
</body>
</html>
"""


def report_page(opening: Opening, sections: Sequence[Section], foot: str, script: str = "") -> str:
    """Render the page; all text is escaped except pictures and `script`.

    Parameters
    ----------
    script : str
        JavaScript that the pictures of the page need, embedded once. A picture in a folded section has
        no size until the section is opened, which sends the event `toggle`.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(PAGE)
    html = template.render(
        opening=opening, style=Markup(STYLE), sections=sections, foot=foot, script=Markup(SCRIPT + script),
        charts=Markup(PLACE),
    )  # fmt: skip
    return with_charts(html)
