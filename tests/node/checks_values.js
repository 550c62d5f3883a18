// JavaScript's odd values: each arrives as what it is and closes nothing.
"use strict";

const { check, json } = require("./harness.js");

const bits = (number) => "number:" + Buffer.from(new Float64Array([number]).buffer).reverse().toString("hex");
const units = (text) => "string:" + Array.from({ length: text.length }, (_, i) => text.charCodeAt(i).toString(16)).join(" ");

async function arrivesAs(t, value, expected) {
  const socket = await t.open();
  t.equal(await t.ask(socket, "describe", value), [expected]);
  t.equal(await t.ask(socket, "ack", "alive"), ["alive"]);
}

// Over WebSocket and in a polling body the client's UTF-8 encoder replaces a lone surrogate; within JSON it is escaped.
check("a lone surrogate arrives", async (t) => {
  const socket = await t.open();
  const lone = (code, replaced) => (answer) => answer === units(code) || answer === units(replaced);
  for (const text of ["\ud800", "a\udc00b", "\udc00\ud800"]) {
    const [answer] = await t.ask(socket, "describe", text);
    t.ok(lone(text, text.replace(/[\ud800-\udfff]/g, "\ufffd"))(answer) || t.parser === "msgpack", answer);
  }
  t.equal(await t.ask(socket, "ack", "alive"), ["alive"]);
});

check("a lone surrogate is broadcast and breaks no room", async (t) => {
  const [one, two] = [await t.open(), await t.open()];
  await t.ask(two, "join", "poisoned");
  const seen = t.collect(two, "odd");
  one.emit("say", { to: ["poisoned"] }, "odd", "\ud800");
  one.emit("say", { to: ["poisoned"] }, "odd", "after");
  await t.until("both events", () => seen.length === 2);
  t.equal(seen[1], ["after"]);
});

check("minus zero arrives as a zero", async (t) => {
  const socket = await t.open();
  const [answer] = await t.ask(socket, "describe", -0);
  t.ok([bits(0), bits(-0)].includes(answer), answer);
});

json("1e21 arrives", (t) => arrivesAs(t, 1e21, bits(1e21)));
json("the largest double arrives", (t) => arrivesAs(t, 1.7976931348623157e308, bits(1.7976931348623157e308)));
check("the smallest double arrives", (t) => arrivesAs(t, 5e-324, bits(5e-324)));
check("2 to the 53rd arrives", (t) => arrivesAs(t, 2 ** 53, bits(2 ** 53)));
check("2 to the 60th arrives", (t) => arrivesAs(t, 2 ** 60, bits(2 ** 60)));
json("2 to the 64th arrives", (t) => arrivesAs(t, 2 ** 64, bits(2 ** 64)));
check("an empty list arrives", (t) => arrivesAs(t, [], []));
check("an empty object arrives", (t) => arrivesAs(t, {}, {}));
check("an empty string arrives", (t) => arrivesAs(t, "", units("")));
check("a zero byte and a line separator arrive", (t) => arrivesAs(t, "\u0000\u2028\u2029\u001e", units("\u0000\u2028\u2029\u001e")));
check("nested buffers arrive", (t) => arrivesAs(t, [[[Buffer.from([1])], { x: [Buffer.from([2])] }]], [[["bytes:01"], { x: ["bytes:02"] }]]));
json("a typed array arrives as bytes", (t) => arrivesAs( // client 2.5 sees an object in it
  t, { v: new Uint8Array([1, 2]) }, { v: t.version === "2.5" ? { 0: bits(1), 1: bits(2) } : "bytes:0102" }));
json("an ArrayBuffer arrives as bytes", (t) => arrivesAs(t, { v: new Uint8Array([3, 4]).buffer }, { v: "bytes:0304" }));
check("an object with JavaScript's own names arrives", (t) => arrivesAs(
  t, JSON.parse('{"constructor": 1, "toString": 2}'), { constructor: bits(1), toString: bits(2) }));
check("an object that looks like a placeholder arrives", async (t) => {
  const socket = await t.open();
  t.equal(await t.ask(socket, "ack", { _placeholder: false, num: 0 }), [{ _placeholder: false, num: 0 }]);
});
check("infinity arrives without closing anything", async (t) => {
  const socket = await t.open();
  const [answer] = await t.ask(socket, "describe", Infinity);
  t.ok(["null", bits(Infinity)].includes(answer), answer); // JSON.stringify says null, msgpack keeps it
});
check("undefined in a list arrives as null", (t) => arrivesAs(t, [undefined, 1], ["null", bits(1)]));
check("a date comes back as the same date", async (t) => {
  const socket = await t.open();
  for (const date of [new Date(5), new Date(0), new Date(1700000000123), new Date(-5), new Date(1e13)]) {
    t.equal(JSON.parse(JSON.stringify(await t.ask(socket, "ack", [date]))), [[date.toJSON()]]);
  }
});

check("a date arrives", async (t) => {
  const socket = await t.open();
  const [answer] = await t.ask(socket, "describe", [new Date(0)]);
  t.ok(t.parser === "msgpack" || answer[0] === units("1970-01-01T00:00:00.000Z"), answer);
});
check("100 levels of nesting arrive", async (t) => {
  const socket = await t.open();
  let value = 1;
  for (let i = 0; i < 100; i++) value = [value];
  t.equal(await t.ask(socket, "ack", value), [value]);
});
