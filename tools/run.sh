#!/bin/sh
# Set up what is missing, then become the demo server (so that signals and the exit status are its own).
set -eu
sh tools/venv.sh run
sh tools/client.sh
set -- --host "${HOST:-127.0.0.1}" --port "${PORT:-3000}" --workers "${WORKERS:-4}"
[ -z "${REDIS:-}" ] || set -- "$@" --adapter "$REDIS"
exec "${VENV:-.venv}/bin/flocket" demo "$@"
