// The side: the classes of the collection as cards, or what was found in the picture that is large.
import { at, button, classOf, colourOf, isLit, light, make, nameOf, page, percent, plural, shareOf,
  swatch, watch } from "./core.js";
import { hoverLarge, shownLarge } from "./large.js";

function bar(share, colour) {
  const fill = make("span");
  fill.style.width = 100 * share + "%";
  fill.style.background = colour;
  return make("span", "bar", fill);
}

// A button that lights a class or concept: colour, name, share.
function lighter(id, share, picture) {
  const head = button("class-head", "", () => light(id, picture));
  const name = make("span", "class-name", nameOf(id, picture));
  name.title = nameOf(id, picture);
  head.append(swatch(id), name, make("span", "class-share", percent(share)));
  head.isOn = () => isLit(id, picture ?? null);
  head.setAttribute("aria-pressed", String(head.isOn()));
  return head;
}

function classCard(item) {
  const facts = ["in " + plural(item.pictures, "picture")];
  if (item.confidence !== null) facts.push("confidence " + item.confidence.toFixed(2));
  const row = make("li", "class", lighter(item.id, item.share), bar(item.share, item.colour),
    make("span", "class-facts", facts.join(" \u00b7 ")));
  row.dataset.id = item.id;
  if (item.exemplars.length) {
    row.append(make("div", "crops", ...item.exemplars.map((each) => {
      const link = make("a");
      link.href = "#picture=" + encodeURIComponent(each.path);
      link.title = each.path;
      const image = make("img");
      image.alt = nameOf(item.id) + " in " + each.path;
      image.src = each.crop;
      link.append(image);
      return link;
    })));
  }
  if (page.live?.mayEdit()) row.append(page.live.tools(item));
  return row;
}

function foundRow(each, picture) {
  const share = shareOf(each, picture);
  const head = lighter(each.id, share, picture);
  if (each.confidence !== null) {
    const sure = make("span", "class-facts", each.confidence.toFixed(2));
    sure.title = "confidence";
    head.insertBefore(sure, head.lastChild);
  }
  const row = make("li", "class", head, bar(share, colourOf(each.id)));
  row.addEventListener("pointerenter", () => hoverLarge(each.id));
  row.addEventListener("pointerleave", () => hoverLarge(null));
  row.dataset.id = each.id;
  const item = classOf(each.id);
  if (item && page.live?.mayEdit()) row.append(page.live.tools(item));
  return row;
}

export function showSide() {
  const picture = shownLarge();
  const rows = picture && !picture.state
    ? [...picture.found].sort((a, b) => b.pixels - a.pixels).map((each) => foundRow(each, picture))
    : page.classes.map(classCard);
  at("side").hidden = rows.length === 0;
  at("side-title").textContent = picture ? "In this picture" : "Classes";
  at("legend").replaceChildren(...rows);
  at("side-more").replaceChildren(...(page.live?.below(picture) ?? []));
}

export function startSide() {
  watch((what, which) => {
    const picture = shownLarge();
    if (what === "data" || (what === "picture" && which === picture)) showSide();
    if (what === "lit") {
      for (const head of at("legend").querySelectorAll(".class-head")) {
        head.setAttribute("aria-pressed", String(head.isOn()));
      }
    }
    const clear = at("clear");
    clear.hidden = page.lit === null;
    if (page.lit !== null) {
      const text = nameOf(page.lit.id, page.lit.picture) + " is lit \u00b7 show all";
      clear.replaceChildren(swatch(page.lit.id), make("span", "clear-text", text));
    }
  });
  at("clear").addEventListener("click", () => light(null));
}
