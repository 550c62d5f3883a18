#!/bin/sh
# Set up what is missing, then become the benchmark: this server beside Node's and others, in one run.
set -eu
sh tools/venv.sh test
exec "${VENV:-.venv}/bin/python" -m bench
