// Draws the rack from GET /v1/rack, and again whenever GET /v1/events (a stream) says that something happened.
"use strict";

const EVENTS_SHOWN = 200;      // the journal holds all of them; a page that grows for a week would not
const REDRAW_MS = 80;          // many events at once are one drawing
const REFRESH_MS = 5000;       // watts change without an event
const RETRY_MS = [500, 1000, 2000, 5000];
const LIVES = { unseen: "not seen", empty: "empty", settling: "settling", probation: "on probation", in_service: "in service",
  draining: "draining", ready_to_pull: "ready to pull", faulted: "faulted", condemned: "condemned" };
const LIFE_TONE = { in_service: "ok", settling: "warn", probation: "warn", draining: "warn", ready_to_pull: "warn", faulted: "bad", condemned: "bad" };
const STATE_TONE = { redundant: "ok", exposed: "warn", deficit: "bad", blind: "bad" };
const STATES = { ready: "its agent answers", discovered: "only its BMC answers", powered_off: "its BMC says it is off", unreachable: "neither agent nor BMC answers" };
const BAD_EVENT = /lost|deficit|fault|silent|blind|failed|condemned/;

const $ = (id) => document.getElementById(id);
let view = null, token = sessionStorage.getItem("busbar-token"), last = 0, openPlace = null;

function el(tag, props, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "class") made.className = value;
    else if (key === "style") Object.assign(made.style, value);
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}
const kw = (watts) => (Math.round(watts / 100 + 1e-9) / 10).toFixed(1) + " kW";
const watts = (value) => (value >= 1000 ? kw(value) : Math.round(value) + " W");
const clock = (at) => new Date(at).toLocaleTimeString([], { hour12: false });
const percent = (part, whole) => (whole > 0 ? Math.max(0, Math.min(100, (100 * part) / whole)) : 0) + "%";
const sum = (list) => list.reduce((a, b) => a + b, 0);
const plural = (n, one) => `${n} ${one}${n === 1 ? "" : "s"}`;
function bytes(value) {
  for (const [shift, unit] of [[40, "TiB"], [30, "GiB"], [20, "MiB"]]) {
    const one = 2 ** shift;
    if (value >= one) return (value / one).toFixed(value % one === 0 || value / one >= 100 ? 0 : 1) + " " + unit;
  }
  return value + " B";
}
// A claim keeps its colour for as long as it lives, whatever else comes and goes.
function colour(id) {
  let hash = 7;
  for (const c of id) hash = (hash * 31 + c.charCodeAt(0)) >>> 0;
  return `var(--c${hash % 8})`;
}
const colours = new Map();
function claimColour(claim) {
  if (!colours.has(claim.id)) {
    const used = new Set(view.claims.map((c) => colours.get(c.id)));
    const free = [0, 1, 2, 3, 4, 5, 6, 7].map((n) => `var(--c${n})`).find((c) => !used.has(c));
    colours.set(claim.id, free || colour(claim.id));
  }
  return colours.get(claim.id);
}

async function ask(path, options) {
  const headers = { ...(options && options.headers) };
  if (token) headers.Authorization = "Bearer " + token;
  const answer = await fetch(path, { ...options, headers, cache: "no-store" });
  if (answer.status === 401) {
    $("login").hidden = false;
    throw new Error("it wants its bearer token");
  }
  return answer;
}

