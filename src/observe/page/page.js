// The status page.  All that comes from the daemon is put in as text, never as
// markup; the picture of the graph is the daemon's own, in which names are
// escaped.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const POINTS = 120;             // of a sparkline, one a second
const ROWS = 50;
const $ = (id) => document.getElementById(id);

let last = null;                // the status before
let graphNumber = -1;           // of the picture that is shown
let seen = 0;                   // number of the newest line
const series = { age: [], rate: [], latency: [], backlog: [] };

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function drawn(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const name in attributes) made.setAttribute(name, attributes[name]);
  return made;
}

// Words.

function number(n) {
  if (n >= 1e7) return (n / 1e6).toFixed(0) + "M";
  if (n >= 1e4) return (n / 1e3).toFixed(n >= 1e5 ? 0 : 1) + "k";
  return String(Math.round(n));
}

function duration(us) {
  if (us < 1000) return Math.round(us) + " \u00b5s";
  if (us < 1e6) return (us / 1000).toFixed(us < 1e4 ? 1 : 0) + " ms";
  if (us < 6e7) return (us / 1e6).toFixed(us < 1e7 ? 1 : 0) + " s";
  if (us < 36e8) return Math.floor(us / 6e7) + " min";
  if (us < 864e8) return Math.floor(us / 36e8) + " h";
  return Math.floor(us / 864e8) + " d";
}

function many(n, one, more) {
  return number(n) + " " + (n === 1 ? one : more || one + "s");
}

function clock(text) {
  const date = new Date(text);
  return isNaN(date) ? text : date.toLocaleTimeString([], { hour12: false });
}

// Tiles.

function addPoint(name, value) {
  const points = series[name];
  points.push(value);
  if (points.length > POINTS) points.shift();
  drawSpark($("spark-" + name), points);
}

function drawSpark(svg, points) {
  const top = Math.max(...points, 1e-9);
  const at = (v, i) => [(POINTS - points.length + i) * (100 / (POINTS - 1)),
                        38 - (v / top) * 32];
  let line = "";
  points.forEach((v, i) => {
    const [x, y] = at(v, i);
    line += (i ? "L" : "M") + x.toFixed(2) + " " + y.toFixed(2);
  });
  if (!svg.firstChild) {
    svg.setAttribute("viewBox", "0 0 100 40");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.append(drawn("path", { class: "area" }), drawn("path", {}));
  }
  const first = at(points[0], 0)[0].toFixed(2);
  svg.firstChild.setAttribute("d", line + "L100 40L" + first + " 40Z");
  svg.lastChild.setAttribute("d", line);
}

function showState(s) {
  const good = s.state === "live";
  $("state").textContent = s.state;
  $("state").className = "pill " + (good ? "good" : s.state === "standby" ? "warn" : "bad");
  $("mode").hidden = s.mode === "apply";
  $("mode").textContent = "only observing";
  $("drifted").hidden = !s.drifted;
  $("about").textContent = "version " + s.version + ", up " + duration((s.now_us - s.started_us))
    + ", last proof " + duration(s.proof_us) + " ago";
  document.title = (good ? "" : s.state + " \u2013 ") + "pgripple";
}

function showPeers(s) {
  const list = $("peers");
  list.replaceChildren();
  for (const peer of s.peers) {
    const item = element("li", peer.up ? "up" : "");
    const detail = element("span", "", (peer.state ? peer.state + " " : "") + peer.server);
    detail.title = peer.server;
    item.append(document.createTextNode(peer.name), detail);
    list.append(item);
  }
}

function showTiles(s) {
  // While Postgres is away nobody knows what waits there.
  const isKnown = s.state !== "postgres-down" && s.state !== "not-installed";
  $("age").textContent = s.oldest_us > 0 ? duration(s.oldest_us) : isKnown ? "0 s" : "?";
  $("age-under").textContent = s.oldest_us > 0 ? "waits to be acknowledged" : isKnown ? "nothing waits" : "not known now";
  $("tile-age").classList.toggle("bad", s.oldest_us > 30e6);
  $("backlog").textContent = isKnown || s.backlog > 0 ? number(s.backlog) : "?";
  $("backlog-under").textContent = many(s.tasks, "task");
  $("rejected").textContent = s.rejected > 0 ? s.rejected + " rejected" : "";
  $("no-changes").textContent = s.lines ? "No change has come yet. Write to a watched table and look here."
    : "The log has no lines of single changes (log.level), so there are none here.";
  $("rate-under").textContent = many(s.changes, "change") + ", " + many(s.operations, "operation");
}

