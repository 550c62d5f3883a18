// Many official clients of one service, driven by JSON lines: {"do": ..., ...}; each is answered with one line.
// connect: `count` clients over `transports`; where: which worker has each; shout: each client shouts `times` times,
// and what all heard is checked; heard: what each heard from one; echo: each asks `times` times; count: as the server
// counts; counts: as each client's worker does; stats: its counters, by each; state: what went wrong; close: all leave.
// `ms` is how long to wait for what is asked. With the argument "jsonp" the clients are of version 2.5 and poll by script
// elements.
const jsonp = process.argv[3] === "jsonp";
if (jsonp) require("./page.js");
const io = jsonp ? require("socket.io-client-2") : require("socket.io-client").io;
const http = require("node:http");
const readline = require("node:readline");

const url = process.argv[2];
const clients = [];
const state = { connects: 0, errors: [], disconnects: [], refused: [] };

function add({ from, ...options }) {
  if (from) options.agent = new http.Agent({ localAddress: from, keepAlive: true });
  const socket = io(url, { forceNew: true, ...(jsonp && { forceJSONP: true }), reconnectionDelay: 100, reconnectionDelayMax: 500, timeout: 20000, ...options });
  const client = { socket, heard: new Map(), connects: 0, disconnects: 0 };
  socket.on("connect", () => { state.connects += 1; client.connects += 1; });
  socket.on("connect_error", (error) => {
    state.errors.push(`${error.message} ${error.description ?? ""} ${JSON.stringify(error.context?.responseText ?? "")}`);
  });
  socket.on("disconnect", (reason) => { state.disconnects.push(reason); client.disconnects += 1; });
  socket.on("heard", (from, number) => {
    if (!client.heard.has(from)) client.heard.set(from, []);
    client.heard.get(from).push(number);
  });
  clients.push(client);
  return client;
}

const until = async (condition, ms) => {
  const end = Date.now() + ms;
  while (!condition()) {
    if (Date.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return true;
};

// Version 2.5 knows neither time limits nor promises.
const askOlder = (client, ms, event, ...args) => new Promise((resolve) => {
  const timer = setTimeout(() => resolve("no answer in time"), ms);
  client.socket.emit(event, ...args, (answer) => { clearTimeout(timer); resolve(answer); });
});
const askNewer = (client, ms, event, ...args) => client.socket.timeout(ms).emitWithAck(event, ...args).catch((e) => String(e));
const ask = jsonp ? askOlder : askNewer;

const all = (ms, event, ...args) => Promise.all(clients.map((client) => ask(client, ms, event, ...args)));

const acts = {
  async connect({ count, ...options }) {
    for (let n = 0; n < count; n += 1) add(options);
    return until(() => clients.every((client) => client.socket.connected), 40000);
  },
  async where() {
    return all(20000, "where");
  },
  async stats() {
    return all(20000, "stats");
  },
  async echo({ times, ms = 20000 }) {
    let wrong = 0;
    for (let n = 0; n < times; n += 1) wrong += (await all(ms, "echo", { n, b: Buffer.from([n]) })).filter((v) => v?.n !== n || v?.b?.[0] !== n).length;
    return wrong;
  },
  async shout({ times, ms = 30000 }) {
    for (const client of clients) client.heard.clear();
    for (let n = 0; n < times; n += 1) {
      for (const client of clients) client.socket.emit("shout", n);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const right = JSON.stringify([...Array(times).keys()]);
    const whole = (client) => client.heard.size >= clients.length && [...client.heard.values()].every((list) => list.length >= times);
    await until(() => clients.every(whole), ms);
    return clients.filter((client) => client.heard.size !== clients.length ||
      [...client.heard.values()].some((list) => JSON.stringify(list) !== right)).length;
  },
  async count() {
    const there = clients.find((client) => client.socket.connected);
    return ask(there, 10000, "count");
  },
  async counts() {
    return all(10000, "count");
  },
  async connected({ ms }) {
    return until(() => clients.every((client) => client.socket.connected), ms);
  },
  async transports() {
    return clients.map(({ socket }) => {
      const transport = socket.io.engine?.transport;
      return transport?.script ? "jsonp" : transport?.name ?? "";
    });
  },
  async heard({ from, times }) {
    await until(() => clients.every((client) => (client.heard.get(from) ?? []).length >= times), 10000);
    return clients.map((client) => client.heard.get(from) ?? []);
  },
  async state() {
    return { ...state, each: clients.map((client) => [client.connects, client.disconnects]) };
  },
  async close() {
    for (const client of clients) client.socket.disconnect();
    clients.length = 0;
    return true;
  },
};

readline.createInterface({ input: process.stdin }).on("line", async (line) => {
  const { do: name, ...options } = JSON.parse(line);
  console.log(JSON.stringify(await acts[name](options)));
});