/* the power picture */
function bar(domain) {
  const claims = view.claims.filter((claim) => claim.domain === domain.name);
  const whole = Math.max(domain.installed_watts, domain.held_watts + domain.fixed_load_watts, 1);
  const made = el("div", { class: "bar", role: "img", "aria-label":
    `${kw(domain.held_watts)} held of ${kw(domain.firm_watts)} firm; ${kw(domain.headroom_watts)} free; ${kw(domain.surviving_watts)} survive the worst loss of ${kw(domain.installed_watts)} installed` });
  let at = 0;
  const piece = (cls, width, text, style, title) => {
    if (width <= 0) return;
    made.append(el("i", { class: cls, title, style: { left: percent(at, whole), width: percent(width, whole), ...style } }, width / whole > 0.035 ? text : ""));
    at += width;
  };
  piece("claim", domain.fixed_load_watts, "fixed", { background: "var(--quiet)" }, `fixed load: ${watts(domain.fixed_load_watts)}`);
  for (const claim of claims)
    piece("claim", claim.watts, claim.for, { background: claimColour(claim) }, `${claim.for}: ${watts(claim.watts)}`);
  if (domain.headroom_watts / whole > 0.002) piece("free", domain.headroom_watts, "free " + kw(domain.headroom_watts));
  if (domain.deficit_watts > 0)
    made.append(el("i", { class: "over", style: { left: percent(domain.fixed_load_watts + domain.held_watts - domain.deficit_watts, whole), width: percent(domain.deficit_watts, whole) } }));
  // The line behind which nothing is promised, and the end of what is installed where that is somewhere else.
  const mark = (cls, at_watts, text) => made.append(el("u", { class: cls, style: { left: percent(at_watts, whole) } }, el("span", {}, text)));
  mark(domain.surviving_watts / whole > 0.94 ? "end" : "", domain.surviving_watts, "survives " + kw(domain.surviving_watts));
  if ((domain.installed_watts - domain.surviving_watts) / whole > 0.12) mark("end quiet-mark", domain.installed_watts, "installed " + kw(domain.installed_watts));
  return made;
}
function psu(bay) {
  const part = bay.part || {};
  const shown = LIVES[bay.life] || bay.life;
  const out = bay.output_watts === null ? null : el("span", {}, watts(bay.output_watts), bay.rated_watts ? " of " + kw(bay.rated_watts) : "");
  return el("button", { type: "button", class: `psu ${bay.life}${bay.seen ? "" : " blind"}`, "data-place": bay.place,
    "aria-label": `${bay.label}: ${shown}${bay.led ? ", locate light on" : ""}${bay.seen ? "" : ", cannot be seen now"}`,
    title: [bay.place, part.maker, part.model, part.serial, bay.reason].filter(Boolean).join(" · "), onclick: () => openBay(bay.place) },
    el("span", { class: "top" }, bay.label, bay.led === null ? null : el("span", { class: "lamp" + (bay.led ? " lit" : "") })),
    el("span", { class: "grille" }),
    el("span", { class: "life" }, el("span", { class: "dot " + (bay.seen ? LIFE_TONE[bay.life] || "" : "") }), bay.seen || bay.life === "unseen" ? shown : `was ${shown}`),
    el("span", { class: "out" }, out || (bay.rated_watts && bay.life !== "empty" ? kw(bay.rated_watts) : "\u00a0"),
      el("span", { class: "meter" }, el("i", { style: { width: percent(bay.output_watts || 0, bay.rated_watts || 0) } }))));
}
function plug() {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", "M9 3v6M15 3v6M6 9h12v3a6 6 0 0 1-12 0zM12 18v4");
  svg.append(path);
  return svg;
}
function drawDomain(domain) {
  const feeds = new Map();
  for (const bay of domain.bays) {
    const key = bay.feed || "";
    if (!feeds.has(key)) feeds.set(key, []);
    feeds.get(key).push(bay);
  }
  const figure = (label, value, cls) => el("div", { class: "sum " + (cls || "") }, el("span", {}, label), el("b", {}, kw(value)));
  const bad = domain.deficit_watts > 0;
  const drawn = domain.drawn_watts === null ? "" : `${kw(domain.drawn_watts)} drawn now`;
  return el("article", { class: "card domain" },
    el("div", { class: "top" }, el("h2", {}, domain.name, " ", el("small", {}, `${domain.source}, ${domain.redundancy} computed${domain.margin_ppm ? `, margin ${domain.margin_ppm / 10000} %` : ""}`)),
      el("span", { class: "pill " + (STATE_TONE[domain.state] || "") }, `${domain.state} since ${clock(domain.since)}`)),
    el("div", { class: "sums" }, figure("installed", domain.installed_watts), figure("survives the worst loss", domain.surviving_watts), figure("firm, held", domain.held_watts),
      bad ? figure("missing", domain.deficit_watts, "bad") : figure("free", domain.headroom_watts, "free")),
    bar(domain),
    el("div", { class: "shelf" }, ...[...feeds].map(([feed, bays]) => el("div", { class: "feed" }, el("h3", {}, plug(), feed ? `Feed ${feed}` : "Feed not known"), el("div", { class: "bays" }, ...bays.map(psu))))),
    el("div", { class: "copper", "aria-hidden": "true" }, el("span", {}, drawn)), el("p", { class: "quiet" }, "\u00a0"));
}