// Once a second: what happened in it.
let mark = null;
function showRates(s) {
  if (mark === null || s.changes < mark.changes) mark = s;
  const us = s.now_us - mark.now_us;
  if (us < 950000) return;
  const rate = (s.changes - mark.changes) / (us / 1e6);
  const n = s.latency_count - mark.latency_count;
  const mean = n > 0 ? (s.latency_us - mark.latency_us) / n : null;
  $("rate").textContent = rate < 10 ? rate.toFixed(rate === 0 ? 0 : 1) : number(rate);
  if (mean !== null) {
    $("latency").textContent = duration(mean);
    $("latency-under").textContent = "on average, this second";
  } else if (s.latency_count > 0) {
    if (series.latency.every((v) => v === 0)) $("latency").textContent = duration(s.latency_us / s.latency_count);
    $("latency-under").textContent = "when a change last came";
  }
  addPoint("rate", rate);
  addPoint("latency", mean === null ? 0 : mean);
  addPoint("age", s.oldest_us);
  addPoint("backlog", s.backlog);
  mark = s;
}

// The graph.

async function loadGraph(generation) {
  graphNumber = generation;
  try {
    const answer = await fetch("/graph.svg");
    if (!answer.ok) throw new Error(answer.status);
    const text = await answer.text();
    const svg = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
    if (svg.localName !== "svg") throw new Error("no picture");
    $("graph").replaceChildren(document.adoptNode(svg));
    if (last) showCounts(last, null);
  } catch (error) {
    $("graph").textContent = "The graph cannot be drawn.";
  }
}

function countOf(group, x, y) {
  let count = group.querySelector(":scope > .count");
  if (!count) {
    count = drawn("g", { class: "count" });
    count.append(drawn("rect", { height: 15, rx: 7.5 }), drawn("text", {}));
    count.setAttribute("transform", "translate(" + x + " " + y + ")");
    group.append(count);
  }
  return count;
}

function setCount(count, n) {
  const text = number(n);
  const width = 12 + text.length * 6.6;
  count.firstChild.setAttribute("width", width);
  count.firstChild.setAttribute("x", -width / 2);
  count.firstChild.setAttribute("y", -7.5);
  count.lastChild.textContent = text;
}

function heat(group) {
  group.classList.add("hot");
  clearTimeout(group.cooling);
  group.cooling = setTimeout(() => group.classList.remove("hot"), 350);
}

function travel(group, path) {
  if (group.querySelectorAll(".traveller").length > 2) return;
  const dot = drawn("circle", { class: "traveller", r: 4.5 });
  const motion = drawn("animateMotion", { dur: "0.7s", path: path.getAttribute("d"), begin: "indefinite", fill: "freeze" });
  dot.append(motion);
  group.insertBefore(dot, group.querySelector(":scope > .count"));
  motion.beginElement();
  setTimeout(() => dot.remove(), 700);
}

function showRelation(group, n, grown) {
  const path = group.querySelector(".line");
  if (!path || n === 0) return;
  const middle = path.getPointAtLength(path.getTotalLength() * 0.5);
  setCount(countOf(group, middle.x, middle.y + 2), n);
  if (grown) {
    heat(group);
    travel(group, path);
  }
}

function showModel(group, n, grown) {
  const frame = group.querySelector("rect[class^=frame]");
  if (!frame || n === 0) return;
  const x = Number(frame.getAttribute("x")) + Number(frame.getAttribute("width")) - 18;
  setCount(countOf(group, x, Number(frame.getAttribute("y"))), n);
  if (grown) heat(group);
}

