"""Script of the picker; ``reportCharts`` draws, see `tasks.report.charts`."""

from __future__ import annotations

SCRIPT = r"""
(() => {
  const host = document.getElementById("artist-picker");
  const data = JSON.parse(document.getElementById("artist-data").textContent);
  const {artists, years, states, changes, forecasts, music} = data;
  const {first_test: firstTest, z, dimensions, errors: scale} = data.settings;
  const size = artists.name.length;
  const $ = (name) => host.querySelector(`[data-part="${name}"]`);
  const fold = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().trim();
  const starts = (counts) => counts.reduce((sums, n) => (sums.push(sums.at(-1) + n), sums), [0]);
  for (const table of [years, states, changes, forecasts]) {
    table.from = starts(table.counts);
    const first = new Set(table.from);
    for (const name of table.coded || []) {
      let value = 0;
      table[name] = table[name].map((step, k) => {
        if (first.has(k)) value = 0;
        return step === null ? null : value += step;
      });
    }
  }
  const rows = (table, k) => Array.from({length: table.counts[k]}, (_, j) => table.from[k] + j);
  const folded = artists.name.map(fold);
  const byName = new Map();
  folded.forEach((name, k) => byName.set(name, byName.has(name) ? -1 : k));
  const byId = new Map(artists.id.map((id, k) => [String(id), k]));
  const followers = artists.name.map(() => []);
  artists.named.forEach((named, k) => named.forEach((other) => followers[other].push(k)));
  const slug = (k) => byName.get(folded[k]) === k ? artists.name[k] : String(artists.id[k]);
  const address = (k) => `#artist=${encodeURIComponent(slug(k))}`;
  const figure = (value) => (value / 1000).toFixed(2);
  const many = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
  const link = (k, note = "") => {
    const item = document.createElement("li"), a = document.createElement("a");
    a.href = address(k);
    a.textContent = artists.name[k];
    item.append(a, note && ` ${note}`);
    return item;
  };
  const list = (part, items, none) => {
    $(part).replaceChildren(...items);
    $(`${part}-note`).textContent = items.length ? "" : none;
  };
  let chosen = -1, dimension = dimensions[0];

  const find = (text) => {
    const name = fold(text);
    if (!name) return [];
    if (byName.get(name) >= 0) return [byName.get(name)];
    if (byId.has(name)) return [byId.get(name)];
    const order = Array.from({length: size}, (_, k) => k);
    const head = order.filter((k) => folded[k].startsWith(name));
    return head.concat(order.filter((k) => !folded[k].startsWith(name) && folded[k].includes(name)));
  };

  const career = (k) => {
    const of = rows(years, k), values = years[dimension], errors = years[`${dimension}_error`];
    const first = years.year[of[0]], last = years.year[of.at(-1)];
    const span = first === last ? [{year: first - 1}, {year: last + 1}] : [{year: first}, {year: last}];
    const means = of.map((j) => ({
      year: years.year[j], value: values[j] / 1000, songs: years.songs[j], reissue: years.flag[j] >= 2,
      low: values[j] / 1000 - 1.96 * errors[j] / scale, high: values[j] / 1000 + 1.96 * errors[j] / scale,
      note: years.flag[j] >= 2 ? "possible reissue" : years.flag[j] ? "few songs" : ""}));
    const estimates = states[dimension] || [], spread = states[`${dimension}_error`] || [];
    const course = estimates.length ? rows(states, k).map((j, n) => ({
      year: states.first[k] + n, value: estimates[j] / 1000,
      low: estimates[j] / 1000 - 1.96 * spread[j] / scale,
      high: estimates[j] / 1000 + 1.96 * spread[j] / scale})) : [];
    const around = music.year.flatMap((year, j) => year >= first && year <= last
      && music[dimension][j] !== null ? [{year, value: music[dimension][j] / 1000}] : []);
    const cuts = changes.cuts[k].map((year) => ({year}));
    const own = artists.mean[dimension][k];
    const rank = Math.round(100 * artists.mean[dimension].filter((value) => value < own).length / size);
    const songs = of.reduce((sum, j) => sum + years.songs[j], 0);
    const text = `${artists.name[k]}: mean ${dimension} ${figure(own)} over ${many(songs, "song")} of `
      + `${first} to ${last}, higher than ${rank}% of the ${size.toLocaleString("en")} artists.`;
    reportCharts.set("career", {span, means, course, music: around, cuts}, text);
    $("career-note").textContent = text + (course.length ? ""
      : " Too few years that are not possible reissues: no estimated course.");
    return span;
  };

  const change = (k, span) => {
    const untested = artists.any[k] === null;
    const bars = rows(changes, k).map((j) => ({year: changes.year[j], percent: changes.percent[j],
      cut: changes.cuts[k].includes(changes.year[j])}));
    let text = "Too few years with songs to look for changes.";
    if (!untested) {
      const words = changes.words[k] || [];
      text = (artists.changed[k]
        ? "This career changed in a way that persistence from year to year does not explain"
        : "No change that persistence from year to year does not explain")
        + ` (probability of any change ${artists.any[k]}%, p ${(artists.p[k] / 1e4).toFixed(4)}). `
        + (words.length ? `Most probable: ${words.join("; ")}.` : "Most probable: no change.");
    }
    const high = Math.max(0, ...bars.map((bar) => bar.percent));
    if (!untested && high < 5) text += " No single year reaches 5%.";
    $("changes").hidden = untested || high < 5;
    $("changes-note").textContent = text;
    reportCharts.set("changes", {span, changes: bars}, `${artists.name[k]}: ${text}`);
  };

  const forecast = (k, span) => {
    const estimates = forecasts[dimension];
    const of = estimates ? rows(forecasts, k) : [];
    const own = rows(years, k), values = years[dimension];
    const parts = ["learnt from", "validation", "test"];
    const points = of.flatMap((j) => {
      const year = forecasts.year[j], at = own.find((i) => years.year[i] === year);
      if (at === undefined) return [];
      const before = own.filter((i) => years.year[i] < year);
      const songs = before.reduce((sum, i) => sum + years.songs[i], 0);
      const sum = before.reduce((total, i) => total + years.songs[i] * values[i], 0);
      const value = estimates[j] / 1000, sd = forecasts[`${dimension}_error`][j] / scale;
      return {year, truth: values[at] / 1000, forecast: value, low: +(value - z * sd).toFixed(3),
        high: +(value + z * sd).toFixed(3), mean: +(sum / songs / 1000).toFixed(3),
        last: values[before.at(-1)] / 1000, part: parts[forecasts.split[j]], test: forecasts.split[j] === 2};
    });
    const test = points.filter((point) => point.test);
    const error = (field) => Math.sqrt(test.reduce((sum, p) => sum + (p[field] - p.truth) ** 2, 0)
      / test.length).toFixed(3);
    const inside = test.filter((p) => p.truth >= p.low && p.truth <= p.high).length;
    let text = "No forecast: it needs two earlier years with songs.";
    if (points.length) {
      text = test.length
        ? `${many(test.length, "test year")} (from ${firstTest}): error ${error("forecast")}, that of the `
          + `artist's mean so far ${error("mean")}, that of the last value ${error("last")}; `
          + `${inside} of ${test.length} inside the 90% interval.`
          + (test.length < 10 ? " So few years do not judge a model; Forecast accuracy covers all artists."
            : "")
        : `No test year (from ${firstTest}): the forecasts below are for years that the model learnt from `
          + "or was chosen on, so they are no test.";
    }
    $("forecast").hidden = !points.length;
    $("forecast-note").textContent = text;
    const shaded = span[1].year >= firstTest ? [{from: firstTest - .5, to: span[1].year + .5}] : [];
    reportCharts.set("forecast", {span, forecasts: points, test: shaded}, `${artists.name[k]}: ${text}`);
  };

  const draw = () => {
    const k = chosen, span = career(k);
    change(k, span);
    forecast(k, span);
  };

  const choose = (k) => {
    chosen = k;
    const decade = artists.start[k] === null ? "" : `, active since the ${artists.start[k]}s`;
    $("title").textContent = artists.name[k];
    $("facts").textContent = `${artists.genres[artists.genre[k]]}${decade}`;
    $("name").value = artists.name[k];
    $("message").textContent = "";
    list("nearest", artists.nearest[k].map((other, j) => link(other,
      `(${artists.genres[artists.genre[other]]}, ${(artists.distance[k][j] / 100).toFixed(2)})`)));
    const outside = (total, shown) => total > shown ? `, ${shown} of them below` : "";
    $("named-title").textContent = `Names ${many(artists.influenced_by[k], "influence")}`
      + outside(artists.influenced_by[k], artists.named[k].length);
    $("followers-title").textContent = `Named by ${many(artists.influences[k], "artist")}`
      + outside(artists.influences[k], followers[k].length);
    list("named", artists.named[k].map((other) => link(other)), "None with a career in this data.");
    const most = followers[k].slice().sort((a, b) => artists.influences[b] - artists.influences[a]);
    list("followers", most.slice(0, 40).map((other) => link(other)), "None with a career in this data.");
    draw();
  };

  const open = (k) => { if (location.hash === address(k)) choose(k); else location.hash = address(k); };
  const suggest = (text) => {
    const matches = find(text);
    const exact = matches.length && folded[matches[0]] === fold(text);
    if (matches.length === 1 || exact) return open(matches[0]);
    $("message").textContent = matches.length ? `${many(matches.length, "artist")} match:`
      : `No artist of this data matches “${text}”.`;
    $("matches").replaceChildren(...matches.slice(0, 12).map((k) => link(k)));
  };
  const read = (scroll) => {
    const match = location.hash.match(/^#artist=(.*)$/);
    if (!match) return false;
    let text = match[1];
    try { text = decodeURIComponent(text); } catch { /* a broken address is searched as it is */ }
    const k = byId.has(text) && !byName.has(fold(text)) ? byId.get(text) : byName.get(fold(text));
    $("matches").replaceChildren();
    if (!(k >= 0)) { $("message").textContent = `No artist of this data is “${text}”.`; return false; }
    choose(k);
    if (scroll) host.scrollIntoView();
    return true;
  };

  $("names").append(...artists.name.map((name) => Object.assign(document.createElement("option"),
    {value: name})));
  $("form").addEventListener("submit", (event) => { event.preventDefault(); suggest($("name").value); });
  $("name").addEventListener("input", (event) => {
    const k = byName.get(fold(event.target.value));
    const picked = !event.inputType || event.inputType === "insertReplacementText";
    if (picked && k >= 0) open(k);
  });
  $("name").addEventListener("focus", (event) => event.target.select());
  $("random").addEventListener("click", () => open(Math.floor(Math.random() * size)));
  $("dimension").addEventListener("change", (event) => { dimension = event.target.value; draw(); });
  addEventListener("hashchange", () => read(true));

  const show = (key, text, members) => {
    document.getElementById(`${key}-note`).textContent = text;
    document.getElementById(`${key}-artists`).replaceChildren(...members.map((k) => link(k)));
  };
  const known = (genre) => artists.name.map((_, k) => k).filter((k) => genre === "All genres"
    || artists.genres[artists.genre[k]] === genre);
  reportCharts.click("genres", ({genre, decade}) => {
    if (genre === undefined) return;
    const songs = new Map(known(genre).map((k) => [k, rows(years, k).filter((j) => years.flag[j] < 2
      && Math.floor(years.year[j] / 10) * 10 === decade).reduce((sum, j) => sum + years.songs[j], 0)]));
    const members = [...songs.keys()].filter((k) => songs.get(k)).sort((a, b) => songs.get(b) - songs.get(a));
    show("genre", `${genre}, ${decade}s: ${many(members.length, "artist")}`
      + (members.length > 40 ? ", the 40 with most songs:" : ":"), members.slice(0, 40));
  });
  reportCharts.click("influence", ({genre, decade}) => {
    if (genre === undefined || decade === undefined) return;
    const members = known(genre).filter((k) => artists.start[k] === decade)
      .sort((a, b) => artists.influences[b] - artists.influences[a]);
    show("influence", `${genre}, began in the ${decade}s: ${many(members.length, "artist")} with a career in `
      + `this data${members.length > 40 ? ", the 40 that most others name:" : ":"}`, members.slice(0, 40));
  });
  if (!read(true)) choose(data.settings.first);
})();
"""

