// The Slack pane: one person of the staff at a time, their channels, a thread, the Home tab, and the form that is open.
import { all, ask, button, made, one, redraw, say, when } from "./dom.js";
import { drawn, values } from "./blocks.js";

const HOME = "home";
const at = { user: "", place: "", thread: "" };
let state = null;
let view = "";

const pane = () => one("#slack");
const told = (text, wrong = false) => say(one(".said", pane()), text, wrong);

export function openSlack(now) {
  state = now;
  const people = one(".who select", pane());
  for (const each of state.staff) people.append(new Option(each.lead ? `${each.name}, lead` : each.name, each.user));
  at.user = people.value;
  people.onchange = () => { at.user = people.value; again(); };
  const composer = one(".composer", pane());
  composer.onsubmit = (event) => { event.preventDefault(); write(one("input", composer)); };
}

export async function showSlack(now) {
  state = now;
  if (!state.slack) {
    pane().replaceChildren(made("h2", "Slack"), made("p", "Slack is not part of this sandbox.", "empty"));
    return;
  }
  await places();
  await Promise.all([room(), form(), whispers()]);
}

async function again() {
  view = "";
  await showSlack(state);
}

// --- Where one is ----------------------------------------------------------------------------------------------------

async function places() {
  const found = (await ask("/api/slack/channels")).channels.filter((each) => each.name);
  if (!at.place && found.length) at.place = found[0].id;
  const tabs = [...found.map((each) => [each.id, `#${each.name}`]), [HOME, "Home"]];
  const key = JSON.stringify([tabs, at.place]);
  const bar = one(".places", pane());
  if (bar.dataset.key === key) return;
  bar.dataset.key = key;
  bar.replaceChildren(...tabs.map(([id, name]) => {
    const tab = button(name, () => { at.place = id; at.thread = ""; again(); }, id === at.place ? "current" : "");
    tab.setAttribute("aria-pressed", id === at.place);
    return tab;
  }));
}

async function room() {
  const home = at.place === HOME;
  one(".composer", pane()).hidden = home;
  const here = keyOf("");
  const found = home ? await ask(`/api/slack/home?user=${at.user}`) : (await ask(messagesAt())).messages;
  if (here !== keyOf("")) return;  // Somebody went elsewhere while we asked.
  redraw(one(".messages", pane()), home ? homeTab(found) : at.thread ? thread(found) : channel(found));
  one(".composer input", pane()).placeholder = at.thread
    ? "A note in this thread; it stays in Slack"
    : "A message, or /case help";
}

const messagesAt = () => `/api/slack/messages?channel=${at.place}${at.thread ? `&thread_ts=${at.thread}` : ""}`;

// Each of these gives what `redraw` takes: a key that changes with what is to be seen, and what makes the element.
const empty = (text) => ["empty", () => made("p", text, "empty")];
const keyOf = (what) => JSON.stringify([at.user, at.place, at.thread, what]);

function homeTab(found) {
  const open = () => button("Open a case by hand", () => act("/api/slack/shortcut", { callback_id: "new_case" }));
  const tab = () => drawn(found.blocks, (click) => act("/api/slack/click", { view_id: found.id, ...click }));
  return [["open", open], found && found.blocks ? [keyOf(found), tab] : empty("The Home tab is empty.")];
}

function channel(messages) {
  if (!messages.length) return [empty("Nothing yet. A case's card appears here once a mail opened one.")];
  return messages.map((message) => [keyOf(message), () => {
    const box = made("article");
    const replies = message.reply_count || 0;
    const into = () => { at.thread = message.ts; again(); };
    const label = replies ? `Open the thread (${replies})` : "Open the thread";
    box.append(head(message), made("p", plainText(message)), button(label, into));
    if (!message.bot_id) {
      const from = { callback_id: "open_case", channel: at.place, message_ts: message.ts };
      box.append(button("Make it a case", () => act("/api/slack/shortcut", from)));
    }
    return box;
  }]);
}

function thread(messages) {
  const back = () => button("← All cases", () => { at.thread = ""; again(); });
  return [["back", back], ...messages.map((message) => [keyOf(message), () => {
    const box = made("article");
    const click = (what) => act("/api/slack/click", { channel: at.place, message_ts: message.ts, ...what });
    box.append(head(message));
    box.append(message.blocks && message.bot_id ? drawn(message.blocks, click) : made("p", plainText(message)));
    return box;
  }])];
}

