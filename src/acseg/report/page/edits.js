// Changing classes on their cards: name, merge, drop, take back; written at once by the application.
import { at, button, make, nameOf, page } from "./core.js";
import { post, say } from "./ask.js";

export const mayEdit = () => Boolean(page.live?.state?.edit) && page.kind === "classes";

// Send a change; a card shows it when the application has written it.
export async function change(asked) {
  const { model, version } = page.live.state.edit;
  const answer = await post("/api/edit", { model, version, ...asked });
  await page.live.reload();
  if (!answer) return;
  const { failed } = await answer.json();
  if (failed.length) say(failed.join("; "), true);
}

// Type a name where the old one stands; Enter writes it, Escape leaves it.
export function rename(item, row) {
  const head = row.querySelector(".class-head");
  const input = make("input", "name-input");
  input.type = "text";
  input.value = item.name ?? "";
  input.maxLength = 200;
  input.placeholder = nameOf(item.id);
  input.setAttribute("aria-label", "Name of " + nameOf(item.id));
  let done = false;
  const end = (write) => {
    if (done) return;
    done = true;
    input.replaceWith(head);
    if (write && input.value.trim() !== (item.name ?? "")) {
      change({ do: "rename", id: item.id, name: input.value });
    } else head.focus();
  };
  input.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter") end(true);
    if (event.key === "Escape") end(false);
  });
  input.addEventListener("blur", () => end(true));
  head.replaceWith(input);
  input.focus();
  input.select();
}

export function tools(item) {
  const box = make("div", "class-tools");
  const into = make("select", "small");
  into.setAttribute("aria-label", "Merge " + nameOf(item.id) + " into");
  into.append(new Option("Merge into \u2026", ""), ...page.classes
    .filter((other) => other.id !== item.id)
    .map((other) => new Option(nameOf(other.id), other.id)));
  into.addEventListener("change", () => {
    if (into.value !== "") change({ do: "merge", id: item.id, into: Number(into.value) });
  });
  box.append(
    button("plain small", "Name", () => rename(item, box.closest(".class")), "Name " + nameOf(item.id)),
    into,
    button("plain small", "Drop", () => change({ do: "drop", id: item.id }), "Drop " + nameOf(item.id)),
  );
  return box;
}

// Below the cards: take the last change back, and what was merged or dropped.
export function below() {
  const edit = page.live?.state?.edit;
  if (!edit || !mayEdit()) return [];
  const parts = [];
  if (edit.undo) parts.push(button("plain", "Undo the last change", () => change({ do: "undo" })));
  if (edit.gone.length) {
    parts.push(make("h3", "", "Merged and dropped"), make("ul", "gone", ...edit.gone.map((item) => {
      const name = item.name || "class " + item.id;
      const what = item.into === null ? " is dropped " : ` is part of ${nameOf(item.into)} `;
      const split = button("plain small", "Take back", () => change({ do: "split", id: item.id }),
        "Take back: " + name + what);
      return make("li", "", make("span", "", name + what), split);
    })));
  }
  return parts;
}

// A region of a class was clicked: the cursor goes into its name.
export function picked(id) {
  const item = page.classes.find((each) => each.id === id);
  const row = at("legend").querySelector(`[data-id="${id}"]`);
  if (item && row && mayEdit() && matchMedia("(pointer: fine)").matches) rename(item, row);
}
