#!/usr/bin/env bash
# netctr events: one line for each event, whichever process caused it, and no command that fails because of it.
. "$(dirname "$0")/../lib.sh"

events() { netctr events --no-stream "$@"; }
# "TYPE EVENT" of each, on one line.
words() { jq -r '.type + " " + .event' | paste -sd,; }
forget() { rm -f "$run_state/events" "$run_state/events.1"; }

one_life() {
    warm_up
    forget
    netctr run -d --name web "$box" sleep 100 >/dev/null
    netctr exec web sh -c 'exit 3' || true
    netctr kill -s USR1 web
    netctr stop -t 0 web
    netctr rm web
    events >"$tmp/events"
    assert_eq "$(words <"$tmp/events")" "container create,network connect,container start,$(
        )container exec_start,container exec_die,container kill,container die,network disconnect,$(
        )container stop,container destroy"
    assert_eq "$(jq -r 'select(.type == "container") | .name' "$tmp/events" | sort -u)" web
    assert_eq "$(jq -r .id "$tmp/events" | sort -u | wc -l)" 1 'ids'
    assert_eq "$(jq -r 'select(.event == "die") | .exit_code' "$tmp/events")" 137
    assert_eq "$(jq -r 'select(.event == "exec_die") | .exit_code' "$tmp/events")" 3
    assert_eq "$(jq -r 'select(.event == "kill") | .signal' "$tmp/events")" 10
    assert_eq "$(jq -r 'select(.event == "connect") | .name + " " + .container' "$tmp/events")" \
        'default web'
    assert_eq "$(jq -r .time "$tmp/events" | grep -Ev '^20[0-9-]{8}T[0-9:]{8}\.[0-9]{9}Z$' || true)" ''
    jq -r .time "$tmp/events" | sort -C
}
t 'one life, from create to destroy' one_life

other_lives() {
    warm_up
    forget
    netctr run --rm --name a "$box" sh -c 'exit 7' || true
    assert_eq "$(events --filter event=die --filter event=destroy | jq -r '.event + (.exit_code // "" | tostring)' | paste -sd,)" \
        die7,destroy
    forget
    netctr run --name b "$box" nothing || true
    assert_eq "$(events --filter type=container | words)" 'container create,container destroy'
    forget
    netctr run -d --name c "$box" sleep 100 >/dev/null
    netctr restart -t 0 c
    assert_eq "$(events --filter type=container | jq -r .event | paste -sd,)" \
        create,start,die,stop,start,restart
}
t '--rm, a missing command, restart' other_lives

policy() {
    forget
    netctr run -d --name p --restart on-failure:2 "$box" sh -c 'exit 4' >/dev/null
    wait_for 10 status_is p exited
    assert_eq "$(events --filter container=p --filter type=container | jq -r '.event + (.exit_code // "" | tostring)' | paste -sd,)" \
        create,start,die4,start,die4,start,die4
}
t 'a restart policy: a start and a die for each run' policy

# Its exit status cannot be written, and every command tries again.
told_once() {
    forget
    netctr run -d --name k "$box" sleep 100 >/dev/null
    mkdir "$state/containers/k/config.json~"
    kill -KILL "$(pid_of k)"
    wait_for 10 eval '[ "$(events --filter event=die | wc -l)" = 1 ]'
    netctr ps -a >/dev/null 2>&1
    netctr ps -a >/dev/null 2>&1
    assert_eq "$(events --filter type=container | jq -r '.event + (.exit_code // "" | tostring)' | paste -sd,)" \
        create,start,die137
    rmdir "$state/containers/k/config.json~"
    netctr ps -a >/dev/null
    assert_eq "$(events --filter event=die | wc -l)" 1 'deaths'
    assert_eq "$(state_of k exit_status)" 137
}
t 'a death is reported once, however often its cleanup is tried' told_once

out_of_memory() {
    forget
    netctr run --name o -m 16m "$box" sh -c 'x=x; while :; do x=$x$x; done' || true
    assert_eq "$(events --filter event=die | jq -c '[.oom_killed, .oom_kills, .exit_code]')" '[true,1,137]'
    forget
    netctr run --name c -m 16m "$box" sh -c 'tail /dev/zero; exit 7' || true
    assert_eq "$(events --filter event=die | jq -c '[.oom_killed, .oom_kills, .exit_code]')" '[null,1,7]'
}
t 'die reports the memory limit' out_of_memory

