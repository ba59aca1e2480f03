// The sandbox's page: everything it shows and does goes through the API that docs/sandbox.md describes.
import { all, ask, made, one, redraw, say, when as local } from "./dom.js";
import { openSlack, showSlack } from "./slack.js";

const WHAT = {
  remind: "reminder", final: "final notice", lapse: "the ladder ends", send_notice: "the other side is written to",
  status: "status line", nudge: "staff are reminded", wake: "the case wakes up",
};
let state = null;
let ahead = 0;  // The sandbox's clock minus this machine's, milliseconds.

const when = (text) => local(text, state.zone);

// --- Mailboxes -------------------------------------------------------------------------------------------------------

function openMailbox(pane) {
  const side = pane.dataset.side;
  const people = one(".who select", pane);
  for (const each of state.directory) {
    people.append(new Option(`${each[side].name}, assignment ${each.assignment_id}`, each[side].email));
  }
  const samples = one(".sample select", pane);
  const mine = new Set(state.directory.map((each) => each[side].email));
  const theirs = state.samples.filter((each) => mine.has(each.from));
  for (const each of theirs) samples.append(new Option(each.title, each.name));
  const form = one("form", pane);
  const said = one(".said", pane);
  people.onchange = () => { form.hidden = true; say(said, ""); showMailbox(pane); };
  one(".write", pane).onclick = () => { form.reset(); delete form.dataset.answers; one(".sample", form).hidden = false; one(".shows", form).textContent = ""; form.hidden = false; samples.focus(); };
  one(".cancel", pane).onclick = () => { form.hidden = true; };
  samples.onchange = () => {
    const sample = theirs.find((each) => each.name === samples.value);
    if (!sample) return;
    people.value = sample.from;
    showMailbox(pane);
    form.elements.subject.value = sample.subject;
    form.elements.text.value = sample.text;
    one(".shows", form).textContent = sample.shows;
  };
  form.onsubmit = (event) => { event.preventDefault(); send(pane, form, said); };
}

async function send(pane, form, said) {
  const fields = form.elements;
  const mail = { from: fields.from.value || one(".who select", pane).value, subject: fields.subject.value, text: fields.text.value, auth: fields.auth.value };
  if (form.dataset.answers) mail.in_reply_to = form.dataset.answers;
  const button = one("[type=submit]", form);
  button.disabled = true;
  say(said, "Sending …");
  try {
    await ask("/api/mail", mail);
    form.hidden = true;
    say(said, "Sent. Parley is reading it …");
    await ask("/api/idle", {});
    say(said, "Sent, and read by Parley.");
  } catch (wrong) {
    say(said, wrong.message, true);
  }
  button.disabled = false;
  refresh();
}

async function showMailbox(pane) {
  const address = one(".who select", pane).value;
  const mails = await ask(`/api/mailbox/${encodeURIComponent(address)}`);
  const list = one(".letters", pane);
  if (address !== one(".who select", pane).value) return;  // Somebody chose another mailbox while we asked.
  const newest = mails.length - 1;
  const letters = mails.map((mail, at) => [`${address} ${mail.message_id} ${at === newest}`, () => letter(pane, mail, at === newest)]);
  redraw(list, letters.length ? letters.reverse() : [["empty", () => made("p", "No mail yet.", "empty")]]);
}

function letter(pane, mail, open) {
  const article = made("article");
  const whole = made("details");
  whole.open = open;
  const head = made("summary");
  head.append(made("b", mail.subject), made("time", `${when(mail.date)} · from ${mail.from}`));
  const answer = made("button", "Reply");
  answer.type = "button";
  answer.onclick = () => reply(pane, mail);
  whole.append(head, made("pre", mail.text), answer);
  article.append(whole);
  return article;
}

