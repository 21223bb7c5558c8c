#!/usr/bin/env bash
# The shape of the source tree: what `make lint` checks with scripts/lint-house, and that this check finds each kind of
# violation. The check reads sources and object files; the violations are planted in a small tree in $tmp.
. "$(dirname "$0")/../lib.sh"

command -v gcc nm >/dev/null || skip 'no compiler'

house() {
    "$top/scripts/lint-house" --top "$tmp/tree"
}

# Four folders of one file each, whose calls the table of arrows allows.
make_tree() {
    rm -rf "$tmp/tree"
    mkdir -p "$tmp"/tree/{base,netns/nft,bridge/firewall,cli,include/netctr,scripts}
    cd "$tmp/tree" || exit
    echo 'int base_one(void);' >include/netctr/base.h
    echo 'int nft_one(void);' >include/netctr/nft.h
    printf '#include "netctr/base.h"\nint fw_one(void);\n' >include/netctr/firewall.h
    echo 'int fw_hidden(void);' >bridge/firewall/schema.h
    printf '#include "netctr/base.h"\nint base_one(void)\n{\n    return 1;\n}\n' >base/one.c
    printf '#include "netctr/base.h"\n#include "netctr/nft.h"\nint nft_one(void)\n{\n    return base_one();\n}\n' >netns/nft/one.c
    printf '#include "schema.h"\n#include "netctr/nft.h"\nint fw_one(void)\n{\n    return nft_one();\n}\n' >bridge/firewall/one.c
    printf '#include "netctr/firewall.h"\nint main(void)\n{\n    return fw_one();\n}\n' >cli/main.c
    compile
}

compile() {
    local file
    for file in */*.c */*/*.c; do
        mkdir -p "build/${file%/*}"
        gcc -Iinclude -I. -c -o "build/${file%.c}.o" "$file"
    done
}

finds() { # TEXT: that and nothing else
    local said
    compile
    assert_status 1 house >"$tmp/said" 2>/dev/null
    said=$(cat "$tmp/said")
    assert_contains "$said" "$1"
    assert_eq "$(grep -vc '^    ' "$tmp/said")" 1 "findings in \`$said'"
}

accepts_the_arrows() {
    make_tree
    house
}
t 'the check accepts a tree whose arrows run down' accepts_the_arrows

finds_a_private_header() {
    make_tree
    sed -i '1i #include "bridge/firewall/schema.h"' cli/main.c
    finds 'cli/main.c:1: private header of another folder: bridge/firewall/schema.h'
    # By a relative path, and of a folder below.
    make_tree
    printf '#include "firewall/schema.h"\n' >bridge/two.c
    finds 'bridge/two.c:1: private header of another folder: bridge/firewall/schema.h'
    make_tree
    printf '#include "../../bridge/firewall/schema.h"\n' >netns/nft/two.c
    finds 'netns/nft/two.c:1: private header of another folder: bridge/firewall/schema.h'
    make_tree
    sed -i '1i #include "bridge/firewall/schema.h"' include/netctr/firewall.h
    finds 'include/netctr/firewall.h:1: a public header includes the private header bridge/firewall/schema.h'
}
t 'it finds a private header of another folder' finds_a_private_header

finds_an_arrow() {
    make_tree
    sed -i '1i #include "netctr/firewall.h"' netns/nft/one.c
    finds 'netns/nft/one.c:1: netns/nft must not use bridge/firewall (netctr/firewall.h)'
    make_tree
    sed -i '1i #include "netctr/nft.h"' include/netctr/base.h
    finds 'include/netctr/base.h:1: base must not use netns/nft (netctr/nft.h)'
    # A folder that reaches into one beside or below it without a header.
    make_tree
    printf 'extern int fw_one(void);\nint nft_two(void);\nint nft_two(void)\n{\n    return fw_one();\n}\n' >netns/nft/two.c
    finds 'netns/nft/two.c: netns/nft must not use bridge/firewall (fw_one() of bridge/firewall/one.c)'
    # A variable counts as well.
    make_tree
    printf 'int cli_flag = 1;\n' >cli/flag.c
    printf 'extern int cli_flag;\nint base_two(void);\nint base_two(void)\n{\n    return cli_flag;\n}\n' >base/two.c
    finds 'base/two.c: base must not use cli (cli_flag() of cli/flag.c)'
}
t 'it finds an arrow that is not in the table, by header and by symbol' finds_an_arrow

finds_a_folder() {
    make_tree
    mkdir zoo
    echo 'int lab;' >zoo/lab.c
    finds 'zoo/: the table of arrows in scripts/lint-house does not have this folder'
    make_tree
    sed -i '1i #include "netctr/zoo.h"' cli/main.c
    touch include/netctr/zoo.h
    finds "cli/main.c:1: netctr/zoo.h is no folder's public header"
}
t 'it finds a folder that the table does not have' finds_a_folder

finds_a_word() {
    make_tree
    mkdir core
    echo 'int core_one(void);' >include/netctr/core.h
    printf '/* A network namespace, the host and its hostname are fine. */\n' >core/one.c
    compile
    house
    printf '/* Writes /etc/hosts. */\n' >>core/one.c
    # shellcheck disable=SC2016 # no command
    finds 'core/one.c:2: core must not know `hosts`'
    make_tree
    echo 'enum { NETWORK_HOST };' >include/netctr/core.h
    # shellcheck disable=SC2016 # no command
    finds 'include/netctr/core.h:1: core must not know `NETWORK_HOST`'
    make_tree
    mkdir core
    printf '#include <netctr/netns.h>\n' >core/one.c
    echo 'int netns_one(void);' >include/netctr/netns.h
    finds 'core/one.c:1: core must not use netns (netctr/netns.h)'
}
t 'it finds a word of the network half in core, and a header' finds_a_word