cleaned_up() {
    forget
    netctr run -d --name k "$box" sleep 100 >/dev/null
    local program_pid
    program_pid=$(pid_of k)
    kill -KILL "$(monitor_of k)"
    wait_for 5 sh -c "! kill -0 $program_pid 2>/dev/null"
    netctr ps >/dev/null
    netctr ps >/dev/null
    assert_eq "$(events --filter event=die | jq -r '.name + " " + (.exit_code | tostring)')" 'k 137'
    assert_eq "$(events --filter event=disconnect | wc -l)" 1
}
t 'the process that cleans up after a dead monitor emits the events, once' cleaned_up

flushed() {
    netctr run -d --name web "$box" sleep 100 >/dev/null
    forget
    nft flush ruleset
    wait_for 5 sh -c "grep -q '\"reload\"' $run_state/events"
    assert_eq "$(events | jq -r '.type + " " + .event + " " + .name + " " + (.endpoints | tostring)' | sort -u)" \
        'system reload firewall 1'
    forget
    mkdir "$state/containers/.removed-x"
    netctr gc >/dev/null
    assert_eq "$(events --filter event=prune | jq -r .name)" 'directory .removed-x'
}
t 'a flushed firewall, what gc finds' flushed

follow() {
    warm_up
    netctr events --filter event=start --filter event=die >"$tmp/followed" &
    local follower=$!
    # It is following when it shows one.
    begun() {
        netctr run --rm --name begin "$box" true
        grep -q begin "$tmp/followed"
    }
    wait_for 10 begun
    netctr run --rm --name f "$box" true
    wait_for 5 sh -c "grep -q '\"die\".*\"f\"' $tmp/followed"
    assert_eq "$(jq -r 'select(.name == "f") | .event' "$tmp/followed" | paste -sd,)" start,die
    kill "$follower"
    # It exits by itself.
    within 20 netctr events --until "$(date -u -d '+2 seconds' +%FT%T.%NZ)" >"$tmp/ended" &
    follower=$!
    netctr run --rm --name u "$box" true
    wait "$follower"
}
t 'events follows, and exits at the given time' follow

# Containers have taken all inotify instances, and later one of them ends.
follow_without_inotify() {
    warm_up
    rm -f "$tmp/followed" # of the test before: it says `begin`
    : >"$tmp/taken"
    TAKEN=$tmp/taken LD_PRELOAD=$(preload taken.so) \
        "$program" --root "$state" --run-root "$run_state" events >"$tmp/followed" 2>"$tmp/err" &
    local follower=$!
    begun() {
        netctr run --rm --name begin "$box" true
        grep -q begin "$tmp/followed"
    }
    wait_for 10 begun
    netctr run --rm --name f "$box" true
    wait_for 2 sh -c "grep -q '\"destroy\".*\"f\"' $tmp/followed"
    assert_eq "$(jq -r 'select(.type == "container" and .name == "f") | .event' "$tmp/followed" | paste -sd,)" \
        create,start,die,destroy
    rm "$tmp/taken"
    wait_for 2 sh -c "ls -l /proc/$follower/fd | grep -q inotify"
    netctr run --rm --name g "$box" true
    wait_for 2 sh -c "grep -q '\"destroy\".*\"g\"' $tmp/followed"
    assert_eq "$(cat "$tmp/err")" ''
    kill "$follower"
}
t 'events follows without inotify' follow_without_inotify

replaced() {
    # Larger than the bound, twice, while a follower reads: it sees each event once.
    warm_up
    forget
    local line n seen
    line='{"time":"2026-01-02T03:04:05.000000000Z","type":"system","event":"fill","name":"NUMBER"}'
    netctr events --since 0 >"$tmp/followed" &
    seen=$!
    for n in 1 2 3; do
        for i in $(seq 13000); do echo "${line/NUMBER/$n-$i}"; done >>"$run_state/events"
        netctr run --rm --name "r$n" "$box" true # renames the large file
        wait_for 10 sh -c "grep -q '\"die\".*\"r$n\"' $tmp/followed"
    done
    assert_eq "$(grep -c '"fill"' "$tmp/followed")" 39000 'lines'
    assert_eq "$(jq -r 'select(.event == "fill") | .name' "$tmp/followed" | sort | uniq -d | wc -l)" 0 'twice'
    kill "$seen"
    [ "$(stat -c %s "$run_state/events")" -lt 1048576 ]
    [ "$(stat -c %s "$run_state/events.1")" -ge 1048576 ]
    assert_eq "$(find "$run_state" -name 'events*' | wc -l)" 2 files
    # A later reader sees both files, each line once.
    assert_eq "$(events --filter event=fill | wc -l)" 13000
    assert_eq "$(events --filter event=destroy | jq -r .name | paste -sd,)" r2,r3
    # Also in the moment in which the new file does not exist yet.
    mv "$run_state/events" "$run_state/events.1"
    assert_eq "$(events --filter event=destroy | jq -r .name | paste -sd,)" r3
}
t 'a file that grows too large is replaced, and a follower misses nothing' replaced