function head(message) {
  const who = state.staff.find((each) => each.user === message.user);
  const line = made("div", "", "by");
  line.append(made("b", who ? who.name : "Parley"), made("time", when(Number(message.ts) * 1000, state.zone)));
  return line;
}

const plainText = (message) => message.text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

// --- What one does ---------------------------------------------------------------------------------------------------

async function act(path, asked) {
  told("…");
  try {
    const answer = await ask(path, { user: at.user, ...asked });
    if (answer.errors) return answer;
    told(answer.ok ? "" : `Slack says: ${answer.error}`, !answer.ok);
    await settled();
    return answer;
  } catch (wrong) {
    told(wrong.message, true);
    return { ok: false };
  }
}

// A form opens, and a card changes, a moment after the click was acknowledged.
async function settled() {
  for (const pause of [120, 300, 700]) {
    await new Promise((done) => setTimeout(done, pause));
    await Promise.all([form(), room(), whispers()]);
  }
}

async function write(field) {
  const text = field.value.trim();
  if (!text) return;
  const command = /^(\/[a-z]+) *([^]*)$/.exec(text);
  const answer = command
    ? await act("/api/slack/command", { channel: at.place, command: command[1], text: command[2] })
    : await act("/api/slack/message", { channel: at.place, text, ...(at.thread ? { thread_ts: at.thread } : {}) });
  if (answer.ok) field.value = "";
}

// What only this person sees: the answer to a command, a polite refusal.
async function whispers() {
  const found = (await ask(`/api/slack/ephemeral?user=${at.user}`)).messages;
  const box = one(".whispers", pane());
  const last = found[found.length - 1];
  const key = last ? `${at.user} ${last.ts}` : "";
  if (box.dataset.key === key || box.dataset.closed === key) return;
  box.dataset.key = key;
  box.hidden = !last;
  if (!last) return;
  const close = button("Dismiss", () => { box.hidden = true; box.dataset.closed = key; });
  const click = (what) => act("/api/slack/click", { channel: last.channel, message_ts: last.ts, ...what });
  const body = last.blocks && last.blocks.length ? drawn(last.blocks, click) : made("p", plainText(last));
  box.replaceChildren(made("p", "Only you can see this", "context"), body, close);
}

// --- The form that is open -------------------------------------------------------------------------------------------

async function form() {
  const found = await ask(`/api/slack/views?user=${at.user}`);
  const box = one(".modal", pane());
  const key = found && found.id ? `${found.id} ${found.hash}` : "";
  if (key === view) return;
  const kept = key && view && key.split(" ")[0] === view.split(" ")[0] ? values(box) : {};
  view = key;
  if (!key) { box.close(); return; }
  const frame = made("form");
  frame.append(made("h3", found.title.text), drawn(found.blocks, (click) => act("/api/slack/click", {
    view_id: found.id, values: values(box), ...click,
  })));
  for (const field of all("[data-field]", frame)) if (kept[field.dataset.field]) field.value = kept[field.dataset.field];
  const buttons = made("div", "", "tools");
  if (found.submit) {
    const send = made("button", found.submit.text, "primary");
    send.type = "submit";
    buttons.append(send);
  }
  buttons.append(button(found.close ? found.close.text : "Close", () => act("/api/slack/close", { view_id: found.id })));
  frame.append(buttons);
  frame.onsubmit = (event) => { event.preventDefault(); submit(found, box); };
  box.replaceChildren(frame);
  box.oncancel = (event) => { event.preventDefault(); act("/api/slack/close", { view_id: found.id }); };
  if (!box.open) box.showModal();
}

async function submit(found, box) {
  const filled = Object.fromEntries(Object.entries(values(box)).filter(([, value]) => value !== ""));
  for (const each of all("[data-wrong]", box)) each.textContent = "";
  const answer = await act("/api/slack/submit", { view_id: found.id, values: filled });
  for (const [field, text] of Object.entries(answer.errors || {})) {
    const place = one(`[data-wrong="${field}"]`, box);
    if (place) place.textContent = text;
  }
  told(answer.ok || answer.errors ? "" : `Slack says: ${answer.error || "no answer"}`, !answer.ok && !answer.errors);
  if (answer.errors) return;
  await settled();
}
