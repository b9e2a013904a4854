"""Style sheet and template of a report page, without external resources."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.report.blocks import Section
from tasks.report.charts import with_charts

STYLE = """
:root { color-scheme: light dark; --ink: #1d2329; --soft: #4b555f; --line: #d5dade; --paper: #fff; --tint: #f4f6f8; --link: #00528a; --best: #e3f0f8; }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; }
body { margin: 0; color: var(--ink); background: var(--paper); line-height: 1.55;
  font-family: "Iowan Old Style", "Palatino Linotype", Palatino, Georgia, "DejaVu Serif", serif;
  font-size: 1.0625rem; }
header, main, footer { max-width: 62rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2.5rem; }
h1 { font-size: 2.1rem; line-height: 1.15; margin: 0 0 .6rem; text-wrap: balance; }
h2 { font-size: 1.45rem; line-height: 1.25; margin: 3rem 0 .8rem; padding-top: .8rem;
  border-top: 2px solid var(--ink); }
h3 { font-size: 1rem; margin: 0 0 .2rem; }
p, ul { max-width: 44rem; }
.lede { font-size: 1.15rem; color: var(--soft); }
a { color: var(--link); }
a:focus-visible, summary:focus-visible, .scroll:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
nav, figcaption, caption, table, h1, h2, h3, footer, pre, .skip {
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
nav { background: var(--tint); border: 1px solid var(--line); border-radius: .4rem; padding: .8rem 1.2rem;
  margin: 1.5rem 0; }
nav h2 { font-size: .95rem; margin: 0 0 .3rem; padding: 0; border: 0; }
nav ol { margin: 0; padding-left: 1.5rem; columns: 15rem; column-gap: 2.5rem; font-size: .92rem; }
nav li { overflow-wrap: anywhere; }
.skip { position: absolute; left: -99rem; } .skip:focus { left: 1rem; top: 1rem; background: var(--paper);
  padding: .5rem; }
.findings { background: var(--tint); border-left: 4px solid #0072b2; border-radius: 0 .4rem .4rem 0;
  padding: .7rem 1.2rem .7rem 2.2rem;
  margin: 1rem 0; max-width: none; }
.findings li { margin: .5rem 0; max-width: 52rem; }
figure { margin: 1.6rem 0 2rem; }
figure svg { display: block; max-width: 100%; height: auto; }
.scroll { overflow-x: auto; }
.wide svg { min-width: 36rem; }
.note { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
  font-size: .82rem;
  line-height: 1.35; color: var(--soft); margin: .2rem 0 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, var(--tile)), 1fr));
  gap: 1.3rem 1.5rem; }
.tiles svg { width: 100%; }
figcaption, caption { font-size: .88rem; line-height: 1.45; color: var(--soft); text-align: left;
  max-width: 52rem; }
figcaption { margin-top: .6rem; }
figcaption b, caption b { color: var(--ink); }
caption { caption-side: top; padding-bottom: .5rem; max-width: min(52rem, calc(100vw - 2rem)); }
.table { margin: 1.6rem 0 2rem; }
table { border-collapse: collapse; font-size: .88rem; line-height: 1.35; font-variant-numeric: tabular-nums; }
th, td { padding: .32rem .75rem .32rem 0; border-bottom: 1px solid var(--line); text-align: right;
  vertical-align: top; white-space: nowrap; }
thead th { border-bottom: 2px solid var(--ink); vertical-align: bottom; }
tbody th, th:first-child, .words { text-align: left; }
tbody th { font-weight: 500; white-space: normal; min-width: 7.5rem; }
.words { white-space: normal; min-width: 8rem; }
td { white-space: pre; }
td.words { white-space: normal; }
td.words:last-child { min-width: 14rem; }
.best { background: var(--best); }
.best::first-line { font-weight: 700; }
.best::before { content: "★ "; }
pre { background: var(--tint); border: 1px solid var(--line); border-radius: .4rem; padding: .8rem 1rem;
  overflow-x: auto; font-size: .88rem;
  font-family: ui-monospace, "SF Mono", Menlo, "DejaVu Sans Mono", monospace; }
