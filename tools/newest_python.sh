#!/bin/sh
# Print the newest Python at hand (on the PATH, or built by pyenv); nothing if it is the default one anyway.
set -eu
default=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
for version in 3.15 3.14 3.13 3.12; do
    [ "$version" != "$default" ] || exit 0
    for candidate in "python$version" "$HOME"/.pyenv/versions/"$version".*/bin/python; do
        if "$candidate" -c "import sys, venv; sys.exit('%d.%d' % sys.version_info[:2] != '$version')" 2>/dev/null; then
            echo "$candidate"
            exit 0
        fi
    done
done