function showCounts(s, before) {
  const grown = (name, i) => before !== null && s[name][i] > before[name][i];
  for (const group of $("graph").querySelectorAll("[data-relation]")) {
    const i = group.dataset.relation;
    showRelation(group, s.relations[i] || 0, grown("relations", i));
  }
  for (const group of $("graph").querySelectorAll("[data-model]")) {
    const i = group.dataset.model;
    showModel(group, s.models[i] || 0, grown("models", i));
  }
}

// Lines of the log.

function wayOf(path) {
  const way = element("span", path.whole ? "way whole" : "way");
  way.append(document.createTextNode(path.path.split(">").join(" \u203a ") + " "));
  way.append(element("b", "", path.whole ? "whole" : "\u00d7" + path.rows));
  if (path.relation) way.title = path.relation;
  return way;
}

function invalidated(line) {
  const cell = element("td");
  const shown = line.first_keys || [];
  for (const key of shown) cell.append(element("span", "cache-key", key));
  const more = (line.keys || 0) + (line.patterns || 0) - shown.length;
  if (more > 0 || shown.length === 0)
    cell.append(element("span", "more", shown.length ? "and " + number(more) + " more" : many(more, "key")));
  return cell;
}

function changeRow(line) {
  const row = element("tr");
  row.append(element("td", "when", clock(line.ts)));
  const what = element("td");
  if (line.changes !== undefined) {
    what.append(element("span", "op", many(line.changes, "change")), element("span", "more", " summed up, " + many(line.rows, "row")));
    row.append(what, element("td"), element("td"), element("td"));
    return row;
  }
  what.append(element("span", "op", line.op), document.createTextNode(" "), element("span", "where", line.table + (line.whole ? ", " + line.whole : "")));
  const ways = element("td");
  for (const path of line.models || []) ways.append(wayOf(path));
  row.append(what, ways, invalidated(line), element("td", "took right", line.us === undefined ? "" : duration(line.us)));
  return row;
}

function noteRow(line) {
  const row = element("li", line.level);
  const skip = new Set(["ts", "level", "event", "error", "hint"]);
  const rest = Object.keys(line).filter((name) => !skip.has(name)).map((name) =>
    name + "=" + (typeof line[name] === "object" ? JSON.stringify(line[name]) : line[name])).join("  ");
  row.append(element("span", "when", clock(line.ts)), element("span", "name-of", line.event),
    element("span", "text", [line.error, line.hint, rest].filter(Boolean).join("  \u00b7  ")));
  return row;
}

function putFirst(list, row) {
  list.prepend(row);
  while (list.childElementCount > ROWS) list.lastElementChild.remove();
}

let isCatchingUp = true;        // what comes at first is not new
function takeLine(event, make, list, empty) {
  const id = Number(event.lastEventId);
  if (id <= seen) return;
  seen = id;
  let row;
  try {
    row = make(JSON.parse(event.data));
  } catch (error) {
    return;
  }
  if (!isCatchingUp) row.classList.add("new");
  putFirst($(list), row);
  $(empty).hidden = true;
}

function takeStatus(event) {
  const s = JSON.parse(event.data);
  const isSame = last !== null && last.graph === s.graph && last.started_us === s.started_us;
  if (graphNumber !== s.graph) loadGraph(s.graph);
  showState(s);
  showPeers(s);
  showTiles(s);
  showRates(s);
  showCounts(s, isSame ? last : null);
  last = s;
  $("link").textContent = "live";
}

function start() {
  const source = new EventSource("/events");
  source.addEventListener("open", () => {
    seen = 0;
    isCatchingUp = true;
    graphNumber = -1;
    $("changes").replaceChildren();
    $("notes").replaceChildren();
    $("no-changes").hidden = $("no-notes").hidden = false;
  });
  source.addEventListener("status", takeStatus);
  source.addEventListener("change", (e) => takeLine(e, changeRow, "changes", "no-changes"));
  source.addEventListener("note", (e) => takeLine(e, noteRow, "notes", "no-notes"));
  source.addEventListener("caught-up", () => { isCatchingUp = false; });
  source.addEventListener("error", () => {
    $("state").textContent = "not reachable";
    $("state").className = "pill bad";
    $("link").textContent = "trying again";
    // Refused, for too many pages are open, say: it does not try by itself.
    if (source.readyState === EventSource.CLOSED) setTimeout(start, 5000);
  });
}

start();
