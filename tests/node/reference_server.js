// Node's own socket.io server with the behaviour of tests/interop/server.py: the tests are proven against it.
// It takes flocket's options (snake_case, seconds) as JSON and translates them; it knows no test.
"use strict";

const http = require("http");
const { Server } = require("socket.io");
const { root, others } = require("./reference_events.js");

const SECONDS = { ping_interval: "pingInterval", ping_timeout: "pingTimeout", connect_timeout: "connectTimeout",
                  upgrade_timeout: "upgradeTimeout" };
const SAME = { path: "path", transports: "transports", allow_upgrades: "allowUpgrades", allow_eio3: "allowEIO3",
               max_payload: "maxHttpBufferSize", http_compression: "httpCompression",
               per_message_deflate: "perMessageDeflate",
               cleanup_empty_child_namespaces: "cleanupEmptyChildNamespaces" };

function translate(options) {
  const result = {};
  for (const [name, value] of Object.entries(options)) {
    if (name in SECONDS) result[SECONDS[name]] = value * 1000;
    else if (name in SAME) result[SAME[name]] = value;
    else if (name === "parser" && value === "msgpack") result.parser = require("socket.io-msgpack-parser");
    else if (name === "serve_client") result.serveClient = Boolean(value);
    else if (name === "cookie") {
      result.cookie = { name: value.name, path: value.path, httpOnly: value.http_only, sameSite: value.same_site };
    } else if (name === "cors_origins") {
      result.cors = { origin: value, credentials: options.cors_credentials || false };
    }
  }
  result.allowRequest = (request, decide) => {
    const refusal = request._query.refuse;
    decide(refusal || null, !refusal);
  };
  return result;
}

const [, , port, options] = process.argv;
const server = http.createServer((request, response) => response.writeHead(404).end());
const io = new Server(server, translate(JSON.parse(options || "{}")));
root(io);
others(io);
server.listen(Number(port), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
