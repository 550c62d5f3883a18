// Events and acknowledgements, both ways.
"use strict";

const { check, modern } = require("./harness.js");

check("an event comes back with its values", async (t) => {
  const socket = await t.open();
  const echo = t.next(socket, "echo");
  const args = [1, "two", null, true, [3, [4]], { five: { six: 7 } }, 8.5, "ünï ☃ 😀"];
  socket.emit("echo", ...args);
  t.equal(await echo, args);
});

check("an event without arguments comes back without arguments", async (t) => {
  const socket = await t.open();
  const echo = t.next(socket, "echo");
  socket.emit("echo");
  t.equal(await echo, []);
});

check("the server speaks first", async (t) => {
  const socket = t.socket();
  const hello = t.next(socket, "hello");
  await t.connected(socket);
  t.equal(await hello, [socket.id]);
});

check("binary comes back at any depth", async (t) => {
  const socket = await t.open();
  const echo = t.next(socket, "echo");
  const args = [Buffer.from([1, 2, 3]), { a: [Buffer.alloc(0), { b: Buffer.from("deep") }], c: "text" }, Buffer.alloc(70000, 7)];
  socket.emit("echo", ...args);
  t.equal(await echo, args);
});

check("binary and text keep their order", async (t) => {
  const socket = await t.open();
  const seen = t.collect(socket, "echo");
  for (let i = 0; i < 30; i++) socket.emit("echo", i, i % 3 ? "text" : Buffer.alloc(i * 10, i));
  await t.until("30 events", () => seen.length === 30);
  t.equal(seen.map(([i]) => i), [...Array(30).keys()]);
});

check("a large event comes back whole", async (t) => {
  const socket = await t.open();
  const echo = t.next(socket, "echo");
  const text = "☃x".repeat(80000);
  socket.emit("echo", text);
  t.ok((await echo)[0] === text, "the text differs");
});

check("many events at once come in order", async (t) => {
  const socket = await t.open();
  const seen = t.collect(socket, "one of many");
  socket.emit("many", 500);
  await t.until("500 events", () => seen.length === 500);
  t.equal(seen.map(([i]) => i), [...Array(500).keys()]);
});

check("an event may have a name that JavaScript's objects know", async (t) => {
  const socket = await t.open();
  for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty", "héllo ☃", ""]) socket.emit(name, 1);
  t.equal(await t.ask(socket, "ack", "alive"), ["alive"]);
});

check("send arrives as message", async (t) => {
  const socket = await t.open();
  const message = t.next(socket, "message");
  socket.emit("send", "a", { b: 1 });
  t.equal(await message, ["a", { b: 1 }]);
});

check("an acknowledgement brings one value", async (t) => {
  const socket = await t.open();
  t.equal(await t.ask(socket, "ack", { some: ["value", 1] }), [{ some: ["value", 1] }]);
});

check("an acknowledgement brings no value", async (t) => {
  const socket = await t.open();
  t.equal(await t.ask(socket, "ack"), []);
});

check("an acknowledgement brings several values and bytes", async (t) => {
  const socket = await t.open();
  t.equal(await t.ask(socket, "two answers"), ["one", { two: Buffer.from([2]) }]);
});

check("an acknowledgement brings binary back", async (t) => {
  const socket = await t.open();
  t.equal(await t.ask(socket, "ack", Buffer.from("bytes"), "text"), [Buffer.from("bytes"), "text"]);
});

check("each acknowledgement finds its own question", async (t) => {
  const socket = await t.open();
  const answers = await Promise.all([...Array(100).keys()].map((i) => t.ask(socket, "ack", i)));
  t.equal(answers.map(([i]) => i), [...Array(100).keys()]);
});

check("the client answers the server's question", async (t) => {
  const socket = await t.open();
  socket.on("question", (value, answer) => answer({ heard: value }));
  t.equal(await t.ask(socket, "ask me", "question", [1, "x"]), [{ heard: [1, "x"] }]);
});

check("the client answers the server with bytes", async (t) => {
  const socket = await t.open();
  socket.on("question", (value, answer) => answer(Buffer.concat([value, Buffer.from([9])])));
  t.equal(await t.ask(socket, "ask me", "question", Buffer.from([1])), [Buffer.from([1, 9])]);
});

check("a client that does not answer costs the server its timeout only", async (t) => {
  const socket = await t.open();
  t.equal(await t.ask(socket, "ask me late"), ["too late"]);
});

check("a second answer to one question changes nothing", async (t) => {
  const socket = await t.open();
  socket.on("question", (value, answer) => { answer("first"); });
  t.equal(await t.ask(socket, "ask me", "question", 0), ["first"]);
  t.equal(await t.ask(socket, "ask me", "question", 0), ["first"]);
});

modern("emitWithAck and timeout work", async (t) => {
  const socket = await t.open();
  t.equal(await socket.timeout(3000).emitWithAck("ack", 42), 42);
  const late = await socket.timeout(50).emitWithAck("no such event").catch((error) => error.message);
  t.equal(late, "operation has timed out");
});

modern("retries deliver each event once, in order", async (t) => {
  const socket = await t.open("/", { retries: 3, ackTimeout: 2000 });
  const answers = [];
  for (let i = 0; i < 5; i++) socket.emit("ack", i, (error, value) => answers.push(value));
  await t.until("5 answers", () => answers.length === 5);
  t.equal(answers, [0, 1, 2, 3, 4]);
});

check("on_any hears an event before its handler", async (t) => {
  const socket = await t.open();
  await t.ask(socket, "listen in");
  const order = [];
  socket.on("heard", (event, args) => order.push([event, args]));
  socket.on("handled", () => order.push("handled"));
  socket.emit("overheard", 1, "two");
  await t.until("both", () => order.length === 2);
  t.equal(order, [["overheard", [1, "two"]], "handled"]);
});

check("on_any_outgoing hears what leaves", async (t) => {
  const socket = await t.open();
  await t.ask(socket, "listen in");
  socket.emit("echo", 1);
  socket.emit("echo", 2);
  t.equal(await t.ask(socket, "outgoing"), [2]);
});

check("a middleware of the socket keeps an event from its handler", async (t) => {
  const socket = await t.open();
  const seen = t.collect(socket, "forbidden came through");
  socket.emit("forbidden", 1);
  await t.settle(socket);
  t.equal(seen, []);
});

check("a volatile event arrives where it can be written", async (t) => {
  const socket = await t.open();
  await t.until("a volatile event", async () => {
    const event = t.next(socket, "fleeting", 200).catch(() => null);
    socket.emit("say", { from: "socket", volatile: true }, "fleeting", 1);
    return (await event) !== null;
  });
});

check("an event that is not to be compressed arrives", async (t) => {
  const socket = await t.open();
  const event = t.next(socket, "plain");
  socket.emit("say", { from: "socket", compress: false }, "plain", "x".repeat(3000));
  t.equal(await event, ["x".repeat(3000)]);
});

check("a server-side emit on a lone node reaches nobody and ends well", async (t) => {
  const socket = await t.open();
  t.equal(await t.ask(socket, "server side"), ["sent"]);
});
