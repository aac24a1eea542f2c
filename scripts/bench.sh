#!/usr/bin/env bash
# Compares the Ringlet servers with their peers on this machine, and writes a report.
#   scripts/bench.sh [server|memory|scaling|lb|limiter|all] [--quick] [--rounds N] [--urgent]
#                    [--server-cpus LIST] [--load-cpu N] [--keep-baseline]
#   scripts/bench.sh server --only cpu,latency,insert,expire,idle,generators
#   scripts/bench.sh lb --only cpu,latency,idle,slow,cores
#   scripts/bench.sh limiter --only library,resp,http,grpc,store,accuracy
# Without a name it is all. --quick takes less than five minutes, not counting the first build.
# The report goes to target/bench/report.html, report.md and report.json, its table to standard output.
# --keep-baseline keeps it as target/bench/baseline.json: later reports say what got worse.
# What is missing is installed from Debian, which takes root, or sudo without a password.
# RINGLET_SERVER_BINARY, RINGLET_LB_BINARY or RINGLET_LIMITER_BINARY names another program; then that
# one is not built.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/packages.sh
trap let_services_start EXIT
# Where Debian has servers, and users do not look.
PATH=$PATH:/usr/sbin

usage() {
    sed -n '2,13s/^# \{0,1\}//p' "$0"
    exit "$1"
}

# The package of a tool, unless the tool is there.
need() { # tool, package
    command -v "$1" >/dev/null || wanted+=("$2")
}

suites=(server memory scaling lb limiter)
case "${1:-all}" in
    all) [ $# = 0 ] || shift ;;
    server | memory | scaling | lb | limiter)
        suites=("$1")
        shift
        ;;
    -h | --help) usage 0 ;;
    -*) ;;
    *) usage 2 ;;
esac
options=() report_options=()
for option in "$@"; do
    case "$option" in
        -h | --help) usage 0 ;;
        --keep-baseline) report_options+=("$option") ;;
        *) options+=("$option") ;;
    esac
done

wanted=() programs=()
need taskset util-linux
for suite in "${suites[@]}"; do
    case "$suite" in
        server | memory)
            need redis-server redis-server
            need redis-benchmark redis-tools
            programs+=(ringlet-server)
            ;;
        scaling) programs+=(ringlet-server) ;;
        lb)
            need haproxy haproxy
            need nginx nginx
            [ -e /usr/lib/nginx/modules/ngx_stream_module.so ] || wanted+=(libnginx-mod-stream)
            need wrk wrk
            programs+=(ringlet-lb)
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
            programs+=(ringlet-limiter ringlet-server)
            ;;
    esac
done
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
bench=$target/release/ringlet-bench
for suite in "${suites[@]}"; do
    # Its own table goes to target/bench/NAME.md; what counts here is the report on all.
    "$bench" "$suite" "${options[@]}" >/dev/null
done
exec "$bench" report "${report_options[@]}" "${suites[@]}"
