#!/bin/sh
# The real programs that the tests run beside the server: install those that are missing when root on Debian,
# else say which. Leaves none of their services running: the tests start their own, on ports of their own.
set -eu
missing=
need() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing="$missing $2"; }
need redis-server redis-server
need nginx nginx
need haproxy haproxy
need caddy caddy
need chromium chromium
need ip iproute2
need node nodejs
need npm npm
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing$missing"
    # A package's service would start at once and take the usual ports: this policy says no while we install.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
        trap 'rm -f "$policy"' EXIT INT TERM
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >/dev/null
    # shellcheck disable=SC2086  # a list of words
    apt-get install -qq -y --no-install-recommends $missing >/dev/null
else
    echo "the tests need these programs, which are not here:$missing" >&2
    exit 1
fi
