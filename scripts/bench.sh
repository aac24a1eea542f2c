#!/usr/bin/env bash
# Compares the Ringlet servers with their peers on this machine.
#   scripts/bench.sh server [--quick] [--urgent] [--only cpu,latency,memory,insert,expire,idle] [...]
#   scripts/bench.sh lb [--quick] [--urgent] [--only cpu,latency,idle,slow,cores] [...]
# The table goes to standard output and to target/bench, as server.md or lb.md and the same as .json.
# What is missing is installed from Debian, which takes root, or sudo without a password.
# RINGLET_SERVER_BINARY or RINGLET_LB_BINARY names another program under test; then none is built.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/packages.sh
trap let_services_start EXIT
# Where Debian has servers, and users do not look.
PATH=$PATH:/usr/sbin

# The package of a tool, unless the tool is there.
need() { # tool, package
    command -v "$1" >/dev/null || wanted+=("$2")
}

wanted=()
need taskset util-linux
case "${1:-}" in
    server)
        need redis-server redis-server
        need redis-benchmark redis-tools
        package=ringlet-server
        variable=RINGLET_SERVER_BINARY
        ;;
    lb)
        need haproxy haproxy
        need nginx nginx
        [ -e /usr/lib/nginx/modules/ngx_stream_module.so ] || wanted+=(libnginx-mod-stream)
        need wrk wrk
        package=ringlet-lb
        variable=RINGLET_LB_BINARY
        # Ten thousand clients, and as many connections of the proxy.
        ulimit -n "$(ulimit -Hn)"
        ;;
    *)
        sed -n '2,7s/^# \{0,1\}//p' "$0"
        exit 2
        ;;
esac
install_debian "${wanted[@]}"

target="${CARGO_TARGET_DIR:-target}"
packages=(-p ringlet-bench)
if [ -z "${!variable:-}" ]; then
    packages+=(-p "$package")
    export "$variable=$target/release/$package"
fi
cargo build --release --quiet "${packages[@]}"
exec "$target/release/ringlet-bench" "$@"
