// One official client of a service that prints each event as a JSON line, once it has printed {"connected": true}; a
// JSON line on its input is an event to send, and its acknowledgement is printed. Argument: the URL.
const { io } = require("socket.io-client");
const readline = require("node:readline");

const socket = io(process.argv[2]);
const print = (line) => console.log(JSON.stringify(line));
socket.onAny((...event) => print({ event }));
socket.on("connect", () => print({ connected: true }));
readline.createInterface({ input: process.stdin }).on("line", async (line) => {
  print({ answer: await socket.timeout(10000).emitWithAck(...JSON.parse(line)) });
});
