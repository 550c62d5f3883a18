// node engine.js URL VERSION TRANSPORT: npm's engine.io-client, 6.6 or 3.5, against Engine.IO alone.
"use strict";

const assert = require("assert");

const [, , url, version, transport] = process.argv;
const TRANSPORTS = { polling: ["polling"], websocket: ["websocket"], upgrade: ["polling", "websocket"] }[transport];

const checks = {};

function open() {
  const { Socket } = require(version === "3.5" ? "engine.io-client-3" : "engine.io-client");
  const Client = version === "3.5" ? require("engine.io-client-3").Socket : Socket;
  const client = new Client(url, { transports: TRANSPORTS });
  client.heard = [];
  client.on("message", (data) => client.heard.push(data));
  return client;
}

const happens = (client, event) => new Promise((resolve) => client.once(event, resolve));

async function until(condition, what) {
  const deadline = Date.now() + 5000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, `not within 5 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function hears(client, count) {
  await until(() => client.heard.length >= count, `${count} messages, but ${client.heard.length}`);
  return client.heard;
}

function check(name, run) { checks[name] = run; }

check("the server speaks first", async () => {
  const client = open();
  assert.deepStrictEqual(await hears(client, 1), ["welcome"]);
  client.close();
});

check("text comes back in order", async () => {
  const client = open();
  const sent = ["ü ☃ 😀", "b", "1", "\u2028", ...Array.from({ length: 200 }, (_, i) => `message ${i}`)];
  for (const text of sent) client.send(text);
  assert.deepStrictEqual((await hears(client, sent.length + 1)).slice(1), sent);
  client.close();
});

check("binary comes back", async () => {
  const client = open();
  const sent = [Buffer.from([1, 2, 3]), Buffer.alloc(70000, 9), Buffer.from([0])];
  for (const data of sent) client.send(data);
  const heard = (await hears(client, sent.length + 1)).slice(1);
  assert.deepStrictEqual(heard.map((data) => Buffer.from(data)), sent);
  client.close();
});

check("messages during the upgrade are whole", async () => {
  const client = open();
  for (let i = 0; i < 150; i++) {
    client.send(`m${i}`);
    if (i % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
  }
  assert.deepStrictEqual((await hears(client, 151)).slice(1), Array.from({ length: 150 }, (_, i) => `m${i}`));
  client.close();
});

check("the transport is the one asked for", async () => {
  const client = open();
  const expected = transport === "polling" ? "polling" : "websocket";
  await until(() => client.transport && client.transport.name === expected && client.readyState === "open", expected);
  if (transport === "upgrade") await until(() => !client.upgrading, "the end of the upgrade");
  client.send("transport?");
  await until(() => client.heard.includes(expected), "its name");
  client.close();
});

check("the server closes", async () => {
  const client = open();
  await hears(client, 1);
  const closed = happens(client, "close");
  client.send("close me");
  await closed;
});

check("the client closes and another comes", async () => {
  for (let i = 0; i < 5; i++) {
    const client = open();
    await hears(client, 1);
    const closed = happens(client, "close");
    client.close();
    await closed;
  }
});

(async () => {
  for (const [name, run] of Object.entries(checks)) {
    let detail = "";
    try { await run(); } catch (error) { detail = String(error.stack || error); }
    process.stdout.write(JSON.stringify({ name, ok: !detail, detail }) + "\n");
  }
  process.exit(0);
})();
