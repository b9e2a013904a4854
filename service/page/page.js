"use strict";

const HINT = "Take or drop a photo (one item, plain background)";
const RETRY_MS = 2000;
const LONG_MS = 3000; // a sentence that takes longer is announced

let answerId = null;
let question = null; // the question of the answer that is shown; null for a photo without text
let photo = null;
let fullNames = {}; // of bins whose name on the list is an abbreviation

const byId = (id) => document.getElementById(id);
const ratingButtons = () => document.querySelectorAll("[data-rating]");
const percent = (share) => (share > 0.99 && share < 1 ? "over 99 %" : `${Math.round(100 * share)} %`);

function create(tag, text, className) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text; // never as HTML: passages are data
  if (className) element.className = className;
  return element;
}

async function call(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The server cannot be reached. Check your connection and try again.");
  }
  if (response.status === 204) return null;
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.error || `The server answered with status ${response.status}.`);
  return body;
}

const post = (path, body) =>
  call(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

function showProblem(text) {
  byId("problem").hidden = !text;
  byId("problem").textContent = text;
}

function choosePhoto(file) {
  if (byId("preview").src) URL.revokeObjectURL(byId("preview").src);
  photo = file || null;
  byId("preview").hidden = !photo;
  byId("clear").hidden = !photo;
  byId("hint").textContent = photo ? photo.name : HINT;
  if (photo) byId("preview").src = URL.createObjectURL(photo);
  else byId("preview").removeAttribute("src");
  byId("picture").value = "";
}

function fill(id, title, children) {
  byId(id).replaceChildren();
  if (children.length) byId(id).append(create("h2", title), ...children);
}

function createQuote(passage) {
  const quote = create("blockquote");
  quote.append(create("p", passage.text), create("cite", `Card “${passage.title}” (${passage.passage_id})`));
  return quote;
}

function createBar([name, share]) {
  const row = create("div", undefined, "bar");
  const progress = create("progress");
  progress.max = 1;
  progress.value = share;
  progress.setAttribute("aria-label", fullName(name));
  row.append(create("span", fullName(name)), progress, create("span", percent(share)));
  return row;
}

function createIdea(idea) {
  const item = create("li");
  const details = create("details");
  details.append(create("summary", idea.name), create("p", idea.path, "small"));
  item.append(details);
  return item;
}

function createList(items) {
  const list = create("ul");
  list.append(...items);
  return items.length ? [list] : [];
}

const fullName = (bin) => fullNames[bin] || bin;

function describeProbability(answer) {
  if (answer.parts.length)
    return answer.parts.map((part) => `${part.item}: ${part.bin_name}`).join("; ") + ".";
  if (answer.listed) return `The list of ${answer.city} contains it as “${answer.listed}”.`;
  if (!question && answer.unlike)
    return "The photo is unlike the photos that the assistant has learned from. " +
      "Show one item on a plain background, or type its name.";
  if (answer.strange) return "No known item is similar. Try another word, in English.";
  if (!answer.sure)
    return `The best guess is ${answer.bin_name}, with ${percent(answer.probability)}. ` +
      "Describe the item more exactly, or ask your city.";
  if (answer.because.length)
    return "The list of " + answer.city + " has it, or its kind, as " +
      answer.because.slice(0, 3).map((item) => `“${item.name}”`).join(" or ") + ".";
  const word = answer.probability >= 0.9 ? "Very likely" : "Probably";
  const search = question ? ` Confidence of the search: ${answer.level}.` : ""; // a photo is not searched for
  return `${word}: ${percent(answer.probability)}.${search}`;
}

// A guess at random is not worth a chart.
const hasGuess = (answer) => answer.listed || !(answer.strange || (!question && answer.unlike));

function showReasons(answer) {
  const parts = { where: [], prepare: [], reuse: [] };
  for (const passage of answer.reasons) (parts[passage.part] || []).push(createQuote(passage));
  if (parts.where.length) {
    fill("reasons", answer.level === "low" && !answer.listed ? "Most similar card" : "Why", parts.where);
  } else if (answer.unlike && !question) {
    fill("reasons", "", []); // the material is a guess
  } else {
    let text = "No card covers this item.";
    if (!answer.listed && question && !answer.strange) text += " The bin is estimated from the names on the city's list.";
    if (!answer.listed && !question) text += " The bin is that of its material.";
    fill("reasons", "Why", [create("p", text)]);
  }
  if (parts.prepare.length) byId("reasons").append(create("h2", "Before you throw it away"), ...parts.prepare);
  if (answer.materials && answer.unlike && question) {
    byId("reasons").prepend(create("p", "The photo is unlike the known photos, so it was not used.", "small"));
  } else if (answer.materials && !answer.unlike) {
    const materials = Object.entries(answer.materials).filter(([, share]) => share >= 0.01).slice(0, 3);
    const text = materials.map(([name, share]) => `${name} ${percent(share)}`).join(", ");
    byId("reasons").prepend(create("p", `The photo looks like: ${text}.`, "small"));
  }
  fill("ideas", "Ideas for reuse", [...parts.reuse, ...createList(answer.ideas.map(createIdea))]);
}

function showAnswer(answer, title, text) {
  answerId = answer.answer_id;
  question = text ? { question: text, city: answer.city } : null;
  byId("sentence").hidden = !question;
  byId("written").textContent = "";
  byId("write").disabled = false;
  byId("asked").textContent = `${title} in ${answer.city}`;
  byId("bin").textContent = answer.sure || answer.parts.length ? answer.bin_name : "Not sure";
  byId("sure").textContent = describeProbability(answer);
  byId("caution").hidden = !answer.caution;
  byId("caution").textContent = answer.caution || "";
  const shares = Object.entries(answer.shares).slice(0, 4);
  fill("others", "How likely each bin is", shares.length > 1 && hasGuess(answer) ? shares.map(createBar) : []);
  showReasons(answer);
  const similar = answer.alike.map((item) => create("li", `${item.name}: ${item.bin}`));
  fill("alike", "Similar items on the city's list", createList(similar));
  for (const button of ratingButtons()) button.setAttribute("aria-pressed", "false");
  byId("thanks").textContent = "";
  byId("ratings").hidden = !answerId; // the service could not store the answer
  byId("answer").hidden = false;
  byId("answer").scrollIntoView({ behavior: "smooth", block: "start" });
}

// localStorage throws in a browser that blocks it. The answer must be shown all the same.
function storeCity(city) {
  try {
    localStorage.setItem("city", city);
  } catch {}
}

function storedCity() {
  try {
    return localStorage.getItem("city");
  } catch {
    return null;
  }
}

async function ask(event) {
  event.preventDefault();
  showProblem("");
  const text = byId("question").value.trim();
  const city = byId("city").value;
  if (!text && !photo) return showProblem("Type the name of the item, or add a photo.");
  byId("ask").disabled = true;
  byId("ask").textContent = "Searching…";
  try {
    if (photo) {
      const form = new FormData();
      form.append("picture", photo);
      form.append("city", city);
      form.append("question", text);
      showAnswer(await call("/v1/look", { method: "POST", body: form }), text || "Your photo", text);
    } else {
      showAnswer(await post("/v1/ask", { question: text, city }), text, text);
    }
    storeCity(city);
  } catch (error) {
    byId("answer").hidden = true;
    showProblem(error.message);
  } finally {
    byId("ask").disabled = false;
    byId("ask").textContent = "Ask";
  }
}

async function rate(event) {
  const button = event.currentTarget;
  const withdraw = button.getAttribute("aria-pressed") === "true";
  const ratedId = answerId;
  try {
    await post("/v1/ratings", { answer_id: ratedId, rating: withdraw ? 0 : Number(button.dataset.rating) });
    if (ratedId !== answerId) return; // another answer is shown now
    for (const ratingButton of ratingButtons()) ratingButton.setAttribute("aria-pressed", "false");
    button.setAttribute("aria-pressed", String(!withdraw));
    byId("thanks").textContent = withdraw ? "" : "Thank you.";
  } catch (error) {
    showProblem(error.message);
  }
}

async function write() {
  const asked = question;
  byId("write").disabled = true;
  byId("written").textContent = "Writing…";
  const started = Date.now();
  const timer = setInterval(() => {
    const elapsed = Date.now() - started;
    if (asked !== question || elapsed < LONG_MS) return;
    byId("written").textContent =
      `Writing… It takes longer than usual on this machine (${Math.round(elapsed / 1000)} s). ` +
      "The bin above does not change.";
  }, 500);
  try {
    const written = await post("/v1/write", asked);
    if (asked !== question) return; // another answer is shown now
    const titles = written.cited.map((number) => `[${number}] ${written.passages[number - 1].title}`);
    byId("written").textContent = [written.text, ...titles].join("\n");
  } catch (error) {
    if (asked === question) byId("written").textContent = error.message;
  } finally {
    clearInterval(timer);
    if (asked === question) byId("write").disabled = false;
  }
}

// The whole window accepts a file: the browser would open a file that is dropped beside the field.
function acceptDrops() {
  for (const name of ["dragover", "dragleave", "drop"]) {
    window.addEventListener(name, (event) => {
      if (!event.dataTransfer.types.includes("Files")) return; // text may be dragged into the question
      event.preventDefault();
      byId("drop").classList.toggle("over", name === "dragover");
      if (name === "drop" && event.dataTransfer.files.length) choosePhoto(event.dataTransfer.files[0]);
    });
  }
}

async function loadCities() {
  try {
    const { cities, full_names: names } = await call("/v1/cities");
    fullNames = names;
    byId("city").replaceChildren(...Object.keys(cities).map((name) => create("option", name)));
    const preferred = [storedCity(), "Toronto"].find((name) => name in cities);
    if (preferred) byId("city").value = preferred;
    showProblem("");
  } catch (error) {
    showProblem(error.message);
    setTimeout(loadCities, RETRY_MS);
  }
}

async function start() {
  byId("hint").textContent = HINT;
  byId("form").addEventListener("submit", ask);
  byId("picture").addEventListener("change", () => {
    if (byId("picture").files.length) choosePhoto(byId("picture").files[0]);
  });
  byId("clear").addEventListener("click", () => choosePhoto(null));
  byId("write").addEventListener("click", write);
  for (const button of ratingButtons()) button.addEventListener("click", rate);
  byId("drop").addEventListener("keydown", (event) => {
    if (["Enter", " "].includes(event.key)) byId("picture").click();
  });
  acceptDrops();
  await loadCities();
}

start();
