#!/bin/sh
# Fetch the npm packages that the tests drive as real peers, into tests/node. Again only when their list changed.
set -eu
mkdir -p .build
stamp=.build/node-packages
facts=$(cat tests/node/package.json tests/node/package-lock.json 2>/dev/null | cksum)
[ -d tests/node/node_modules ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$facts" ] && exit 0
npm install --prefix tests/node --no-audit --no-fund --no-package-lock --loglevel=error >/dev/null
cat tests/node/package.json tests/node/package-lock.json 2>/dev/null | cksum >"$stamp"
