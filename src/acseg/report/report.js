"use strict";
// Draws the gallery from the JSON in #data. All text from outside goes in as textContent.

const data = JSON.parse(document.getElementById("data").textContent);
const classes = new Map(data.classes.map((item) => [item.id, item]));
const collection = data.kind === "classes"; // ids mean the same in every picture
const view = { page: 0, lit: null }; // lit: {id, picture}; picture is null for every picture
const VOID = 255;
const at = (id) => document.getElementById(id);

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

const percent = (share) => (share > 0 && share < 0.01 ? "<1%" : Math.round(share * 100) + "%");
const plural = (number, word) =>
  number + " " + (number === 1 ? word : word === "class" ? "classes" : word + "s");
const word = collection ? "class" : "concept";
const colourOf = (id) => (classes.has(id) ? classes.get(id).colour : data.colours[id]);

function nameOf(id, picture) {
  const item = classes.get(id);
  if (item && item.name) return item.name;
  const found = picture && picture.found.find((each) => each.id === id);
  return (found && found.name) || word + " " + id;
}

function swatch(id) {
  const element = make("span", "swatch");
  element.style.background = colourOf(id);
  element.setAttribute("aria-hidden", "true");
  return element;
}

// Mean confidence of a picture, weighted by area; null where nothing is known.
function confidenceOf(picture) {
  let sum = 0;
  let area = 0;
  for (const each of picture.found) {
    if (each.confidence === null) continue;
    sum += each.confidence * each.area;
    area += each.area;
  }
  return area > 0 ? sum / area : null;
}
data.pictures.forEach((picture, index) => {
  picture.index = index;
  picture.confidence = confidenceOf(picture);
});

// ---- drawing -------------------------------------------------------------------------------

function decode(picture) {
  if (picture.map) return picture.map;
  const bytes = atob(picture.labels);
  const map = new Uint8Array(picture.small[0] * picture.small[1]);
  let place = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    const end = place + bytes.charCodeAt(i + 1) + 1;
    map.fill(bytes.charCodeAt(i), place, end);
    place = end;
  }
  picture.map = map;
  return map;
}

const isLit = (id, picture) =>
  view.lit !== null && view.lit.id === id &&
  (view.lit.picture === null || view.lit.picture === picture.index);

function draw(canvas, picture) {
  const [width, height] = picture.small;
  const map = decode(picture);
  const strength = Math.round(255 * (at("strength").value / 100));
  const outline = at("outline").checked;
  const lighting = view.lit !== null &&
    (view.lit.picture === null || view.lit.picture === picture.index);
  const table = new Uint8Array(256 * 4); // red, green, blue, opacity of each label
  for (let id = 0; id < VOID; id++) {
    const colour = colourOf(id);
    if (!colour) continue;
    const number = parseInt(colour.slice(1), 16);
    table.set([number >> 16, (number >> 8) & 255, number & 255, strength], 4 * id);
    if (lighting) {
      if (isLit(id, picture)) table[4 * id + 3] = Math.max(strength, 130);
      else table.set([14, 15, 17, 170], 4 * id);
    }
  }
  if (lighting) table.set([14, 15, 17, 170], 4 * VOID);
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let i = 0; i < map.length; i++) {
    const id = map[i];
    const x = i % width;
    for (let c = 0; c < 4; c++) image.data[4 * i + c] = table[4 * id + c];
    const edge = outline && id !== VOID && (!lighting || isLit(id, picture)) && (
      (x > 0 && map[i - 1] !== id) || (x + 1 < width && map[i + 1] !== id) ||
      (i >= width && map[i - width] !== id) ||
      (i + width < map.length && map[i + width] !== id));
    if (edge) image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

// Pictures are drawn when they come near the window, and drawn anew when a setting changes.
const near = new Set();
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (entry.isIntersecting) {
      near.add(entry.target);
      entry.target.redraw();
    } else near.delete(entry.target);
  }
}, { rootMargin: "500px" });

function redraw() {
  for (const card of near) card.redraw();
  for (const chip of document.querySelectorAll(".chip, .class")) {
    chip.setAttribute("aria-pressed", String(chip.isOn()));
  }
  const clear = at("clear");
  clear.hidden = view.lit === null;
  if (view.lit === null) return;
  const picture = view.lit.picture === null ? null : data.pictures[view.lit.picture];
  const text = nameOf(view.lit.id, picture) + " is lit \u00b7 show all";
  clear.replaceChildren(swatch(view.lit.id), make("span", "clear-text", text));
}

function light(id, picture) {
  const where = collection ? null : picture.index;
  const same = view.lit !== null && view.lit.id === id && view.lit.picture === where;
  view.lit = same ? null : { id, picture: where };
  redraw();
}

// ---- parts of the page ---------------------------------------------------------------------

