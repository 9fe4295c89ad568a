// The grid of pictures: only the rows near the window exist, so that thousands scroll smoothly.
import { at, button, changed, collection, draw, isLit, isNamed, light, load, make, nameOf, page, percent,
  plural, shareOf, swatch, under, VOID, watch, word } from "./core.js";

const GAP = 16;
const CAPTION = 92; // px below each picture; as in page.css
const shown = new Map(); // cards that exist, by the place of their picture in `list`
let list = []; // the pictures that the tools choose
let columns = 1, cell = 272; // cards in a row, px from one to the next

const known = (value, otherwise) => value ?? otherwise;
const orders = {
  given: (a, b) => a.index - b.index,
  name: (a, b) => a.path.localeCompare(b.path, undefined, { numeric: true }),
  most: (a, b) => b.found.length - a.found.length || a.index - b.index,
  fewest: (a, b) => a.found.length - b.found.length || a.index - b.index,
  sure: (a, b) => known(b.confidence, -1) - known(a.confidence, -1) || a.index - b.index,
  unsure: (a, b) => known(a.confidence, 2) - known(b.confidence, 2) || a.index - b.index,
};

// The pictures that the tools choose, in their order.
export function chosen() {
  const only = at("only").value;
  const text = at("find").value.trim().toLowerCase();
  return page.pictures
    .filter((picture) => text === "" || picture.path.toLowerCase().includes(text))
    .filter((picture) => only === "" || (collection()
      ? picture.found.some((each) => each.id === Number(only))
      : picture.found.length === Number(only)))
    .sort(orders[at("sort").value]);
}

// The picture before or after one, in the order of the grid.
export function neighbour(picture, step) {
  return list[list.indexOf(picture) + step] ?? null;
}

function chip(each, picture) {
  const element = button("chip", "", (event) => {
    event.preventDefault();
    light(each.id, picture);
  });
  const name = isNamed(each.id, picture) || collection() ? nameOf(each.id, picture) : null;
  element.append(swatch(each.id), ...(name ? [make("span", "chip-name", name)] : []),
    make("span", "chip-share", percent(shareOf(each, picture))));
  element.title = nameOf(each.id, picture);
  element.isOn = () => isLit(each.id, picture);
  element.setAttribute("aria-pressed", String(element.isOn()));
  return element;
}

// Draw a few pictures a frame, the newest wish first, so that scrolling never waits.
const waiting = new Set();
function later(card) {
  if (waiting.size === 0) requestAnimationFrame(work);
  waiting.add(card);
}
function work(start) {
  for (const card of waiting) {
    waiting.delete(card);
    if (card.isConnected) draw(card.canvas, card.picture, card.hovered);
    if (performance.now() - start > 8) break;
  }
  if (waiting.size) requestAnimationFrame(work);
}

export function photoOf(picture) {
  const photo = make("img");
  photo.decoding = "async";
  photo.draggable = false;
  photo.alt = picture.missing ? "The overlay of " + picture.path : "Photograph " + picture.path;
  photo.addEventListener("error", () => photo.remove());
  if (picture.photo) photo.src = picture.photo;
  return photo;
}

function cardOf(picture) {
  const [width, height] = picture.small ?? [4, 3];
  const card = make("figure", "card");
  const link = make("a", "stage");
  link.href = "#picture=" + encodeURIComponent(picture.path);
  link.setAttribute("aria-label", "Open " + picture.path);
  const frame = make("div", "frame");
  frame.style.aspectRatio = width + " / " + height;
  frame.classList.add(3 * width >= 4 * height ? "wide" : "tall");
  const canvas = make("canvas", "drawn");
  const tip = make("div", "tip");
  tip.hidden = true;
  frame.append(photoOf(picture), canvas, tip);
  link.append(frame);
  Object.assign(card, { picture, canvas, link, hovered: null });

  frame.addEventListener("pointermove", (event) => {
    if (event.pointerType === "touch") return;
    const id = under(event, frame, picture);
    const box = frame.getBoundingClientRect();
    tip.hidden = id === VOID;
    tip.textContent = id === VOID ? "" : nameOf(id, picture);
    tip.style.left = Math.min(Math.max(event.clientX - box.left, 44), box.width - 44) + "px";
    tip.style.top = Math.max(event.clientY - box.top, 44) + "px";
    hover(card, id === VOID ? null : id);
  });
  frame.addEventListener("pointerleave", () => {
    tip.hidden = true;
    hover(card, null);
  });

  const name = make("div", "file-name", picture.path);
  name.title = picture.path;
  const facts = make("div", "facts");
  const chips = make("div", "chips");
  card.append(link, make("figcaption", "", name, facts, chips));
  card.refill = () => {
    if (picture.state) {
      facts.replaceChildren(make("span", picture.failed ? "bad" : "", picture.state));
      facts.title = picture.state;
      const bar = make("progress");
      bar.max = 1;
      if (picture.sent < 1) bar.value = picture.sent;
      bar.setAttribute("aria-label", "Progress of " + picture.path);
      chips.replaceChildren(picture.failed
        ? button("plain", "Remove", () => page.live.forget(picture)) : bar);
      return;
    }
    const parts = [plural(picture.found.length, word())];
    if (picture.confidence !== null) parts.push("confidence " + picture.confidence.toFixed(2));
    if (picture.missing) parts.push("photograph not found");
    facts.textContent = parts.filter(Boolean).join(" \u00b7 ");
    facts.title = [picture.size?.join(" \u00d7 "), facts.textContent].filter(Boolean).join(" \u00b7 ");
    const found = [...picture.found].sort((a, b) => b.pixels - a.pixels);
    chips.replaceChildren(...found.slice(0, 6).map((each) => chip(each, picture)));
  };
  card.refill();
  return card;
}