function reply(pane, mail) {
  const form = one("form", pane);
  form.reset();
  form.dataset.answers = mail.message_id;
  one(".sample", form).hidden = true;
  one(".shows", form).textContent = `Goes to ${mail.reply_to || mail.from}`;
  form.elements.subject.value = `Re: ${mail.subject.replace(/^Re: /, "")}`;
  const quote = mail.text.trimEnd().split("\n").map((line) => `> ${line}`).join("\n");
  form.elements.text.value = `\n\nOn ${when(mail.date)}, ${mail.from} wrote:\n${quote}\n`;
  form.hidden = false;
  form.scrollIntoView({ block: "nearest" });
  form.elements.text.focus();
  form.elements.text.setSelectionRange(0, 0);
  form.elements.text.scrollTop = 0;
}

// --- Clock and cases -------------------------------------------------------------------------------------------------

function showNow() {
  one("#now").textContent = new Date(Date.now() + ahead).toLocaleString("en-US", {
    weekday: "long", month: "long", day: "numeric", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit",
    timeZone: state.zone, timeZoneName: "short",
  });
}

async function move(asked) {
  const said = one("#clock-said");
  const buttons = all("#steps button");
  for (const each of buttons) each.disabled = true;
  say(said, "Everything due on the way is being carried out …");
  try {
    const answer = await ask("/api/clock", asked);
    say(said, answer.settled ? "" : "Something is still in flight.");
  } catch (wrong) {
    say(said, wrong.message, true);
  }
  for (const each of buttons) each.disabled = false;
  refresh();
}

function toNext() {
  const due = state.cases.flatMap((each) => each.due.map((step) => step.at)).sort((a, b) => new Date(a) - new Date(b));
  if (due.length) move({ to: new Date(new Date(due[0]).getTime() + 1000).toISOString() });
  else say(one("#clock-said"), "Nothing is due: open a case first.");
}

function caseBox(each) {
  const box = made("div", "", "case");
  const head = made("div");
  head.append(made("b", each.number), made("span", `${each.kind || "unsorted"} ${each.assignment_ids.join(", ")} `), made("span", each.stage, "stage"));
  box.append(head);
  if (each.awaits.length) box.append(made("div", `Awaits ${each.awaits.join(" and ")}`));
  for (const wait of each.waits) box.append(made("div", `For staff: ${wait}`, "wait"));
  const list = made("ul");
  for (const step of each.due.slice(0, 5)) list.append(made("li", `${when(step.at)}: ${WHAT[step.what] || step.what} (${step.party})`));
  for (const hold of each.holds) list.append(made("li", `Held: ${hold}`));
  box.append(list);
  return box;
}

function setUpClock() {
  for (const each of all("[data-advance]")) each.onclick = () => move({ advance: each.dataset.advance });
  one("[data-next]").onclick = toNext;
  for (const each of all("[data-fault]")) {
    each.onchange = () => ask("/api/faults", { [each.dataset.fault]: each.value }).catch((wrong) => say(one("#clock-said"), wrong.message, true));
  }
  one("#kill").onclick = async (event) => {
    event.target.disabled = true;
    say(one("#clock-said"), "Killed; it is being started again …");
    await ask("/api/faults", { bot: "kill" }).then(() => say(one("#clock-said"), "The bot is back, at the same now."), (wrong) => say(one("#clock-said"), wrong.message, true));
    event.target.disabled = false;
  };
  setInterval(showNow, 1000);
}

// --- All of it -------------------------------------------------------------------------------------------------------

function show() {
  ahead = new Date(state.now).getTime() - Date.now();
  showNow();
  const boxes = [...state.cases].reverse().map(caseBox);
  one("#cases").replaceChildren(...(boxes.length ? boxes : [made("p", "None yet. Send the worker’s sample “Payment dispute, complete”.", "empty")]));
  for (const each of all("[data-fault]")) if (document.activeElement !== each) each.value = state.faults[each.dataset.fault];
}

async function refresh() {
  state = await ask("/api/state");
  show();
  await Promise.all([...all(".mail").map((pane) => showMailbox(pane)), showSlack(state)]);
}

async function start() {
  state = await ask("/api/state");
  all(".mail").forEach(openMailbox);
  setUpClock();
  openSlack(state);
  await refresh();
  const changes = new EventSource("/api/events");
  let asked = 0;
  changes.onmessage = () => { clearTimeout(asked); asked = setTimeout(refresh, 150); };
  setInterval(refresh, 5000);
}

start();