function chipOf(found, picture) {
  const chip = make("button", "chip");
  chip.type = "button";
  chip.append(swatch(found.id), make("span", "chip-name", nameOf(found.id, picture)),
    make("span", "chip-share", percent(found.area)));
  if (found.confidence !== null) chip.title = "confidence " + found.confidence.toFixed(2);
  chip.isOn = () => isLit(found.id, picture);
  chip.addEventListener("click", () => light(found.id, picture));
  chip.setAttribute("aria-pressed", String(chip.isOn()));
  return chip;
}

function chipsOf(picture) {
  const SHOWN = 8;
  const chips = make("div", "chips");
  const found = [...picture.found].sort((a, b) => b.area - a.area);
  chips.append(...found.slice(0, SHOWN).map((each) => chipOf(each, picture)));
  if (found.length > SHOWN) {
    const more = make("button", "chip", found.length - SHOWN + " more");
    more.type = "button";
    more.isOn = () => false;
    more.addEventListener("click", () => {
      more.replaceWith(...found.slice(SHOWN).map((each) => chipOf(each, picture)));
    });
    chips.append(more);
  }
  return chips;
}

function stageOf(picture) {
  const [width, height] = picture.small;
  const stage = make("div", "stage");
  const frame = make("div", "frame " + (3 * width >= 4 * height ? "wide" : "tall"));
  frame.style.aspectRatio = width + " / " + height;
  const photo = make("img");
  photo.loading = "lazy";
  photo.decoding = "async";
  photo.width = width;
  photo.height = height;
  photo.alt = picture.missing ? "The overlay of " + picture.path : "Photograph " + picture.path;
  photo.src = "data:image/jpeg;base64," + picture.photo;
  const canvas = make("canvas");
  canvas.setAttribute("aria-hidden", "true");
  const edge = make("div", "edge");
  const tip = make("div", "tip");
  tip.hidden = true;
  frame.append(photo, canvas, edge, tip);
  stage.append(frame);

  const under = (event) => {
    const box = frame.getBoundingClientRect();
    const x = Math.floor(((event.clientX - box.left) / box.width) * width);
    const y = Math.floor(((event.clientY - box.top) / box.height) * height);
    return x < 0 || y < 0 || x >= width || y >= height ? VOID : decode(picture)[y * width + x];
  };
  frame.addEventListener("click", (event) => {
    const id = under(event);
    if (id !== VOID) light(id, picture);
  });
  frame.addEventListener("pointermove", (event) => {
    const id = under(event);
    const box = frame.getBoundingClientRect();
    tip.hidden = id === VOID;
    tip.textContent = id === VOID ? "" : nameOf(id, picture);
    tip.style.left = Math.min(Math.max(event.clientX - box.left, 44), box.width - 44) + "px";
    tip.style.top = Math.max(event.clientY - box.top, 44) + "px";
  });
  frame.addEventListener("pointerleave", () => { tip.hidden = true; });
  return { stage, canvas, edge };
}

function cardOf(picture) {
  const card = make("figure", "card");
  const { stage, canvas, edge } = stageOf(picture);

  const slide = make("label", "slide");
  const range = make("input");
  range.type = "range";
  range.min = 0;
  range.max = 100;
  range.value = at("wipe").value;
  range.setAttribute("aria-label", "From photograph to overlay: " + picture.path);
  const ends = [make("span", "", "Photo"), make("span", "", "Overlay")];
  for (const end of ends) end.setAttribute("aria-hidden", "true");
  slide.append(ends[0], range, ends[1]);
  card.wipe = (value) => {
    range.value = value;
    canvas.style.clipPath = "inset(0 " + (100 - value) + "% 0 0)";
    edge.style.left = value + "%";
    edge.hidden = value <= 0 || value >= 100;
  };
  range.addEventListener("input", () => card.wipe(Number(range.value)));

  const caption = make("figcaption");
  const file = make("div", "file");
  const name = make("span", "file-name", picture.path);
  name.title = picture.path;
  file.append(name);
  if (picture.overlay) {
    const link = make("a", "", "Full size");
    link.href = picture.overlay;
    link.setAttribute("aria-label", "Overlay at full size: " + picture.path);
    file.append(link);
  }
  const facts = [picture.size.join(" \u00d7 "), plural(picture.found.length, word)];
  if (picture.confidence !== null) facts.push("confidence " + picture.confidence.toFixed(2));
  if (picture.missing) facts.push("photograph not found");
  caption.append(file, make("div", "facts", facts.join(" \u00b7 ")), chipsOf(picture));
  card.append(stage, slide, caption);
  card.redraw = () => draw(canvas, picture);
  card.wipe(Number(range.value));
  return card;
}

