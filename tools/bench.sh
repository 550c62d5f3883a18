#!/bin/sh
# Set up what is missing, then become the benchmark: this server beside Node's and others, in one run.
# Runs on the distribution's Python where that is new enough (PYTHON= chooses another): it is compiled with the help
# of a profile, as the one of Docker's images is, and as one that pyenv built is not unless asked: a tenth of the CPU.
set -eu
system=/usr/bin/python3
if [ -z "${PYTHON:-}" ] && "$system" -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    PYTHON=$system
fi
if [ -n "${PYTHON:-}" ]; then
    version=$("$PYTHON" -c 'import platform; print(platform.python_version())')
    export PYTHON VENV="${VENV:-.venv-bench-$version}"
fi
sh tools/venv.sh test
exec "${VENV:-.venv}/bin/python" -m bench
