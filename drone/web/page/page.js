// The live page: one connection, and what it brings into the page. It keeps only the latest.

import { clear, drawJpeg, drawRaw, drawRoc, drawSectors, RoomMap } from "./draw.js";

const $ = (id) => document.getElementById(id);
const WORDS = { stereo: "Stereo flies", training_wheels: "Mono flies, stereo guards", mono: "Mono flies alone", hold: "Holding", land: "Landing" };
const SHOWN_S = 60;
const course = [[], [], [], []];
let socket, hello, map, chart, mode, wait = 250, over = "", awaited = null;

function connect() {
  over = "";
  const secure = location.protocol === "https:" ? "wss:" : "ws:";
  socket = new WebSocket(`${secure}//${location.host}/live`);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => socket.send(decodeURIComponent(location.hash.slice(1)));
  socket.onmessage = (event) => receive(event.data);
  socket.onclose = (event) => lost(event);
}

function lost(event) {
  enable(false);
  if (event.code === 4401) return link("This address needs its token: open the whole address that was printed, # included.", "bad");
  if (over) return link(`The flight is over: ${over}.`, "");
  link("Connection lost, trying again …", "bad");
  setTimeout(connect, wait);
  wait = Math.min(2 * wait, 4000);
}

function link(text, kind) {
  if ($("link").textContent !== text) $("link").textContent = text;
  $("link").className = kind;
}

function receive(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const facts = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  if (facts.hello) return begin(facts);
  let at = 4 + length;
  const parts = new Map(facts.parts.map(([name, width, height, size]) => {
    const bytes = new Uint8Array(buffer, at, size);
    at += size;
    return [name, [width, height, bytes]];
  }));
  awaited = { facts: merge(awaited, facts), parts };
  requestAnimationFrame(show);
}

// A page in the background draws nothing; what must not get lost is kept until it does.
function merge(before, facts) {
  if (!before) return facts;
  return { ...facts, roc: facts.roc ?? before.facts.roc, course: [...before.facts.course, ...facts.course], events: [...before.facts.events, ...facts.events] };
}

function begin(facts) {
  hello = facts;
  wait = 250;
  awaited = null;
  $("name").textContent = facts.name;
  map = new RoomMap($("map"), facts.plan);
  $("events").replaceChildren();
  mode = undefined;
  course.forEach((list) => { list.length = 0; });
  link("Live", "good");
  enable(true);
}

function show() {
  if (!awaited) return;
  const { facts, parts } = awaited;
  awaited = null;
  over = facts.ended;
  showPictures(parts);
  showState(facts);
  showTrust(facts);
  drawSectors($("sectors"), facts.sectors, hello.view);
  if (facts.roc) drawRoc($("roc"), facts.roc, facts.trust);
  map.add(facts.course.map((p) => [p[4], p[5]]));
  map.place(facts.pose);
  facts.events.forEach(showEvent);
  showCourse(facts.course);
  document.body.dataset.frame = facts.frame;
}

function showPictures(parts) {
  const eye = parts.has("left") ? "left" : "right";
  $("left-h").textContent = eye === "left" ? "Left image" : "Right image (the left is gone)";
  if (parts.has(eye)) drawJpeg($("left"), ...parts.get(eye)); else clear($("left"));
  for (const name of ["disparity", "mono"]) {
    if (parts.has(name)) drawRaw($(name), ...parts.get(name)); else clear($(name));
  }
}

function showState(facts) {
  if (facts.mode !== mode) {
    $("spoken").textContent = `${WORDS[facts.mode]}: ${facts.reason}`;
    mode = facts.mode;
  }
  text("mode", WORDS[facts.mode]);
  $("mode").dataset.mode = facts.mode;
  text("manoeuvre", facts.manoeuvre === facts.mode ? "" : facts.manoeuvre.replaceAll("_", " "));
  text("reason", facts.override ? `stereo overrides mono; ${facts.reason}` : facts.reason);
  text("time", `${facts.time_s.toFixed(1)} s`);
  text("label-reason", facts.label_reason);
  text("model", facts.model ? `model ${facts.model}${facts.unfamiliarity === null ? "" : `, unfamiliarity ${facts.unfamiliarity.toFixed(1)}`}` : "no model yet");
  press("hold", facts.asked === "hold", facts.asked === "land" || !facts.permitted);
  press("land", facts.asked === "land", !facts.permitted);
  press("withdraw", !facts.permitted, false);
}