/* nodes, claims, controllers */
function drawNode(node) {
  const known = (value, one) => (value === null ? null : plural(value, one));
  const first = [known(node.cores, "core"), node.memory_bytes === null ? null : bytes(node.memory_bytes)].filter(Boolean).join(" · ");
  const second = [known(node.packages, "package"), known(node.numa_nodes, "NUMA node"), node.drives === null ? null : plural(node.drives, "drive") + (node.drive_bytes ? ` ${bytes(node.drive_bytes)}` : ""), node.gpus ? plural(node.gpus, "GPU") : null].filter(Boolean).join(" · ");
  const tone = { ready: "ok", unreachable: "bad", powered_off: "", discovered: "warn" }[node.state] || "";
  const drawn = node.drawn_watts === null ? "draw not known" : `draws ${watts(node.drawn_watts)}`;
  const mark = (value, title) => (value ? el("u", { title, style: { left: percent(value, node.max_draw_watts) } }) : null);
  return el("li", { class: "node" + (node.state === "unreachable" ? " away" : "") },
    el("span", { class: "u" }, node.unit === null ? "" : "U" + node.unit),
    el("div", { class: "who" }, el("b", {}, node.name), el("span", { title: node.reason || STATES[node.state] || "" }, el("span", { class: "dot " + tone }), node.state.replace("_", " "))),
    el("div", { class: "facts" }, first || "nothing known yet", el("span", {}, [second, node.facts_from === "none" ? "" : `from its ${node.facts_from === "bmc" ? "BMC" : "agent"}`].filter(Boolean).join(" · "))),
    el("div", { class: "power" }, el("div", { class: "line" }, el("span", {}, drawn, node.cap_watts === null ? "" : `, capped at ${watts(node.cap_watts)}`), el("span", { class: "num" }, `holds ${watts(node.held_watts)}`)),
      el("div", { class: "meter" }, el("i", { style: { width: percent(node.drawn_watts || 0, node.max_draw_watts) } }), mark(node.cap_watts, "cap")),
      el("div", { class: "line most" }, el("span", {}, `can draw ${watts(node.max_draw_watts)}`))),
    el("div", { class: "work chips" }, node.facts_from === "agent" && node.workloads.length === 0 ? el("small", {}, "no workload") : null, ...node.workloads.map((work) => el("span", { class: "chip" + (work.exclusive ? " alone" : ""), title: work.exclusive ? "alone on its CPUs" : "shares its CPUs" }, `${work.command || work.id} on ${work.cpus}`))));
}
function drawClaims() {
  $("claims").replaceChildren(el("thead", {}, el("tr", {}, el("th", {}, "for"), el("th", { class: "w" }, "watts"), el("th", {}, "node"), el("th", {}, "priority"), el("th", {}, "since"))),
    el("tbody", {}, ...view.claims.map((claim) => el("tr", {}, el("td", {}, el("span", { class: "dot", style: { background: claimColour(claim) } }), claim.for), el("td", { class: "w" }, watts(claim.watts)),
      el("td", {}, claim.node || "reserved"), el("td", {}, String(claim.priority)), el("td", {}, clock(claim.since))))));
  $("claims").hidden = view.claims.length === 0;
  $("no-claims").hidden = view.claims.length !== 0;
  $("claims-sum").textContent = view.claims.length ? `${plural(view.claims.length, "claim")}, ${kw(sum(view.claims.map((claim) => claim.watts)))}` : "";
}
function drawBmcs() {
  $("bmcs").replaceChildren(...view.bmcs.map((bmc) => el("li", {}, el("span", { class: "dot " + (bmc.up ? "ok" : "bad") }), bmc.name, " ", el("small", {}, bmc.url),
    el("span", { class: "why" }, bmc.up ? `answers; ${plural(bmc.writes, "write")} by us` : bmc.reason || "has not answered yet"))));
  $("doubts-part").hidden = view.doubts.length === 0;
  $("doubts").replaceChildren(...view.doubts.map((doubt) => el("li", {}, doubt.message, el("span", {}, `${doubt.kind} · ${doubt.resource}`))));
}
const RANK = ["redundant", "exposed", "blind", "deficit"];
function draw() {
  const focused = document.activeElement && document.activeElement.dataset ? document.activeElement.dataset.place : null;
  $("login").hidden = true;
  $("main").hidden = false;
  document.title = `${view.rack} · Busbar`;
  $("rack").textContent = view.rack;
  $("mode").textContent = view.mode + (view.simulated ? " (simulated)" : "");
  const worst = view.domains.map((domain) => domain.state).sort((a, b) => RANK.indexOf(b) - RANK.indexOf(a))[0];
  $("state").hidden = !worst;
  $("state").textContent = worst || "";
  $("state").className = "pill " + (STATE_TONE[worst] || "");
  $("sequence").textContent = view.journal_sequence;
  $("power").replaceChildren(...view.domains.map(drawDomain));
  $("nodes").replaceChildren(...view.nodes.map(drawNode));
  const cores = sum(view.nodes.map((node) => node.cores || 0)), memory = sum(view.nodes.map((node) => node.memory_bytes || 0));
  $("nodes-sum").textContent = [cores ? plural(cores, "core") : "", memory ? bytes(memory) : "", plural(view.nodes.length, "node")].filter(Boolean).join(" · ");
  drawClaims();
  drawBmcs();
  if (focused) {
    const again = [...document.querySelectorAll("[data-place]")].find((button) => button.dataset.place === focused);
    if (again) again.focus({ preventScroll: true });
  }
  if (openPlace) drawBay();
}

