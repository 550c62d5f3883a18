#!/bin/sh
# Make the project's own Python environment: venv.sh [run|test]. Does nothing if it is there and up to date.
# PYTHON: the interpreter to make it from; VENV: its folder. Knows pip, and nothing of what is run afterwards.
set -eu
purpose=${1:-run}
venv=${VENV:-.venv}

# The interpreter: the one that was asked for, else the first at hand that is new enough.
find_python() {
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return 0
        fi
    done
    return 1
}

# What was installed stands in a stamp; what suffices for the tests suffices for the demo.
stamp="$venv/.installed-$purpose"
facts=$(cksum <pyproject.toml)
for known in "$stamp" "$venv/.installed-test"; do
    if [ -x "$venv/bin/python" ] && [ -f "$known" ] && [ "$(cat "$known")" = "$facts" ]; then
        exit 0
    fi
done

if [ ! -x "$venv/bin/pip" ]; then
    python=$(find_python) || {
        echo "flocket needs Python 3.11 or newer; none found (PYTHON=/path/to/python names one)" >&2
        exit 1
    }
    echo "making $venv with $("$python" --version)"
    rm -rf "$venv"
    "$python" -m venv "$venv" || {
        echo "$python cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv" >&2
        exit 1
    }
fi

export PIP_DISABLE_PIP_VERSION_CHECK=1
# pip reads [dependency-groups] since 25.1; older ones come with Python up to 3.13.
"$venv/bin/python" -m pip install -qq --upgrade 'pip>=25.1'
case $purpose in
    run) "$venv/bin/python" -m pip install -qq -e '.[redis]' ;;
    test) "$venv/bin/python" -m pip install -qq -e '.[redis]' --group dev ;;
    *) echo "venv.sh: run or test, not $purpose" >&2; exit 2 ;;
esac
echo "$facts" >"$stamp"
