// What every part of the page shares: the data, the view, label maps and how they are drawn.
// All text from outside goes in as textContent.

export const VOID = 255;
export const page = {
  kind: "concepts", // ids mean something in one picture alone; of "classes" the same in all
  total: 0, // pictures of the collection; `pictures` may be fewer
  colours: [], classes: [], pictures: [], failures: [],
  lit: null, // {id, picture}: what is lit; picture is null for every picture
  view: { wipe: 100, strength: 55, outline: true, patterns: false, names: true },
  live: null, // what the application adds; null in a file
};

const watchers = [];
// Call a function whenever something changed: "data", "view", "lit", or "picture" and which.
export const watch = (call) => watchers.push(call);
export const changed = (what, picture) => watchers.forEach((call) => call(what, picture));

export const at = (id) => document.getElementById(id);
export function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}
export function button(className, text, click, title) {
  const element = make("button", className, text);
  element.type = "button";
  if (title) {
    element.title = title;
    element.setAttribute("aria-label", title);
  }
  element.addEventListener("click", click);
  return element;
}

export const collection = () => page.kind === "classes";
export const word = () => (collection() ? "class" : "concept");
export const percent = (share) =>
  share > 0 && share < 0.01 ? "<1%" : Math.round(share * 100) + "%";
export const plural = (number, what) =>
  number.toLocaleString("en") + " " + (number === 1 ? what : what === "class" ? "classes" : what + "s");
export const pixelsOf = (picture) => (picture.size ? picture.size[0] * picture.size[1] : 0);
export const shareOf = (each, picture) => each.pixels / Math.max(1, pixelsOf(picture));
export const classOf = (id) => (collection() ? page.classes.find((item) => item.id === id) : undefined);
export const colourOf = (id) => classOf(id)?.colour ?? page.colours[id % page.colours.length];
export function nameOf(id, picture) {
  const given = classOf(id)?.name;
  return given || picture?.found.find((each) => each.id === id)?.name || word() + " " + id;
}
export const isNamed = (id, picture) => nameOf(id, picture) !== word() + " " + id;

export function swatch(id) {
  const element = make("span", "swatch");
  element.style.background = colourOf(id);
  element.setAttribute("aria-hidden", "true");
  return element;
}

// Mean confidence of a picture, weighted by area; null where nothing is known.
export function confidenceOf(picture) {
  const known = picture.found.filter((each) => each.confidence !== null);
  const pixels = known.reduce((sum, each) => sum + each.pixels, 0);
  return pixels ? known.reduce((sum, e) => sum + e.confidence * e.pixels, 0) / pixels : null;
}

export function fill(data) {
  for (const key of ["kind", "total", "colours", "classes", "pictures", "failures"]) {
    if (data[key] !== undefined) page[key] = data[key];
  }
  number();
}
export function number() {
  page.pictures.forEach((picture, index) => {
    picture.index = index;
    picture.confidence = confidenceOf(picture);
  });
}

// ---- label maps ----------------------------------------------------------------------------

export function runs(text, length) { // base64 of pairs (label, length of the run - 1)
  const bytes = atob(text);
  const map = new Uint8Array(length);
  for (let i = 0, place = 0; i < bytes.length; i += 2) {
    const end = place + bytes.charCodeAt(i + 1) + 1;
    map.fill(bytes.charCodeAt(i), place, end);
    place = end;
  }
  return map;
}

// Make sure that the label map of a picture is here; in the application it comes when it is needed.
export async function load(picture) {
  if (picture.labels === undefined && picture.more) {
    picture.asked ??= fetch(picture.more).then((answer) => (answer.ok ? answer.json() : {}));
    Object.assign(picture, await picture.asked);
  }
  return mapOf(picture);
}
export function mapOf(picture) {
  if (!picture.map && picture.labels) {
    const length = picture.small[0] * picture.small[1];
    picture.map = picture.default = runs(picture.labels, length);
    if (picture.leaves) picture.leafMap = runs(picture.leaves, length);
  }
  return picture.map ?? null;
}

// Cut the tree of a picture as acseg.concepts.tree does: the part of each leaf.
export function cut(tree, granularity) {
  const { merges, heights, sizes, threshold } = tree;
  const end = granularity < 0.5
    ? Math.min(heights.at(-1) ?? threshold, threshold)
    : Math.max(heights[0] ?? threshold, threshold);
  const height = threshold + Math.abs(2 * granularity - 1) * (end - threshold);
  const kept = granularity === 1 ? 0
    : heights.filter((each) => granularity === 0 || each >= height).length;
  const above = new Int32Array(sizes.length + kept).fill(-1);
  for (let i = 0; i < kept; i++) for (const part of merges[i]) above[part] = sizes.length + i;
  const numbers = new Map(); // in the order of the first leaf
  return sizes.map((_, leaf) => {
    let root = leaf;
    while (above[root] >= 0) root = above[root];
    if (!numbers.has(root)) numbers.set(root, numbers.size);
    return numbers.get(root);
  });
}

