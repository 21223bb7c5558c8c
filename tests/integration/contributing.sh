#!/usr/bin/env bash
# CONTRIBUTING.md's recipes, followed word by word in a copy of the tree: its blocks of `sh` are run, those of
# `c FILE` become that file, those of `diff FILE` change it. Nothing else is done.
. "$(dirname "$0")/../lib.sh"

[ "${NETCTR_BUILD:-build}" = build ] || skip 'the recipes are about the usual build'
[ "$slowness" -lt 5 ] || skip 'compiling takes too long here'

tree=$tmp/tree
mkdir "$tree"
# What is built already stays built: copies have the same times. Of the programs of tests those that the recipes make.
tar -C "$top" -c --exclude=./.git --exclude=./build . | tar -C "$tree" -x
tar -C "$top" -c --exclude=build/tests --exclude='build/[^bcdeilmn]*/*' build | tar -C "$tree" -x
mkdir -p "$tree/build/tests/unit"
cp -a "$top"/build/tests/unit/*.[od] "$tree/build/tests/unit/"

# The recipe N as a directory of its steps: 1.sh, 2.c, 3.diff …, the first line of each is the block's first.
take_apart() { # N
    rm -rf "$tmp/steps"
    mkdir "$tmp/steps"
    awk -v dir="$tmp/steps" -v from="## $1. " '
        /^## / { on = index($0, from) == 1 }
        on && /^```/ { if (file) file = ""; else { split(substr($0, 4), w, " "); file = sprintf("%s/%02d.%s", dir, ++n, w[1]); print w[2] >file }; next }
        on && file { print >file }
    ' "$top/CONTRIBUTING.md"
}

# Lines with a space and a minus are in FILE, together and once; those with a space and a plus will be.
patch_file() { # FILE DIFF
    python3 - "$1" "$2" <<-'END'
	import sys
	lines = open(sys.argv[2]).read().splitlines()[1:]
	old = "".join(line[1:] + "\n" for line in lines if line[0] in " -")
	new = "".join(line[1:] + "\n" for line in lines if line[0] in " +")
	text = open(sys.argv[1]).read()
	if text.count(old) != 1:
	    sys.exit(f"CONTRIBUTING.md: {sys.argv[1]} has {text.count(old)} times, not once:\n{old}")
	open(sys.argv[1], "w").write(text.replace(old, new))
	END
}

follow() { # N: what its commands print is in $tmp/said
    local step file steps=0
    take_apart "$1"
    cd "$tree" || exit
    : >"$tmp/said"
    for step in "$tmp"/steps/*; do
        [ -e "$step" ] || fail "CONTRIBUTING.md has no recipe $1"
        read -r file <"$step" || true
        case $step in
        *.c) sed 1d "$step" >"$file" ;;
        *.diff) patch_file "$file" "$step" ;;
        *.sh) sed 1d "$step" | bash -euo pipefail >>"$tmp/said" 2>&1 || fail "recipe $1: $(tail -n 5 "$tmp/said")" ;;
        *) fail "recipe $1: what is ${step##*/}?" ;;
        esac
        steps=$((steps + 1))
    done
    [ $steps -gt 0 ]
}

builds() {
    follow 1
    assert_contains "$(cat "$tmp/said")" "$("$program" version)"
}
t '1: the build' builds

runs_one_test() {
    # The last of its commands enters an arena: not inside of this one.
    follow_but_arena() {
        take_apart 2
        sed -i '/^tests\/run --filter/d' "$tmp"/steps/*.sh
        cd "$tree" || exit
        sed 1d "$tmp"/steps/*.sh | bash -euo pipefail >"$tmp/said"
    }
    follow_but_arena
    assert_contains "$(cat "$tmp/said")" 'ok - '
    has -x pipes <"$tmp/said"
}
t '2: one test' runs_one_test

adds_a_command() {
    follow 3
    assert_contains "$(cat "$tmp/said")" "dirs      Print the directories that hold netctr's state"
    assert_contains "$(tail -n 2 "$tmp/said")" /var/lib/netctr$'\n'/run/netctr
    assert_error 'netctr: `dirs` takes no names' 125 build/netctr dirs x
}
t '3: a command' adds_a_command

adds_a_rule() {
    follow 4
    assert_lacks "$(cat "$tmp/said")" 'not ok'
    assert_contains "$(cat tests/golden/firewall.nft)" 'ip saddr 240.0.0.0/4 counter packets 0 bytes 0 drop comment "reserved for the future"'
    assert_eq "$(diff "$top/tests/golden/firewall.empty.nft" tests/golden/firewall.empty.nft | grep -c '^[<>]')" 1 'lines that differ'
}
t '4: a firewall rule' adds_a_rule

adds_an_error() {
    follow 5
    assert_contains "$(tail -n 1 "$tmp/said")" 'ok - subnet "::ffff:10.88.0.0/112"'
}
t '5: an error, with its test' adds_an_error
