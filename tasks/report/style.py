"""Style sheet of a report page, for light, dark, phone and print."""

from __future__ import annotations

STYLE = """
:root, .card { --ink: #1d2329; --soft: #4b555f; --line: #d5dade; --paper: #ffffff; --tint: #f4f6f8;
  --link: #00528a; --best: #e3f0f8; --grey: #5f6973; --pale: #dfe3e7; --rule: #eceff1; --blue: #0072b2;
  --vermilion: #c24a00; --green: #00795a; --purple: #a8447f; --orange: #b57a00; }
:root { color-scheme: light dark; }
@media screen and (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ec; --soft: #b3bcc4; --line: #3a424a; --paper: #14181c; --tint: #1d2329;
    --link: #7cc0f5; --best: #123a52; --grey: #9aa6b1; --pale: #3a444d; --rule: #262d34; --blue: #5db8f0;
    --vermilion: #ff9a5c; --green: #3ecfa2; --purple: #e79ac6; --orange: #e9b949; } }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; scroll-padding-top: 1rem; }
body { margin: 0; color: var(--ink); background: var(--paper); line-height: 1.55; font-size: 1.0625rem;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
.page { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.25rem 0; }
h1 { font-size: 2.2rem; line-height: 1.15; margin: 0 0 1.1rem; text-wrap: balance;
  overflow-wrap: break-word; }
h2 { font-size: 1.15rem; line-height: 1.3; margin: 0; }
h3 { font-size: 1rem; margin: 0 0 .2rem; }
p, ul { max-width: 46rem; }
a { color: var(--link); }
a:focus-visible, summary:focus-visible, button:focus-visible, .scroll:focus-visible {
  outline: 3px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; top: 1rem; background: var(--paper); padding: .5rem; }
.answer { border-left: 4px solid var(--blue); padding-left: 1.1rem; margin: 0 0 2.4rem; font-size: 1.15rem; }
.answer p { margin: 0 0 .55rem; max-width: 48rem; }
.answer p:last-child { margin: 0; }
figure { margin: 1.6rem 0 2.2rem; }
figure h2 { margin: 0 0 .8rem; font-size: 1.3rem; text-wrap: balance; }
figure svg { display: block; max-width: 100%; height: auto; fill: var(--ink); }
figure svg.card { background: var(--paper); border-radius: .3rem; }
.on-wide svg, .on-phone svg { width: 100%; }
.on-wide { max-width: 52rem; }
.on-phone { display: none; }
.scroll { overflow-x: auto; }
.note { font-size: .82rem; line-height: 1.35; color: var(--soft); margin: .2rem 0 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, var(--tile)), 1fr));
  gap: 1.3rem 1.5rem; }
.tiles svg { width: 100%; }
figcaption, caption { font-size: .88rem; line-height: 1.45; color: var(--soft); text-align: left;
  max-width: 52rem; }
figcaption { margin-top: .6rem; }
figcaption b, caption b { color: var(--ink); }
nav { display: none; }
.bar { display: flex; align-items: center; justify-content: space-between; gap: 1rem; margin: 3rem 0 .6rem; }
.bar h2 { font-size: 1.45rem; }
button { font: inherit; font-size: .9rem; color: var(--link); background: none; border: 1px solid var(--line);
  border-radius: .4rem; padding: .5rem .9rem; min-height: 2.75rem; cursor: pointer; }
details.part { border-top: 1px solid var(--line); }
section:last-of-type > .part { border-bottom: 1px solid var(--line); }
summary { cursor: pointer; }
.part > summary { padding: .8rem .2rem .8rem 1.7rem; list-style: none; position: relative; }
summary::-webkit-details-marker { display: none; }
.part > summary::before { content: ""; position: absolute; left: .3rem; top: 1.2rem; width: .5rem;
  height: .5rem; border: solid var(--link); border-width: 0 2px 2px 0; transform: rotate(-45deg); }
details.part[open] > summary::before { transform: rotate(45deg); }
summary:hover h2 { color: var(--link); text-decoration: underline; text-underline-offset: .2em; }
summary p { margin: .15rem 0 0; font-size: .92rem; line-height: 1.45; color: var(--soft); }
.inside { padding: 0 0 1.5rem 1.7rem; }
.inside > ul { padding-left: 1.2rem; }
.inside li { margin: .45rem 0; }
.table { margin: 1.6rem 0 2rem; }
table { border-collapse: collapse; font-size: .88rem; line-height: 1.35; font-variant-numeric: tabular-nums; }
caption { caption-side: top; padding-bottom: .5rem; }
th, td { padding: .32rem .75rem .32rem 0; border-bottom: 1px solid var(--line); text-align: right;
  vertical-align: top; white-space: nowrap; }
thead th { border-bottom: 2px solid var(--ink); vertical-align: bottom; white-space: normal; }
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
  overflow-x: auto; font-size: .85rem;
  font-family: ui-monospace, "SF Mono", Menlo, "DejaVu Sans Mono", monospace; }
pre code { font: inherit; }
footer { margin: 3rem 0 2rem; color: var(--soft); font-size: .88rem; }
@media (min-width: 70rem) {
  .page { max-width: 76rem; display: grid; grid-template-columns: 13rem minmax(0, 1fr); column-gap: 3rem; }
  header, main, footer { grid-column: 2; }
  nav { display: block; grid-column: 1; grid-row: 1 / span 3; position: sticky; top: 1.5rem;
    align-self: start; max-height: calc(100vh - 3rem); overflow-y: auto; font-size: .88rem;
    line-height: 1.35; }
  nav h2 { font-size: .88rem; color: var(--soft); margin: .3rem 0 .5rem; }
  nav ol { list-style: none; margin: 0; padding: 0; }
  nav a { display: block; padding: .3rem 0; text-decoration: none; }
  nav a:hover { text-decoration: underline; } }
@media (max-width: 45rem) {
  body { font-size: 1rem; }
  .page { padding: 1.5rem 1rem 0; }
  h1 { font-size: 1.65rem; }
  .answer { font-size: 1.05rem; padding-left: .8rem; margin-bottom: 1.8rem; }
  figure h2 { font-size: 1.15rem; }
  .on-wide { display: none; }
  .on-phone { display: block; }
  .inside { padding-left: 0; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; }
  .small table { width: 100%; }
  .small th, .small td { white-space: normal; overflow-wrap: break-word; min-width: 0; }
  /* A row of a wider table becomes a block, its cells flow, and each carries the name of its column. */
  .table:not(.small) { table, tbody, caption { display: block; }
    thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
    tbody tr { display: grid; grid-template-columns: repeat(auto-fill, minmax(6.2rem, 1fr));
      gap: .35rem .8rem; padding: .6rem 0; border-bottom: 1px solid var(--line); }
    tbody th, td { padding: 0; border: 0; text-align: left; min-width: 0; white-space: normal;
      overflow-wrap: anywhere; }
    tbody th { grid-column: 1 / -1; font-weight: 600; }
    td.words { grid-column: 1 / -1; }
    td::before { content: attr(data-column); display: block; font-size: .76rem; font-weight: 400;
      color: var(--soft); }
    td.best::after { content: " ★"; }
    .best::first-line { font-weight: 400; } } }
@media print {
  nav, .skip, button { display: none; }
  body { font-size: 10pt; }
  .page { max-width: none; padding: 0; }
  details::details-content { content-visibility: visible; block-size: auto; }
  h2 { break-after: avoid; }
  figure, tr { break-inside: avoid; }
  .scroll { overflow: visible; }
  table { font-size: 7.5pt; }
  th, td { padding-right: .4rem; }
  .tiles { grid-template-columns: 1fr 1fr; } }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
"""