# base/FILE.c with one function that calls others.
make_file() { # NAME CALLS...
    local name=$1 call
    shift
    {
        for call; do echo "int base_$call(void);"; done
        printf 'int base_%s(void);\nint base_%s(void)\n{\n    return 0' "$name" "$name"
        for call; do printf ' + base_%s()' "$call"; done
        printf ';\n}\n'
    } >"base/$name.c"
}

finds_a_circle() {
    make_tree
    make_file two three
    make_file three two
    finds 'base: a circle of three.c two.c'
    assert_contains "$(cat "$tmp/said")" '    two.c calls base_three() of three.c'
    # A longer one, beside what only leads into it.
    make_tree
    make_file two three
    make_file three four one
    make_file four two
    make_file five two
    finds 'base: a circle of four.c three.c two.c'
}
t 'it finds a circle of files' finds_a_circle

warns() {
    make_tree
    {
        printf 'int base_long(void);\nint base_long(void)\n{\n'
        for _ in {1..50}; do printf '    ;\n'; done
        printf '    return 1;\n}\n'
        for _ in {1..560}; do printf '\n'; done
    } >base/long.c
    compile
    assert_eq "$(house)" 'warning: base/long.c:3: base_long() has 51 lines
warning: base/long.c: file has 615 lines'
}
t 'a long function and a long file are warnings' warns

needs_objects() {
    make_tree
    touch -d '1 hour ago' build/base/one.o
    assert_error 'lint-house: build/base/one.o is older than base/one.c: run make first' 2 house
    rm build/base/one.o
    assert_error 'lint-house: build/base/one.o is missing: run make first' 2 house
}
t 'object files that are missing or out of date are an error, not a pass' needs_objects

words() {
    git -C "$top" ls-files >/dev/null 2>&1 || skip 'no git checkout'
    local line='/* Whoever reads this is told by living.c. */' # words: ok
    printf '%s\n' "$line" >"$tmp/one.c"
    assert_eq "$("$top/scripts/lint-words" "$tmp/one.c" || true)" \
        "$tmp/one.c:1:$line"$'\n'"$tmp/one.c:1: there is no file living.c"
    assert_eq "$("$top/scripts/lint-words" || true)" ''
}
t 'no file has wording or names that are gone' words

# Last: the tree itself. A directory that is only a copy of the programs has no objects.
itself() {
    [ -e "$top/${NETCTR_BUILD:-build}/cli/main.o" ] || skip 'no object files'
    "$top/scripts/lint-house" --build "${NETCTR_BUILD:-build}"
}
t 'the tree itself keeps the rules' itself
