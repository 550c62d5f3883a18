// Coming back after a lost connection, on one node: all that was missed, once and in order, or a new beginning.
"use strict";

const { check, json } = require("./harness.js");

// A client in a room, with what it hears; and a witness, through which the server is told what to emit.
const scene = async (t, namespace = "/", options = {}) => {
  const witness = await t.open(namespace);
  const socket = await t.open(namespace, options);
  const heard = t.collect(socket, "news");
  const say = (...args) => t.ask(witness, "say", ...args);
  await t.ask(socket, "join", `room of ${socket.id}`);
  return { witness, socket, heard, say, room: `room of ${socket.id}` };
};

// As a network does it. Not by `engine.close()`, which waits for an upgrade: an event that comes meanwhile is held back
// by the client until it is connected again, and its offset is not told, so that the client has it twice.
const cut = async (t, socket) => {
  const gone = t.next(socket, "disconnect");
  const { engine } = socket.io;
  if (engine.transport.ws) engine.transport.ws.terminate();
  else engine._onClose("transport close");
  await gone;
};

const back = async (t, socket) => {
  socket.connect();
  await t.connected(socket);
};

// Each event has its offset as a last argument.
const values = (heard) => heard.map(([value]) => value);

check("R01: it gets the ten that it missed, in order, and is who it was", async (t) => {
  const { witness, socket, heard, say, room } = await scene(t);
  await say(room, "event", 0);
  await t.until("the first", () => heard.length === 1);
  const { id } = socket;
  await cut(t, socket);
  for (let i = 1; i <= 10; i++) await say([room, null, id][i % 3], "event", i);
  await say("another room", "event", "not for it");
  await back(t, socket);
  t.ok(socket.recovered, "not recovered");
  t.equal(socket.id, id);
  t.equal(await t.ask(socket, "state"), [{ rooms: [room], data: { user: "ada", joined: room }, recovered: true }]);
  t.equal(values(heard), [...Array(11).keys()]);
  t.equal(await t.ask(witness, "count", room), [1]);
});

check("R02: however soon it is back, it is recovered", async (t) => {
  const { socket, heard, say, room } = await scene(t);
  const { id } = socket;
  for (let i = 0; i < 50; i++) {
    await say(room, "event", i);
    await cut(t, socket);
    await t.sleep(i % 6);
    await back(t, socket);
    t.ok(socket.recovered && socket.id === id, `not recovered in trial ${i}`);
  }
  await t.until("50", () => heard.length >= 50);
  t.equal(values(heard), [...Array(50).keys()]);
});

check("R03: without new events the second time repeats nothing", async (t) => {
  const { socket, heard, say, room } = await scene(t);
  await cut(t, socket);
  await say(room, "event", 1);
  for (let i = 0; i < 3; i++) {
    await back(t, socket);
    t.ok(socket.recovered, "not recovered");
    await t.ask(socket, "state");
    t.equal(values(heard), [1]);
    if (i < 2) await cut(t, socket);
  }
});

check("R04: an idle client is recovered though its last event left the window", async (t) => {
  const { socket, heard, say, room } = await scene(t);
  await say(room, "event", 1);
  await t.sleep(2300);
  await say("another room", "event", 0);
  await cut(t, socket);
  await say(room, "event", 2);
  await back(t, socket);
  t.ok(socket.recovered, "not recovered");
  await t.ask(socket, "state");
  t.equal(values(heard), [1, 2]);
});

check("R05: who received nothing is recovered too", async (t) => {
  const { socket, heard, say } = await scene(t);
  const { id } = socket;
  await cut(t, socket);
  await say(id, "event", 1);
  await say(null, "event", 2);
  await back(t, socket);
  t.equal([socket.recovered, socket.id], [true, id]);
  await t.ask(socket, "state");
  t.equal(values(heard), [1, 2]);
});

check("behind the window it begins anew", async (t) => {
  // Over WebSocket: the server is to notice at once that it has gone, as the window begins then.
  const { socket } = await scene(t, "/", { transports: ["websocket"] });
  const { id } = socket;
  await cut(t, socket);
  await t.sleep(2300);
  await back(t, socket);
  t.ok(!socket.recovered && socket.id !== id, "recovered");
  t.equal((await t.ask(socket, "state"))[0].rooms, []);
});

