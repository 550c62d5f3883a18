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
status=0
# shellcheck disable=SC2086  # a list of words
"$VENV/bin/python" -m pytest --numprocesses 2 --dist loadfile ${TESTS:-} || status=$?
[ "$status" = 1 ] || exit "$status"
# Many tests kill, stop and time real processes, and on a machine that others load one may miss its moment. A fault
# fails again: those that failed run once more, by themselves, and that decides. What passes only then is named above.
echo "once more, by themselves, the tests that failed:"
# shellcheck disable=SC2086
exec "$VENV/bin/python" -m pytest --last-failed --last-failed-no-failures none ${TESTS:-}
