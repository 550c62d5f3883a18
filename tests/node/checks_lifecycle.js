// Connecting, upgrading, the handshake's facts, and every way to part.
"use strict";

const { check, modern, upgrade } = require("./harness.js");

const departure = async (t, id) => {
  const witness = await t.open();
  let found = null;
  await t.until(`departure of ${id}`, async () => { [found] = await t.ask(witness, "departure", id); return found && found.reason; });
  return found;
};

check("the handshake's facts are there", async (t) => {
  const socket = await t.open("/", { query: { a: "1" }, extraHeaders: { "x-extra": "extra" } });
  const [facts] = await t.ask(socket, "handshake");
  t.equal([facts.query.a, facts.query.EIO, facts.address, facts.secure, facts.xdomain, facts.fresh],
          ["1", t.version === "2.5" ? "3" : "4", "127.0.0.1", false, false, true]);
  if (t.transport !== "jsonp") t.equal(facts.extra, "extra"); // a script element has no headers of its own
  t.ok(facts.url.startsWith("/socket.io/?"), facts.url);
});

modern("auth is whatever the client gives", async (t) => {
  const socket = await t.open("/", { auth: (give) => give({ nested: { list: [1, "ü"] } }) });
  t.equal((await t.ask(socket, "handshake"))[0].auth, { nested: { list: [1, "ü"] } });
});

modern("the client is not told that it recovered", async (t) => {
  const socket = await t.open();
  t.ok(!socket.recovered, "recovered");
});

check("ids have 20 characters and differ", async (t) => {
  const sockets = await Promise.all([1, 2, 3].map(() => t.open()));
  for (const socket of sockets) t.ok(/^[A-Za-z0-9_-]{20}$/.test(socket.id), socket.id);
  t.equal(new Set(sockets.map(({ id }) => id)).size, 3);
});

check("the transport is the one asked for", async (t) => {
  const socket = await t.open();
  const expected = { polling: "polling", jsonp: "polling", websocket: "websocket", upgrade: "websocket" }[t.transport];
  await t.until(expected, async () => (await t.ask(socket, "who am i"))[0].transport === expected);
});

upgrade("the upgrade is quick", async (t) => {
  const started = Date.now();
  const socket = await t.open();
  await t.until("websocket", () => socket.io.engine.transport.name === "websocket");
  t.ok(Date.now() - started < 1500, `took ${Date.now() - started} ms`);
});

upgrade("a client disconnects while it upgrades", async (t) => {
  for (let i = 0; i < 10; i++) {
    const socket = await t.open();
    await t.sleep(i);
    const id = socket.id;
    socket.disconnect();
    t.ok(["client namespace disconnect", "transport close"].includes((await departure(t, id)).reason), "another reason");
  }
});

check("the client leaves", async (t) => {
  const socket = await t.open();
  const { id } = socket;
  await t.ask(socket, "join", "a", "b");
  const gone = t.next(socket, "disconnect");
  socket.disconnect();
  t.equal((await gone)[0], "io client disconnect");
  t.equal(await departure(t, id), { rooms: ["a", "b"], reason: "client namespace disconnect" });
});

check("the client drops its connection", async (t) => {
  const socket = await t.open();
  const { id } = socket;
  await t.ask(socket, "join", "a");
  socket.io.engine.close();
  t.equal(await departure(t, id), { rooms: ["a"], reason: "transport close" });
});

check("the server disconnects one namespace", async (t) => {
  const socket = await t.open();
  const { id } = socket;
  const gone = t.next(socket, "disconnect");
  socket.emit("disconnect me", false);
  t.equal((await gone)[0], "io server disconnect");
  t.equal(await departure(t, id), { rooms: [], reason: "server namespace disconnect" });
});

check("the server disconnects one namespace and leaves the other", async (t) => {
  const root = await t.open("/");
  const plain = await t.beside(root, "/plain");
  const gone = t.next(plain, "disconnect");
  plain.emit("disconnect me", false);
  t.equal((await gone)[0], "io server disconnect");
  t.equal(await t.ask(root, "ack", "alive"), ["alive"]);
});

check("the server ends the connection", async (t) => {
  const socket = await t.open();
  const { id } = socket;
  const heard = [];
  socket.on("echo", () => heard.push("last words"));
  socket.on("disconnect", (reason) => heard.push(reason));
  socket.emit("echo");
  socket.emit("disconnect me", true);
  await t.until("the end", () => !socket.io.engine || socket.io.engine.readyState === "closed");
  await t.sleep(20);
  t.equal(heard, ["last words", "io server disconnect"]); // told once, and it does not come back by itself
  t.equal((await departure(t, id)).reason, "server namespace disconnect");
});

check("a disconnected client comes back as another", async (t) => {
  const socket = await t.open();
  const first = socket.id;
  socket.disconnect();
  // Client 2.5 takes the end of the old connection for that of the new one, if it is still to come.
  await t.until("the end", () => !socket.io.engine || socket.io.engine.readyState === "closed");
  socket.connect();
  await t.connected(socket);
  t.ok(socket.id !== first, "the same id");
  t.equal(await t.ask(socket, "rooms"), [[]]);
  t.equal(await t.ask(socket, "ack", 1), [1]);
});

check("a client comes back by itself after its connection broke", async (t) => {
  const socket = await t.open("/", { reconnection: true, reconnectionDelay: 20, reconnectionDelayMax: 50 });
  const first = socket.id;
  socket.io.engine.close();
  await t.until("reconnected", () => socket.connected && socket.id !== first);
  t.equal(await t.ask(socket, "ack", 1), [1]);
});

check("events emitted before the connection come after it", async (t) => {
  const socket = t.socket();
  const echo = t.collect(socket, "echo");
  for (let i = 0; i < 10; i++) socket.emit("echo", i);
  await t.until("10 events", () => echo.length === 10);
  t.equal(echo.map(([i]) => i), [...Array(10).keys()]);
});

check("a refused request tells the client", async (t) => {
  const socket = t.socket("/", { query: { refuse: "come back later" } });
  await new Promise((resolve, reject) => {
    socket.on("connect", () => reject(new Error("connected")));
    socket.on("connect_error", resolve);
  });
});
