// What the reference server answers: the same events as tests/interop/server.py, in JavaScript's own interface.
"use strict";

const created = {}; // how often a namespace was made
const departures = {}; // socket id -> why it left and which rooms it had
const refusals = []; // numbered errors that the engine reported

const bits = (number) => Buffer.from(new Float64Array([number]).buffer).reverse().toString("hex");

function describe(value) {
  if (value === null || value === undefined) return "null";
  if (typeof value === "number") return "number:" + bits(value);
  if (typeof value === "string") {
    return "string:" + Array.from({ length: value.length }, (_, i) => value.charCodeAt(i).toString(16)).join(" ");
  }
  if (Buffer.isBuffer(value)) return "bytes:" + value.toString("hex");
  if (ArrayBuffer.isView(value)) return "bytes:" + Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("hex");
  if (Array.isArray(value)) return value.map(describe);
  if (typeof value === "object") return Object.fromEntries(Object.keys(value).sort().map((k) => [k, describe(value[k])]));
  return typeof value + ":" + value;
}

function target(io, socket, how) {
  let result = { io, socket, broadcast: socket.broadcast, nsp: socket.nsp }[how.from || "io"];
  if (how.of) result = io.of(how.of);
  if (how.volatile) result = result.volatile;
  if (how.local) result = result.local;
  if (how.compress !== undefined) result = result.compress(how.compress);
  for (const room of how.to || []) result = result.to(room);
  for (const room of how.except || []) result = result.except(room);
  return result;
}

function conversation(io, socket) {
  socket.on("echo", (...args) => socket.emit("echo", ...args));
  socket.on("ack", (...args) => args.pop()(...args));
  socket.on("describe", (value, answer) => answer(describe(value)));
  socket.on("two answers", (answer) => answer("one", { two: Buffer.from([2]) }));
  socket.on("send", (...args) => socket.send(...args));
  socket.on("say", (how, event, ...args) => target(io, socket, how).emit(event, ...args));
  socket.on("many", (count) => { for (let i = 0; i < count; i++) socket.emit("one of many", i); });
  socket.on("ask me", async (question, value, answer) =>
    answer(await socket.timeout(3000).emitWithAck(question, value)));
  socket.on("ask me late", async (answer) => {
    try { answer(await socket.timeout(100).emitWithAck("silence")); } catch { answer("too late"); }
  });
  socket.on("ask all", async (how, milliseconds, question, answer) => {
    try {
      answer({ answers: await target(io, socket, how).timeout(milliseconds).emitWithAck(question), late: false });
    } catch (error) { answer({ answers: error.responses, late: true }); }
  });
  socket.on("tick", async (count, milliseconds) => {
    for (let i = 0; i < count; i++) {
      socket.emit("tick", i);
      if (i % 3 === 0) await new Promise((resolve) => setTimeout(resolve, milliseconds));
    }
  });
  socket.on("tock", (number) => { (socket.data.tocks ??= []).push(number); });
  socket.on("tocks", (answer) => answer(socket.data.tocks || []));
}

function whereabouts(io, socket) {
  const mine = () => [...socket.rooms].filter((room) => room !== socket.id).sort();
  socket.on("join", async (...rooms) => { const answer = rooms.pop(); await socket.join(rooms); answer(mine()); });
  socket.on("leave", async (room, answer) => { await socket.leave(room); answer(mine()); });
  socket.on("rooms", (answer) => answer(mine()));
  socket.on("remember", (key, value, answer) => { socket.data[key] = value; answer(); });
  socket.on("fetch", async (how, answer) => {
    const found = (await target(io, socket, how).fetchSockets()).map(({ id, rooms, data, handshake }) => (
      { id, rooms: [...rooms].filter((room) => room !== id).sort(), data, xdomain: handshake.xdomain }));
    answer(found.sort((a, b) => (a.id < b.id ? -1 : 1)));
  });
  socket.on("count", async (how, answer) => answer((await target(io, socket, how).fetchSockets()).length));
  socket.on("sockets join", (how, room, answer) => { target(io, socket, how).socketsJoin(room); answer(); });
  socket.on("sockets leave", (how, room, answer) => { target(io, socket, how).socketsLeave(room); answer(); });
  socket.on("disconnect sockets", (how, close, answer) => { target(io, socket, how).disconnectSockets(close); answer(); });
  socket.on("disconnect me", (close) => socket.disconnect(close));
  socket.on("departure", (id, answer) => answer(departures[id] || null));
  socket.on("handshake", (answer) => {
    const { auth, query, headers, address, secure, xdomain, url, issued } = socket.handshake;
    answer({ auth, query, extra: headers["x-extra"] || null, address, secure, xdomain, url, fresh: Date.now() - issued < 60000 });
  });
  socket.on("who am i", (answer) => answer({ id: socket.id, nsp: socket.nsp.name, transport: socket.conn.transport.name }));
  socket.on("created", (name, answer) => answer(created[name] || 0));
  socket.on("refusals", (answer) => answer(refusals));
  socket.on("server side", (answer) => { io.serverSideEmit("refresh", 1); answer("sent"); });
}

function hooks(socket) {
  socket.on("listen in", (answer) => {
    socket.onAny((event, ...args) => {
      if (event === "overheard") socket.emit("heard", event, args.filter((a) => typeof a !== "function"));
    });
    socket.onAnyOutgoing((event) => { if (event === "echo") socket.data.outgoing = (socket.data.outgoing || 0) + 1; });
    answer();
  });
  socket.on("overheard", () => socket.emit("handled"));
  socket.on("outgoing", (answer) => answer(socket.data.outgoing || 0));
  socket.use(([event], next) => next(event === "forbidden" ? new Error("forbidden") : undefined));
  socket.on("forbidden", () => socket.emit("forbidden came through"));
}

function watch(socket) {
  socket.on("disconnecting", () => { departures[socket.id] = { rooms: [...socket.rooms].filter((r) => r !== socket.id).sort() }; });
  socket.on("disconnect", (reason) => { departures[socket.id].reason = reason; });
}

function everything(io, socket) {
  watch(socket);
  conversation(io, socket);
  whereabouts(io, socket);
  hooks(socket);
}

exports.root = (io) => {
  io.on("new_namespace", (nsp) => { created[nsp.name] = (created[nsp.name] || 0) + 1; });
  io.engine.on("connection_error", ({ code, message, context }) => refusals.push([code, message, context ? context.name || null : null]));
  io.engine.on("initial_headers", (headers) => { headers["x-initial"] = "yes"; });
  io.engine.on("headers", (headers) => { headers["x-every"] = "yes"; });
  io.on("connection", (socket) => {
    everything(io, socket);
    socket.emit("hello", socket.id);
  });
};

exports.others = (io) => {
  const guard = (socket, next) => {
    if (socket.handshake.auth.token === "secret") return next();
    next(Object.assign(new Error("not authorized"), { data: { retry: false } }));
  };
  io.of("/admin").use(guard).on("connection", (socket) => everything(io, socket));
  io.of("/plain").on("connection", (socket) => everything(io, socket));
  io.of(/^\/dynamic-\d+$/).on("connection", (socket) => everything(io, socket));
  const tenants = io.of((name, auth, next) => next(null, name.startsWith("/tenant-") && auth.key === name.slice(8)));
  tenants.on("connection", (socket) => everything(io, socket));
  io.of("/slow").use((socket, next) => setTimeout(next, 300)).on("connection", (socket) => everything(io, socket));
};
