// node run.js URL VERSION TRANSPORT PARSER: every check with that client; one JSON line each, then exit.
"use strict";

const { run } = require("./harness.js");

const [, , url, version, transport, parser] = process.argv;
if (transport === "jsonp") require("./page.js");
for (const file of ["events", "values", "rooms", "namespaces", "lifecycle", "traffic"]) require(`./checks_${file}.js`);
run({ url, version, transport, parser }).then(() => process.exit(0));
