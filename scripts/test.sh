#!/usr/bin/env bash
# Runs every test, on a bare Debian 12 with Rust and root (or sudo without a password): installs the
# peers it needs, then runs the stages below.
# Usage: scripts/test.sh [STAGE ...]
# Stages: lint unit cores contract planted differential clients fuzz (all of them by default).
# RINGLET_SEED repeats a run; RINGLET_DIFFERENTIAL_SECONDS and RINGLET_CONTRACT_SECONDS lengthen it.
# Ends with the seed and one line, "N passed, N failed"; exit code 0 only when nothing failed and no
# process of the run is left.
set -uo pipefail
cd "$(dirname "$0")/.."
source scripts/packages.sh

ALL_STAGES=(lint unit cores contract planted differential clients fuzz)
STAGES=("$@")
[ ${#STAGES[@]} -gt 0 ] || STAGES=("${ALL_STAGES[@]}")
TARGET=${CARGO_TARGET_DIR:-target}
TOOLS=$TARGET/test-tools
LOGS=$TARGET/test-logs
SERVER=$(realpath -m "$TARGET/release/ringlet-server")
LIMITER=$(realpath -m "$TARGET/release/ringlet-limiter")
LIMIT_SECONDS=2400
LEFTOVERS_LIMIT_SECONDS=10
# One seed for all randomness of the run.
export RINGLET_SEED=${RINGLET_SEED:-$SRANDOM}
export PROPTEST_RNG_SEED=$RINGLET_SEED
# Every process of the run inherits it, whatever becomes of its parent.
export RINGLET_TEST_RUN=$$-$SRANDOM
passed=0
failed=0
child=

# Every check runs under timeout(1), in a process group of its own that it passes signals on to.
cleanup() {
    [ -z "$child" ] || kill -TERM "$child" 2>/dev/null
    let_services_start
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# Adds up what the test runners in a log say about themselves: "passed failed".
counts() {
    awk '
        /^test result: / { passed += $4; failed += $6 }
        /^# pass [0-9]+$/ { passed += $3 }
        /^# fail [0-9]+$/ { failed += $3 }
        /^[0-9]+ passed, [0-9]+ failed$/ { passed += $1; failed += $3 }
        /^Ran [0-9]+ tests? in / { ran += $2 }
        /^(OK|FAILED)( \(.*\))?$/ {
            bad = 0
            skipped = 0
            for (i = 2; i <= NF; i++) {
                split($i, part, "=")
                gsub(/[^a-z]/, "", part[1])
                if (part[1] == "failures" || part[1] == "errors") bad += part[2] + 0
                if (part[1] == "skipped") skipped += part[2] + 0
            }
            failed += bad
            passed += ran - bad - skipped
            ran = 0
        }
        END { print passed + 0, failed + 0 }
    ' "$1"
}

# Runs a command with its output here and in $log; says so when it fails.
run() { # what, command ...
    local what=$1 status
    shift
    log=$LOGS/${what//[^A-Za-z0-9]/-}.log
    printf '\n== %s\n' "$what"
    : >"$log"
    timeout -k 10 "$LIMIT_SECONDS" "$@" >"$log" 2>&1 &
    child=$!
    tail -n +1 -f -s 0.2 --pid=$child "$log" &
    # Not in the foreground: only wait lets the trap for signals run at once.
    wait $child
    status=$?
    child=
    wait
    [ "$status" = 0 ] || printf '!! failed (exit code %s): %s\n' "$status" "$what"
    return "$status"
}

# A command that is one check in itself: a build, a lint, an installation.
check() { # what, command ...
    if run "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        return 1
    fi
}

# A test runner: what counts is what it says it ran, and to have run nothing is a failure.
run_tests() { # what, command ...
    local log status good bad
    run "$@"
    status=$?
    read -r good bad < <(counts "$log")
    if [ "$status" != 0 ] && [ "$bad" = 0 ]; then
        bad=1
    elif [ "$((good + bad))" = 0 ]; then
        printf '!! failed (no test ran): %s\n' "$1"
        bad=1
    fi
    passed=$((passed + good))
    failed=$((failed + bad))
}

# The processes of this run that still live, as "PID COMMAND". A zombie has no environment any more.
leftovers() {
    local file pid
    # grep inherits the marker as well, so the list of files is made before it starts.
    local environments=(/proc/[0-9]*/environ)
    for file in $(grep -slzxF "RINGLET_TEST_RUN=$RINGLET_TEST_RUN" "${environments[@]}"); do
        pid=${file#/proc/}
        pid=${pid%/environ}
        printf '%s %s\n' "$pid" "$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline")"
    done
}

# Every process that a test starts must have ended with it.
no_process_is_left() {
    local left deadline=$((SECONDS + LEFTOVERS_LIMIT_SECONDS))
    while left=$(leftovers) && [ -n "$left" ]; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            printf '\n!! failed: processes of this run are left, and are ended now\n%s\n' "$left"
            failed=$((failed + 1))
            awk '{ print $1 }' <<<"$left" | xargs -r kill -KILL
            return
        fi
        sleep 0.2
    done
    passed=$((passed + 1))
}

# --- what the stages need ------------------------------------------------------------------------

# One clear line before anything is built, for old compilers fail with riddles.
require_rust() {
    local wanted found
    wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)
    found=$(rustc --version 2>/dev/null | awk '{ print $2 }')
    if [ -z "$found" ] || ! command -v cargo >/dev/null; then
        echo "!! Rust $wanted or later is needed and was not found: see https://rustup.rs" >&2
        return 1
    fi
    if ! printf '%s\n%s\n' "$wanted" "$found" | sort -V -C; then
        echo "!! Rust $wanted or later is needed, this is $found: run rustup update" >&2
        return 1
    fi
}

# The minimal profile of rustup has neither rustfmt nor clippy.
install_rust_components() {
    local missing=()
    cargo fmt --version >/dev/null 2>&1 || missing+=(rustfmt)
    cargo clippy --version >/dev/null 2>&1 || missing+=(clippy)
    [ ${#missing[@]} -gt 0 ] || return 0
    if ! command -v rustup >/dev/null; then
        echo "!! missing: ${missing[*]}, and there is no rustup to install them with" >&2
        return 1
    fi
    echo "installing: ${missing[*]}"
    rustup component add "${missing[@]}"
}

install_packages() {
    local wanted=()
    command -v redis-server >/dev/null || wanted+=(redis-server)
    command -v redis-cli >/dev/null || wanted+=(redis-tools)
    command -v cc >/dev/null || wanted+=(gcc libc6-dev)
    command -v make >/dev/null || wanted+=(make)
    # The build of glommio asks it for a version.
    command -v git >/dev/null || wanted+=(git)
    python3 -c 'import ensurepip, venv' 2>/dev/null || wanted+=(python3 python3-venv)
    command -v node >/dev/null || wanted+=(nodejs)
    command -v npm >/dev/null || wanted+=(npm)
    # What readers look at the benchmarks' report with.
    command -v chromium >/dev/null || wanted+=(chromium)
    # Servers and clients of the load balancer. nginx is where not every PATH looks.
    [ -x /usr/sbin/nginx ] || wanted+=(nginx)
    local client
    for client in curl wrk hey slowhttptest; do
        command -v $client >/dev/null || wanted+=($client)
    done
    install_debian "${wanted[@]}"
}

# Counts as one failure what keeps a stage from running; it has said why.
prepare() {
    "$@" && return
    failed=$((failed + 1))
    return 1
}

# --- stages --------------------------------------------------------------------------------------

stage_lint() {
    prepare install_rust_components || return
    check 'format' cargo fmt --all --check
    check 'clippy' cargo clippy --workspace --all-targets -- -D warnings
    check 'clippy with planted bugs' cargo clippy --workspace --all-targets \
        --features ringlet-server/planted-bugs -- -D warnings
    # Without the fuzzer's runtime, for that takes a C++ compiler.
    check 'clippy of the fuzz targets' cargo clippy --manifest-path shared/protocol/fuzz/Cargo.toml \
        --target-dir "$TARGET/fuzz" --locked --no-default-features --all-targets -- -D warnings
}

stage_unit() {
    # The limiter's stores are redis-server and ours.
    run_tests 'unit tests' env RINGLET_SERVER_BINARY="$SERVER" \
        cargo test --workspace --no-fail-fast --exclude ringlet-server
    run_tests 'server tests' cargo test -p ringlet-server --no-fail-fast -- --skip the_contract_holds
}

# More cores than this machine has, most likely: what passes between cores shows only so.
stage_cores() {
    run_tests 'the load balancer on four cores' env RINGLET_LB_CORES=4 \
        cargo test -p ringlet-lb --no-fail-fast --test traffic
}

stage_contract() {
    run_tests 'contract' env RINGLET_CONTRACT_SECONDS="${RINGLET_CONTRACT_SECONDS:-6}" \
        RINGLET_SERVER_BINARY="$SERVER" \
        cargo test -p ringlet-server --test contract -- --test-threads 1 the_contract_holds
}

stage_planted() {
    run_tests 'planted bugs are noticed' cargo test -p ringlet-server --features planted-bugs \
        --test contract -- --test-threads 1 planted
}

stage_differential() {
    local shards
    check 'build the differential check' cargo build -q --release -p ringlet-check || return
    for shards in 1 2 4; do
        run_tests "differential, $shards shards" "$TARGET/release/ringlet-check" differential \
            --binary "$SERVER" --shards "$shards" --seed "$RINGLET_SEED" \
            --seconds "${RINGLET_DIFFERENTIAL_SECONDS:-45}"
    done
}

stage_clients() {
    local tests=server/tests/clients limiter_tests=limiter/tests/clients
    # An environment whose making was interrupted has no pip that works.
    if { "$TOOLS/venv/bin/pip" --version >/dev/null 2>&1 ||
        check 'make the Python environment' python3 -m venv --clear "$TOOLS/venv"; } &&
        check 'install redis-py and grpcio' "$TOOLS/venv/bin/pip" install -q \
            --disable-pip-version-check -r $tests/python/requirements.txt \
            -r $limiter_tests/requirements.txt; then
        run_tests 'redis-py' env RINGLET_SERVER_BINARY="$SERVER" PYTHONDONTWRITEBYTECODE=1 \
            "$TOOLS/venv/bin/python" -m unittest discover -s $tests/python -t $tests/python
        if check 'build the limiter' cargo build -q --release -p ringlet-limiter; then
            run_tests 'redis-py and grpcio before the limiter' env RINGLET_LIMITER_BINARY="$LIMITER" \
                PYTHONDONTWRITEBYTECODE=1 "$TOOLS/venv/bin/python" -m unittest discover \
                -s $limiter_tests -t $limiter_tests
        fi
    fi
    if check 'install ioredis' npm ci --silent --no-audit --no-fund --prefix $tests/ioredis; then
        run_tests 'ioredis' env RINGLET_SERVER_BINARY="$SERVER" npm test --silent --prefix $tests/ioredis
    fi
}

# The promises of the fuzz targets over their seeds and a bounded number of mutations; with cargo-fuzz
# half a minute of each target besides.
stage_fuzz() {
    local target folder=shared/protocol/fuzz
    run_tests 'bounded fuzzing' cargo test -p ringlet-protocol --test fuzz
    cargo fuzz --version >/dev/null 2>&1 || return 0
    for target in request reply http1_request http1_response; do
        mkdir -p "$folder/corpus/$target"
        check "fuzz $target" env RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir $folder $target \
            $folder/corpus/$target $folder/seeds/$target -- -max_total_time=30
    done
}

# --- run -----------------------------------------------------------------------------------------

for stage in "${STAGES[@]}"; do
    if ! declare -F "stage_$stage" >/dev/null; then
        echo "unknown stage '$stage'; stages: ${ALL_STAGES[*]}" >&2
        exit 2
    fi
done
printf 'RINGLET_SEED=%s\n' "$RINGLET_SEED"
mkdir -p "$TOOLS" "$LOGS"
if prepare require_rust && prepare install_packages; then
    check 'release build' cargo build -q --release -p ringlet-server
    for stage in "${STAGES[@]}"; do
        "stage_$stage"
    done
fi

no_process_is_left
printf '\nRINGLET_SEED=%s\n%s passed, %s failed\n' "$RINGLET_SEED" "$passed" "$failed"
[ "$failed" = 0 ]
