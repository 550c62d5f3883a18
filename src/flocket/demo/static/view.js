// What is on the page: takes plain values, makes elements; text is only ever set as text. Knows no socket.
export const $ = (id) => document.getElementById(id);

const KEPT = 300; // messages that stay on the page
const PAUSE = 5 * 60_000; // ms after which the same person's next message shows the name again
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
let unread = 0;

function element(kind, text = "", className = "") {
  const made = document.createElement(kind);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function face(name) {
  const made = element("span", Array.from(name)[0]?.toUpperCase() ?? "?", "face");
  made.setAttribute("aria-hidden", "true");
  let hue = 0;
  for (const letter of name) hue = (hue * 31 + letter.codePointAt(0)) % 360;
  made.style.setProperty("--hue", hue);
  return made;
}

const workerName = (worker) => (worker === undefined || worker === null ? "" : `worker ${worker}`);

export function problem(text) {
  $("problem").textContent = text;
}

export function showMe({ name, room }) {
  $("my-name").textContent = name;
  $("room-name").textContent = room;
  document.title = `#${room} · flocket chat`;
}

export function showRooms(rooms, current, enter) {
  const known = rooms.some((room) => room.name === current) ? rooms : [...rooms, { name: current, people: 1 }];
  $("rooms").replaceChildren(
    ...known.map(({ name, people }) => {
      const button = element("button");
      const number = element("span", people, "number");
      number.setAttribute("aria-label", `${people} people`);
      button.type = "button";
      button.append(element("span", name, "name"), number);
      button.setAttribute("aria-current", String(name === current));
      button.addEventListener("click", () => enter(name));
      const item = element("li");
      item.append(button);
      return item;
    }),
  );
}

export function showPeople(list, total, me) {
  $("people-count").textContent = total;
  $("people").replaceChildren(
    ...list.map(({ id, name, worker }) => {
      const item = element("li");
      item.append(face(name), element("span", id === me.id ? `${name} (you)` : name, "who"));
      item.append(element("span", workerName(worker), "worker"));
      return item;
    }),
  );
  if (total > list.length) $("people").append(element("li", `and ${total - list.length} more`));
}

export function showRoom(room, history, me) {
  const waiting = [...$("messages").querySelectorAll(".failed, .pending")].filter((item) => item.dataset.room === room);
  $("messages").replaceChildren();
  typists.forEach((_, id) => typing(id, "", false));
  for (const message of history) showMessage(message, me);
  // What the server has not acknowledged stays in view, unless the history shows that it got it after all.
  for (const item of waiting) if (!find(item.dataset.id)) $("messages").append(item);
  if (!$("messages").children.length) {
    $("messages").append(element("li", "Nobody has said anything here yet. Open this page twice, and talk to yourself.", "empty"));
  }
  showMe({ name: me.name, room });
  for (const button of $("rooms").querySelectorAll("button")) {
    button.setAttribute("aria-current", String(button.querySelector(".name").textContent === room));
  }
  toEnd();
}

const find = (id) => document.querySelector(`#messages [data-id="${CSS.escape(id)}"]`);

export function showMessage(message, me, state = "") {
  const old = find(message.id);
  if (old && !state) return; // known from the history, or from our own draft
  const mine = message.speaker === me.id || (old?.classList.contains("mine") ?? false);
  const item = element("li", "", `${mine ? "mine" : ""} ${state}`.trim());
  Object.assign(item.dataset, { id: message.id, speaker: message.speaker, at: message.at, room: message.room });
  const head = element("p", "", "head");
  const time = element("time", clock.format(message.at));
  time.dateTime = new Date(message.at).toISOString();
  head.append(element("b", message.name), time, element("span", workerName(message.worker), "worker"));
  item.append(face(message.name), head, element("p", message.text, "body"));
  if (mine) item.append(element("span", state === "pending" ? "sending" : "", "fate"));
  if (old) return old.replaceWith(item);
  add(item, mine);
  if (document.hidden && !mine) document.title = `(${++unread}) #${message.room} · flocket chat`;
}

export function showEvent(text) {
  add(element("li", text, "event"), false);
}

function add(item, always) {
  const list = $("messages");
  const atEnd = always || $("scroll").scrollHeight - $("scroll").scrollTop - $("scroll").clientHeight < 80;
  list.querySelector(".empty")?.remove();
  const last = list.lastElementChild?.dataset;
  if (last && item.dataset.speaker && last.speaker === item.dataset.speaker && item.dataset.at - last.at < PAUSE) {
    item.classList.add("follows");
  }
  list.append(item);
  while (list.children.length > KEPT) list.firstElementChild.remove();
  if (atEnd) toEnd();
  else if (item.dataset.id) $("to-end").hidden = false;
}

// The server's word on our message: its own copy of it, or why not.
export function settle(id, message, why, again) {
  const item = find(id);
  if (!item) return;
  item.classList.remove("pending");
  item.classList.toggle("failed", !message);
  const fate = item.querySelector(".fate");
  if (message) {
    item.dataset.at = message.at;
    item.querySelector(".worker").textContent = workerName(message.worker);
    fate.textContent = "delivered ✓";
    for (const older of document.querySelectorAll("#messages .fate")) if (older !== fate && older.textContent.endsWith("✓")) older.textContent = "";
    return;
  }
  const retry = element("button", "try again", "link");
  retry.type = "button";
  retry.addEventListener("click", again);
  fate.replaceChildren(`${why} · `, retry);
}

const typists = new Map(); // id -> {name, timer}
export function typing(id, name, on) {
  clearTimeout(typists.get(id)?.timer);
  typists.delete(id);
  if (on) typists.set(id, { name, timer: setTimeout(typing, 4000, id, name, false) });
  const names = [...typists.values()].map((one) => one.name);
  const line = $("typing");
  line.textContent = "";
  if (!names.length) return;
  for (let dot = 0; dot < 3; dot += 1) line.append(element("i"));
  line.append(
    names.length > 3 ? `${names.length} people are typing` : `${names.join(", ")} ${names.length > 1 ? "are" : "is"} typing`,
  );
}

export function fit(area) {
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight + 2}px`;
}

export function facts(pairs) {
  $("facts").replaceChildren(...Object.entries(pairs).flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
}

export function story(milliseconds, text) {
  const item = element("li");
  item.append(element("time", `${milliseconds} ms`), element("span", text));
  $("story").append(item);
  while ($("story").children.length > 60) $("story").firstElementChild.remove();
  $("story").scrollTop = $("story").scrollHeight;
}

function toEnd() {
  $("to-end").hidden = true;
  $("scroll").scrollTop = $("scroll").scrollHeight;
}
$("to-end").addEventListener("click", toEnd);
$("scroll").addEventListener("scroll", () => {
  if ($("scroll").scrollHeight - $("scroll").scrollTop - $("scroll").clientHeight < 80) $("to-end").hidden = true;
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  unread = 0;
  document.title = document.title.replace(/^\(\d+\) /, "");
});

// On a phone the people are a sheet that opens and closes.
function sheet(open) {
  $("people-panel").classList.toggle("open", open);
  $("show-people").setAttribute("aria-expanded", String(open));
}
$("show-people").addEventListener("click", () => sheet(!$("people-panel").classList.contains("open")));
document.addEventListener("click", (event) => {
  if (!event.target.closest("#people-panel, #show-people, dialog")) sheet(false);
});
document.addEventListener("keydown", (event) => event.key === "Escape" && sheet(false));
