// The application behind the page: where the pictures come from, settings, downloads.
import { at, button, fill, make, page, plural } from "./core.js";
import { get, post, say } from "./ask.js";
import { below, mayEdit, picked, tools } from "./edits.js";
import { again, isWorking, startDrop, welcome } from "./drop.js";
import { areaTable, csv, save } from "./areas.js";

let refresh = () => {};
let wanted = null; // the folder that is shown; null for what was dropped

async function reload() {
  const state = await get("/api/state" + (wanted === null ? "" : "?folder=" + wanted));
  if (!state) return;
  page.live.state = state;
  const { kind, total, colours, classes, pictures, failures } = state;
  if (wanted === null) { // in the order in which they were dropped, with those that still wait
    const places = new Map(page.pictures.map((picture, i) => [picture.word ?? picture, i]));
    const place = (picture) => places.get(picture.word ?? picture) ?? places.size;
    pictures.push(...page.pictures.filter((picture) => picture.state && !picture.word));
    pictures.sort((a, b) => place(a) - place(b));
  }
  fill({ kind, total, colours, classes, failures, pictures });
  head();
  refresh();
  again();
}

async function choose(folder) {
  wanted = folder;
  page.lit = null;
  if (location.hash) location.hash = "";
  await reload();
}

function select(label, options, value, pick) {
  const list = make("select");
  list.append(...options.map(([text, key]) => new Option(text, key)));
  list.value = value;
  list.setAttribute("aria-label", label);
  list.addEventListener("change", () => pick(list.value));
  return list;
}

function head() {
  const { state } = page.live;
  const parts = [];
  if (state.sources.length) {
    const sources = [["Your pictures", ""], ...state.sources.map((source, i) => [source.title, i])];
    parts.push(select("What is shown", sources, state.folder ?? "", (value) =>
      choose(value === "" ? null : Number(value))));
  }
  if (wanted === null && page.pictures.length === 0) at("above").replaceChildren(...welcome(state.samples));
  else {
    at("above").replaceChildren();
    parts.push(button("plain first", "Add pictures", () => at("files").click()));
  }
  parts.push(settings(state));
  at("head-more").replaceChildren(...parts);
}

function settings(state) {
  const menu = make("details", "menu");
  const box = make("div", "menu-box");
  const pick = async (model, kind) => {
    if (await post("/api/choose", { model, kind })) await choose(null);
  };
  const model = state.models[state.model];
  const kind = state.folder === null ? page.kind : model.classes ? "classes" : "concepts";
  box.append(make("label", "", "Model", select("Model",
    state.models.map((one, i) => [one.title, i]), state.model,
    (value) => pick(Number(value), state.models[value].classes ? "classes" : "concepts"))));
  if (model.classes) {
    box.append(make("label", "", "Draw", select("What is drawn",
      [["its classes", "classes"], ["concepts of each picture", "concepts"]], kind,
      (value) => pick(state.model, value))));
  }
  if (state.folder === null && page.pictures.length) {
    box.append(button("plain", "Clear the pictures", async () => {
      if (await post("/api/forget", {})) {
        page.pictures = [];
        await choose(null);
      }
    }));
  }
  box.append(make("p", "quiet", `A picture may have ${state.limits.bytes / 1e6} MB and ` +
    `${state.limits.pixels / 1e6} million pixels. What you drop stays in memory until the application ends.`));
  menu.append(make("summary", "", "Settings"), box);
  return menu;
}

// Links below the large picture.
function opened(picture) {
  const names = { "labels.png": "Labels PNG", "overlay.jpg": "Overlay", "coco.json": "COCO" };
  const links = Object.entries(picture.files ?? {}).map(([file, address]) => {
    const link = make("a", "plain", names[file]);
    link.download = "";
    const now = () => {
      const cut = picture.granularity ?? null;
      link.href = address + (cut === null || !picture.word ? "" : "?granularity=" + cut);
    };
    now();
    link.addEventListener("click", now);
    return link;
  });
  if (links.length) {
    links.push(button("plain", "CSV", () => {
      const [heads, ...rows] = areaTable();
      save(csv([heads, ...rows.filter((row) => row[0] === picture.path)]), picture.path + ".areas.csv");
    }));
  }
  at("large-more").replaceChildren(...links);
}

async function forget(picture) {
  if (picture.word) await post("/api/forget", { word: picture.word });
  page.pictures = page.pictures.filter((other) => other !== picture);
  show();
}

function show() {
  page.total = page.pictures.length;
  head();
  refresh();
}

// All that was dropped is drawn; shares of classes are counted anew.
function settled() {
  const bad = page.pictures.filter((picture) => picture.failed).length;
  if (bad) say(plural(bad, "picture") + " could not be drawn", true);
  if (page.kind === "classes" && wanted === null) reload();
  else show();
}

page.start = async (call) => {
  refresh = call;
  page.live = { state: null, reload, choose, show, settled, opened, forget, picked, tools, mayEdit, below };
  startDrop();
  const first = await get("/api/state");
  if (!first) return;
  wanted = first.sources.length && first.pictures.length === 0 ? 0 : null;
  await reload();
  addEventListener("focus", async () => { // another window may have changed the classes
    const { edit } = page.live.state;
    if (!edit || isWorking() || document.activeElement?.matches("input[type=text]")) return;
    const state = await get("/api/state" + (wanted === null ? "" : "?folder=" + wanted));
    if (state?.edit && state.edit.version !== edit.version) await reload();
  });
};
