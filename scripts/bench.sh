#!/usr/bin/env bash
# Compares the Ringlet servers with their peers on this machine.
#   scripts/bench.sh server [--quick] [--urgent] [--only cpu,latency,memory,insert,expire,idle] [...]
#   scripts/bench.sh lb [--quick] [--urgent] [--only cpu,latency,idle,slow,cores] [...]
#   scripts/bench.sh limiter [--quick] [--urgent] [--only library,resp,http,grpc,store,accuracy] [...]
# The table goes to standard output and to target/bench, as server.md, lb.md or limiter.md and the same
# as .json.
# What is missing is installed from Debian, which takes root, or sudo without a password.
# RINGLET_SERVER_BINARY, RINGLET_LB_BINARY or RINGLET_LIMITER_BINARY names another program; then that
# one is not built.
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
        programs=(ringlet-server)
        ;;
    lb)
        need haproxy haproxy
        need nginx nginx
        [ -e /usr/lib/nginx/modules/ngx_stream_module.so ] || wanted+=(libnginx-mod-stream)
        need wrk wrk
        programs=(ringlet-lb)
        # Ten thousand clients, and as many connections of the proxy.
        ulimit -n "$(ulimit -Hn)"
        ;;
    limiter)
        need redis-server redis-server
        need redis-benchmark redis-tools
        need nginx nginx
        need wrk wrk
        need h2load nghttp2-client
        # The data server is one of the stores.
        programs=(ringlet-limiter ringlet-server)
        ;;
    *)
        sed -n '2,10s/^# \{0,1\}//p' "$0"
        exit 2
        ;;
esac
install_debian "${wanted[@]}"

target="${CARGO_TARGET_DIR:-target}"
packages=(-p ringlet-bench)
for program in "${programs[@]}"; do
    variable=${program^^}
    variable=${variable//-/_}_BINARY
    [ -n "${!variable:-}" ] || packages+=(-p "$program")
    export "$variable=${!variable:-$target/release/$program}"
done
cargo build --release --quiet "${packages[@]}"
exec "$target/release/ringlet-bench" "$@"
