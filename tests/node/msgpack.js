// Reads {"encode": [...], "decode": [hex...]}: encodes values with notepack.io and @msgpack/msgpack, and decodes
// bytes with both, so that Python's bytes and Node's can be compared. Values may hold {"$bytes": hex}, {"$date": ms}.
const notepack = require("notepack.io");
const msgpack = require("@msgpack/msgpack");

const revive = (key, value) => {
  if (value && value.$bytes !== undefined) return Buffer.from(value.$bytes, "hex");
  if (value && value.$date !== undefined) return new Date(value.$date);
  return value;
};

const show = (value) => {
  if (value instanceof Date) return { $date: value.getTime() };
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return { $bytes: Buffer.from(value).toString("hex") };
  if (Array.isArray(value)) return value.map(show);
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, show(item)]));
  }
  return value;
};

let input = "";
process.stdin.on("data", (chunk) => (input += chunk));
process.stdin.on("end", () => {
  const asked = JSON.parse(input, revive);
  const hex = (bytes) => Buffer.from(bytes).toString("hex");
  console.log(
    JSON.stringify({
      notepack: (asked.encode || []).map((value) => hex(notepack.encode(value))),
      msgpack: (asked.encode || []).map((value) => hex(msgpack.encode(value))),
      fromNotepack: (asked.decode || []).map((text) => show(notepack.decode(Buffer.from(text, "hex")))),
      fromMsgpack: (asked.decode || []).map((text) => show(msgpack.decode(Buffer.from(text, "hex")))),
    })
  );
});
