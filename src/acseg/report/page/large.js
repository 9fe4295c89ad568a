// One picture large: zoom, pan, photograph against overlay, names under the pointer, granularity.
import { at, changed, classOf, collection, draw, light, load, mapOf, nameOf, page, plural,
  recut, under, VOID, watch } from "./core.js";
import { neighbour } from "./grid.js";

const MOST = 16; // times
let picture = null, hovered = null;
let zoom = 1, left = 0, top = 0; // of the frame, from the middle of the stage
const pointers = new Map();
let moved = false, apart = 0;

export const shownLarge = () => picture;

function apply() {
  const stage = at("stage"), frame = at("frame");
  const roomX = Math.max(0, (frame.offsetWidth * zoom - stage.clientWidth) / 2);
  const roomY = Math.max(0, (frame.offsetHeight * zoom - stage.clientHeight) / 2);
  left = Math.min(Math.max(left, -roomX), roomX);
  top = Math.min(Math.max(top, -roomY), roomY);
  frame.style.transform = `translate(${left}px, ${top}px) scale(${zoom})`;
  frame.style.setProperty("--inverse", 1 / zoom);
  stage.classList.toggle("zoomed", zoom > 1);
  at("zoom").textContent = zoom === 1 ? "Fit" : Math.round(zoom * 100) + "%";
}

// Zoom by a factor, so that the place under the pointer stays where it is.
function zoomBy(factor, clientX, clientY) {
  const box = at("stage").getBoundingClientRect();
  const x = (clientX ?? box.left + box.width / 2) - box.left - box.width / 2;
  const y = (clientY ?? box.top + box.height / 2) - box.top - box.height / 2;
  const next = Math.min(Math.max(zoom * factor, 1), MOST);
  left = x - ((x - left) * next) / zoom;
  top = y - ((y - top) * next) / zoom;
  zoom = next;
  apply();
}
function fit() {
  zoom = 1;
  left = top = 0;
  size();
}

// The frame is as large as the stage lets it be.
function size() {
  if (!picture) return;
  const stage = at("stage");
  const [width, height] = picture.size ?? picture.small;
  const scale = Math.min(stage.clientWidth / width, stage.clientHeight / height);
  at("frame").style.width = Math.round(width * scale) + "px";
  at("frame").style.height = Math.round(height * scale) + "px";
  apply();
}

function redraw() {
  if (picture) draw(at("large-canvas"), picture, hovered);
}

export function hoverLarge(id) {
  if (hovered === id) return;
  hovered = id;
  redraw();
}

// Names on the picture, each in the middle of the longest row of its region.
function tags() {
  const map = picture && page.view.names && collection() ? mapOf(picture) : null;
  const best = new Map();
  if (map) {
    const [width, height] = picture.small;
    for (let y = 0; y < height; y++) {
      for (let x = 0, start = 0; x < width; x++) {
        const id = map[y * width + x];
        if (x + 1 < width && map[y * width + x + 1] === id) continue;
        if (x - start > (best.get(id)?.run ?? width / 12)) {
          best.set(id, { run: x - start, x: (x + start) / 2 / width, y: (y + 0.5) / height });
        }
        start = x + 1;
      }
    }
    best.delete(VOID);
  }
  at("tags").replaceChildren(...[...best].map(([id, spot]) => {
    const tag = document.createElement("span");
    tag.textContent = nameOf(id, picture);
    tag.style.left = 100 * spot.x + "%";
    tag.style.top = 100 * spot.y + "%";
    tag.style.borderColor = classOf(id)?.colour ?? "";
    return tag;
  }));
}

function facts() {
  const parts = [picture.size?.join(" \u00d7 "), plural(picture.found.length, collection() ? "class" : "concept")];
  if (picture.confidence !== null) parts.push("confidence " + picture.confidence.toFixed(2));
  if (picture.missing) parts.push("photograph not found");
  at("large-facts").textContent = parts.filter(Boolean).join(" \u00b7 ");
}

// Show a picture large, or the grid where it is null.
export function open(next) {
  const same = picture === next;
  picture = next;
  document.body.classList.toggle("one", next !== null);
  at("large").hidden = next === null;
  at("pictures").hidden = next !== null;
  if (!next) return;
  at("large-name").textContent = at("large-name").title = next.path;
  for (const [id, step] of [["previous", -1], ["next", 1]]) {
    const other = neighbour(next, step);
    at(id).classList.toggle("off", !other);
    if (other) at(id).href = "#picture=" + encodeURIComponent(other.path);
    else at(id).removeAttribute("href");
  }
  const photo = at("large-photo");
  photo.alt = (next.missing ? "The overlay of " : "Photograph ") + next.path;
  const source = next.large ?? next.photo ?? "";
  if (photo.getAttribute("src") !== source) photo.src = source;
  if (!same) {
    hovered = null;
    fit();
  }
  facts();
  at("granularity-part").hidden = true;
  load(next).then(() => {
    if (picture !== next) return;
    at("granularity-part").hidden = !(next.tree && next.leafMap);
    at("granularity").value = next.granularity ?? next.given ?? 0.5;
    redraw();
    tags();
  });
  page.live?.opened(next);
}

