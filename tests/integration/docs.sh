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
        grep '^    netctr network' "$top/README.md" | grep -qw "$command" || fail "the README does not know \`network $command'"
        netctr network "$command" --help >/dev/null
    done
    for flag in $({ netctr network create --help && netctr network connect --help; } | grep -o -- '--[a-z-]*' | sort -u); do
        case $flag in --disable-dns | --driver | --opt) continue ;; esac
        grep -qF -- "$flag" "$top/docs/networks.md" || fail "docs/networks.md does not know $flag"
    done
}
t 'the manuals know every command and flag of networks' knows_the_networks
