// Requests to the application, and the line that says what it answered.
import { at, page } from "./core.js";

const token = document.querySelector("meta[name=token]")?.content ?? "";
let hiding = 0;

// Say something at the lower edge of the window; `bad` things stay until they are clicked away.
export function say(text, bad = false) {
  const line = at("said");
  line.textContent = text;
  line.className = bad ? "said bad" : "said";
  line.setAttribute("role", bad ? "alert" : "status");
  line.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { line.hidden = true; }, bad ? 12_000 : 3_000);
}

// Post values; gives the answer, or null after saying what was wrong.
export async function post(path, values) {
  try {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "X-Acseg-Token": token, "Content-Type": "application/json" },
      body: JSON.stringify(values),
    });
    if (answer.ok) return answer;
    say(await answer.text(), true);
  } catch {
    say("the application does not answer; is it still running?", true);
  }
  return null;
}

export async function get(path) {
  try {
    const answer = await fetch(path);
    if (answer.ok) return await answer.json();
    say(await answer.text(), true);
  } catch {
    say("the application does not answer; is it still running?", true);
  }
  return null;
}

// Send a file, told how much of it is sent (0..1); gives the picture, or the reason why not.
export function send(path, file, sent) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.setRequestHeader("X-Acseg-Token", token);
    request.setRequestHeader("X-Name", encodeURIComponent(file.name));
    request.upload.onprogress = (event) => sent(event.loaded / Math.max(1, event.total));
    request.onload = () => resolve(request.status === 200
      ? JSON.parse(request.responseText) : { reason: request.responseText });
    request.onerror = () => resolve({ reason: page.live.stopped ?? "could not be sent" });
    request.send(file);
  });
}