torn() {
    warm_up
    forget
    printf '{"time":"2026-01-02T03:04:05.0' >"$run_state/events"
    netctr run --rm --name after "$box" true
    printf 'garbage\n\0\n{}\n' >>"$run_state/events"
    netctr run --rm --name last "$box" true
    assert_eq "$(events --filter event=create | jq -r .name | paste -sd,)" after,last
}
t 'torn lines do not damage other lines' torn

cannot_write() {
    # A directory in the file's place: every write fails, and nothing else does.
    warm_up
    forget
    mkdir "$run_state/events"
    netctr run -d --name web "$box" sleep 100 >/dev/null 2>"$tmp/err"
    netctr exec web true 2>>"$tmp/err"
    netctr stop -t 0 web 2>>"$tmp/err"
    netctr rm web 2>>"$tmp/err"
    assert_eq "$(cat "$tmp/err")" ''
    rmdir "$run_state/events"
    netctr run --rm --name later "$box" true
    assert_eq "$(events --filter event=create | jq -r .name)" later
}
t 'an event that cannot be written is lost, and nothing else' cannot_write

choices() {
    warm_up
    forget
    netctr run --rm --name one "$box" true
    local between
    between=$(date -u +%FT%T.%NZ)
    netctr run --rm --name two "$box" true
    assert_eq "$(events --since "$between" --filter event=create | jq -r .name)" two
    assert_eq "$(netctr events --until "$between" --filter event=create | jq -r .name)" one
    assert_eq "$(events --since 1h --until 0s --filter event=create | jq -r .name | paste -sd,)" one,two
    assert_eq "$(events --filter container=one --filter type=network | jq -r .event | paste -sd,)" \
        connect,disconnect
    assert_eq "$(events --filter network=default --filter event=connect | jq -r .container | paste -sd,)" one,two
    assert_eq "$(events --filter "container=$(events --filter event=create --filter container=two | jq -r .id)" --filter event=start | jq -r .name)" two
    assert_eq "$(events --filter container=none)" ''
    assert_error 'netctr: filter `colour=red` is not one of type=, container=, network=, event=, label=' 125 \
        netctr events --filter colour=red
    assert_error 'netctr: since `yesterday` is not a time (as in 10m, 2026-01-02T15:04:05Z)' 125 \
        netctr events --since yesterday
    assert_error 'netctr: since `9999-12-31T23:59:59Z` is not a time (as in 10m, 2026-01-02T15:04:05Z)' 125 \
        netctr events --since 9999-12-31T23:59:59Z
    assert_error \
        "netctr: unknown format \`yaml\`; json has everything; pipe it to jq: netctr events --no-stream | jq -r '.event'" \
        125 netctr events --format yaml
}
t 'since, until, filters, and invalid values' choices

networks_and_ports() {
    netctr network create blue >/dev/null
    netctr run -d --name web "$box" sleep 100 >/dev/null
    netctr publish web 8080:80 127.0.0.1:8053:53/udp >/dev/null
    netctr unpublish web 8080
    netctr network rm blue >/dev/null
    netctr network create red >/dev/null
    netctr network prune -f >/dev/null
    assert_eq "$(events --filter type=network | jq -r 'select(.name == "blue") | .event' | tr '\n' ' ')" 'create remove '
    assert_eq "$(events --filter type=network | jq -r 'select(.name == "red") | .event' | tr '\n' ' ')" 'create remove '
    assert_eq "$(events --filter container=web | jq -r 'select(.ports) | .event + " " + .ports' | tr '\n' ';')" \
        'publish 8080:80/tcp,127.0.0.1:8053:53/udp;unpublish 8080:80/tcp;'
}
t 'creation and removal of networks, ports of a running container' networks_and_ports
