// What every pane of the page uses: finding and making elements, asking the API, and saying how it went.
// What others wrote is only ever put in as text, never as markup.

export const one = (selector, within = document) => within.querySelector(selector);
export const all = (selector, within = document) => [...within.querySelectorAll(selector)];

export function made(tag, text = "", name = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (name) element.className = name;
  return element;
}

export function button(text, act, name = "") {
  const element = made("button", text, name);
  element.type = "button";
  element.onclick = act;
  return element;
}

// Show these in the list, in this order: pairs of a key and what makes the element. One that is there already under the
// same key stays untouched, so that nothing changes under the hand of somebody who is about to press it.
export function redraw(list, wanted) {
  const there = new Map([...list.children].map((element) => [element.dataset.key, element]));
  const keys = new Set(wanted.map(([key]) => key));
  for (const element of [...list.children]) if (!keys.has(element.dataset.key)) element.remove();
  let next = list.firstElementChild;
  for (const [key, make] of wanted) {
    const element = there.get(key) || make();
    element.dataset.key = key;
    if (element === next) next = next.nextElementSibling;
    else list.insertBefore(element, next);
  }
}

export async function ask(path, body) {
  const options = body && { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(path, options);
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error || answer.statusText);
  return found;
}

export function say(where, text, wrong = false) {
  where.textContent = text;
  where.classList.toggle("wrong", wrong);
}

// A moment as the people of the sandbox read it; `at` is an ISO text or a number of milliseconds.
export const when = (at, zone) => new Date(at).toLocaleString("en-US", {
  weekday: "short", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", timeZone: zone,
});