footer { margin: 3rem auto 2rem; color: var(--soft); font-size: .88rem; border-top: 1px solid var(--line);
  padding-top: 1rem; }
@media (max-width: 40rem) { body { font-size: 1rem; } h1 { font-size: 1.6rem; } h2 { font-size: 1.25rem; }
  header, main, footer { padding-left: 1rem; padding-right: 1rem; } }
@media screen and (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ec; --soft: #b3bcc4; --line: #3a424a; --paper: #14181c; --tint: #1d2329; --link: #7cc0f5;
    --best: #123a52; }
  figure svg { background: #fff; border-radius: .3rem; } }
@media print { nav, .skip { display: none; } body { font-size: 10pt; }
  header, main, footer { max-width: none; padding: 0; }
  h2 { break-after: avoid; } figure, tr { break-inside: avoid; } .scroll { overflow: visible; }
  .wide svg { min-width: 0; } .findings { background: none; } table { font-size: 7.5pt; }
  th, td { padding-right: .4rem; } .tiles { grid-template-columns: 1fr 1fr; } }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
"""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>{{ style }}</style>
</head>
<body>
<a class="skip" href="#{{ sections[0].key }}">Skip to the findings</a>
<header>
<h1>{{ title }}</h1>
<p class="lede">{{ lede }}</p>
<nav aria-labelledby="contents"><h2 id="contents">Contents</h2>
<ol>
{%- for section in sections %}
<li><a href="#{{ section.key }}">{{ section.title }}</a></li>
{%- endfor %}
</ol></nav>
</header>
<main>
{%- set number = namespace(figure=0, grid=0) %}
{%- for section in sections %}
<section id="{{ section.key }}" aria-labelledby="{{ section.key }}-title">
<h2 id="{{ section.key }}-title">{{ section.title }}</h2>
{%- for block in section.blocks %}
{%- if block.kind == "prose" %}
{%- if block.text %}
<p>{{ block.text }}</p>
{%- endif %}
{%- if block.points %}
<ul{% if loop.first and section.key == "findings" %} class="findings"{% endif %}>
{%- for point in block.points %}
<li>{{ point }}</li>
{%- endfor %}
</ul>
{%- endif %}
{%- elif block.kind == "commands" %}
<pre><code>{{ block.lines | join("\\n") }}</code></pre>
{%- elif block.kind == "figure" %}
{%- set number.figure = number.figure + 1 %}
<figure id="figure-{{ number.figure }}">
<div class="{{ "tiles" if block.small else "scroll wide" }}"{% if block.small %} style="--tile: {{ block.tile }}rem"{% else %} tabindex="0" role="group"
 aria-label="Figure {{ number.figure }}"{% endif %}>
{%- for picture in block.pictures %}
<div>{% if picture.title %}<h3>{{ picture.title }}</h3>{% endif %}{{ picture.svg | safe }}
{%- if picture.note %}<p class="note">{{ picture.note }}</p>{% endif %}</div>
{%- endfor %}
</div>
<figcaption><b>Figure {{ number.figure }}.</b> {{ block.caption }}</figcaption>
</figure>
{%- elif block.kind == "grid" %}
{%- set number.grid = number.grid + 1 %}
<div class="table scroll" tabindex="0" role="group" aria-label="Table {{ number.grid }}">
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
<td class="{{ "best" if cell.best }}{{ " words" if loop.index in block.text_columns }}">{{ cell.text }}</td>
{%- endfor %}</tr>
{%- endfor %}
</tbody>
</table>
</div>
{%- endif %}
{%- endfor %}
</section>
{%- endfor %}
</main>
<footer>{{ foot }}</footer>
</body>
</html>
"""


def page(title: str, lede: str, sections: Sequence[Section], foot: str) -> str:
    """Render the page; all text is escaped except our own figures."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(PAGE)
    html = template.render(title=title, lede=lede, style=Markup(STYLE), sections=sections, foot=foot)
    return with_charts(html)