// The part of each leaf, numbered without those that own no pixel.
function tableOf(picture, parts) {
  picture.there ??= [...new Set(picture.leafMap)].filter((leaf) => leaf !== VOID);
  const kept = [...new Set(picture.there.map((leaf) => parts[leaf]))].sort((a, b) => a - b);
  const table = new Uint8Array(256).fill(VOID);
  parts.forEach((part, leaf) => {
    const at = kept.findIndex((other) => other >= part);
    table[leaf] = at < 0 ? kept.length - 1 : at;
  });
  return table;
}

// Divide a picture more finely or more coarsely, from its leaf map; nothing is asked of anybody.
export function recut(picture, granularity) {
  picture.granularity = granularity;
  picture.first ??= { found: picture.found, map: picture.default };
  if (granularity === (picture.given ?? 0.5)) {
    picture.found = picture.first.found;
    picture.map = picture.first.map;
  } else {
    const table = tableOf(picture, cut(picture.tree, granularity));
    const { leafMap } = picture;
    const counts = new Uint32Array(256), map = new Uint8Array(leafMap.length);
    for (let i = 0; i < map.length; i++) counts[map[i] = table[leafMap[i]]] += 1;
    picture.map = map;
    const scale = pixelsOf(picture) / map.length;
    picture.found = [...counts.subarray(0, VOID)]
      .map((count, id) => ({ id, pixels: Math.round(count * scale), confidence: null, name: null }))
      .filter((each) => each.pixels > 0);
  }
  picture.confidence = confidenceOf(picture);
  changed("picture", picture);
}

export const isLit = (id, picture) =>
  page.lit !== null && page.lit.id === id &&
  (page.lit.picture === null || page.lit.picture === picture);
export function light(id, picture) {
  const where = collection() ? null : picture;
  const same = page.lit !== null && page.lit.id === id && page.lit.picture === where;
  page.lit = same || id === null || id === VOID ? null : { id, picture: where };
  changed("lit");
}

// Seven textures, so that a class is known without its colour: stripes, checks, dots and plain.
const TEXTURES = [
  () => true, (x, y) => (x + y) % 12 < 6, (x, y) => (x - y + 12000) % 12 < 6, (x, y) => y % 8 < 4,
  (x) => x % 8 < 4, (x, y) => (x % 12 < 6) === (y % 12 < 6), (x, y) => x % 6 < 4 || y % 6 < 4,
];
const DIM = (168 << 24) | (17 << 16) | (15 << 8) | 14; // opacity, blue, green, red

// Draw the labels of a picture into a canvas; one label may be lit and the others dimmed.
export function draw(canvas, picture, hovered = null) {
  const map = mapOf(picture);
  if (!map) return;
  const [width, height] = picture.small;
  const strength = Math.round(2.55 * page.view.strength);
  const everywhere = page.lit !== null && (page.lit.picture === null || page.lit.picture === picture);
  const lit = hovered ?? (everywhere ? page.lit.id : null);
  const tint = new Uint32Array(256), edge = new Uint32Array(256), bare = new Uint32Array(256);
  for (let id = 0; id < VOID; id++) {
    const rgb = parseInt(colourOf(id).slice(1), 16);
    const bgr = ((rgb & 255) << 16) | (rgb & 0xff00) | (rgb >> 16);
    const alpha = lit === id ? Math.max(strength, 130) : strength;
    const on = lit === null || lit === id;
    tint[id] = on ? bgr | (alpha << 24) : DIM;
    bare[id] = on ? bgr | ((alpha >> 2) << 24) : DIM;
    edge[id] = on && page.view.outline ? bgr | (255 << 24) : tint[id];
  }
  if (lit !== null) tint[VOID] = bare[VOID] = edge[VOID] = DIM;
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const out = new Uint32Array(image.data.buffer);
  const textured = page.view.patterns;
  for (let y = 0, i = 0; y < height; y++) {
    const up = y > 0 ? width : 0, down = y + 1 < height ? width : 0;
    for (let x = 0; x < width; x++, i++) {
      const id = map[i];
      if (map[i - up] !== id || map[i + down] !== id || (x > 0 && map[i - 1] !== id) ||
          (x + 1 < width && map[i + 1] !== id)) out[i] = edge[id];
      else out[i] = textured && !TEXTURES[id % 7](x, y) ? bare[id] : tint[id];
    }
  }
  context.putImageData(image, 0, 0);
}

// The label at a place of an element that shows the whole picture.
export function under(event, frame, picture) {
  const map = mapOf(picture);
  const box = frame.getBoundingClientRect();
  const [width, height] = picture.small;
  const x = Math.floor(((event.clientX - box.left) / box.width) * width);
  const y = Math.floor(((event.clientY - box.top) / box.height) * height);
  return !map || x < 0 || y < 0 || x >= width || y >= height ? VOID : map[y * width + x];
}