check("R06: of two with the same pid one stays", async (t) => {
  const { witness, socket, room } = await scene(t);
  const claim = { pid: socket._pid };
  const gone = t.next(socket, "disconnect");
  const other = await t.open("/", { auth: claim });
  await gone;
  await t.open("/", { auth: claim });
  t.equal(await t.ask(witness, "count", room), [1]);
});

check("R07: a stolen pid is no login", async (t) => {
  const { socket, heard, say, room } = await scene(t);
  const thief = await t.open("/", { auth: { pid: socket._pid, user: "eve" } });
  t.ok(!thief.recovered && thief.id !== socket.id, "recovered");
  t.equal((await t.ask(thief, "state"))[0].data, { user: "eve" });
  await say(room, "event", "for ada");
  await t.until("the event", () => heard.length === 1);
});

check("R08: a forged offset begins anew", async (t) => {
  for (const offset of ["0-0", "$", "-", "9999999999999-0", "'; drop table", "x".repeat(500000), 7, {}, [1]]) {
    const { socket } = await scene(t);
    const { id, _pid: pid } = socket;
    await cut(t, socket);
    const again = await t.open("/", { auth: { pid, offset } });
    t.ok(!again.recovered && again.id !== id, `recovered by ${String(offset).slice(0, 20)}`);
  }
});

for (const close of [true, false]) {
  check(`R09: who was kicked begins anew (${close})`, async (t) => {
    const { witness, socket } = await scene(t);
    const { id } = socket;
    const gone = t.next(socket, "disconnect");
    witness.emit("kick", id, close);
    await gone;
    if (socket.io.engine && socket.io.engine.readyState !== "closed") await t.sleep(50);
    await back(t, socket);
    t.ok(!socket.recovered && socket.id !== id, "recovered");
  });
}

json("R10: bytes are repeated whole", async (t) => {
  const { socket, heard, say, room } = await scene(t);
  await cut(t, socket);
  await say(room, "event", Buffer.from([1, 2, 3]), { deep: [Buffer.alloc(5000, 7)] });
  await back(t, socket);
  await t.until("the event", () => heard.length === 1);
  t.equal(heard[0].slice(0, 2), [Buffer.from([1, 2, 3]), { deep: [Buffer.alloc(5000, 7)] }]);
});

check("R10: what is volatile is not repeated, and spoils nothing", async (t) => {
  const { socket, heard, say, room } = await scene(t);
  await say(room, "event", "first");
  await say(room, "volatile", "that a client takes for an offset");
  await t.until("both", () => heard.length === 2);
  await cut(t, socket);
  await say(room, "volatile", "lost");
  await say(room, "event", "missed");
  await back(t, socket);
  t.ok(socket.recovered, "not recovered");
  await t.until("the missed one", () => heard.length === 3);
  t.equal(heard[2][0], "missed");
});

check("R10: each namespace of a connection is recovered", async (t) => {
  const { witness, socket, heard, say, room } = await scene(t);
  const other = await t.beside(socket, "/other");
  const there = t.collect(other, "news");
  const elsewhere = await t.open("/other");
  const ids = [socket.id, other.id];
  await cut(t, socket);
  await say(null, "event", 1);
  await t.ask(elsewhere, "say", null, "event", 2);
  other.connect();
  await back(t, socket);
  await t.connected(other);
  t.equal([socket.recovered, other.recovered, socket.id, other.id], [true, true, ...ids]);
  await t.until("both", () => heard.length && there.length);
  t.equal([values(heard), values(there)], [[1], [2]]);
});

check("R15: under traffic nothing is lost, doubled or out of order", async (t) => {
  const { witness, socket, heard, room } = await scene(t);
  const { id } = socket;
  witness.emit("traffic", room, 2000, 1000);
  for (let i = 0; i < 50; i++) {
    await t.sleep(10 + (i % 7) * 3);
    await cut(t, socket);
    await t.sleep(i % 5);
    await back(t, socket);
    t.ok(socket.recovered && socket.id === id, `not recovered in trial ${i}`);
  }
  await t.until("all", () => heard.length >= 2000, 8000);
  await t.ask(socket, "state");
  t.equal(values(heard), [...Array(2000).keys()]);
});
