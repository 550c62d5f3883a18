// Rooms, broadcasts, and the calls that act on many sockets.
"use strict";

const { check } = require("./harness.js");

// Three clients of "/" with these rooms, and what each hears of "news".
async function three(t, rooms = [["red"], ["red", "blue"], ["blue"]], namespace = "/") {
  const sockets = await Promise.all(rooms.map(() => t.open(namespace)));
  await Promise.all(sockets.map((socket, i) => t.ask(socket, "join", ...rooms[i])));
  return { sockets, heard: sockets.map((socket) => t.collect(socket, "news")) };
}

async function hears(t, { sockets, heard }, how, expected) {
  sockets[0].emit("say", how, "news", JSON.stringify(how));
  await t.settle(sockets[0]);
  await t.settle(...sockets);
  t.equal(heard.map((list) => list.length), expected);
}

check("a room reaches its members", async (t) => hears(t, await three(t, [["r1"], ["r1", "b1"], ["b1"]]), { to: ["r1"] }, [1, 1, 0]));
check("two rooms reach each member once", async (t) => hears(t, await three(t, [["r2"], ["r2", "b2"], ["b2"]]), { to: ["r2", "b2"] }, [1, 1, 1]));
check("except leaves a room out", async (t) => hears(t, await three(t, [["r3"], ["r3", "b3"], ["b3"]]), { to: ["r3"], except: ["b3"] }, [1, 0, 0]));
check("a socket's room leaves itself out", async (t) => hears(t, await three(t, [["r4"], ["r4"], []]), { from: "socket", to: ["r4"] }, [0, 1, 0]));
check("a room without members reaches nobody", async (t) => hears(t, await three(t, [["r5"], [], []]), { to: ["no such room"] }, [0, 0, 0]));
check("broadcast reaches everyone else", async (t) => hears(t, await three(t), { from: "broadcast" }, [0, 1, 1]));
check("an emission of the server reaches everyone", async (t) => hears(t, await three(t), {}, [1, 1, 1]));
check("a local emission reaches this node's clients", async (t) => hears(t, await three(t), { local: true }, [1, 1, 1]));
check("except without a room leaves its members out", async (t) => hears(t, await three(t, [["r6"], ["x6"], []]), { except: ["x6"] }, [1, 0, 1]));
check("a socket's own id is a room", async (t) => {
  const all = await three(t, [[], [], []]);
  await hears(t, all, { to: [all.sockets[2].id] }, [0, 0, 1]);
});
check("each namespace has its own rooms", async (t) => {
  const all = await three(t, [["same"], ["same"], []]);
  const other = await three(t, [["same"], ["same"], []], "/plain");
  await hears(t, other, { from: "nsp", to: ["same"] }, [1, 1, 0]);
  t.equal(all.heard.map((list) => list.length), [0, 0, 0]);
});

check("leaving a room ends hearing it", async (t) => {
  const all = await three(t, [["r7"], ["r7", "b7"], []]);
  t.equal(await t.ask(all.sockets[1], "leave", "r7"), [["b7"]]);
  await hears(t, all, { to: ["r7"] }, [1, 0, 0]);
});

check("joining twice is joining once", async (t) => {
  const socket = await t.open();
  await t.ask(socket, "join", "a", "b");
  t.equal(await t.ask(socket, "join", "b"), [["a", "b"]]);
  t.equal(await t.ask(socket, "leave", "never joined"), [["a", "b"]]);
});

check("binary is broadcast to a room", async (t) => {
  const { sockets, heard } = await three(t, [["r8"], ["r8"], ["r8"]]);
  sockets[0].emit("say", { to: ["r8"] }, "news", { bytes: Buffer.from([1, 2]), list: [Buffer.from([3])] }, "end");
  await t.until("three times", () => heard.every((list) => list.length === 1));
  for (const list of heard) t.equal(list[0], [{ bytes: Buffer.from([1, 2]), list: [Buffer.from([3])] }, "end"]);
});

