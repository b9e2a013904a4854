
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const area = $("graph"), svg = $("drawing"), view = $("view"), panel = $("panel"), search = $("search");
const nodes = [...svg.querySelectorAll(".node")], edges = [...svg.querySelectorAll(".edge")];
const welcome = [...panel.childNodes];
let x = 0, y = 0, k = 1;

// --- pan and zoom -----------------------------------------------------------------------------
svg.removeAttribute("viewBox");
function draw() { view.setAttribute("transform", `translate(${x} ${y}) scale(${k})`); }
function zoom(factor, cx = area.clientWidth / 2, cy = area.clientHeight / 2) {
  const next = Math.min(4, Math.max(0.05, k * factor));
  x = cx - (cx - x) * next / k; y = cy - (cy - y) * next / k; k = next; draw();
}
function fit() {
  const w = area.clientWidth, h = area.clientHeight;
  k = Math.min(1.25, (w - 32) / data.width, (h - 32) / data.height);
  x = Math.max(16, (w - data.width * k) / 2); y = Math.max(16, (h - data.height * k) / 2); draw();
}
function place(node) { return node.transform.baseVal.consolidate().matrix; }
function show(node) {
  const at = place(node), box = node.getBBox();
  if (k < 0.6) k = 0.9;
  // Of a box that is wider than the page, the beginning is shown.
  x = Math.max(area.clientWidth / 2 - box.width / 2 * k, 16) - at.e * k; y = area.clientHeight / 2 - (at.f + box.height / 2) * k; draw();
}
function visible(node) {
  const a = node.getBoundingClientRect(), b = area.getBoundingClientRect();
  return a.left >= b.left && a.right <= b.right && a.top >= b.top && a.bottom <= b.bottom;
}
function start() {
  fit();
  if (k >= 0.55) return;
  // Too large to read at once: begin where there is work, or at the first stage.
  const first = nodes.find((node) => !node.classList.contains("skip")) || nodes[0];
  if (!first) return;
  const at = place(first);
  k = Math.min(0.9, (area.clientWidth - 32) / Math.max(200, first.getBBox().width));
  x = 16 - Math.max(0, at.e - 40) * k; y = 16 - Math.max(0, at.f - 120) * k; draw();
}
area.addEventListener("wheel", (event) => {
  event.preventDefault();
  const box = area.getBoundingClientRect(), lines = event.deltaMode === 1 ? 16 : 1;
  zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0015)), event.clientX - box.left, event.clientY - box.top);
}, { passive: false });
area.addEventListener("scroll", () => area.scrollTo(0, 0));  // the browser's own, to what has the focus
const fingers = new Map();
let moved = 0;
area.addEventListener("pointerdown", (event) => {
  if (!fingers.size) moved = 0;
  fingers.set(event.pointerId, event);
});
window.addEventListener("pointermove", (event) => {
  const before = fingers.get(event.pointerId);
  if (!before) return;
  const others = [...fingers.values()].filter((one) => one.pointerId !== event.pointerId);
  moved += Math.abs(event.clientX - before.clientX) + Math.abs(event.clientY - before.clientY);
  if (!others.length) { x += event.clientX - before.clientX; y += event.clientY - before.clientY; draw(); }
  else {
    const box = area.getBoundingClientRect(), other = others[0];
    const far = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) || 1;
    const middle = (one) => [(one.clientX + other.clientX) / 2 - box.left, (one.clientY + other.clientY) / 2 - box.top];
    const [ax, ay] = middle(before), [bx, by] = middle(event);
    x += bx - ax; y += by - ay; zoom(far(event) / far(before), bx, by);
  }
  fingers.set(event.pointerId, event);
});
for (const kind of ["pointerup", "pointercancel"]) window.addEventListener(kind, (event) => fingers.delete(event.pointerId));