function hover(card, id) {
  if (card.hovered === id) return;
  card.hovered = id;
  later(card);
}

function place(card, index) {
  card.style.transform =
    `translate(${(index % columns) * cell}px, ${Math.floor(index / columns) * rowHeight()}px)`;
  card.style.width = cell - GAP + "px";
}
const rowHeight = () => Math.round((cell - GAP) * 0.75) + CAPTION + GAP;

// Make the cards near the window and remove the others.
export function lay() {
  const grid = at("grid");
  if (grid.offsetParent === null) return; // not in view: one picture is large
  const width = grid.clientWidth;
  columns = Math.max(1, Math.floor((width + GAP) / (wished() + GAP)));
  cell = (width + GAP) / columns;
  const row = rowHeight();
  grid.style.height = Math.max(0, Math.ceil(list.length / columns) * row - GAP) + "px";
  const top = -grid.getBoundingClientRect().top;
  const first = Math.max(0, Math.floor(top / row) - 1) * columns;
  const last = Math.min(list.length, (Math.ceil((top + innerHeight) / row) + 1) * columns);
  for (const [index, card] of shown) {
    if (index < first || index >= last || card.picture !== list[index]) {
      card.remove();
      shown.delete(index);
    }
  }
  for (let index = first; index < last; index++) {
    let card = shown.get(index);
    if (!card) {
      card = cardOf(list[index]);
      shown.set(index, card);
      const after = [...grid.children].find((other) => list.indexOf(other.picture) > index);
      grid.insertBefore(card, after ?? null);
      if (!card.picture.state) load(card.picture).then(() => later(card));
    }
    place(card, index);
  }
}
const wished = () => (innerWidth < 640 ? Math.min(160, innerWidth / 2 - 24) : innerWidth > 2000 ? 320 : 256);

// Choose the pictures anew.
export function show() {
  list = chosen();
  for (const card of shown.values()) card.remove();
  shown.clear();
  at("empty").hidden = list.length > 0 || page.pictures.length === 0;
  at("count").textContent = list.length === page.pictures.length
    ? "" : list.length + " of " + plural(page.pictures.length, "picture");
  lay();
}

// Move to another card with the arrow keys.
function step(event) {
  const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
  const card = event.target.closest(".card");
  if (!(event.key in moves) || !card) return;
  const index = list.indexOf(card.picture) + moves[event.key];
  if (!list[index]) return;
  event.preventDefault();
  const top = at("grid").getBoundingClientRect().top + Math.floor(index / columns) * rowHeight();
  if (top < 80) scrollBy(0, top - 80);
  if (top + rowHeight() > innerHeight) scrollBy(0, top + rowHeight() - innerHeight + 12);
  lay();
  shown.get(index).link.focus({ preventScroll: true });
}

function choices() {
  const only = at("only");
  const before = only.value;
  only.replaceChildren(new Option(collection() ? "any class" : "any number", ""));
  if (collection()) {
    only.append(...page.classes.map((item) => new Option(nameOf(item.id), item.id)));
  } else {
    const numbers = new Set(page.pictures.map((picture) => picture.found.length));
    only.append(...[...numbers].sort((a, b) => a - b)
      .map((number) => new Option(plural(number, word()), number)));
  }
  only.value = [...only.options].some((option) => option.value === before) ? before : "";
}

export function startGrid() {
  let asked = false;
  const soon = () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      lay();
    });
  };
  addEventListener("scroll", soon, { passive: true });
  new ResizeObserver(soon).observe(at("grid"));
  addEventListener("resize", soon);
  at("grid").addEventListener("keydown", step);
  for (const id of ["only", "sort"]) at(id).addEventListener("change", show);
  at("find").addEventListener("input", show);
  at("tools").addEventListener("submit", (event) => event.preventDefault());
  for (const id of ["wipe", "strength", "outline", "patterns", "names"]) {
    const input = at(id);
    input.addEventListener("input", () => {
      page.view[id] = input.type === "checkbox" ? input.checked : Number(input.value);
      changed("view", id);
    });
  }
  watch((what, which) => {
    if (what === "data") {
      choices();
      show();
      return;
    }
    document.body.style.setProperty("--wipe", page.view.wipe + "%");
    for (const card of shown.values()) {
      if (what === "picture" && card.picture !== which) continue;
      if (what === "picture") card.refill();
      if (card.picture.map && which !== "wipe") later(card);
      for (const each of card.querySelectorAll(".chip")) {
        each.setAttribute("aria-pressed", String(each.isOn()));
      }
    }
  });
}
