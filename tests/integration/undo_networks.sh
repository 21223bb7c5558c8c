#!/usr/bin/env bash
# network create, rm, link: killed anywhere, the same command completes what was started.
. "$(dirname "$0")/../lib.sh"

strace -o /dev/null true 2>/dev/null || skip 'no permission to trace'

# The order of a set's elements is that of their creation.
ruleset() { nft --stateless list ruleset | sed '/^table inet netctr_nat_hold /,/^}/d' | sed 's/elements =//; s/[,{}[:space:]]\+/ /g' | sort; }

# strace counts the calls of each kind separately.
killed=0
kill_at() { # kills it at its system call of that number
    strace -f -qq -o "$tmp/trace" -e inject=all:signal=KILL:when="$1" "${@:2}" >/dev/null 2>&1 </dev/null || true
    ! grep -q 'killed by SIGKILL' "$tmp/trace" || killed=$((killed + 1))
}
gone() { # NAME
    netctr network rm "$1" >/dev/null 2>&1 || true # it may never have existed
    assert_eq "$(netctr network ls -q)" default
    netctr gc >/dev/null
}

killed_creates() {
    warm_up
    snapshot
    local call
    for call in {1..45}; do
        kill_at "$call" netctr network create --ipv6 k
        gone k
        assert_clean
    done
    [ $killed -gt 15 ] || fail "only $killed were killed"
}
t 'create killed at the 1st to 45th call of a kind' killed_creates

killed_removals() {
    warm_up
    netctr network create --ipv6 other
    netctr run --rm --network other "$box" true
    snapshot
    local call
    for call in {1..60}; do
        netctr network create --ipv6 --subnet 10.71.0.0/24 k >/dev/null
        netctr network link other k
        netctr run --rm --network k "$box" true
        kill_at "$call" netctr network rm k
        netctr network rm k >/dev/null 2>&1 || true
        assert_lacks "$(netctr network ls -q)" k
        netctr gc >/dev/null
        assert_clean
    done
    [ $killed -gt 15 ] || fail "only $killed were killed"
}
t 'rm killed at the 1st to 60th call of a kind' killed_removals

killed_forced_removals() {
    warm_up
    netctr run -d --name r "$box" sleep 100 >/dev/null
    netctr run --name s "$box" true
    snapshot
    local call
    for call in {1..40..3}; do
        netctr network create --subnet 10.71.0.0/24 k >/dev/null
        netctr network connect k s
        netctr network connect k r
        kill_at "$call" netctr network rm -f k
        netctr network rm -f k >/dev/null
        assert_eq "$(netctr inspect r s | jq -c 'map(.networks)')" '[["default:name=eth0"],["default"]]'
        assert_eq "$(netctr network ls -q)" default
        netctr gc >/dev/null
        assert_clean
    done
    [ $killed -gt 5 ] || fail "only $killed were killed"
}
t 'rm -f of a network with users, killed at every third call of a kind' killed_forced_removals

killed_links() {
    netctr network create a
    netctr network create b
    netctr run --rm --network a "$box" true
    netctr run --rm --network b "$box" true
    local call elements
    for call in {1..40}; do
        kill_at "$call" netctr network link a b
        netctr network link a b
        elements=$(nft list set inet netctr links)
        assert_contains "$elements" '"nc-a" . "nc-b"'
        kill_at "$call" netctr network unlink a b
        netctr network unlink a b 2>/dev/null || true
        assert_eq "$(netctr network inspect a | jq -c '.[0].links')" '[]'
        assert_lacks "$(nft list set inet netctr links)" '"nc-a" . "nc-b"'
    done
    [ $killed -gt 15 ] || fail "only $killed were killed"
    netctr gc >/dev/null
    assert_eq "$(find "$state/networks" -name '*~')" '' 'unfinished files'
}
t 'link and unlink killed at the 1st to 40th call of a kind' killed_links

removed_before_it_is_known() { # between the look at the definition and the claim of a name
    rm -f "$tmp/trace"
    strace -f -qq -o "$tmp/trace" -e trace=bind,listen -e inject=listen:delay_enter=1500000 \
        netctr run --rm --network a -p 8080:80 "$box" true >/dev/null 2>"$tmp/err" &
    wait_for 5 grep -q 'bind(.*8080' "$tmp/trace"
    "$@"
    assert_fails wait $!
}
outrun() {
    warm_up
    snapshot
    netctr network create --subnet 10.71.0.0/24 a
    removed_before_it_is_known netctr network rm a
    assert_eq "$(cat "$tmp/err")" 'netctr: network `a`: it has just been removed'
    assert_clean
    netctr network create --subnet 10.71.0.0/24 a
    made_anew() {
        netctr network rm a
        netctr network create --subnet 10.72.0.0/24 a
    }
    removed_before_it_is_known made_anew
    assert_eq "$(cat "$tmp/err")" 'netctr: network `a`: it has just been removed and created again'
    netctr network rm a
    assert_clean
}
t 'a network that is removed, or created again, during a run: nothing is left' outrun
