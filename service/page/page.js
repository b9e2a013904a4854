"use strict";

const at = (id) => document.getElementById(id);
const make = (tag, text, className) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text; // never as HTML: passages are data
  if (className) element.className = className;
  return element;
};
const percent = (share) => (share > 0.99 && share < 1 ? "over 99 %" : `${Math.round(100 * share)} %`);
let answerId = null;
let question = null; // of the answer shown: what its sentence is to be about
let photograph = null;

async function call(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The server cannot be reached; try again.");
  }
  if (response.status === 204) return null;
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.error || `The server answered ${response.status}.`);
  return body;
}

const post = (path, body) =>
  call(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

function show(problem) {
  at("problem").hidden = !problem;
  at("problem").textContent = problem || "";
}

function choose(file) {
  if (at("preview").src) URL.revokeObjectURL(at("preview").src);
  photograph = file || null;
  at("preview").hidden = !photograph;
  at("clear").hidden = !photograph;
  at("hint").textContent = photograph ? photograph.name : "Take or drop a photograph (one thing, plain ground)";
  if (photograph) at("preview").src = URL.createObjectURL(photograph);
  else at("preview").removeAttribute("src");
  at("picture").value = "";
}

function fill(id, title, children) {
  const place = at(id);
  place.replaceChildren();
  if (children.length) place.append(make("h2", title), ...children);
}

function quote(cited) {
  const block = make("blockquote");
  block.append(make("p", cited.text), make("cite", `Card “${cited.title}” (${cited.passage_id})`));
  return block;
}

function bar(name, share) {
  const row = make("div", undefined, "bar");
  const progress = make("progress");
  progress.max = 1;
  progress.value = share;
  progress.setAttribute("aria-label", name);
  row.append(make("span", name), progress, make("span", percent(share)));
  return row;
}

function sureness(found) {
  if (found.listed) return `The list of ${found.city} has it as “${found.listed}”.`;
  if (found.strange) return "Not sure: nothing that is known here is much like it. Try another word, in English.";
  const word = found.probability >= 0.9 ? "Very likely" : found.probability >= 0.6 ? "Probably" : "Not sure";
  const search = question ? ` Confidence of the search: ${found.level}.` : ""; // a photograph alone is not searched for
  return `${word}: ${percent(found.probability)} by what is known.${search}`;
}

function idea(one) {
  const item = make("li");
  const details = make("details");
  details.append(make("summary", one.name), make("p", one.path, "small"));
  item.append(details);
  return item;
}

function list(items) {
  const element = make("ul");
  element.append(...items);
  return items.length ? [element] : [];
}

function render(found, asked, text) {
  answerId = found.answer_id;
  question = text ? { question: text, city: found.city } : null;
  at("sentence").hidden = !question;
  at("written").textContent = "";
  at("write").disabled = false;
  at("asked").textContent = `${asked} in ${found.city}`;
  at("bin").textContent = found.bin;
  at("sure").textContent = sureness(found);
  at("caution").hidden = !found.caution;
  at("caution").textContent = found.caution || "";
  const shares = Object.entries(found.shares).slice(0, 4);
  fill("others", "How likely each bin is", shares.length > 1 ? shares.map(([name, share]) => bar(name, share)) : []);
  const parts = { where: [], prepare: [], reuse: [] };
  for (const cited of found.reasons) (parts[cited.part] || []).push(quote(cited));
  const rests = found.listed ? "" : question ? "; the bin is a guess from the names on the city's list" : "; the bin is that of its material";
  const none = make("p", `No card speaks of it${rests}.`);
  const title = found.level === "low" && !found.listed ? "The nearest card that says so" : "Why";
  fill("reasons", parts.where.length ? title : "Why", parts.where.length ? parts.where : [none]);
  if (parts.prepare.length) at("reasons").append(make("h2", "Before you throw it"), ...parts.prepare);
  fill("alike", "Alike on the city's list", list(found.alike.map((one) => make("li", `${one.name}: ${one.bin}`))));
  fill("ideas", "What else it could become", [...parts.reuse, ...list(found.ideas.map(idea))]);
  if (found.materials) {
    const seen = Object.entries(found.materials).filter(([, share]) => share >= 0.01).slice(0, 3);
    const materials = seen.map(([name, share]) => `${name} ${percent(share)}`);
    at("reasons").prepend(make("p", `The photograph looks like: ${materials.join(", ")}.`, "small"));
  }
  for (const button of document.querySelectorAll("[data-thumb]")) button.setAttribute("aria-pressed", "false");
  at("thanks").textContent = "";
  at("answer").hidden = false;
  at("answer").scrollIntoView({ behavior: "smooth", block: "start" });
}

// A browser that stores nothing throws here; the answer is worth more than the habit.
function remember(city) {
  try {
    localStorage.setItem("city", city);
  } catch {}
}

function remembered() {
  try {
    return localStorage.getItem("city");
  } catch {
    return null;
  }
}

async function ask(event) {
  event.preventDefault();
  show("");
  const text = at("question").value.trim();
  const city = at("city").value;
  if (!text && !photograph) return show("Type what it is, or add a photograph.");
  at("ask").disabled = true;
  at("ask").textContent = "Looking…";
  try {
    if (photograph) {
      const form = new FormData();
      form.append("picture", photograph);
      form.append("city", city);
      form.append("question", text);
      render(await call("/v1/look", { method: "POST", body: form }), text || "The photograph", text);
    } else {
      render(await post("/v1/ask", { question: text, city }), text, text);
    }
    remember(city);
  } catch (error) {
    at("answer").hidden = true;
    show(error.message);
  } finally {
    at("ask").disabled = false;
    at("ask").textContent = "Ask";
  }
}

async function thumb(event) {
  const button = event.currentTarget;
  const again = button.getAttribute("aria-pressed") === "true";
  const judged = answerId;
  try {
    await post("/v1/thumbs", { answer_id: judged, thumb: again ? 0 : Number(button.dataset.thumb) });
    if (judged !== answerId) return; // another answer is shown by now
    for (const other of document.querySelectorAll("[data-thumb]")) other.setAttribute("aria-pressed", "false");
    button.setAttribute("aria-pressed", String(!again));
    at("thanks").textContent = again ? "" : "Thank you.";
  } catch (error) {
    show(error.message);
  }
}

async function write() {
  const asked = question;
  at("write").disabled = true;
  at("written").textContent = "Writing…";
  try {
    const found = await post("/v1/write", asked);
    if (asked !== question) return; // another answer is shown by now
    const titles = found.cited.map((place) => `[${place}] ${found.passages[place - 1].title}`);
    at("written").textContent = [found.text, ...titles].join("\n");
  } catch (error) {
    if (asked === question) at("written").textContent = error.message;
  } finally {
    if (asked === question) at("write").disabled = false;
  }
}

async function start() {
  at("form").addEventListener("submit", ask);
  at("picture").addEventListener("change", () => at("picture").files.length && choose(at("picture").files[0]));
  at("clear").addEventListener("click", () => choose(null));
  at("write").addEventListener("click", write);
  for (const button of document.querySelectorAll("[data-thumb]")) button.addEventListener("click", thumb);
  const drop = at("drop");
  drop.addEventListener("keydown", (event) => ["Enter", " "].includes(event.key) && at("picture").click());
  // The whole window takes a file: one let fall beside the field would make the browser leave the page.
  for (const name of ["dragover", "dragleave", "drop"]) {
    window.addEventListener(name, (event) => {
      if (!event.dataTransfer.types.includes("Files")) return; // words may be dragged into the question
      event.preventDefault();
      drop.classList.toggle("over", name === "dragover");
      if (name === "drop" && event.dataTransfer.files.length) choose(event.dataTransfer.files[0]);
    });
  }
  await offer_cities();
}

async function offer_cities() {
  try {
    const known = await call("/v1/cities");
    at("city").replaceChildren(...Object.keys(known.cities).map((name) => make("option", name)));
    const last = remembered();
    at("city").value = last in known.cities ? last : "Toronto" in known.cities ? "Toronto" : at("city").value;
    show("");
  } catch (error) {
    show(error.message);
    setTimeout(offer_cities, 2000);
  }
}

start();
