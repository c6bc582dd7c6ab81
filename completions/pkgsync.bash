# Completions of pkgsync for bash.  Made by ci/update-docs.
# shellcheck shell=bash

_pkgsync_jobs() {
    pkgsync jobs --all 2>/dev/null | awk '$1 ~ /^[0-9]+$/ { print $1 }'
}

_pkgsync() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local commands flags='' words=''
    commands='wheel scan sync warm levels install check doctor jobs logs cancel retry cache config help'
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$commands --help --version" -- "$cur")
        return
    fi
    case $prev in
    -o | --output-dir | -w | --wheel-dir | -f | --find-links)
        mapfile -t COMPREPLY < <(compgen -d -- "$cur")
        return
        ;;
    -p | --python | -r | --requirement | --expose | --sandbox-helper)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return
        ;;
    --match | --exact | --compatible | --ignore | --only | --extra | --allow-failed | --presign | --installer | -s | --store | --endpoint-url | --region | --profile | -C | --config-settings | --build-requires | --env | --include | --exclude | -i | --index-url | --extra-index-url | --timeout | --memory-mb | --pids | --disk-mb | -j | --jobs | --weaken | --older-than)
        : # a value that nobody can guess
        return
        ;;
    esac
    case ${COMP_WORDS[1]} in
    wheel)
        flags='--help --python -p --store -s --endpoint-url --region --profile --virtual-host --no-upload --wheel-dir -w --rebuild --network --config-settings -C --build-requires --env --include --exclude --index-url -i --extra-index-url --find-links -f --no-index --refresh --timeout --memory-mb --pids --disk-mb --jobs -j --weaken --expose --sandbox-helper --json --verbose -v --quiet -q'
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        ;;
    scan)
        flags='--help --python -p --match --exact --compatible --ignore --only --extra --no-loose --include --exclude --json --verbose -v'
        ;;
    sync)
        flags='--help --python -p --match --exact --compatible --ignore --only --extra --no-loose --allow-failed --output-dir -o --presign --store -s --endpoint-url --region --profile --virtual-host --no-upload --wheel-dir -w --rebuild --network --config-settings -C --build-requires --env --include --exclude --index-url -i --extra-index-url --find-links -f --no-index --refresh --timeout --memory-mb --pids --disk-mb --jobs -j --weaken --expose --sandbox-helper --json --verbose -v --quiet -q'
        ;;
    warm)
        flags='--help --python -p --match --exact --compatible --ignore --only --extra --requirement -r --store -s --endpoint-url --region --profile --virtual-host --no-upload --wheel-dir -w --rebuild --network --config-settings -C --build-requires --env --include --exclude --index-url -i --extra-index-url --find-links -f --no-index --refresh --timeout --memory-mb --pids --disk-mb --jobs -j --weaken --expose --sandbox-helper --json --verbose -v --quiet -q'
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        ;;
    levels)
        flags='--help --json'
        ;;
    install)
        flags='--help --python -p --installer --dry-run -n --any-python --any-platform --break-system-packages --allow-sdist --endpoint-url --region --profile --virtual-host --index-url -i --extra-index-url --find-links -f --no-index --refresh --jobs -j --json --verbose -v --quiet -q'
        ;;
    check)
        flags='--help --python -p --match --exact --compatible --ignore --only --extra --strict --endpoint-url --region --profile --virtual-host --json'
        ;;
    doctor)
        flags='--help --python -p --store -s --endpoint-url --region --profile --virtual-host --weaken --expose --sandbox-helper --json'
        ;;
    jobs)
        flags='--help --all -a --json'
        ;;
    logs)
        flags='--help --follow'
        words=$(_pkgsync_jobs)
        ;;
    cancel)
        flags='--help --json'
        words=$(_pkgsync_jobs)
        ;;
    retry)
        flags='--help --store -s --endpoint-url --region --profile --virtual-host --no-upload --wheel-dir -w --include --exclude --index-url -i --extra-index-url --find-links -f --no-index --refresh --timeout --memory-mb --pids --disk-mb --jobs -j --weaken --expose --sandbox-helper --json --verbose -v --quiet -q'
        words=$(_pkgsync_jobs)
        ;;
    cache)
        flags='--help --older-than --json'
        words='prune'
        ;;
    config)
        flags='--help --json'
        ;;
    help)
        flags='--help'
        words=$commands
        ;;
    esac
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$cur")
    elif [ -n "$words" ]; then
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
    fi
}
complete -o filenames -F _pkgsync pkgsync
