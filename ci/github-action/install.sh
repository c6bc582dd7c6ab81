#!/usr/bin/env bash
# A step of action.yml: find or install pkgsync, and say where it is.
#
# In this order: the program that was named, a release whose SHA-256 was
# named, a build from the checkout that this action came with.
set -euo pipefail

fail() {
    printf '::error::%s\n' "$*"
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

from_release() {
    local archive=$RUNNER_TEMP/pkgsync.tar.gz
    [[ $INPUT_RELEASE_SHA256 =~ ^[0-9a-fA-F]{64}$ ]] ||
        fail "release-url needs release-sha256, 64 hexadecimal digits"
    curl --fail --silent --show-error --location --proto '=https,file' \
        --retry 3 --output "$archive" -- "$INPUT_RELEASE_URL"
    printf '%s  %s\n' "$INPUT_RELEASE_SHA256" "$archive" | sha256sum --check --quiet ||
        fail "the release is not the one that release-sha256 names"
    mkdir -p "$prefix"
    tar -xzf "$archive" -C "$prefix" --no-same-owner
    program=$(find "$prefix" -path '*/bin/pkgsync' -type f | head -n 1)
    [ -n "$program" ] || fail "no bin/pkgsync in the release"
}

from_checkout() {
    local root packages
    root=$(cd "$GITHUB_ACTION_PATH/../.." && pwd)
    [ -f "$root/CMakeLists.txt" ] || fail "no checkout of pkgsync beside the action"
    # Only what the build itself needs: the first two parts of the list.
    mapfile -t packages < <(sed '/^# tests/,$d; s/#.*//; /^$/d' "$root/ci/packages.txt")
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
    cmake -S "$root" -B "$RUNNER_TEMP/pkgsync-build" -G Ninja -DBUILD_TESTING=OFF \
        -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_INSTALL_PREFIX="$prefix" >/dev/null
    cmake --build "$RUNNER_TEMP/pkgsync-build" -- --quiet
    cmake --install "$RUNNER_TEMP/pkgsync-build" >/dev/null
    program=$prefix/bin/pkgsync
}

# Ubuntu 24.04 lets only programs with a profile make user namespaces, which
# is what builds are isolated with.  A runner of its own lives for one job.
allow_namespaces() {
    local knob=/proc/sys/kernel/apparmor_restrict_unprivileged_userns
    if [ "$INPUT_SANDBOX_SETUP" = true ] && [ -r "$knob" ] && [ "$(cat "$knob")" = 1 ]; then
        printf 0 | as_root tee "$knob" >/dev/null
    fi
}

prefix=$RUNNER_TEMP/pkgsync
if [ -n "$INPUT_PROGRAM" ]; then
    program=$(command -v -- "$INPUT_PROGRAM") || fail "no program '$INPUT_PROGRAM'"
elif [ -n "$INPUT_RELEASE_URL" ]; then
    from_release
else
    from_checkout
fi
allow_namespaces
"$program" --version
printf 'program=%s\n' "$program" >>"$GITHUB_OUTPUT"
