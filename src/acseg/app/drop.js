// The place to drop a picture: sends the file, and says under which word the server holds it.
// Gradio gives `element` and `trigger`. A picture may be dropped or pasted anywhere in the page.

const zone = element.querySelector(".acseg-drop");
const input = element.querySelector("input");
const most = Number(zone.dataset.bytes);

async function send(file) {
  if (!file) return;
  if (file.size > most) {
    const size = (file.size / 1e6).toFixed(1);
    trigger("refused", { reason: `${file.name}: ${size} MB, more than the ${most / 1e6} MB allowed here` });
    return;
  }
  zone.classList.add("acseg-busy");
  try {
    const answer = await fetch("acseg/drop", {
      method: "POST",
      headers: { "X-Name": encodeURIComponent(file.name) },
      body: file,
    });
    if (answer.ok) trigger("dropped", { word: (await answer.json()).word });
    else trigger("refused", { reason: `${file.name}: ${await answer.text()}` });
  } catch (error) {
    trigger("refused", { reason: `${file.name}: could not be sent; is acseg serve still running?` });
  } finally {
    zone.classList.remove("acseg-busy");
  }
}

function files(event) {
  return [...((event.dataTransfer || event.clipboardData || {}).files || [])];
}

input.addEventListener("change", () => {
  send(input.files[0]);
  input.value = ""; // the same file may be chosen again
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  zone.classList.add("acseg-over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) zone.classList.remove("acseg-over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault(); // a picture dropped beside the place would replace the page
  zone.classList.remove("acseg-over");
  send(files(event)[0]);
});
document.addEventListener("paste", (event) => send(files(event)[0]));
