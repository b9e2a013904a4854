"""Style sheet and script of the explorable figures."""

from __future__ import annotations

STYLE = """
.bars { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 17rem), 1fr));
  gap: 1.2rem 2rem; }
.bars ul, .find ul, .list ul { list-style: none; margin: 0; padding: 0; max-width: none; }
.bars a { display: grid; grid-template-columns: 1fr auto; gap: 0 .8rem; padding: .28rem 0; color: var(--ink);
  text-decoration: none; font-size: .88rem; line-height: 1.3; }
.bars a:hover .bin { text-decoration: underline; }
.bars .of { color: var(--soft); white-space: nowrap; font-variant-numeric: tabular-nums; }
.bars .track { grid-column: 1 / -1; grid-row: 2; position: relative; height: .9rem; margin: 0 .4rem;
  background: linear-gradient(90deg, var(--line) 1px, transparent 1px) 0 0 / 25% 100%,
    linear-gradient(var(--line), var(--line)) 0 50% / 100% 1px no-repeat;
  border-right: 1px solid var(--line); }
.bars i { position: absolute; top: calc(50% - 2px); height: 4px; background: var(--blue); opacity: .45; }
.bars b { position: absolute; top: calc(50% - .36rem); width: .72rem; height: .72rem; margin-left: -.36rem;
  border-radius: 50%; background: var(--blue); }
.bars .weak i, .bars .weak b { background: var(--vermilion); }
.bars .weak b { border-radius: 0; transform: rotate(45deg); }
.bars .scale { display: flex; justify-content: space-between; margin: .1rem 0 0; font-size: .78rem;
  color: var(--soft); }
.away { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.cities { display: flex; flex-wrap: wrap; gap: .5rem; margin-bottom: .6rem; }
.cities [aria-pressed=true] { background: var(--ink); color: var(--paper); border-color: var(--ink); }
.matrix[hidden], .mistakes [hidden], .find [hidden] { display: none; }
.matrix table { border-collapse: collapse; font-size: .84rem; }
.matrix table, .matrix tbody, .matrix caption { max-width: 100%; }
.matrix th, .matrix td { border: 0; padding: 1px; vertical-align: middle; white-space: normal; }
.matrix tbody th { padding-right: .6rem; text-align: right; font-weight: 500; max-width: 11rem; }
@media (min-width: 45rem) { .matrix tbody th { min-width: 7.5rem; } }
.matrix thead th { vertical-align: bottom; font-weight: 500; border: 0; }
.matrix thead span { writing-mode: vertical-rl; transform: rotate(180deg); height: fit-content;
  max-height: 9.5rem; text-align: left; line-height: 1.1; margin: 0 auto; display: block; }
.matrix td { width: 3rem; height: 2rem; background: var(--tint); }
.matrix thead td { background: none; }
.matrix button { width: 100%; min-width: 1.5rem; height: 2rem; min-height: 0; padding: 0; border: 0;
  border-radius: 0; font-size: .84rem; color: var(--ink); font-variant-numeric: tabular-nums;
  background: color-mix(in srgb, var(--vermilion) var(--share), transparent); }
.matrix button.right { background: color-mix(in srgb, var(--blue) var(--share), transparent); }
.matrix button:hover, .matrix button[aria-pressed=true] { outline: 2px solid var(--ink);
  outline-offset: -2px; }
.list { margin-top: 1rem; }
.list h3 { margin: 0 0 .5rem; }
.list ul, .find ul { display: grid; gap: .5rem 1.5rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); }
.list li, .find li { border-top: 1px solid var(--line); padding-top: .4rem; font-size: .9rem;
  line-height: 1.4; overflow-wrap: anywhere; }
.list li p, .find li p { margin: 0; color: var(--soft); font-size: .84rem; }
.list li b, .find li b { font-size: 1rem; }
.find label { display: block; font-weight: 600; margin-bottom: .3rem; }
.find input { font: inherit; width: 100%; max-width: 30rem; padding: .55rem .7rem; min-height: 2.75rem;
  color: var(--ink); background: var(--paper); border: 1px solid var(--soft); border-radius: .4rem; }
.find input:focus-visible { outline: 3px solid var(--link); outline-offset: 1px; }
.find .examples { font-size: .9rem; color: var(--soft); margin: .6rem 0; }
.find .examples button { margin: 0 .35rem .35rem 0; min-height: 2.2rem; padding: .25rem .7rem; }
.find dl { margin: 0; display: grid; grid-template-columns: auto 1fr; gap: .1rem .7rem; }
.find dt { color: var(--soft); } .find dd { margin: 0; }
.wrong { color: var(--vermilion); } .correct { color: var(--green); }
@media (min-width: 70rem) {
  .mistakes { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 0 2rem; align-items: start; }
  .cities { grid-column: 1 / -1; }
  .list { margin: 0; } }
@media (max-width: 45rem) {
  .matrix table, .matrix tbody, .matrix caption { font-size: .72rem; }
  .matrix table { width: 100%; table-layout: fixed; }
  .matrix tbody th { padding-right: .3rem; min-width: 0; overflow-wrap: anywhere; hyphens: auto; }
  .matrix thead td, .matrix tbody th { width: 5.4rem; }
  .matrix td, .matrix thead th { width: auto; }
  .matrix button { font-size: .75rem; } }
"""

