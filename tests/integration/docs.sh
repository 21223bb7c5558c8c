#!/usr/bin/env bash
# What the manual says is what is there.
. "$(dirname "$0")/../lib.sh"

quoted() { sed -n '/^```nft$/,/^```$/p' "$top/docs/firewall.md" | sed '1d;$d'; }

quotes_the_firewall() {
    [ "$(quoted | wc -l)" -gt 100 ] || fail 'the ruleset is not quoted'
    diff <(quoted) <(sed -e :a -e '/^\n*$/{$d;N;ba' -e '}' "$top/tests/golden/firewall.empty.nft")
}
t 'docs/firewall.md quotes the golden ruleset' quotes_the_firewall

knows_the_commands() {
    local command
    for command in $(sed -n '/^## Commands/,/^## Where/p' "$top/README.md" | grep -o '^    netctr [a-z]*' | awk '{ print $2 }' | sort -u); do
        [ "$command" = COMMAND ] || netctr "$command" --help >/dev/null || fail "no such command: $command"
    done
    # And the other way round.
    for command in $(netctr --help | sed -n '/^commands:/,/^$/p' | awk '/^  / { print $1 }'); do
        grep -qw "$command" "$top/README.md" || fail "the README does not know \`$command'"
    done
}
t 'the README names every command, and no other' knows_the_commands

knows_the_networks() {
    local command flag
    for command in $(netctr network --help | sed -n '/^commands:/,/^$/p' | awk '/^  / { print $1 }'); do
        grep '^    netctr network' "$top/README.md" | has -w "$command" || fail "the README does not know \`network $command'"
        netctr network "$command" --help >/dev/null
    done
    for flag in $({ netctr network create --help && netctr network connect --help; } | grep -o -- '--[a-z-]*' | sort -u); do
        case $flag in --disable-dns | --driver | --opt) continue ;; esac
        grep -qF -- "$flag" "$top/docs/networks.md" || fail "docs/networks.md does not know $flag"
    done
}
t 'the manuals know every command and flag of networks' knows_the_networks

# "FILE|NAME|REPORT" of every test in the table; REPORT is the first one of the row.
table_of_bugs() {
    awk -F ' [|] ' '/ [|] `/ { split($2, reports, ", "); sub(/ [|]$/, "", $4); n = split($4, tests, "<br>")
        for (i = 1; i <= n; i++) { split(tests[i], words, "`"); print words[2] "|" substr(tests[i], length(words[2]) + 5) "|" reports[1] } }' \
        "$top/docs/bugs.md"
}
knows_the_bugs() {
    local file name report line lines=0
    while IFS='|' read -r file name report; do
        lines=$((lines + 1))
        line=$(grep -nF -e "t '$name' " -e "t \"$name\" " "$top/tests/integration/$file.sh" | cut -d: -f1)
        [ -n "$line" ] || fail "$file has no test \`$name'"
        sed -n "$((line - 1))p" "$top/tests/integration/$file.sh" | has -E "^# (.*, )?$report(,|\$)" ||
            fail "$file: above \`$name' there is no word of $report"
    done < <(table_of_bugs)
    assert_eq "$(grep -c ' | `' "$top/docs/bugs.md")" 29 bugs
    [ $lines -ge 29 ]
}
t 'every test that docs/bugs.md names is there, and names the bug' knows_the_bugs

both_ways() {
    local file
    "$top/tests/run" --list >"$tmp/list"
    for file in "$top"/tests/integration/net_*.sh; do
        file=$(basename "$file" .sh)
        assert_eq "$(grep "^$file:" "$tmp/list" | sort | tr '\n' ' ')" "$file:bridge-nf-0 $file:bridge-nf-1 "
    done
}
# moby #13162, kube-router #151
t 'every file about the network runs with bridge-nf 0 and 1' both_ways