function wipeTo(event) {
  const box = at("frame").getBoundingClientRect();
  const share = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
  at("wipe").value = page.view.wipe = Math.round(share * 100);
  changed("view", "wipe");
}

function startPointers() {
  const stage = at("stage"), frame = at("frame"), knob = at("knob"), tip = at("tip");
  knob.addEventListener("pointerdown", (event) => {
    event.stopPropagation();
    event.preventDefault();
    knob.setPointerCapture(event.pointerId);
    knob.onpointermove = wipeTo;
  });
  const let_go = () => { knob.onpointermove = null; };
  knob.addEventListener("pointerup", let_go);
  knob.addEventListener("pointercancel", let_go);

  stage.addEventListener("pointerdown", (event) => {
    pointers.set(event.pointerId, event);
    moved = pointers.size > 1;
    apart = 0;
  });
  stage.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (before) {
      if (Math.hypot(event.clientX - before.clientX, event.clientY - before.clientY) < 4 && !moved) return;
      moved = true;
      if (!stage.hasPointerCapture(event.pointerId)) stage.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, event);
      const [one, two] = [...pointers.values()];
      if (two) {
        const now = Math.hypot(one.clientX - two.clientX, one.clientY - two.clientY);
        if (apart) zoomBy(now / apart, (one.clientX + two.clientX) / 2, (one.clientY + two.clientY) / 2);
        apart = now;
      } else {
        left += event.clientX - before.clientX;
        top += event.clientY - before.clientY;
        apply();
      }
      return;
    }
    if (event.pointerType === "touch") return;
    const id = under(event, frame, picture);
    const box = stage.getBoundingClientRect();
    tip.hidden = id === VOID;
    tip.textContent = id === VOID ? "" : nameOf(id, picture);
    tip.style.left = Math.min(Math.max(event.clientX - box.left, 60), box.width - 60) + "px";
    tip.style.top = Math.max(event.clientY - box.top, 44) + "px";
    hoverLarge(id === VOID ? null : id);
  });
  const end = (event) => {
    const click = pointers.delete(event.pointerId) && !moved && event.type === "pointerup";
    if (!click || event.button !== 0) return;
    const id = under(event, frame, picture);
    light(id, picture);
    if (id !== VOID) page.live?.picked(id);
  };
  stage.addEventListener("pointerup", end);
  stage.addEventListener("pointercancel", end);
  stage.addEventListener("pointerleave", () => {
    tip.hidden = true;
    hoverLarge(null);
  });
  stage.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey && zoom === 1 && event.deltaY > 0) return; // the page scrolls
    event.preventDefault();
    zoomBy(Math.exp(-event.deltaY / 300), event.clientX, event.clientY);
  }, { passive: false });
  stage.addEventListener("dblclick", (event) => {
    if (zoom > 1) fit();
    else zoomBy(3, event.clientX, event.clientY);
  });
}

function keys(event) {
  const field = event.target.closest?.("input, select, [role=tab]");
  const own = field && (field.type !== "range" || event.key.startsWith("Arrow")); // keys of its own
  if (!picture || own || event.ctrlKey || event.metaKey || event.altKey) return;
  const acts = {
    "+": () => zoomBy(1.4), "=": () => zoomBy(1.4), "-": () => zoomBy(1 / 1.4), 0: fit,
    ArrowLeft: () => at("previous").click(), ArrowRight: () => at("next").click(),
  };
  const pan = { a: [80, 0], d: [-80, 0], w: [0, 80], s: [0, -80] }[event.key];
  if (pan) {
    left += pan[0];
    top += pan[1];
    apply();
  } else if (acts[event.key]) {
    event.preventDefault();
    acts[event.key]();
  }
}

export function startLarge() {
  startPointers();
  at("zoom-in").addEventListener("click", () => zoomBy(1.4));
  at("zoom-out").addEventListener("click", () => zoomBy(1 / 1.4));
  at("zoom").addEventListener("click", fit);
  at("granularity").addEventListener("input", (event) => recut(picture, Number(event.target.value)));
  document.addEventListener("keydown", keys);
  new ResizeObserver(size).observe(at("stage"));
  watch((what, which) => {
    if (!picture || (what === "picture" && which !== picture)) return;
    at("knob").classList.toggle("end", page.view.wipe <= 0 || page.view.wipe >= 100);
    if (what === "view" && which === "wipe") return;
    if (what === "data" || what === "picture") facts();
    redraw();
    if (what !== "lit") tags();
  });
}
