// node leavers.js URL: three clients that stay over each transport. Prints one JSON line when all are connected and
// their polls wait, then one for each that loses its connection: its transport and the reason it was told.
"use strict";

const { io } = require("socket.io-client");

const [, , url] = process.argv;
let connected = 0;
for (const transport of ["polling", "polling", "polling", "websocket", "websocket", "websocket"]) {
  const socket = io(url, { transports: [transport], forceNew: true, reconnection: false, rejectUnauthorized: false });
  socket.on("connect", () => { if (++connected === 6) setTimeout(() => console.log(JSON.stringify("connected")), 200); });
  socket.on("connect_error", (error) => console.log(JSON.stringify({ transport, error: String(error) })));
  socket.on("disconnect", (reason) => console.log(JSON.stringify({ transport, reason })));
}
setTimeout(() => process.exit(1), 60000);