SCRIPT = r"""
(() => {
  const create = (tag, text, className) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text; // never as HTML: names are data
    if (className) element.className = className;
    return element;
  };
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const FIRST = 6, NEXT = 24;

  /* Lists of names in portions: a button adds the next one. */
  function portions(list, more, make, word) {
    let rows = [], shown = 0;
    const grow = () => {
      const next = rows.slice(shown, shown + (shown ? NEXT : FIRST));
      list.append(...next.map(make));
      shown += next.length;
      more.hidden = shown >= rows.length;
      more.textContent = `Show more (${(rows.length - shown).toLocaleString("en")} ${word} left)`;
    };
    more.addEventListener("click", grow);
    return (all) => { rows = all; shown = 0; list.replaceChildren(); grow(); };
  }

  const mistakes = document.getElementById("mistakes");
  if (mistakes) {
    const data = read("mistakes-data");
    const part = (name) => mistakes.querySelector(`[data-part="${name}"]`);
    const fill = portions(part("names"), part("more"), (k) => {
      const item = create("li"), right = data.true[k] === data.given[k];
      item.append(create("b", data.name[k]), create("div", `List: ${data.bins[data.true[k]]}`));
      const given = `Assistant: ${data.bins[data.given[k]]} (${data.percent[k]} %)`;
      item.append(create("div", given, right ? "correct" : "wrong"));
      const card = data.card[k] ? "" : " No card covers this name.";
      item.append(create("p", `${data.reasons[data.reason[k]]}${card}`));
      if (data.nearest[k]) item.append(create("p", `Most similar known name: ${data.nearest[k]}.`));
      return item;
    }, "names");

    function choose(city) {
      for (const button of mistakes.querySelectorAll(".cities button")) {
        button.setAttribute("aria-pressed", String(+button.dataset.city === city));
      }
      for (const matrix of mistakes.querySelectorAll(".matrix")) {
        matrix.hidden = +matrix.dataset.city !== city;
      }
    }
    /* Show the names of a true bin: those with one given bin, or, without one, all that are wrong. */
    function show(city, truth, given) {
      choose(city);
      for (const cell of mistakes.querySelectorAll(".matrix button")) {
        const mine = +cell.dataset.city === city && +cell.dataset.true === truth;
        const wanted = given === null ? +cell.dataset.given !== truth : +cell.dataset.given === given;
        cell.setAttribute("aria-pressed", String(mine && wanted));
      }
      const rows = data.name.map((_, k) => k).filter((k) => data.city[k] === city && data.true[k] === truth
        && (given === null ? data.given[k] !== truth : data.given[k] === given));
      const names = `${rows.length.toLocaleString("en")} ${rows.length === 1 ? "name" : "names"}`;
      const answer = given === null ? "but got another bin"
        : given === truth ? "and got it" : `but got “${data.bins[given]}”`;
      const belong = `${names} that ${rows.length === 1 ? "belongs" : "belong"} in “${data.bins[truth]}”`;
      part("title").textContent = `${data.cities[city]}: ${belong}, ${answer}`;
      fill(rows);
    }
    /* Start with the commonest mistake of a city, so that nothing is empty. */
    function start(city) {
      const cells = [...mistakes.querySelectorAll(`.matrix[data-city="${city}"] button:not(.right)`)];
      cells.sort((a, b) => +b.textContent - +a.textContent);
      const cell = cells[0] || mistakes.querySelector(`.matrix[data-city="${city}"] button`);
      show(city, +cell.dataset.true, +cell.dataset.given);
    }
    for (const button of mistakes.querySelectorAll(".cities button")) {
      button.addEventListener("click", () => start(+button.dataset.city));
    }
    for (const cell of mistakes.querySelectorAll(".matrix button")) {
      cell.addEventListener("click", () =>
        show(+cell.dataset.city, +cell.dataset.true, +cell.dataset.given));
    }
    for (const link of document.querySelectorAll("#bins a")) {
      link.addEventListener("click", () => show(+link.dataset.city, +link.dataset.true, null));
    }
    start(+mistakes.querySelector(".cities button").dataset.city);
  }

  const find = document.getElementById("find");
  if (find) {
    const data = read("items-data");
    const part = (name) => find.querySelector(`[data-part="${name}"]`);
    const input = find.querySelector("input");
    /* As releaf/names.py folds a name: no case, accents or English plurals. */
    const singular = (word) => {
      if (word.length > 4 && word.endsWith("ies")) return word.slice(0, -3) + "y";
      if (word.length > 4 && /(ches|shes|sses|xes)$/.test(word)) return word.slice(0, -2);
      if (word.length > 3 && word.endsWith("s") && !/(ss|us|is)$/.test(word)) return word.slice(0, -1);
      return word;
    };
    const words = (text) => (text.normalize("NFKD").toLowerCase().replace(/\p{M}/gu, "")
      .match(/[\p{L}\p{N}]+/gu) || []).map(singular);
    const index = data.items.map(([name]) => words(name));
    const joined = index.map((all) => all.join(""));
    /* Rank: the name itself, names with the words asked for, names with words that begin so, other. */
    function rank(k, asked, whole) {
      if (joined[k] === whole) return 0;
      const every = (test) => asked.every((word) => index[k].some((own) => test(own, word)));
      if (every((own, word) => own === word)) return 1;
      if (every((own, word) => own.startsWith(word))) return 2;
      return joined[k].startsWith(whole) ? 3 : joined[k].includes(whole) && whole.length > 2 ? 4 : 9;
    }
    const fill = portions(part("found"), part("more"), (k) => {
      const [name, cities, ideas] = data.items[k];
      const item = create("li"), list = create("dl");
      for (const [city, bins, answer, percent] of cities) {
        const value = create("dd", bins.map((bin) => data.bins[bin]).join(" or "));
        if (answer >= 0) {
          const right = bins.includes(answer);
          const text = `In the test, without the list: ${data.bins[answer]} (${percent} %), `;
          const note = create("p", text);
          note.append(create("span", right ? "right" : "wrong", right ? "correct" : "wrong"));
          value.append(note);
        }
        list.append(create("dt", data.cities[city]), value);
      }
      item.append(create("b", name), list);
      if (ideas.length) item.append(create("p", `Idea for reuse: ${ideas.join("; ")}`));
      return item;
    }, "items");
    function search() {
      const asked = words(input.value), whole = asked.join("");
      const ranked = whole ? index.map((_, k) => [rank(k, asked, whole), k]).filter(([r]) => r < 9) : [];
      ranked.sort(([a, i], [b, j]) => a - b || index[i].length - index[j].length || i - j);
      part("count").textContent = !whole ? ""
        : ranked.length ? `${ranked.length.toLocaleString("en")} ${ranked.length === 1 ? "item" : "items"}`
        : `No list has “${input.value.trim()}”. Try another word.`;
      fill(ranked.map(([, k]) => k));
    }
    input.addEventListener("input", search);
    find.querySelector("form").addEventListener("submit", (event) => { event.preventDefault(); search(); });
    for (const button of find.querySelectorAll(".examples button")) {
      button.addEventListener("click", () => { input.value = button.textContent; search(); });
    }
    search();
  }
})();
"""
"""The list behind a cell of the table of mistakes, and the search of items."""
