# Installs what is missing from Debian: for test.sh and bench.sh, which source it.

# A package's scripts start no service while this file says so.
POLICY=/usr/sbin/policy-rc.d
policy_made=no

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

forbid_services_to_start() {
    [ ! -e $POLICY ] || return 0
    policy_made=yes
    printf '#!/bin/sh\nexit 101\n' | as_root tee $POLICY >/dev/null && as_root chmod +x $POLICY
}

# Also for the trap of whoever is interrupted.
let_services_start() {
    [ $policy_made = no ] || as_root rm -f $POLICY
    policy_made=no
}

install_debian() { # package ...
    local result package
    [ $# -gt 0 ] || return 0
    echo "installing: $*" >&2
    if ! as_root apt-get update -qq || ! forbid_services_to_start; then
        echo '!! packages cannot be installed: that takes root, or sudo without a password' >&2
        return 1
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        "$@" >/dev/null
    result=$?
    # Nor may a service that came along take its port at the next boot.
    if command -v systemctl >/dev/null; then
        for package in "$@"; do
            case $package in
                redis-server | haproxy | nginx) as_root systemctl disable --quiet "$package" ;;
            esac
        done
    fi
    let_services_start
    [ $result = 0 ] || echo '!! the packages could not be installed' >&2
    return $result
}
