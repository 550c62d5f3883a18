// The chat: who I am, what I say, what the others say. Every event of the server is handled here, and shown by view.js.
import { watch } from "/connection.js";
import * as view from "/view.js";

const { $ } = view;
const asked = new URLSearchParams(location.search); // ?name=ada goes straight in
const ROOM = /^[A-Za-z0-9_-]{1,24}$/;
const me = { id: null, name: asked.get("name") || "", room: roomOfAddress() };
let people = null; // id -> person, as last heard; null until the first list of this room

if (!window.io) {
  view.problem("The client could not be loaded: npm install socket.io-client, or let this browser reach the CDN.");
  throw new Error("socket.io.js is missing");
}
const socket = io({ autoConnect: false, auth: (give) => give({ name: me.name, room: me.room }) });
const connection = watch(socket);

// In: also after every reconnect, since the name and the room travel in the handshake.
socket.on("welcome", (welcome) => {
  Object.assign(me, welcome.you);
  view.showMe(me);
  entered(welcome);
});
socket.on("message", (message) => {
  view.typing(message.speaker, message.name, false);
  view.showMessage(message, me);
});
socket.on("people", (list, total) => {
  const now = new Map(list.map((person) => [person.id, person]));
  if (people) {
    for (const [id, { name }] of now) if (!people.has(id) && id !== me.id) view.showEvent(`${name} came in`);
    for (const [id, { name }] of people) if (!now.has(id) && id !== me.id) view.showEvent(`${name} left`);
  }
  people = now;
  view.showPeople(list, total, me);
});
socket.on("rooms", (rooms) => view.showRooms(rooms, me.room, enter));
socket.on("typing", view.typing);
socket.on("connect_error", (error) => error.data && view.problem(error.message)); // data: the server's own words

function entered({ room, history }) {
  me.room = room;
  people = null;
  history.sort((a, b) => a.at - b.at);
  view.showRoom(room, history, me);
  if (roomOfAddress() !== room) remember(room);
}

async function enter(room) {
  if (room === me.room) return;
  try {
    const answer = await ask("enter", room);
    entered(answer);
  } catch (error) {
    view.problem(error.message);
  }
}

// An answer within 5 s, or an error in words.
async function ask(event, ...args) {
  let answer;
  try {
    answer = await socket.timeout(5000).emitWithAck(event, ...args);
  } catch {
    throw new Error("No answer from the server");
  }
  if (answer && answer.error) throw new Error(answer.error.message);
  return answer;
}

// Said at once on our own page, dimmed until the server has acknowledged. The id is ours: saying it twice says it once.
async function say(text, id = newId()) {
  const draft = { id, text, at: Date.now(), name: me.name, speaker: me.id, room: me.room };
  view.showMessage(draft, me, "pending");
  try {
    view.settle(id, await ask("say", text, id));
  } catch (error) {
    view.settle(id, null, error.message, () => say(text, id));
  }
}

function newId() {
  // Not randomUUID: a phone that comes by http:// has none.
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Typing: told at most every 2 s, forgotten by the others after 4.
let toldTyping = 0;
function tellTyping(on) {
  if (on === Boolean(toldTyping) && Date.now() - toldTyping < 2000) return;
  toldTyping = on ? Date.now() : 0;
  socket.volatile.emit("typing", on);
}

$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text) return;
  $("text").value = "";
  view.fit($("text"));
  tellTyping(false);
  say(text);
});
$("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("composer").requestSubmit();
});
$("text").addEventListener("input", () => {
  view.fit($("text"));
  view.problem("");
  tellTyping($("text").value !== "");
});

$("new-room").addEventListener("submit", (event) => {
  event.preventDefault();
  enter($("new-room-name").value);
  event.target.reset();
});

function roomOfAddress() {
  const name = decodeURIComponent(location.hash.slice(1));
  return ROOM.test(name) ? name : "lobby";
}
function remember(room) {
  window.history.pushState(null, "", `#${room}`);
}
for (const happening of ["hashchange", "popstate"]) {
  window.addEventListener(happening, () => me.id && enter(roomOfAddress()));
}

// Who are you? Remembered by this browser; a new one for the session if the storage is closed to us.
function remembered() {
  try { return localStorage.getItem("name"); } catch { return null; }
}
function suggested() {
  const pick = (words) => words[Math.floor(Math.random() * words.length)];
  const colours = ["Amber", "Coral", "Indigo", "Jade", "Olive", "Ruby", "Silver", "Teal"];
  return `${pick(colours)} ${pick(["Finch", "Heron", "Ibis", "Lark", "Plover", "Robin", "Starling", "Wren"])}`;
}
function introduce() {
  $("name").value = me.name || remembered() || suggested();
  $("hello").showModal();
  $("name").select();
}
$("hello").addEventListener("close", async () => {
  const name = $("name").value.trim();
  if (!name) return introduce();
  try { localStorage.setItem("name", name); } catch { /* private mode */ }
  if (!socket.active) return start(name);
  try {
    me.name = await ask("rename", name);
    view.showMe(me);
  } catch (error) {
    view.problem(error.message);
  }
});
$("rename").addEventListener("click", introduce);

function start(name) {
  me.name = name;
  view.showMe(me);
  connection.begin();
  socket.connect();
  $("text").focus();
}
if (me.name) start(me.name);
else introduce();
