// Drawing: what comes in are numbers, what goes out are pixels and SVG.

const SVG = "http://www.w3.org/2000/svg";

export function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// Near is bright, far is dark, unknown is grey: the ramp of "inferno", by its own fixed points.
const RAMP = [[0, 0, 4], [40, 11, 84], [101, 21, 110], [159, 42, 99], [212, 72, 66], [245, 125, 21], [250, 193, 39], [252, 255, 164]];
const COLOURS = Uint32Array.from({ length: 256 }, (_, i) => {
  if (i === 0) return 0xff606060;
  const at = Math.sqrt((i - 1) / 254) * (RAMP.length - 1);
  const low = Math.min(Math.floor(at), RAMP.length - 2);
  const [r, g, b] = RAMP[low].map((v, k) => Math.round(v + (RAMP[low + 1][k] - v) * (at - low)));
  return (0xff << 24 | b << 16 | g << 8 | r) >>> 0;
});

export function drawRaw(canvas, width, height, bytes) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const pixels = new Uint32Array(width * height);
  for (let i = 0; i < pixels.length; i += 1) pixels[i] = COLOURS[bytes[i]];
  canvas.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), width, height), 0, 0);
}

export async function drawJpeg(canvas, width, height, bytes) {
  const picture = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" }));
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  canvas.getContext("2d").drawImage(picture, 0, 0);
  picture.close();
}

export function clear(canvas) {
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
}

export function drawSectors(svg, sectors, view) {
  const far = 5;
  const px = (range) => (Math.min(range, far) / far) * 100;
  const rings = [1, 2, 3, 4, 5].map((r) => element("path", {
    class: "grid", "stroke-width": 0.6, d: arc(px(r), Math.atan(view[0]), Math.atan(view[1])) }));
  const edge = (i, n) => Math.atan(view[0] + (i / n) * (view[1] - view[0]));
  const wedges = sectors.stereo.map((range, i) => range === null ? null : element("path", {
    class: "stereo-fill", "stroke-width": 0.6,
    d: `M0 0${arc(px(range), edge(i, sectors.stereo.length), edge(i + 1, sectors.stereo.length), "L")}Z` }));
  const lines = sectors.mono.map((range, i) => range === null ? null : element("path", {
    class: "mono-line", "stroke-width": 2, d: arc(px(range), edge(i, sectors.mono.length), edge(i + 1, sectors.mono.length)) }));
  svg.replaceChildren(...[...rings, ...wedges, ...lines].filter(Boolean));
  const told = (name, list) => `${name}: ${list.length ? list.map((r) => r === null ? "unknown" : `${r.toFixed(1)} m`).join(", ") : "nothing"}`;
  svg.setAttribute("aria-label", `Free distance from left to right. ${told("Stereo", sectors.stereo)}. ${told("Mono", sectors.mono)}.`);
}

function arc(r, from, to, start = "M") {
  const at = (a) => `${(r * Math.sin(a)).toFixed(2)} ${(-r * Math.cos(a)).toFixed(2)}`;
  return `${start}${at(from)}A${r.toFixed(2)} ${r.toFixed(2)} 0 0 1 ${at(to)}`;
}

export class RoomMap {
  constructor(svg, plan) {
    this.svg = svg;
    this.points = [];
    this.low = [-2, -2];
    this.high = [2, 2];
    const outlines = plan.map((corners, i) => {
      corners.forEach((c) => this.grow(c));
      return element("polygon", { class: i ? "box" : "wall", "stroke-width": 0.03, points: corners.map(([n, e]) => `${e},${-n}`).join(" ") });
    });
    this.path = element("polyline", { class: "path", "stroke-width": 0.035 });
    this.here = element("path", { class: "here", "stroke-width": 0.03, d: "M0 -.22L.13 .16L0 .08L-.13 .16Z" });
    this.hits = element("g", {});
    svg.replaceChildren(...outlines, this.path, this.hits, this.here);
    this.fit();
  }
  grow([n, e]) {
    const [lowN, lowE] = this.low;
    const [highN, highE] = this.high;
    this.low = [Math.min(lowN, n), Math.min(lowE, e)];
    this.high = [Math.max(highN, n), Math.max(highE, e)];
    return this.low[0] < lowN || this.low[1] < lowE || this.high[0] > highN || this.high[1] > highE;
  }
  fit() {
    const pad = 0.2;
    this.svg.setAttribute("viewBox", `${this.low[1] - pad} ${-this.high[0] - pad} ${this.high[1] - this.low[1] + 2 * pad} ${this.high[0] - this.low[0] + 2 * pad}`);
  }
  add(points) {
    for (const [n, e] of points) {
      if (n === null || e === null) continue;
      this.points.push(`${e.toFixed(2)},${(-n).toFixed(2)}`);
      if (this.grow([n, e])) this.fit();
    }
    if (this.points.length > 6000) this.points.splice(0, 3000);
    if (points.length) this.path.setAttribute("points", this.points.join(" "));
  }
  hit([n, e]) {
    if (n !== null) this.hits.append(element("circle", { class: "hit", cx: e, cy: -n, r: 0.09 }));
  }
  place([n, e, yaw]) {
    if (n === null || yaw === null) return;
    this.here.setAttribute("transform", `translate(${e} ${-n}) rotate(${(yaw * 180) / Math.PI})`);
    this.svg.setAttribute("aria-label", `Map of the path. Now ${n.toFixed(1)} m north, ${e.toFixed(1)} m east, heading ${Math.round(((yaw * 180) / Math.PI + 360) % 360)} degrees.`);
  }
}

export function drawRoc(svg, curve, trust) {
  const at = ([fpr, tpr]) => `${(fpr * 100).toFixed(1)},${(100 - tpr * 100).toFixed(1)}`;
  const words = [["0", -4, 106], ["free frames stopped needlessly, %", 12, 112], ["100", 95, 106], ["100", -13, 3], ["near frames caught, %", -72, -6]].map(([text, x, y]) => {
    const made = element("text", { x, y });
    made.textContent = text;
    if (x < -20) made.setAttribute("transform", "rotate(-90)");
    return made;
  });
  const shapes = [
    element("rect", { class: "grid", x: 0, y: 0, width: 100, height: 100, "stroke-width": 0.6 }),
    element("path", { class: "grid", d: "M0 100L100 0", "stroke-width": 0.6, "stroke-dasharray": 3 }),
    element("polyline", { class: "curve", "stroke-width": 1.6, points: curve.map(at).join(" ") }),
  ];
  const known = trust.fpr !== null && trust.tpr !== null;
  if (known) {
    const [cx, cy] = at([trust.fpr, trust.tpr]).split(",");
    shapes.push(element("circle", { class: "point", cx, cy, r: 3, "stroke-width": 1 }));
  }
  svg.replaceChildren(...shapes, ...words);
  const percent = (x) => `${Math.round(100 * x)} %`;
  svg.setAttribute("aria-label", known
    ? `ROC. At the operating point ${percent(trust.tpr)} of near frames are caught and ${percent(trust.fpr)} of free frames stopped needlessly.`
    : "ROC: not enough frames yet");
}
