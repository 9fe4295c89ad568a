// The table of areas, the same table as a file, and what failed.
import { at, button, collection, make, nameOf, page, percent, pixelsOf, plural, swatch, watch } from "./core.js";

const ROWS = 200; // at once; the file holds all
let rows = ROWS;

const m2 = (pixels, picture) => (picture.pixel_area ? pixels * picture.pixel_area : null);
const georeferenced = () => page.pictures.some((picture) => picture.pixel_area);
const done = () => page.pictures.filter((picture) => !picture.state);

function columnNames() { // names of the classes, no two alike
  const names = page.classes.map((item) => nameOf(item.id));
  return names.map((name, i) =>
    names.filter((other) => other === name).length > 1 ? `${name} ${page.classes[i].id}` : name);
}

// The table of areas.csv: a row a picture, columns a class; of concepts a row each.
export function areaTable() {
  const each = georeferenced() ? ["pixels", "share", "m2"] : ["pixels", "share"];
  const measures = (pixels, picture) => {
    const values = [pixels, Number((pixels / Math.max(1, pixelsOf(picture))).toFixed(6))];
    const area = m2(pixels, picture);
    return each.length > 2 ? [...values, area === null ? "" : Number(area.toFixed(4))] : values;
  };
  const head = ["path", "width", "height"];
  const start = (picture) => [picture.path, ...(picture.size ?? ["", ""])];
  if (!collection()) {
    return [[...head, "concept", ...each], ...done().flatMap((picture) =>
      picture.found.map((found) => [...start(picture), found.id, ...measures(found.pixels, picture)]))];
  }
  return [
    [...head, ...columnNames().flatMap((name) => each.map((what) => `${name} ${what}`))],
    ...done().map((picture) => [...start(picture), ...page.classes.flatMap((item) =>
      measures(picture.found.find((found) => found.id === item.id)?.pixels ?? 0, picture))]),
  ];
}

// Write it as CSV; no cell begins like a formula.
export function csv(table) {
  const cell = (value) => {
    const text = typeof value === "string" && /^[=+\-@]/.test(value) ? "'" + value : String(value);
    return /[",\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
  };
  return table.map((row) => row.map(cell).join(",") + "\n").join("");
}

export function save(text, name, type = "text/csv") {
  const link = make("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function totals() {
  const all = done().reduce((sum, picture) => sum + pixelsOf(picture), 0);
  const body = make("tbody");
  for (const item of page.classes) {
    let pixels = 0, area = 0, count = 0;
    for (const picture of done()) {
      const found = picture.found.find((each) => each.id === item.id);
      if (!found) continue;
      pixels += found.pixels;
      area += m2(found.pixels, picture) ?? 0;
      count += 1;
    }
    const name = make("th", "", swatch(item.id), " " + nameOf(item.id));
    name.scope = "row";
    const cells = [count.toLocaleString("en"), pixels.toLocaleString("en"), percent(pixels / Math.max(1, all))];
    if (georeferenced()) cells.push(Math.round(area).toLocaleString("en"));
    body.append(make("tr", "", name, ...cells.map((text) => make("td", "number", text))));
  }
  const heads = ["Class", "Pictures", "Pixels", "Share", ...(georeferenced() ? ["m\u00b2"] : [])];
  return tableOf("All pictures", heads, body);
}

function tableOf(title, heads, body) {
  const head = make("tr", "", ...heads.map((text, i) => {
    const cell = make("th", i ? "number" : "", text);
    cell.scope = "col";
    return cell;
  }));
  const table = make("table", "areas", make("caption", "", title), make("thead", "", head), body);
  const box = make("div", "scroll", table);
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", title);
  return box;
}

function perPicture() {
  const body = make("tbody");
  const pictures = done();
  const most = collection() ? 0 : Math.max(0, ...pictures.slice(0, rows).map((p) => p.found.length));
  const ids = collection() ? page.classes.map((item) => item.id) : [...Array(most).keys()];
  for (const picture of pictures.slice(0, rows)) {
    const link = make("a", "", picture.path);
    link.href = "#picture=" + encodeURIComponent(picture.path);
    const name = make("th", "", link);
    name.scope = "row";
    const sorted = [...picture.found].sort((a, b) => b.pixels - a.pixels);
    body.append(make("tr", "", name, ...ids.map((id, i) => {
      const found = collection() ? picture.found.find((each) => each.id === id) : sorted[i];
      const text = found ? percent(found.pixels / Math.max(1, pixelsOf(picture))) : "\u2013";
      return collection() || !found ? make("td", "number", text)
        : make("td", "number", swatch(found.id), " " + text);
    })));
  }
  const heads = collection() ? columnNames() : ids.map((i) => (i === 0 ? "Largest" : `${i + 1}.`));
  return tableOf("Each picture", ["Picture", ...heads], body);
}

function show() {
  at("failures-tab").hidden = page.failures.length === 0;
  at("failures-tab").textContent = `Failed (${page.failures.length})`;
  at("failures").replaceChildren(...page.failures.map(({ path, reason }) =>
    make("tr", "", make("td", "", path), make("td", "", reason))));
  if (at("areas").hidden) return;
  const more = page.pictures.length > rows ? button("plain", "Show more", () => {
    rows += ROWS;
    show();
  }) : null;
  const download = button("plain", "Download areas.csv", () => save(csv(areaTable()), "areas.csv"));
  const part = page.total > page.pictures.length
    ? `The ${plural(page.pictures.length, "picture")} of this page; areas.csv in the folder holds all.`
    : "Share of the pixels of each picture.";
  at("areas").replaceChildren(...[
    make("div", "part-head", make("p", "quiet", part), download),
    collection() ? totals() : null, perPicture(), more,
  ].filter(Boolean));
}

export function startAreas() {
  watch((what) => {
    if (what === "data" || what === "picture") show();
  });
  const tabs = [...document.querySelectorAll("[role=tab]")];
  const choose = (tab) => {
    for (const each of tabs) {
      const on = each === tab;
      each.setAttribute("aria-selected", String(on));
      each.tabIndex = on ? 0 : -1;
      at(each.getAttribute("aria-controls")).hidden = !on;
    }
    document.body.classList.toggle("tables", tab !== tabs[0]);
    rows = ROWS;
    show();
    dispatchEvent(new Event("resize"));
  };
  for (const tab of tabs) {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", (event) => {
      const seen = tabs.filter((each) => !each.hidden);
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      const next = step && seen[seen.indexOf(tab) + step];
      if (!next) return;
      next.focus();
      choose(next);
    });
  }
}
