# tests/tally.sh - sourced by scripts that run several suites: one closing line for all of them.
# shellcheck shell=bash

passed=0 failed=0 skipped=0
failures= # what failed, of all suites: a reader of a long log looks at its end

# Runs a suite and adds the numbers of its closing line. A suite that fails without a failed test, or ends without
# that line, counts as a failed test.
tally() { # COMMAND...
    local log status=0 line p=0 f=0 s=0
    log=$(mktemp)
    "$@" 2>&1 | tee "$log" || status=$?
    line=$(grep -aE '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$log" | tail -n 1) || status=1
    failures+=$(grep -aE '^(FAIL|---- | *not ok - )' "$log" | sort -u) || true
    rm -f "$log"
    [ -z "$line" ] || read -r p _ f _ s _ <<<"$line"
    [ $status = 0 ] || [ "$f" != 0 ] || f=1
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# The same if MINUTES have not passed since the script began; else it is a skip.
tally_before() { # MINUTES COMMAND...
    if [ $SECONDS -lt $(($1 * 60)) ]; then
        tally "${@:2}"
    else
        printf 'skip - %s: the time is up after %d minutes\n' "${*:2}" $((SECONDS / 60))
        skipped=$((skipped + 1))
    fi
}

# The closing line, and whether all is well.
tally_end() {
    [ -z "$failures" ] || printf '\n==== what failed\n%s\n' "$failures"
    printf '\n%d passed, %d failed, %d skipped\n' $passed $failed $skipped
    [ $failed = 0 ]
}