// --- the chain of causes ----------------------------------------------------------------------
function element(name, text, className) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (className) made.className = className;
  return made;
}
function link(address) {
  const cell = data.stages[address], button = element("button", cell.label, "link");
  button.type = "button";
  button.addEventListener("click", () => choose(address, true));
  return button;
}
function chain(address, seen) {
  const list = element("ul"), cell = data.stages[address];
  seen.add(address);
  for (const cause of cell.causes) {
    const item = element("li");
    const known = cause.origins.filter((origin) => origin in data.stages);
    const follows = cause.kind === "upstream" && known.length;
    if (!follows) item.append(element("span", cause.text));
    known.forEach((origin, n) => {
      const line = follows && !n ? item : element("div");
      line.append("after ", link(origin), " ", element("span", data.words[data.stages[origin].state], `state ${data.stages[origin].state}`));
      if (line !== item) item.append(line);
      if (seen.has(origin)) line.append(element("span", " (see above)", "dim"));
      else line.append(chain(origin, seen));
    });
    list.append(item);
  }
  return list;
}
function mark(seen) {
  const chosen = new Set([...seen].map((address) => data.stages[address].node));
  nodes.forEach((node) => node.classList.toggle("cause", chosen.has(+node.dataset.node)));
  edges.forEach((edge) => edge.classList.toggle("cause", chosen.has(+edge.dataset.from) && chosen.has(+edge.dataset.to)));
  svg.classList.toggle("traces", seen.size > 1);
}
function title(node) { nodes.forEach((one) => { one.classList.toggle("chosen", one === node); one.setAttribute("aria-pressed", String(one === node)); }); }
function choose(address, move) {
  const cell = data.stages[address], node = nodes[cell.node], seen = new Set();
  title(node);
  const state = element("p");
  state.append(element("span", data.words[cell.state], `state ${cell.state}`), cell.time ? `, ${cell.state === "skip" ? "takes" : "predicted"} ${cell.time}` : "");
  const parts = [element("h2", cell.label), state];
  if (cell.desc) parts.push(element("p", cell.desc));
  const causes = chain(address, seen);
  if (cell.causes.length) parts.push(element("h2", "Because"), causes);
  for (const [heading, addresses] of [["Needs", cell.needs], ["Needed by", cell.neededBy]]) {
    if (!addresses.length) continue;
    const list = element("ul");
    addresses.slice(0, 30).forEach((other) => { const item = element("li"); item.append(link(other)); list.append(item); });
    if (addresses.length > 30) list.append(element("li", `and ${addresses.length - 30} more`, "dim"));
    parts.push(element("h2", heading), list);
  }
  if (cell.outs.length) {
    const list = element("ul");
    cell.outs.forEach((path) => list.append(element("li", path)));
    parts.push(element("h2", "Writes"), list);
  }
  panel.replaceChildren(...parts);
  panel.scrollTop = 0;
  mark(seen);
  if (move && !visible(node)) show(node);
}
function pick(node) {
  const { name, cells } = data.nodes[+node.dataset.node];
  if (cells.length === 1) { choose(cells[0], false); return; }
  title(node); mark(new Set());
  const list = element("ul");
  cells.forEach((address) => {
    const item = element("li"), cell = data.stages[address];
    item.append(link(address), " ", element("span", data.words[cell.state], `state ${cell.state}`), cell.time ? `, ${cell.time}` : "");
    list.append(item);
  });
  panel.replaceChildren(element("h2", name), element("p", `${cells.length} cells of a matrix; choose one to see its causes.`), list);
  panel.scrollTop = 0;
}
function clear() {
  search.value = ""; find(); title(null); mark(new Set()); panel.replaceChildren(...welcome);
}
nodes.forEach((node) => {
  node.setAttribute("tabindex", "0"); node.setAttribute("role", "button");
  node.setAttribute("aria-label", node.querySelector("title").textContent); node.setAttribute("aria-pressed", "false");
  node.addEventListener("click", () => { if (moved < 8) pick(node); });
  node.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pick(node); }
  });
  node.addEventListener("focus", () => { if (node.matches(":focus-visible") && !visible(node)) show(node); });
});

// --- search -----------------------------------------------------------------------------------
let hits = [];
function find() {
  const words = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  hits = [];
  nodes.forEach((node) => {
    const { text } = data.nodes[+node.dataset.node], hit = words.length > 0 && words.every((word) => text.includes(word));
    node.classList.toggle("hit", hit);
    if (hit) hits.push(node);
  });
  svg.classList.toggle("fades", words.length > 0);
  $("hits").textContent = !words.length ? "" : hits.length ? `${hits.length} found; Enter shows ${hits.length > 1 ? "the next" : "it"}` : "none found";
}
let next = 0;
search.addEventListener("input", () => { next = 0; find(); if (hits.length && !visible(hits[0])) show(hits[0]); });
search.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !hits.length) return;
  const node = hits[next++ % hits.length];
  pick(node); show(node);
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") { clear(); return; }
  if (event.target === search) return;
  const step = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key];
  if (event.key === "/") { event.preventDefault(); search.focus(); }
  else if (event.key === "+" || event.key === "=") zoom(1.25);
  else if (event.key === "-") zoom(0.8);
  else if (event.key === "0") fit();
  else if (step && !panel.contains(event.target)) { event.preventDefault(); x += step[0]; y += step[1]; draw(); }
});
$("in").addEventListener("click", () => zoom(1.25));
$("out").addEventListener("click", () => zoom(0.8));
$("fit").addEventListener("click", fit);
window.addEventListener("resize", draw);
start();
