// Namespaces: fixed ones, ones made on demand, and who may enter.
"use strict";

const { check, modern } = require("./harness.js");

check("a namespace has sockets of its own", async (t) => {
  const [root, plain] = [await t.open("/"), await t.open("/plain")];
  const [one] = await t.ask(root, "who am i");
  const [two] = await t.ask(plain, "who am i");
  t.equal([one.nsp, two.nsp], ["/", "/plain"]);
  t.equal([root.id, plain.id], [one.id, two.id]);
  t.ok(one.id !== two.id, "one id for both");
});

check("namespaces share one connection", async (t) => {
  const root = await t.open("/");
  const plain = await t.beside(root, "/plain");
  const echoes = [t.next(root, "echo"), t.next(plain, "echo")];
  root.emit("echo", "root");
  plain.emit("echo", "plain", Buffer.from([1]));
  t.equal(await Promise.all(echoes), [["root"], ["plain", Buffer.from([1])]]);
  plain.disconnect();
  t.equal(await t.ask(root, "ack", "alive"), ["alive"]);
});

check("a namespace that does not exist refuses", async (t) => {
  const error = await t.refused(t.socket("/nowhere"));
  t.equal(error.message || error, "Invalid namespace");
});

modern("a middleware refuses with words and data", async (t) => {
  const error = await t.refused(t.socket("/admin", { auth: { token: "wrong" } }));
  t.equal([error.message, error.data], ["not authorized", { retry: false }]);
});

check("a middleware refuses", async (t) => {
  await t.refused(t.socket("/admin"));
  const socket = await t.open();
  t.equal(await t.ask(socket, "count", { of: "/admin" }), [0]);
});

check("a middleware lets in", async (t) => {
  const socket = await t.open("/admin", { auth: { token: "secret" } });
  t.equal((await t.ask(socket, "who am i"))[0].nsp, "/admin");
  t.equal((await t.ask(socket, "handshake"))[0].auth.token, "secret");
});

modern("a refused client may try again on the same connection", async (t) => {
  const socket = t.socket("/admin", { auth: { token: "wrong" } });
  await t.refused(socket);
  socket.auth = { token: "secret" };
  socket.connect();
  await t.connected(socket);
  t.equal(await t.ask(socket, "ack", 1), [1]);
});

check("a namespace is made by its pattern", async (t) => {
  const [one, two] = [await t.open("/dynamic-1"), await t.open("/dynamic-2")];
  t.equal([(await t.ask(one, "who am i"))[0].nsp, (await t.ask(two, "who am i"))[0].nsp], ["/dynamic-1", "/dynamic-2"]);
  const seen = t.collect(two, "news");
  one.emit("say", { from: "nsp" }, "news", 1);
  await t.settle(one);
  await t.settle(two);
  t.equal(seen, []);
});

check("a name that only begins like the pattern refuses", async (t) => {
  const error = await t.refused(t.socket("/dynamic-1x"));
  t.equal(error.message || error, "Invalid namespace");
});

modern("a namespace is made by a callable that sees the auth", async (t) => {
  const socket = await t.open("/tenant-a", { auth: { key: "a" } });
  t.equal((await t.ask(socket, "who am i"))[0].nsp, "/tenant-a");
  const error = await t.refused(t.socket("/tenant-b", { auth: { key: "a" } }));
  t.equal(error.message, "Invalid namespace");
});

check("an empty child of a pattern is cleaned up and made anew", async (t) => {
  const root = await t.open();
  const name = `/dynamic-${Date.now()}`;
  const first = await t.open(name);
  t.equal(await t.ask(root, "created", name), [1]);
  first.disconnect();
  await t.until("a new namespace", async () => {
    const again = await t.open(name);
    again.disconnect();
    return (await t.ask(root, "created", name))[0] > 1;
  });
});

check("a slow middleware of one namespace does not hold another", async (t) => {
  const slow = t.socket("/slow");
  const root = await t.open();
  t.equal(await t.ask(root, "ack", 1), [1]);
  await t.connected(slow);
  t.equal((await t.ask(slow, "who am i"))[0].nsp, "/slow");
});

check("a broadcast while a client is being checked does not reach it", async (t) => {
  const root = await t.open();
  const slow = t.socket("/slow");
  const seen = t.collect(slow, "early");
  let connected = false;
  t.connected(slow).then(() => { connected = true; });
  while (!connected) {
    root.emit("say", { of: "/slow" }, "early", connected);
    await t.settle(root);
    if (!connected) t.equal(seen, []);
  }
});

check("a name with a query and odd letters is the name only", async (t) => {
  const socket = await t.open("/plain", { query: { token: "a b&c=ü" } });
  const [{ query }] = await t.ask(socket, "handshake");
  t.equal(query.token, "a b&c=ü");
});

check("connecting again before the answer is there ends nothing else", async (t) => {
  const root = await t.open();
  const slow = root.io.socket("/slow");
  t.opened.push(slow);
  if (!slow.subs) slow.connect();
  await t.sleep(100);
  slow.disconnect();
  slow.connect();
  await t.connected(slow);
  t.equal((await t.ask(slow, "who am i"))[0].nsp, "/slow");
  t.equal(await t.ask(root, "ack", 1), [1]);
});
