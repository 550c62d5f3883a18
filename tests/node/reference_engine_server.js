// Node's own engine.io server with the behaviour of tests/interop/engine_server.py.
"use strict";

const http = require("http");
const { Server } = require("engine.io");

const [, , port, options] = process.argv;
const { allow_eio3, path } = JSON.parse(options);
const server = http.createServer((request, response) => response.writeHead(404).end());
const eio = new Server({ allowEIO3: allow_eio3 });
eio.attach(server, { path: path || "/engine.io" });
eio.on("connection", (session) => {
  session.send("welcome");
  session.on("message", (data) => {
    if (data === "close me") session.close();
    else if (data === "transport?") session.send(session.transport.name);
    else if (data === "path?") session.send(session.request.url.split("?")[0]);
    else session.send(data);
  });
});
server.listen(Number(port), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