STYLE = """
.picker { border: 1px solid var(--line); border-radius: .5rem; padding: 1rem; }
.picker form { display: flex; flex-wrap: wrap; gap: .6rem; align-items: end; margin: 0; }
.picker label { font-size: .9rem; }
.picker .field { flex: 1 1 14rem; display: grid; gap: .2rem; }
.picker input[type=search] { font: inherit; width: 100%; padding: .5rem .7rem; color: var(--ink);
  background: var(--paper); border: 1px solid var(--soft); border-radius: .3rem; min-height: 2.75rem; }
.picker button { font: inherit; padding: .5rem .9rem; min-height: 2.75rem; color: var(--link);
  background: var(--tint); border: 1px solid var(--line); border-radius: .3rem; cursor: pointer; }
.picker fieldset { border: 0; padding: 0; margin: .8rem 0 0; display: flex; flex-wrap: wrap;
  gap: .3rem 1.2rem; }
.picker legend { float: left; margin-right: 1rem; padding: 0; color: var(--soft); }
.picker fieldset label { min-height: 1.75rem; display: inline-flex; gap: .35rem; align-items: center; }
.picker h3 { font-size: 1.3rem; margin: 1.1rem 0 0; }
.picker h4 { font-size: 1rem; margin: 1.2rem 0 .2rem; }
.picker p { margin: .2rem 0; font-size: .92rem; }
.picker ul, .names { list-style: none; margin: .3rem 0; padding: 0; display: flex; flex-wrap: wrap;
  gap: .35rem 1rem; font-size: .92rem; max-width: none; }
.picker li, .names li { margin: 0; color: var(--soft); }
.picker li a, .names li a { display: inline-block; padding: .15rem 0; }
.picker .lists { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 18rem), 1fr));
  gap: 0 2rem; }
"""
