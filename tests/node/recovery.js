// node recovery.js URL TRANSPORT PARSER: every check of checks_recovery.js with client 4.8; one JSON line each.
"use strict";

const { run } = require("./harness.js");

const [, , url, transport, parser] = process.argv;
require("./checks_recovery.js");
run({ url, version: "4.8", transport, parser }).then(() => process.exit(0));
