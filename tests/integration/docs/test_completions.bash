#!/usr/bin/env bash
# What the completions offer: test_completions.bash DIRECTORY
set -euo pipefail

completions=$(realpath -- "${1:?usage: test_completions.bash DIRECTORY}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/project" "$work/bin"
touch "$work/pkg-1.0.tar.gz"
# Two jobs, as `pkgsync jobs` prints them.
cat >"$work/bin/pkgsync" <<'SCRIPT'
#!/bin/sh
printf '   JOB  STATE\n    12  done\n     7  failed\n        a message\n'
SCRIPT
chmod +x "$work/bin/pkgsync"
PATH=$work/bin:$PATH
cd "$work"

failures=0
# shellcheck source=/dev/null
. "$completions/pkgsync.bash"

# offers 'what was typed' WORD...: exactly these, whatever their order.
offers() {
    local typed=$1 got expected
    shift
    read -ra COMP_WORDS <<<"$typed"
    [[ $typed != *' ' ]] || COMP_WORDS+=('')
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _pkgsync
    got=$(printf '%s\n' "${COMPREPLY[@]}" | sort | paste -sd' ')
    expected=$(printf '%s\n' "$@" | sort | paste -sd' ')
    if [ "$got" != "$expected" ]; then
        printf "'%s' offers '%s', not '%s'\n" "$typed" "$got" "$expected" >&2
        failures=$((failures + 1))
    fi
}

offers 'pkgsync wh' wheel
offers 'pkgsync ca' cache cancel
offers 'pkgsync wheel --reb' --rebuild
offers 'pkgsync jobs --a' --all
offers 'pkgsync jobs --reb' ''
offers 'pkgsync wheel p' project pkg-1.0.tar.gz
offers 'pkgsync wheel --wheel-dir p' project
offers 'pkgsync wheel --region p' ''
offers 'pkgsync logs ' 7 12
offers 'pkgsync logs 1' 12
offers 'pkgsync cache ' prune
offers 'pkgsync help do' doctor

# zsh's can be read; there is nothing to call them with outside of its editor.
if command -v zsh >/dev/null 2>&1; then
    zsh -n "$completions/_pkgsync"
fi
[ "$failures" -eq 0 ]
