#!/usr/bin/env bash
# Every flag of docker and podman works, or is refused by name with what to do instead; docs/docker.md tells which. That
# they work is shown by their effect (tests/docker_works.sh), for all other flags of netctr, too.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/terminal.sh"
. "$top/tests/docker_works.sh"
read_only_host

words() {
    "$top/tests/docker_words" >"$tmp/page" 2>"$tmp/err" || fail "$(cat "$tmp/err")"
    [ ! -s "$tmp/err" ] || fail "$(cat "$tmp/err")"
    diff -u "$top/docs/docker.md" "$tmp/page" || fail 'run: tests/docker_words >docs/docker.md'
    [ "$(grep -c '^Works:' "$tmp/page")" -gt 15 ] || fail 'too few commands'
}
t 'each flag of docker and podman works or is refused by name, and docs/docker.md says which' words

unknown() {
    mkdir "$tmp/copy" "$tmp/copy/tests"
    cp "$top/tests/docker_words" "$tmp/copy/tests"
    printf 'docker run: --no-such-flag -X,--env\n' >"$tmp/copy/tests/docker_words.txt"
    assert_status 1 env NETCTR_BUILD="$(dirname "$program")" "$tmp/copy/tests/docker_words" >"$tmp/page" 2>"$tmp/err"
    assert_eq "$(cat "$tmp/err")" 'tests/docker_words: run --no-such-flag is neither known nor refused by name
tests/docker_words: run -X is neither --env nor refused by name'
}
t 'a flag that is taken for a typing error is noticed' unknown

# The ways that the refusals name.
ways() {
    assert_eq "$(netctr run --rm --network none "$box" linux32 uname -m)" i686
    assert_eq "$(netctr run --rm --network none "$box" taskset -c 0 grep Cpus_allowed_list /proc/self/status | cut -f2)" 0
    background --name a "$box" touch /made
    wait_for 5 status_is a exited
    assert_eq "$(du -a "$state/containers/a/upper" | grep -c /made)" 1
    netctr network create --subnet fd63::/64 six >/dev/null
    assert_eq "$(netctr network inspect six | jq .[0].subnet)" null
    assert_eq "$(netctr network inspect six >/dev/null || netctr network create six)" ''
    local names
    for names in 'owner sharer' 'sharer owner'; do
        netctr run -d --name owner "$box" sleep 1000 >/dev/null
        netctr run -d --name sharer --network container:owner "$box" sleep 1000 >/dev/null
        # shellcheck disable=SC2086 # two names
        assert_eq "$(netctr rm -f $names | paste -sd' ')" "$names"
    done
}
t 'what a refusal names instead does it' ways

# ---- what works ----------------------------------------------------------------------------------

all_commands() {
    netctr --help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p' | grep -vx network
    netctr network --help | sed -n '/^commands:/,/^$/s/^  \([a-z][a-z]*\) .*/network \1/p'
}
flags_of() { # COMMAND: one on each line, -x and --long
    # shellcheck disable=SC2086 # words
    netctr help $1 --all | sed -n '/^flags:/,/^$/p' |
        grep -oE '^  (-[a-zA-Z], |    )--[a-z0-9-]+' | grep -oE -- '--?[a-zA-Z0-9-]+' || true
}

t 'the flags of run do what they say' run_flags
t 'those of a container that ends, too' run_once
t 'and those of its end' run_ends
t 'create has the flags of run' create_flags
t 'the flags of exec do what they say' exec_flags
t 'those of attach' attach_flags
t 'of cp and diff' cp_flags
t 'of update' update_flags
t 'of ps, inspect, stats and rm' listings
t 'of logs' logs_flags
t 'of events' events_flags
t 'of start' starts
t 'of stop, restart and kill' ends
t 'of the network commands' network_flags
t 'of version, info, doctor, gc and reset' host_flags

none_is_left_out() {
    local command
    all_commands >"$tmp/commands"
    while read -r command; do flags_of "$command" | sed "s/^/$command /"; done <"$tmp/commands" | sort >"$tmp/flags"
    [ "$(wc -l <"$tmp/flags")" -gt 200 ] || fail 'too few flags'
    sort -u "$ARENA/proved" | diff - "$tmp/flags" || fail 'a flag without a row in tests/docker_works.sh (>), or a row without a flag (<)'
}
t 'no flag is left out' none_is_left_out

# ---- bad values ----------------------------------------------------------------------------------

refuses() {
    local words
    while read -r words; do
        # shellcheck disable=SC2086 # words of a command
        assert_status 125 netctr ${words/ROOTFS/"$box" true} </dev/null >"$tmp/out" 2>"$tmp/said"
        assert_eq "$(wc -l <"$tmp/said")$(cat "$tmp/out")" 1 "lines of: $words"
    done <<-END
	run --memory x ROOTFS
	run --cpus x ROOTFS
	run --pids-limit x ROOTFS
	run --restart x ROOTFS
	run --stop-signal x ROOTFS
	run --umask x ROOTFS
	run --env-file /none ROOTFS
	run --user x:y:z ROOTFS
	run --publish x ROOTFS
	run --expose x ROOTFS
	run --network ../x ROOTFS
	run --ip x ROOTFS
	run --mac-address x ROOTFS
	run --add-host x ROOTFS
	run --dns x ROOTFS
	run --sysctl x ROOTFS
	run --volume x ROOTFS
	run --mount x ROOTFS
	run --tmpfs x ROOTFS
	run --shm-size x ROOTFS
	run --ulimit x ROOTFS
	run --oom-score-adj x ROOTFS
	run --log-driver x ROOTFS
	run --log-opt x ROOTFS
	run --userns x ROOTFS
	run --uidmap x ROOTFS
	run --cap-add x ROOTFS
	run --detach-keys ctrl- ROOTFS
	run --rm=x ROOTFS
	run --help=x
	create --memory x ROOTFS
	ps --filter x
	ps --last x
	ps --all=x
	logs --tail x none
	logs --since x none
	logs --help=false none
	inspect --format {{ none
	events --filter x
	events --until x
	events --format {{.Nope}}
	stop --time x none
	kill --signal x none
	update --memory x none
	attach --detach-keys ctrl- none
	network create --subnet x net
	network create --mtu x net
	network create --mode x net
	network ls --filter x
	network connect --ip x none none
	network update --route-add x none
	END
    assert_eq "$(netctr ps -aq; netctr network ls -q --filter name=net)" '' 'what was made'
}
t 'a bad value is refused in one line' refuses

# The template is tried before the first event.
fields_of_events() {
    local field
    netctr run --name a --label team=a --label of=events --network none "$box" true
    netctr rename a b
    netctr rm b >/dev/null
    for field in $(netctr events --no-stream | jq -r keys[] | sort -u); do
        netctr events --no-stream --filter container=none --format "{{.$field}}" || fail "$field"
    done
    assert_eq "$(netctr events --no-stream --filter label=of=events --filter event=create --format '{{.labels.team}} {{.Actor.Attributes.none}}')" 'a <no value>'
    assert_status 125 within 20 netctr events --format '{{.Nope}}' 2>"$tmp/said"
    assert_contains "$(cat "$tmp/said")" 'there is no field `.Nope`'
}
t 'an unknown field is refused before an event happens' fields_of_events