function press(id, done, useless) {
  const button = $(id);
  button.setAttribute("aria-pressed", String(done));
  button.setAttribute("aria-disabled", String(useless && !done));
}

function showTrust(facts) {
  const trust = facts.trust;
  text("trust", trust.frozen ? "Mono is trusted, licence frozen" : trust.held ? "Mono is trusted" : "Mono is not trusted");
  $("trust").className = `badge ${trust.held ? "good" : "bad"}`;
  text("trust-reason", trust.reason);
  const metres = (x) => x === null ? "unknown" : `${x.toFixed(2)} m`;
  const percent = (x) => x === null ? "unknown" : `${Math.round(100 * x)} %`;
  const [forward, , turn] = facts.command;
  numbers([
    ["stereo sees", metres(facts.stereo_m)], ["mono sees", metres(facts.mono_m)], ["mono stops below", metres(trust.threshold_m)],
    ["near caught", percent(trust.tpr)], ["needless stops", percent(trust.fpr)],
    ["frames near, free", `${trust.near}, ${trust.free}`], ["approaches", trust.approaches],
    ["speed, turn", `${forward.toFixed(2)} m/s, ${Math.round((turn * 180) / Math.PI)} °/s`],
    ["battery", percent(facts.battery_share)],
  ]);
}

function numbers(rows) {
  const list = $("numbers");
  if (list.children.length !== rows.length) {
    list.replaceChildren(...rows.map(([name]) => {
      const row = document.createElement("div");
      row.append(Object.assign(document.createElement("dt"), { textContent: name }), document.createElement("dd"));
      return row;
    }));
  }
  rows.forEach(([, value], i) => { list.children[i].lastChild.textContent = value; });
}

function text(id, value) {
  if ($(id).textContent !== value) $(id).textContent = value;
}

function showEvent(event) {
  const row = document.createElement("li");
  row.append(Object.assign(document.createElement("time"), { textContent: `${event.time_s.toFixed(1)} s` }), `${event.kind}: ${event.detail}`);
  row.dataset.kind = event.kind;
  $("events").prepend(row);
  if (event.kind === "collision") map.hit(event.position);
  while ($("events").children.length > 300) $("events").lastChild.remove();
}

function showCourse(points) {
  for (const point of points) course.forEach((list, i) => list.push(point[i]));
  if (!course[0].length) return;
  const latest = course[0].at(-1);
  let gone = 0;
  while (course[0][gone] < latest - SHOWN_S) gone += 1;
  if (gone) course.forEach((list) => list.splice(0, gone));
  chart ??= makeChart();
  chart.setData(course);
  const metres = (x) => x === null ? "unknown" : `${x.toFixed(1)} m`;
  $("course").setAttribute("aria-label", `Obstacle distance of the last minute. Now stereo ${metres(course[1].at(-1))}, mono ${metres(course[2].at(-1))}.`);
}

function makeChart() {
  const colour = (name) => () => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const axis = { stroke: colour("soft"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line") } };
  const size = () => ({ width: Math.max(120, $("course").clientWidth), height: 190 });
  const made = new uPlot({
    ...size(), legend: { show: false }, cursor: { show: false },
    scales: { x: { time: false }, y: { range: (_, low, high) => [0, Math.max(2, Math.min(8, high ?? 2))] } },
    axes: [{ ...axis, values: (_, list) => list.map((v) => `${v} s`) }, { ...axis, size: 44, values: (_, list) => list.map((v) => `${v} m`) }],
    series: [{}, { stroke: colour("stereo"), width: 2, points: { show: false } }, { stroke: colour("mono"), width: 2, points: { show: false } }, { stroke: colour("mono"), width: 1, dash: [6, 5], points: { show: false } }],
  }, course, $("course"));
  new ResizeObserver(() => made.setSize(size())).observe($("course"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => made.redraw());
  return made;
}

function enable(on) {
  for (const id of ["hold", "land", "withdraw", "note", "mark-it"]) $(id).disabled = !on;
}

function wish(what, note = "") {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ do: what, note }));
}

for (const button of document.querySelectorAll("[data-do]")) button.addEventListener("click", () => { if (button.getAttribute("aria-disabled") !== "true") wish(button.dataset.do); });
$("mark").addEventListener("submit", (event) => {
  event.preventDefault();
  wish("mark", $("note").value);
  $("note").value = "";
});
enable(false);
connect();
