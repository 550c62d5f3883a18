#!/bin/sh
# Fetch the official browser client from npm into .build/client, where the server finds it.
# Without npm (or without a network) nothing is lost: the server then sends browsers to the official CDN.
set -eu
version=4.8.4
folder=.build/client
[ -f "$folder/node_modules/socket.io-client/dist/socket.io.js" ] && exit 0
command -v npm >/dev/null 2>&1 || exit 0
mkdir -p "$folder"
npm install --prefix "$folder" --no-audit --no-fund --no-save --loglevel=error --fetch-retries=1 --fetch-timeout=30000 "socket.io-client@$version" >/dev/null 2>&1 ||
    echo "npm could not fetch socket.io-client: the page will load it from the official CDN" >&2
