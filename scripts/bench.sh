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
# Where a relative path of the caller begins.
called_from=$PWD
cd "$(dirname "$0")/.."
source scripts/packages.sh
trap let_services_start EXIT
# Where Debian has servers, and users do not look.
PATH=$PATH:/usr/sbin

usage() {
    # "$0" may be relative to where the caller was.
    sed -n '2,13s/^# \{0,1\}//p' scripts/bench.sh
    exit "$1"
}

wrong() { # what
    echo "bench.sh: $1" >&2
    usage 2 >&2
}

# The package of a tool, unless the tool is there.
need() { # tool, package
    command -v "$1" >/dev/null || wanted+=("$2")
}

# All is read before anything is built or measured.
name='' only='' options=() report_options=()
while [ $# -gt 0 ]; do
    case "$1" in
        all | server | memory | scaling | lb | limiter)
            [ -z "$name" ] || wrong "one name, not \"$name\" and \"$1\""
            name=$1
            ;;
        -h | --help) usage 0 ;;
        --quick | --urgent) options+=("$1") ;;
        --keep-baseline) report_options+=("$1") ;;
        --rounds=* | --server-cpus=* | --load-cpu=* | --only=*)
            [[ $1 != --only=* ]] || only=yes
            options+=("$1")
            ;;
        --rounds | --server-cpus | --load-cpu | --only)
            [ $# -gt 1 ] || wrong "$1 needs a value"
            [ "$1" != --only ] || only=yes
            options+=("$1" "$2")
            shift
            ;;
        *) wrong "\"$1\" is unknown" ;;
    esac
    shift
done
case "${name:=all}" in
    all) suites=(server memory scaling lb limiter) ;;
    *) suites=("$name") ;;
esac
case "$only $name" in
    'yes all' | 'yes memory' | 'yes scaling') wrong '--only is for server, lb or limiter' ;;
esac

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
    path=${!variable:-}
    case "$path" in
        '') packages+=(-p "$program") path=$target/release/$program ;;
        /*) ;;
        *) path=$called_from/$path ;;
    esac
    export "$variable=$path"
done
cargo build --release --quiet "${packages[@]}"
bench=$target/release/ringlet-bench
measured=()
for suite in "${suites[@]}"; do
    # Its own table goes to target/bench/NAME.md; what counts here is the report on all.
    if "$bench" "$suite" "${options[@]}" >/dev/null; then
        measured+=("$suite")
    else
        result=$?
        # 130: interrupted.
        [ $result != 130 ] || exit $result
        echo "bench.sh: $suite failed; the report does without it" >&2
    fi
done
[ ${#measured[@]} -gt 0 ] || exit 1
"$bench" report "${report_options[@]}" "${measured[@]}"
[ ${#measured[@]} = ${#suites[@]} ]
