// Runs named checks with one official client over one transport, and prints a JSON line for each.
// It knows how to open and close clients and how to compare values; it knows no behaviour of the server.
"use strict";

const assert = require("assert");

const checks = [];
const register = (wanted) => (name, run) => checks.push({ name, run, wanted });

exports.check = register(() => true);
exports.modern = register(({ version }) => version === "4.8"); // what client 2.5 does not have
exports.json = register(({ parser }) => parser !== "msgpack"); // where the client's msgpack encoder cannot say it
exports.upgrade = register(({ transport }) => transport === "upgrade");

const TRANSPORTS = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"], jsonp: ["polling"] };

// Each kind of bytes that a client may hand out, as one kind.
function plain(value) {
  if (value instanceof ArrayBuffer) return Buffer.from(value);
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof Date) return value;
  if (Array.isArray(value)) return value.map(plain);
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)]));
  return value;
}

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function within(milliseconds, what, executor) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${what} within ${milliseconds} ms`)), milliseconds);
    executor((value) => { clearTimeout(timer); resolve(value); }, reject);
  });
}

class Tools {
  constructor(setting) {
    Object.assign(this, setting); // url, version, transport, parser
    this.opened = [];
    this.library = require(this.version === "2.5" ? "socket.io-client-2" : "socket.io-client");
  }

  // A client that is not waited for.
  socket(namespace = "/", options = {}) {
    const { auth, ...rest } = options;
    const settings = { transports: TRANSPORTS[this.transport], forceNew: true, reconnection: false, ...rest };
    if (this.transport === "jsonp") settings.forceJSONP = true;
    if (this.parser === "msgpack") settings.parser = require("socket.io-msgpack-parser");
    let address = this.url + namespace;
    // Client 2.5 has no auth: what it sends instead is the query of the namespace.
    if (auth && this.version === "2.5") address += "?" + new URLSearchParams(auth);
    else if (auth) settings.auth = auth;
    const socket = this.library(address, settings);
    this.opened.push(socket);
    return socket;
  }

  async open(namespace = "/", options = {}) {
    const socket = this.socket(namespace, options);
    await this.connected(socket);
    return socket;
  }

  // Another namespace on the same connection.
  async beside(socket, namespace) {
    const other = socket.io.socket(namespace);
    this.opened.push(other);
    if (!other.subs) other.connect(); // it does that by itself, unless it was told not to
    await this.connected(other);
    return other;
  }

  connected(socket) {
    return within(4000, "connection", (resolve, reject) => {
      if (socket.connected) return resolve();
      socket.once("connect", resolve);
      socket.once(this.version === "2.5" ? "error" : "connect_error", (error) => reject(new Error("refused: " + JSON.stringify(error.message || error))));
      return undefined;
    });
  }

  refused(socket) {
    return within(4000, "refusal", (resolve, reject) => {
      socket.once("connect", () => reject(new Error("connected, though it must be refused")));
      socket.once(this.version === "2.5" ? "error" : "connect_error", resolve);
    });
  }

  // The arguments of the next such event.
  next(socket, event, milliseconds = 4000) {
    return within(milliseconds, `event "${event}"`, (resolve) => socket.once(event, (...args) => resolve(plain(args))));
  }

  // Every further call of the event, as a list that grows.
  collect(socket, event) {
    const seen = [];
    socket.on(event, (...args) => seen.push(plain(args)));
    return seen;
  }

  // What the server's acknowledgement brought.
  ask(socket, event, ...args) {
    return within(4000, `answer to "${event}"`, (resolve) => socket.emit(event, ...args, (...answer) => resolve(plain(answer))));
  }

  // An answer proves that whatever was sent before has arrived.
  settle(...sockets) {
    return Promise.all(sockets.map((socket) => this.ask(socket, "ack")));
  }

  async until(what, condition, milliseconds = 4000) {
    const deadline = Date.now() + milliseconds;
    while (!(await condition())) {
      if (Date.now() > deadline) throw new Error(`not within ${milliseconds} ms: ${what}`);
      await sleep(10);
    }
  }

  sleep = sleep;
  equal = (actual, expected) => assert.deepStrictEqual(plain(actual), plain(expected));
  ok = (value, message) => assert.ok(value, message);

  close() {
    for (const socket of this.opened) socket.disconnect();
  }
}

exports.run = async (setting) => {
  let stray = null;
  process.on("unhandledRejection", (error) => { stray = error; });
  process.on("uncaughtException", (error) => { stray = error; });
  for (const { name, run, wanted } of checks) {
    if (!wanted(setting)) continue;
    const tools = new Tools(setting);
    let detail = "";
    stray = null;
    try {
      await within(15000, "end of the check", (resolve, reject) => { run(tools).then(resolve, reject); });
      if (stray) throw stray;
    } catch (error) {
      detail = String(error.stack || error);
    }
    tools.close();
    process.stdout.write(JSON.stringify({ name, ok: !detail, detail }) + "\n");
  }
};