function legendItem(item) {
  const row = make("li");
  const button = make("button", "class");
  button.type = "button";
  button.isOn = () => view.lit !== null && view.lit.id === item.id;
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", () => light(item.id));
  const head = make("span", "class-head");
  const name = make("span", "class-name", nameOf(item.id));
  name.title = nameOf(item.id);
  head.append(swatch(item.id), name, make("span", "class-share", percent(item.share)));
  const bar = make("span", "bar");
  const fill = make("span");
  fill.style.width = 100 * item.share + "%";
  fill.style.background = item.colour;
  bar.append(fill);
  const facts = ["in " + plural(item.pictures, "picture")];
  if (item.confidence !== null) facts.push("confidence " + item.confidence.toFixed(2));
  button.append(head, bar, make("span", "class-facts", facts.join(" \u00b7 ")));
  if (item.exemplars.length) {
    const crops = make("span", "crops");
    for (const each of item.exemplars) {
      const image = make("img");
      image.alt = "";
      image.title = each.path;
      image.src = "data:image/jpeg;base64," + each.crop;
      crops.append(image);
    }
    button.append(crops);
  }
  row.append(button);
  return row;
}

// ---- what is shown -------------------------------------------------------------------------

const known = (value, otherwise) => (value === null ? otherwise : value);
const orders = {
  given: (a, b) => a.index - b.index,
  name: (a, b) => a.path.localeCompare(b.path, undefined, { numeric: true }),
  most: (a, b) => b.found.length - a.found.length || a.index - b.index,
  fewest: (a, b) => a.found.length - b.found.length || a.index - b.index,
  sure: (a, b) => known(b.confidence, -1) - known(a.confidence, -1) || a.index - b.index,
  unsure: (a, b) => known(a.confidence, 2) - known(b.confidence, 2) || a.index - b.index,
};

function chosen() {
  const only = at("only").value;
  const text = at("find").value.trim().toLowerCase();
  return data.pictures
    .filter((picture) => text === "" || picture.path.toLowerCase().includes(text))
    .filter((picture) => only === "" || (collection
      ? picture.found.some((each) => each.id === Number(only))
      : picture.found.length === Number(only)))
    .sort(orders[at("sort").value]);
}

function show() {
  const list = chosen();
  const pages = Math.max(1, Math.ceil(list.length / data.page));
  view.page = Math.min(view.page, pages - 1);
  const part = list.slice(view.page * data.page, (view.page + 1) * data.page);
  watcher.disconnect();
  near.clear();
  const cards = part.map(cardOf);
  const nothing = make("p", "empty", "No picture is like that. Change the choices above.");
  at("gallery").replaceChildren(...(cards.length ? cards : [nothing]));
  for (const card of cards) watcher.observe(card);
  at("count").textContent = list.length === data.pictures.length
    ? plural(list.length, "picture")
    : list.length + " of " + plural(data.pictures.length, "picture");
  at("pages").hidden = pages === 1;
  at("page").textContent = "Page " + (view.page + 1) + " of " + pages;
  at("previous").disabled = view.page === 0;
  at("next").disabled = view.page === pages - 1;
}

function turn(step) {
  view.page += step;
  show();
  at("gallery").focus({ preventScroll: true });
  at("tools").scrollIntoView();
}

function summary() {
  const total = data.pictures.length;
  const all = total < data.total ? total + " of " : "";
  const parts = [all + plural(total < data.total ? data.total : total, "picture")];
  if (collection) parts.push(plural(data.classes.length, "class"));
  else if (total) {
    const sum = data.pictures.reduce((all, picture) => all + picture.found.length, 0);
    parts.push((sum / total).toFixed(1) + " concepts in a picture on average");
  }
  const sure = data.pictures.map((picture) => picture.confidence).filter((c) => c !== null);
  if (sure.length) {
    parts.push("mean confidence " + (sure.reduce((a, b) => a + b, 0) / sure.length).toFixed(2));
  }
  return parts.join(" \u00b7 ");
}

function choices() {
  const only = at("only");
  only.append(new Option(collection ? "any class" : "any number", ""));
  if (collection) {
    for (const item of data.classes) only.append(new Option(nameOf(item.id), item.id));
    return;
  }
  const numbers = new Set(data.pictures.map((picture) => picture.found.length));
  for (const number of [...numbers].sort((a, b) => a - b)) {
    only.append(new Option(plural(number, word), number));
  }
}

choices();
at("summary").textContent = summary();
at("legend-part").hidden = data.classes.length === 0;
at("legend").append(...data.classes.map(legendItem));
for (const id of ["only", "sort"]) {
  at(id).addEventListener("change", () => { view.page = 0; show(); });
}
at("find").addEventListener("input", () => { view.page = 0; show(); });
at("strength").addEventListener("input", redraw);
at("outline").addEventListener("change", redraw);
at("wipe").addEventListener("input", () => {
  for (const card of document.querySelectorAll(".card")) card.wipe(Number(at("wipe").value));
});
at("tools").addEventListener("submit", (event) => event.preventDefault());
at("clear").addEventListener("click", () => { view.lit = null; redraw(); });
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && view.lit !== null) { view.lit = null; redraw(); }
});
at("previous").addEventListener("click", () => turn(-1));
at("next").addEventListener("click", () => turn(1));
show();
