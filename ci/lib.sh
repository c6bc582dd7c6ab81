# Shared by the scripts in ci/.  Source it; it changes into the tree's root.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() {
    printf '\n== %s\n' "$*"
}

# Run as root: directly, or through sudo.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo "$@"
    else
        printf 'ci: "%s" needs root: run as root, or install sudo\n' "$*" >&2
        return 1
    fi
}

# The names in ci/packages.txt that are not installed.
missing_packages() {
    local name
    sed 's/#.*//' ci/packages.txt | while read -r name; do
        [ -n "$name" ] || continue
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] ||
            printf '%s\n' "$name"
    done
}

configure_and_build() {
    local preset=$1
    cmake --preset "$preset" >"build/$preset.configure.log" 2>&1 || {
        cat "build/$preset.configure.log" >&2
        return 1
    }
    cmake --build --preset "$preset" -- --quiet
}