/* one bay */
function findBay(place) {
  for (const domain of view.domains) for (const bay of domain.bays) if (bay.place === place) return bay;
  return null;
}
function drawBay() {
  const bay = findBay(openPlace);
  if (!bay) return;
  const part = bay.part || {};
  const rows = [["place", bay.place], ["feed", bay.feed || "not known"], ["life", `${LIVES[bay.life] || bay.life} since ${clock(bay.since)}${bay.until ? `, until ${clock(bay.until)}` : ""}`], ["why", bay.reason],
    ["part", [part.maker, part.model].filter(Boolean).join(" ")], ["serial", part.serial], ["rated", bay.rated_watts ? watts(bay.rated_watts) : null], ["delivers", bay.output_watts === null ? null : watts(bay.output_watts)],
    ["locate light", bay.led === null ? "none" : bay.led ? "lit" : "dark"], ["seen", bay.seen ? null : "its BMC cannot be read now"]];
  $("bay-name").textContent = bay.label;
  $("bay-facts").replaceChildren(...rows.filter(([, value]) => value).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
  $("bay-command").textContent = `busbar drain ${bay.place}`;
}
function openBay(place) {
  openPlace = place;
  $("bay-answer").hidden = true;
  drawBay();
  $("bay").showModal();
}
async function askInterlock() {
  const shown = $("bay-answer");
  shown.className = "answer";
  shown.textContent = "asking";
  shown.hidden = false;
  try {
    const answer = await ask("v1/drain", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ place: openPlace, dry_run: true }) });
    const said = await answer.json();
    shown.textContent = answer.ok ? said.sentence : said.error.message;
    if (answer.ok) shown.classList.add(said.answer);
  } catch (error) {
    shown.textContent = String(error.message || error);
  }
}

/* what happens */
function addEvent(event, fresh) {
  if (event.sequence <= last) return;
  last = event.sequence;
  const item = el("li", { class: (BAD_EVENT.test(event.kind) ? "bad" : "") + (fresh ? " new" : "") }, el("time", { datetime: event.at, title: `${event.at}, event ${event.sequence}` }, clock(event.at)), el("span", { title: `${event.kind} ${event.subject}` }, event.message));
  $("events").prepend(item);
  while ($("events").children.length > EVENTS_SHOWN) $("events").lastElementChild.remove();
}
let redraw = 0;
function soon() {
  if (redraw) return;
  redraw = setTimeout(async () => {
    redraw = 0;
    try {
      await refresh();
    } catch {
      // The stream notices too, and says so.
    }
  }, REDRAW_MS);
}
async function refresh() {
  const answer = await ask("v1/rack");
  if (!answer.ok) throw new Error(`answered ${answer.status}`);
  view = await answer.json();
  draw();
}
function link(tone, text) {
  $("dot").className = "dot " + tone;
  $("link").textContent = text;
}
async function follow() {
  if (last === 0) last = Math.max(0, view.journal_sequence - EVENTS_SHOWN);
  const before = view.journal_sequence;
  const answer = await ask(`v1/events?after=${last}`, { headers: { Accept: "text/event-stream" } });
  if (!answer.ok) throw new Error(`answered ${answer.status}`);
  link("ok", "live");
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Error("the stream ended");
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const data = block.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5)).join("\n");
      if (!data) continue;
      const event = JSON.parse(data);
      addEvent(event, event.sequence > before);
      if (event.sequence > view.journal_sequence) soon();
    }
  }
}
async function live() {
  for (let tries = 0; ; tries += 1) {
    try {
      await refresh();
      tries = 0;
      await follow();
    } catch (error) {
      link("bad", `no connection (${error.message || error}); trying again`);
    }
    await new Promise((wake) => setTimeout(wake, RETRY_MS[Math.min(tries, RETRY_MS.length - 1)]));
  }
}
$("bay-ask").addEventListener("click", askInterlock);
$("bay").addEventListener("close", () => (openPlace = null));
$("login").addEventListener("submit", (sent) => {
  sent.preventDefault();
  token = $("token").value.trim();
  sessionStorage.setItem("busbar-token", token);
  $("token").value = "";
  soon();
});
setInterval(() => { if (view && !document.hidden) soon(); }, REFRESH_MS);
live();
