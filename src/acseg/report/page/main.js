// Puts the page together: from the data in the file, or alive from the application behind it.
import { at, changed, fill, light, page, plural, collection } from "./core.js";
import { show, startGrid } from "./grid.js";
import { open, shownLarge, startLarge } from "./large.js";
import { showSide, startSide } from "./classes.js";
import { startAreas } from "./areas.js";

let back = 0; // where the grid was scrolled to

// The address names the picture that is large, so that the browser's Back leads to the grid.
export function route() {
  const found = /^#picture=(.*)$/.exec(location.hash);
  let path = null;
  try {
    path = found && decodeURIComponent(found[1]);
  } catch {
    path = null; // an address that was typed wrongly
  }
  const picture = page.pictures.find((each) => each.path === path && !each.failed) ?? null;
  const before = shownLarge();
  if (picture && !before) back = scrollY;
  open(picture);
  showSide();
  if (picture && !before) {
    scrollTo(0, 0);
    at("back").focus({ preventScroll: true });
  }
  if (!picture && before) {
    page.lit = page.lit?.picture ? null : page.lit;
    show();
    scrollTo(0, back);
    const links = [...document.querySelectorAll(".card a.stage")];
    links.find((link) => link.hash === "#picture=" + encodeURIComponent(before.path))
      ?.focus({ preventScroll: true });
  }
  changed("lit");
}

function summary() {
  const done = page.pictures.filter((picture) => !picture.state);
  const total = done.length;
  const parts = [!page.live && total < page.total ? total + " of " + plural(page.total, "picture") : plural(total, "picture")];
  if (collection()) parts.push(plural(page.classes.length, "class"));
  else if (total) {
    const sum = done.reduce((all, picture) => all + picture.found.length, 0);
    parts.push(total === 1 ? plural(sum, "concept")
      : (sum / total).toFixed(1) + " concepts in a picture on average");
  }
  const sure = page.pictures.map((picture) => picture.confidence).filter((c) => c !== null && c !== undefined);
  if (sure.length) {
    parts.push("mean confidence " + (sure.reduce((a, b) => a + b, 0) / sure.length).toFixed(2));
  }
  return parts.join(" \u00b7 ");
}

export function refresh() {
  at("tools").hidden = page.pictures.length === 0 && page.failures.length === 0;
  at("summary").textContent = page.pictures.length ? summary() : "";
  changed("data");
  route();
}

addEventListener("hashchange", route);
addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector("details.menu[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  } else if (page.lit !== null) light(null);
  else if (shownLarge()) location.hash = "";
});
addEventListener("pointerdown", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

startGrid();
startLarge();
startSide();
startAreas();
const given = at("data")?.textContent;
if (given) {
  fill(JSON.parse(given));
  refresh();
} else page.start(refresh);
