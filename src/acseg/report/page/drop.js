// Dropping, choosing and pasting pictures: several at once, each with its own progress.
import { at, button, changed, load, make, number, page, percent } from "./core.js";
import { post, say, send } from "./ask.js";
import { shownLarge } from "./large.js";

const AT_ONCE = 2;
const waiting = [];
let working = 0;

const isPicture = (file) =>
  file.type.startsWith("image/") || /\.(jpe?g|png|webp|tiff?|bmp|gif|avif|jp2|ppm)$/i.test(file.name);

// Take pictures in: cards appear at once and are filled as the answers come.
export async function take(files, folder = false) {
  const pictures = folder ? files.filter(isPicture) : files;
  if (!pictures.length) {
    say("there is no picture in it", true);
    return;
  }
  if (page.live.state.folder !== null) await page.live.choose(null);
  const most = page.live.state.limits.bytes;
  const cards = pictures.map((file) => pending(file.name, file.type.startsWith("image/") && !/tiff/.test(file.type)
    ? URL.createObjectURL(file) : null));
  page.pictures.push(...cards);
  page.live.show();
  if (location.hash) location.hash = "";
  cards.forEach((card, i) => {
    if (pictures[i].size > most) fail(card, `more than the ${most / 1e6} MB allowed here`);
    else waiting.push(() => one(card, (sent) => send("/api/drop", pictures[i], sent)));
  });
  next(cards.length === 1);
}

// Try one of the samples.
export async function sample(index) {
  if (page.live.state.folder !== null) await page.live.choose(null);
  const card = pending("sample", `/api/sample/${index}`);
  page.pictures.push(card);
  page.live.show();
  waiting.push(() => one(card, async () => {
    const answer = await post(`/api/sample/${index}`, {});
    return answer ? answer.json() : { reason: "could not be drawn" };
  }));
  next(true);
}

function pending(name, photo) {
  const taken = new Set(page.pictures.map((picture) => picture.path));
  let path = name;
  for (let i = 2; taken.has(path); i++) path = `${name} (${i})`;
  return { path, found: [], size: null, small: null, photo, state: "waiting", sent: 0, confidence: null };
}

function finding() {
  const { models, model } = page.live.state;
  const what = page.kind === "classes" ? "finding classes" : "finding concepts";
  return models[model].ready ? what : "loading the model, then " + what;
}

function fail(card, reason) {
  card.state = reason.replace(card.path + ": ", "");
  card.failed = true;
  changed("picture", card);
}

async function one(card, ask) {
  card.state = "sending";
  changed("picture", card);
  const { picture, reason } = await ask((sent) => {
    card.sent = sent;
    card.state = sent < 1 ? "sending " + percent(sent) : finding();
    changed("picture", card);
  });
  if (!picture) {
    fail(card, reason);
    return null;
  }
  page.live.state.models[page.live.state.model].ready = true;
  if (card.photo?.startsWith("blob:")) URL.revokeObjectURL(card.photo);
  fill(card, picture);
  return card;
}

function fill(card, picture) {
  for (const key of ["state", "failed", "sent", "map", "default", "leafMap", "first", "granularity", "asked"]) {
    delete card[key];
  }
  Object.assign(card, picture);
  number();
}

// Draw pictures again that are not drawn as they are wanted now.
export function again() {
  for (const card of page.pictures.filter((picture) => picture.stale)) {
    Object.assign(card, { state: "waiting", sent: 1, stale: false });
    waiting.push(() => one(card, async (sent) => {
      sent(1);
      const answer = await post("/api/draw", { word: card.word });
      return answer ? answer.json() : { reason: "could not be drawn" };
    }));
  }
  next(false);
}

async function next(open) {
  if (working >= AT_ONCE) return;
  const job = waiting.shift();
  if (!job) return;
  working += 1;
  next(false);
  const card = await job();
  working -= 1;
  if (card && open) {
    await load(card);
    page.live.show();
    location.hash = "#picture=" + encodeURIComponent(card.path);
  } else if (waiting.length === 0 && working === 0) page.live.settled();
  else page.live.show();
  next(false);
}

async function entries(items) { // files of what was dropped, folders walked
  const found = [];
  const walk = async (entry) => {
    if (entry.isFile) {
      found.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) return;
      for (const each of some) await walk(each);
    }
  };
  for (const entry of items) await walk(entry);
  return found;
}

export function startDrop() {
  const input = at("files"), folder = at("folder");
  input.addEventListener("change", () => {
    take([...input.files]);
    input.value = "";
  });
  folder.addEventListener("change", () => {
    take([...folder.files], true);
    folder.value = "";
  });
  addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dragged");
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) document.body.classList.remove("dragged");
  });
  addEventListener("drop", async (event) => {
    event.preventDefault();
    document.body.classList.remove("dragged");
    const given = [...event.dataTransfer.files];
    const roots = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const walked = roots.some((entry) => entry.isDirectory);
    const files = walked ? await entries(roots) : given;
    if (files.length) take(files, walked);
  });
  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length) take(files);
  });
}

// What stands on the page while there is no picture: where to drop, and samples.
export function welcome(samples) {
  const thumbnails = [...Array(samples).keys()].map((index) => {
    const one = button("sample", "", () => sample(index), "Try sample " + (index + 1));
    const image = make("img");
    image.src = `/api/sample/${index}`;
    image.alt = "";
    one.append(image);
    return one;
  });
  return [make("div", "welcome",
    make("p", "welcome-title", "Drop photographs here"),
    make("p", "quiet", "One, several or a folder. Each is divided into its concepts, without labels; nothing leaves this machine."),
    make("div", "welcome-buttons",
      button("plain first", "Choose pictures", () => at("files").click()),
      button("plain", "Choose a folder", () => at("folder").click())),
    thumbnails.length ? make("p", "quiet", "Or try one of these") : null,
    make("div", "samples", ...thumbnails))];
}

export const isWorking = () => working > 0 || waiting.length > 0 || shownLarge()?.state;
