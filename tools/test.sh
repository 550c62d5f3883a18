#!/bin/sh
# Everything that must hold before a change lands, set up from a fresh clone. TESTS= runs a part (no lint, no types).
set -eu
export VENV="${VENV:-.venv}"
sh tools/packages.sh
sh tools/venv.sh test
sh tools/node.sh
sh tools/client.sh
if [ -z "${TESTS:-}" ]; then
    "$VENV/bin/ruff" check .
    "$VENV/bin/mypy"
fi
# shellcheck disable=SC2086  # a list of words
exec "$VENV/bin/python" -m pytest ${TESTS:-}