check("broadcasts of one client come in order", async (t) => {
  const { sockets, heard } = await three(t, [["r9"], ["r9"], ["r9"]]);
  for (let i = 0; i < 100; i++) sockets[0].emit("say", { to: ["r9"] }, "news", i);
  await t.until("100 each", () => heard.every((list) => list.length === 100));
  for (const list of heard) t.equal(list.map(([i]) => i), [...Array(100).keys()]);
});

check("everyone's acknowledgements come together", async (t) => {
  const { sockets } = await three(t, [["q1"], ["q1"], []]);
  sockets.forEach((socket, i) => socket.on("question", (answer) => answer(i)));
  const [{ answers, late }] = await t.ask(sockets[2], "ask all", { to: ["q1"] }, 2000, "question");
  t.equal([answers.sort(), late], [[0, 1], false]);
});

check("a broadcast's timeout brings what came in time", async (t) => {
  const { sockets } = await three(t, [["q2"], ["q2"], ["q2"]]);
  sockets[1].on("question", (answer) => answer("here"));
  const [{ answers, late }] = await t.ask(sockets[0], "ask all", { to: ["q2"] }, 300, "question");
  t.equal([answers, late], [["here"], true]);
});

check("a question to an empty room is answered at once", async (t) => {
  const socket = await t.open();
  t.equal(await t.ask(socket, "ask all", { to: ["nobody at all"] }, 2000, "question"), [{ answers: [], late: false }]);
});

check("fetch_sockets finds a room's sockets with their data", async (t) => {
  const { sockets } = await three(t, [["f1"], ["f1", "f2"], []]);
  await t.ask(sockets[1], "remember", "name", "ada");
  const [found] = await t.ask(sockets[2], "fetch", { to: ["f1"] });
  const expected = [{ id: sockets[0].id, rooms: ["f1"], data: {}, xdomain: false },
                    { id: sockets[1].id, rooms: ["f1", "f2"], data: { name: "ada" }, xdomain: false }];
  t.equal(found, expected.sort((a, b) => (a.id < b.id ? -1 : 1)));
  t.equal(await t.ask(sockets[2], "count", { to: ["f1"] }), [2]);
  t.equal(await t.ask(sockets[2], "count", { to: ["f1"], except: ["f2"] }), [1]);
});

check("sockets_join and sockets_leave move a room", async (t) => {
  const { sockets } = await three(t, [["m1"], ["m1"], []]);
  await t.ask(sockets[2], "sockets join", { to: ["m1"] }, "m2");
  await t.until("m2", async () => (await t.ask(sockets[0], "rooms"))[0].join() === "m1,m2");
  t.equal(await t.ask(sockets[1], "rooms"), [["m1", "m2"]]);
  await t.ask(sockets[2], "sockets leave", { to: ["m2"] }, "m1");
  await t.until("without m1", async () => (await t.ask(sockets[0], "rooms"))[0].join() === "m2");
  t.equal(await t.ask(sockets[2], "rooms"), [[]]);
});

check("disconnect_sockets ends a room's sockets", async (t) => {
  const { sockets } = await three(t, [["d1"], ["d1"], []]);
  const gone = sockets.slice(0, 2).map((socket) => t.next(socket, "disconnect"));
  await t.ask(sockets[2], "disconnect sockets", { to: ["d1"] }, false);
  for (const reason of await Promise.all(gone)) t.equal(reason[0], "io server disconnect");
  t.equal(await t.ask(sockets[2], "count", { to: ["d1"] }), [0]);
});

check("disconnect_sockets ends a room's connections", async (t) => {
  const { sockets } = await three(t, [["d2"], [], []]);
  const gone = t.next(sockets[0], "disconnect");
  await t.ask(sockets[2], "disconnect sockets", { to: ["d2"] }, true);
  t.ok(["io server disconnect", "transport close"].includes((await gone)[0]), "another reason");
});
