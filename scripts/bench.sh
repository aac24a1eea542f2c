#!/usr/bin/env bash
# Compares the Ringlet servers with their peers on this machine.
#   scripts/bench.sh server [--quick] [--urgent] [--only cpu,latency,memory,insert,expire,idle] [...]
# The table goes to standard output, target/bench/server.md and target/bench/server.json.
# RINGLET_SERVER_BINARY names another server under test; then none is built.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -eq 0 ]; then
    sed -n '2,5s/^# \{0,1\}//p' "$0"
    exit 2
fi
for tool in redis-server redis-benchmark taskset; do
    if ! command -v "$tool" >/dev/null; then
        echo "scripts/bench.sh needs $tool: apt-get install redis-server redis-tools util-linux" >&2
        exit 1
    fi
done

target="${CARGO_TARGET_DIR:-target}"
packages=(-p ringlet-bench)
if [ -z "${RINGLET_SERVER_BINARY:-}" ]; then
    packages+=(-p ringlet-server)
    export RINGLET_SERVER_BINARY="$target/release/ringlet-server"
fi
cargo build --release --quiet "${packages[@]}"
exec "$target/release/ringlet-bench" "$@"
