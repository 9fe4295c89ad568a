// The picture of the page: where the mouse is, say what is there and light it; a click picks it.
// Gradio gives `element`, `trigger` and `watch`. The labels lie in a hidden picture of grey values.

let source = "";
let reading = null;
let labels = null; // {values, width, height}
let lit = -1;

const find = (name) => element.querySelector(name);

// The labels of the picture that is shown; asked for twice, they are read once.
function read() {
  const picture = find(".acseg-labels");
  if (!picture) return null;
  if (picture.src !== source) {
    source = picture.src;
    reading = decode(picture);
  }
  return reading;
}

async function decode(picture) {
  labels = null;
  await picture.decode();
  const canvas = document.createElement("canvas");
  canvas.width = picture.naturalWidth;
  canvas.height = picture.naturalHeight;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
  labels = { values: data, width: canvas.width, height: canvas.height };
  return labels;
}

function light(label) {
  if (label === lit) return;
  lit = label;
  const canvas = find(".acseg-lit");
  if (!canvas) return;
  if (label < 0 || !labels) {
    canvas.width = canvas.width; // empties it
    return;
  }
  canvas.width = labels.width;
  canvas.height = labels.height;
  const context = canvas.getContext("2d");
  const shade = context.createImageData(labels.width, labels.height);
  for (let i = 0; i < shade.data.length; i += 4) {
    if (labels.values[i] !== label) shade.data[i + 3] = 150;
  }
  context.putImageData(shade, 0, 0);
}

function button(label) {
  return find(`.acseg-label[data-label="${Number(label)}"]`);
}

function under(event) {
  const drawn = find(".acseg-drawn");
  if (!drawn || !labels) return -1;
  const box = drawn.getBoundingClientRect();
  const x = Math.floor(((event.clientX - box.left) / box.width) * labels.width);
  const y = Math.floor(((event.clientY - box.top) / box.height) * labels.height);
  if (x < 0 || y < 0 || x >= labels.width || y >= labels.height) return -1;
  return labels.values[4 * (y * labels.width + x)];
}

function tell(event, label) {
  const tip = find(".acseg-tip");
  if (!tip) return;
  tip.hidden = label < 0;
  if (label < 0) return;
  const known = button(label);
  tip.textContent = known ? known.dataset.called : "void";
  const box = find(".acseg-stage").getBoundingClientRect();
  const x = event.clientX - box.left;
  tip.style.left = `${Math.min(x + 14, box.width - tip.offsetWidth - 4)}px`;
  tip.style.top = `${Math.max(event.clientY - box.top - 34, 4)}px`;
}

function pick(label) {
  if (!button(label)) return;
  for (const one of element.querySelectorAll(".acseg-label")) {
    one.setAttribute("aria-pressed", String(one.dataset.label === String(label)));
  }
  trigger("picked", { label: Number(label) });
}

element.addEventListener("mousemove", async (event) => {
  if (!event.target.closest(".acseg-stage")) return;
  await read();
  const label = under(event);
  tell(event, label);
  light(button(label) ? label : -1);
});
element.addEventListener("mouseout", (event) => {
  if (event.relatedTarget && event.relatedTarget.closest(".acseg-stage")) return;
  tell(event, -1);
  light(-1);
});
element.addEventListener("mouseover", async (event) => {
  const one = event.target.closest(".acseg-label");
  if (one && (await read())) light(Number(one.dataset.label));
});
element.addEventListener("focusin", async (event) => {
  const one = event.target.closest(".acseg-label");
  if (one && (await read())) light(Number(one.dataset.label));
});
element.addEventListener("focusout", () => light(-1));
element.addEventListener("click", async (event) => {
  const one = event.target.closest(".acseg-label");
  if (one) return pick(one.dataset.label);
  if (event.target.closest(".acseg-stage") && (await read())) pick(under(event));
});
watch("value", () => {
  light(-1);
  tell(null, -1);
});
