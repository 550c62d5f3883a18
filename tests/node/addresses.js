// Official clients from several addresses meet in a room of the chat: each says one thing, and hears the others.
// Arguments: the server's address, a room, then the addresses to come from. Prints one JSON line for each client.
"use strict";

const http = require("http");
const { io } = require("socket.io-client");

const [url, room, ...addresses] = process.argv.slice(2);
const WAYS = { polling: ["polling"], upgrade: ["polling", "websocket"] };

function client(address, way) {
  const name = `${address} ${way}`;
  const agent = new http.Agent({ localAddress: address, keepAlive: true });
  const socket = io(url, { agent, transports: WAYS[way], forceNew: true, reconnection: false, auth: { name, room } });
  const seen = { address, way, heard: [], present: [] };
  const ready = new Promise((resolve, reject) => {
    socket.on("connect_error", reject);
    socket.on("disconnect", (reason) => reject(new Error(`${name}: ${reason}`)));
    socket.on("people", (people) => { seen.present = people.map((person) => person.name); });
    socket.on("message", (message) => seen.heard.push(message.text));
    socket.on("connect", () => {
      seen.session = socket.io.engine.id;
      resolve();
    });
  });
  return { socket, seen, ready, name };
}

async function until(condition) {
  const deadline = Date.now() + 15_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not within 15 s: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

(async () => {
  const clients = addresses.flatMap((address) => Object.keys(WAYS).map((way) => client(address, way)));
  await Promise.all(clients.map(({ ready }) => ready));
  await until(() => clients.every(({ seen, socket }) => seen.way === "polling" || socket.io.engine.transport.name === "websocket"));
  await until(() => clients.every(({ seen }) => seen.present.length === clients.length));
  await Promise.all(clients.map(async ({ socket, name }, number) => {
    const answer = await socket.timeout(10_000).emitWithAck("say", name, number.toString(16).padStart(24, "0"));
    if (answer.text !== name) throw new Error(JSON.stringify(answer));
  }));
  await until(() => clients.every(({ seen }) => seen.heard.length >= clients.length - 1));
  for (const { seen, name, socket } of clients) {
    console.log(JSON.stringify({ ...seen, name, transport: socket.io.engine.transport.name }));
  }
  process.exit(0);
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
