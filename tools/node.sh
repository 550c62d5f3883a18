#!/bin/sh
# Fetch the npm packages that the tests drive as real peers, into tests/node. Again only when their list changed.
set -eu
stamp=tests/node/node_modules/.installed
facts=$(cat tests/node/package.json tests/node/package-lock.json 2>/dev/null | cksum)
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$facts" ] && exit 0
npm install --prefix tests/node --no-audit --no-fund --no-package-lock --loglevel=error >/dev/null
cat tests/node/package.json tests/node/package-lock.json 2>/dev/null | cksum >"$stamp"
