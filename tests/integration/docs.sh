#!/usr/bin/env bash
# The documents agree with the program.
needs=nginx
. "$(dirname "$0")/../lib.sh"
refusing_resolver

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
    for command in $(netctr --help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p'); do
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
    for flag in $({ netctr network create --help && netctr network connect --help && netctr network update --help; } | grep -o -- '--[a-z-]*' | sort -u); do
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
    assert_eq "$(grep -c ' | `' "$top/docs/bugs.md")" 34 bugs
    [ $lines -ge 34 ]
}
t 'every test that docs/bugs.md names exists, and names the bug' knows_the_bugs

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

# The first block of code after the heading @TITLE of @FILE.
block() { # FILE TITLE
    sed -n "/^##* $2\$/,/^##* /p" "$top/$1" | sed -n '/^    /,/^$/p' | sed '/^$/,$d; s/^    //'
}
make() { :; }
# nginx may still be starting when the next command runs.
curl() { command curl --retry 20 --retry-all-errors --retry-delay 1 "$@"; }
# Runs the block in $tmp unchanged; ./rootfs is @ROOT, netctr and its root directory exist already.
follow() { # ROOT FILE TITLE
    block "$2" "$3" >"$tmp/block"
    [ -s "$tmp/block" ] || fail "no commands below \`$3'"
    ln -sfn "$1" "$tmp/rootfs"
    mkdir -p "$tmp/scripts"
    ln -sfn /bin/true "$tmp/scripts/mkrootfs"
    (cd "$tmp" && export -f make curl && bash -eu block) >"$tmp/out" 2>&1 || fail "\`$3': $(cat "$tmp/out")"
}

first_minutes() {
    follow "$debian" README.md 'The first five minutes'
    has 'It works' "$tmp/out"
    has -E '^10[.][0-9.]* +web' "$tmp/out"
    assert_eq "$(names -a)" ''
    netctr run -d --name web -p 8080:80 "$debian" nginx
    follow "$debian" README.md 'When something does not work'
    has '"event":"start"' "$tmp/out"
}
t "the README's first commands work" first_minutes

lab() {
    local last
    last=$(block docs/networks.md 'A lab with a router' | tail -1)
    block docs/networks.md 'A lab with a router' | sed '$d' >"$tmp/lab"
    ln -sfn "$box" "$tmp/rootfs"
    (cd "$tmp" && bash -eu lab)
    assert_contains "$last" 'ping -c 1 10.2.0.10'
    wait_for 5 $last # the nodes set their routes a moment later
}
t 'the lab of docs/networks.md works' lab

installs() {
    local files='bin/netctr bin/netctr-mkrootfs lib/systemd/system/netctr-boot.service
        share/bash-completion/completions/netctr'
    command make -s -C "$top" BUILD="${NETCTR_BUILD:-build}" -o all install DESTDIR="$tmp/root" PREFIX=/usr
    assert_eq "$(cd "$tmp/root/usr" && find . -type f | sort)" "$(printf './%s\n' $files | sort)"
    command make -s -C "$top" uninstall DESTDIR="$tmp/root" PREFIX=/usr
    assert_eq "$(find "$tmp/root" -type f)" ''
}
t 'make uninstall removes what make install installs' installs

completes() {
    netctr network create back
    netctr run --name ended "$box" true
    sed "s|/var/lib/netctr|$state|" "$top/scripts/completion.bash" >"$tmp/completion"
    . "$tmp/completion"
    fits 'run restart rm reset rename' r
    fits 'ended' logs e
    fits 'back' network rm ba
    fits 'back default ended' network connect ''
    fits 'reload rm' network r
    fits '--publish --publish-all --pids-limit --pid-file --pidfile' run --p
    fits '--interface-name --internal --ip-range --ipam-driver --ipv6 --icc --isolate' network create --i
    fits 'doctor' help doc
    fits '' network ne # of the example of its help
    fits 'connect create' help network c
}
fits() { # WORDS TYPED...
    local expected=$1
    shift
    COMP_WORDS=(netctr "$@") COMP_CWORD=$#
    _netctr
    assert_eq "$(printf '%s\n' "${COMPREPLY[@]}" | sort | paste -sd' ')" "$(tr ' ' '\n' <<<"$expected" | sort | paste -sd' ')" "$*"
}
t 'the completion knows commands, flags and names' completes
