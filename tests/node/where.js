// node where.js URL PATH: connects at that path, upgrades, asks the server where it is, and prints its answer.
"use strict";

const { io } = require("socket.io-client");

const [, , url, path] = process.argv;
const socket = io(url, { path, reconnection: false });
const ask = () => socket.timeout(4000).emit("where", (error, answer) => {
  console.log(JSON.stringify(error ? String(error) : answer));
  socket.disconnect();
});
socket.on("connect_error", (error) => { console.error(String(error)); process.exit(1); });
socket.on("connect", () => {
  const { engine } = socket.io;
  if (engine.transport.name === "websocket") ask(); // it can be there before the answer to CONNECT
  else engine.once("upgrade", ask);
});
setTimeout(() => process.exit(2), 8000).unref();
