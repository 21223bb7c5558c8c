#!/usr/bin/env bash
# A system call of a monitor fails while it changes the network of its container: the client gets the reason or has
# what it requested, and the container goes on. A requested addition is there completely or not at all; a requested
# removal can be repeated until it succeeds.
points=${points-12}
. "$(dirname "$0")/../struck.sh"

may_live=1 from_role=1 must_stay=1
furnish() { furnish_blue; }

live() { # FLAGS OF RUN...
    "${nc[@]}" run -d "$@" "${everything[@]}" "$box" sh -c 'mkdir /www; exec httpd -f -h /www' >"$tmp/out"
    await=(--with "$(jq .monitor "$run_state/containers/k/state.json")")
}
is_in() { # FILE WORD
    grep -q "$2" "$1" && echo yes || echo no
}
on_blue() { # according to its record, its definition and its interfaces
    is_in "$state/containers/k/config.json" '"blue'
    [ -e "$(sandbox_of k)/endpoint.blue.json" ] && echo yes || echo no
    in_network_of k ip -oneline link show dev eth1 >"$tmp/now" 2>&1 && echo yes || echo no
}
published() { # according to its record, its definition and its sockets
    is_in "$(sandbox_of k)/endpoint.default.json" '"host_port": 8085'
    is_in "$state/containers/k/config.json" '"8085'
    is_in /proc/net/tcp ':1F95 .* 0A '
}
# All of it is as before, or as requested; with status 0 the latter.
expect() { # WHAT YES|NO
    local now
    now=$($1 | sort -u)
    if [ "$now" != yes ] && [ "$now" != no ]; then
        bad "it is half done: $($1 | paste -sd' ')"
    elif [ "$status" = 0 ] && [ "$now" != "$2" ]; then
        bad 'it is not done'
    fi
}
# Every second setns() leads back. A process that cannot leave the container's network namespace exits at once, before
# it acts in the wrong one; that it leaves nothing behind is checked as usual.
ended_by_itself() {
    [[ $point =~ :setns\.[0-9]*[02468]= ]]
}
again() { # COMMAND...
    [ "$status" != 0 ] || return 0
    "${nc[@]}" "$@" >"$tmp/next" 2>&1 || grep -qE 'is not on network|does not publish port' "$tmp/next" ||
        bad "asked again: $(<"$tmp/next")"
    status=0
}
lives() {
    page 8080 || bad 'the container does not answer any more'
    # The request can be repeated.
    "${nc[@]}" network disconnect nowhere k >"$tmp/next" 2>&1 || true
    grep -q 'is not on network' "$tmp/next" || bad "its monitor does not answer: $(<"$tmp/next")"
}

connect() {
    prepare() { live; }
    after_strike() { ended_by_itself || { lives; expect on_blue yes; }; }
    fail_each network connect blue k
}
t 'network connect, a call of the monitor fails' connect

disconnect() {
    prepare() { live --network default --network blue; }
    after_strike() { ended_by_itself || { lives; again network disconnect blue k; expect on_blue no; }; }
    fail_each network disconnect blue k
}
t 'network disconnect, a call of the monitor fails' disconnect

# Its ports are published on the remaining default route, or set aside; with status 0 they are published.
carried() { # STATUS
    local waiting
    waiting=$("${nc[@]}" inspect k | jq -r '.[0].unpublished // [] | length')
    if [ "$waiting" = 0 ]; then
        page 8080 || bad 'a port that is said to be published does not answer'
    else
        [ "$1" != 0 ] || bad "$waiting ports wait, and nothing has been said"
        ! page 8080 || bad 'a port that is said to wait answers'
    fi
}
move() {
    local points=6
    prepare() { live --network default --network blue; }
    after_strike() {
        local first=$status
        ended_by_itself || { again network disconnect default k; carried "$first"; }
    }
    fail_each network disconnect default k
}
t 'network disconnect of the publishing network, a call of the monitor fails' move

take_over() {
    local points=6
    prepare() { live; }
    after_strike() { ended_by_itself || { carried 0; lives; expect on_blue yes; }; }
    fail_each network connect --gw-priority 5 blue k
}
t 'network connect of a new default route, a call of the monitor fails' take_over

publish() {
    prepare() { live; }
    after_strike() { ended_by_itself || { lives; expect published yes; }; }
    fail_each publish k 8085:85
}
t 'publish, a call of the monitor fails' publish

unpublish() {
    prepare() { live -p 8085:85; }
    after_strike() { ended_by_itself || { lives; again unpublish k 8085; expect published no; }; }
    fail_each unpublish k 8085
}
t 'unpublish, a call of the monitor fails' unpublish

# Everything that shows its name.
named() { # NAME: yes, no
    [ -e "$state/containers/$1" ] && echo yes || echo no
    [ -e "$run_state/containers/$1" ] && echo yes || echo no
    is_in "$(sandbox_of "$1")/sandbox.json" "\"$1\""
    is_in "$(sandbox_of "$1")/endpoint.default.json" "\"$1\""
    grep -qs "$(sandbox_of "$1" | sed 's,.*/,,')" "$run_state/leases/default"/10.* &&
        { grep -qsw "$1" "$run_state/leases/default"/10.* && echo yes || echo no; }
    find "$run_state/dns/network/default/$1" -type l 2>/dev/null | grep -q . && echo yes || echo no
}
renames() {
    local points=6 lives_as
    prepare() {
        "${nc[@]}" run -d --name old "${everything[@]:2}" "$box" sh -c 'mkdir /www; exec httpd -f -h /www' >"$tmp/out"
        await=(--with "$(jq .monitor "$run_state/containers/old/state.json")")
    }
    after_strike() {
        [ ! -e "$run_state/renaming" ] || bad 'the rename has not ended'
        if ! ended_by_itself; then
            lives_as=$(names | grep -x 'k\|old')
            expect "named $lives_as" yes
            [ "$status" != 0 ] || [ "$lives_as" = k ] || bad 'it is not renamed'
            page 8080 || bad 'the container does not answer any more'
        fi
        [ ! -e "$state/containers/old" ] || next_command rename old k
    }
    fail_each rename old k
}
t 'rename, a call of the monitor fails' renames
