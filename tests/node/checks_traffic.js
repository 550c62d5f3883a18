// Nothing is lost, doubled or reordered under traffic both ways, above all while the transport changes.
"use strict";

const { check } = require("./harness.js");

const range = (count) => [...Array(count).keys()];

check("traffic both ways stays whole from the first moment", async (t) => {
  const count = 120;
  await Promise.all(range(12).map(async () => {
    const socket = t.socket();
    const ticks = t.collect(socket, "tick");
    await t.connected(socket);
    socket.emit("tick", count, 3);
    for (let i = 0; i < count; i++) {
      socket.emit("tock", i);
      if (i % 4 === 0) await t.sleep(4);
    }
    await t.until("all ticks", () => ticks.length >= count, 10000);
    const [tocks] = await t.ask(socket, "tocks");
    t.equal(ticks.map(([i]) => i), range(count));
    t.equal(tocks, range(count));
    const engine = socket.io.engine;
    if (t.transport === "upgrade") t.equal(engine.transport.name, "websocket");
  }));
});

check("binary traffic both ways stays whole from the first moment", async (t) => {
  await Promise.all(range(6).map(async () => {
    const socket = t.socket();
    const seen = t.collect(socket, "echo");
    await t.connected(socket);
    for (let i = 0; i < 60; i++) {
      socket.emit("echo", i, Buffer.alloc(i * 20, i), "t", { more: [Buffer.from([i])] });
      if (i % 5 === 0) await t.sleep(3);
    }
    await t.until("all echoes", () => seen.length >= 60, 10000);
    t.equal(seen, range(60).map((i) => [i, Buffer.alloc(i * 20, i), "t", { more: [Buffer.from([i])] }]));
  }));
});

check("a broadcast during connects and upgrades reaches whoever is in the room once", async (t) => {
  const sender = await t.open();
  const room = `crowd ${Date.now()}`;
  const members = await Promise.all(range(8).map(async () => {
    const socket = await t.open();
    const seen = t.collect(socket, "news");
    await t.ask(socket, "join", room);
    return seen;
  }));
  for (let i = 0; i < 60; i++) {
    sender.emit("say", { to: [room] }, "news", i);
    if (i % 3 === 0) await t.sleep(3);
  }
  await t.until("60 each", () => members.every((seen) => seen.length >= 60), 8000);
  await t.settle(sender);
  for (const seen of members) t.equal(seen.map(([i]) => i), range(60));
});
