#!/usr/bin/env bash
# A step of action.yml: run `pkgsync warm` with the inputs.  The program writes
# the job's summary itself; the status is its own.
set -euo pipefail

# trim TEXT: without blanks around it.
trim() {
    local text=$1
    text=${text#"${text%%[![:space:]]*}"}
    printf '%s' "${text%"${text##*[![:space:]]}"}"
}

# add PREFIX TEXT: an argument for each line that is not empty or a comment.
add() {
    local line
    while IFS= read -r line || [ -n "$line" ]; do
        line=$(trim "$line")
        case $line in
        '' | '#'*) ;;
        *) arguments+=("$1$line") ;;
        esac
    done <<<"$2"
}

arguments=(--json)
add --python= "$INPUT_PYTHON"
add --store= "$INPUT_STORE"
add --region= "$INPUT_REGION"
add --requirement= "$INPUT_REQUIREMENTS"
add '' "$INPUT_ARGS"
# After this nothing is an option, whatever it looks like.
arguments+=(--)
add '' "$INPUT_SOURCES"
add '' "$INPUT_SPEC"

result=$RUNNER_TEMP/pkgsync-warm.json
printf 'result=%s\n' "$result" >>"$GITHUB_OUTPUT"
status=0
"$PROGRAM" warm "${arguments[@]}" >"$result" || status=$?
[ "$status" -eq 0 ] || printf '::error::pkgsync warm ended with status %d\n' "$status"
exit "$status"
