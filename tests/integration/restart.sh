#!/usr/bin/env bash
# After the program's end: restart policies, start, restart, and what remains after a reboot.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"

background() { netctr run -d --network none "$@" >/dev/null; }

restarts_of() { state_of "$1" restarts; }
has_restarted() { # NAME TIMES
    [ "$(restarts_of "$1")" -ge "$2" ]
}

always() {
    background --name a --restart always "$box" sh -c 'echo run; exit 3'
    background --name b --restart always "$box" true
    wait_for 10 has_restarted a 3
    wait_for 10 has_restarted b 2
    assert_eq "$(netctr logs a | sort -u)" run
}
t 'always: after a failure and after success' always

on_failure() {
    background --name a --restart on-failure "$box" sh -c 'sleep 0.1'
    background --name b --restart on-failure:2 "$box" sh -c 'echo run; exit 4'
    background --name c --restart on-failure "$box" sh -c 'echo run >>/count; [ "$(wc -l </count)" = 3 ]'
    wait_for 10 status_is a exited
    assert_eq "$(state_of a exit_status)" 0
    wait_for 10 status_is b exited
    assert_eq "$(netctr logs b | wc -l)" 3 'runs of one that may fail twice more'
    assert_eq "$(state_of b exit_status)" 4
    wait_for 10 status_is c exited
    assert_eq "$(state_of c exit_status)" 0 'the third run went well'
}
t 'on-failure[:N]: until it succeeds, or N times' on_failure

inspect_counts() { netctr inspect b | jq -e '.[0].state | .exit_status == 4 and .restarts >= 3 and .failure == null'; }
ps_counts() { netctr ps | grep ' b$' | has -E 'Restarting \(4\), [0-9]+ restarts'; }
ps_counts_in_json() { netctr ps --format json | jq -e '.[] | select(.name == "b") | .exit_status == 4 and .restarts >= 3'; }
counted() {
    background --name a --restart on-failure:3 "$box" false
    background --name b --restart always "$box" sh -c 'exit 4'
    wait_for 10 has_restarted b 3
    # Between two runs; a slow command may come too late for one pause, and sees the next.
    wait_for 5 inspect_counts
    wait_for 5 ps_counts
    wait_for 5 ps_counts_in_json
    netctr stop b
    [ "$(restarts_of b)" -ge 3 ] || fail 'the count of one that was stopped is lost'
    wait_for 20 status_is a exited
    assert_eq "$(restarts_of a)" 3
    netctr ps -a | grep ' a$' | has -E 'Exited \(1\) .* ago, 3 restarts'
    # A killed monitor does not lose the count.
    background --name c --restart always "$box" sh -c '[ -e /ran ] && exec sleep 100; touch /ran; exit 1'
    wait_for 10 has_restarted c 1
    wait_for 5 status_is c running
    kill -KILL "$(monitor_of c)"
    wait_for 5 status_is c exited
    assert_eq "$(restarts_of c)" 1
    # A start by hand begins the count again.
    netctr start c
    assert_eq "$(restarts_of c)" 0
}
t 'restarts are counted, and the count outlives the last run' counted

restart_restarting() {
    background --name r --restart always "$box" sh -c '[ -e /ok ] && exec sleep 100; exit 1'
    wait_for 20 has_restarted r 3
    wait_for 5 status_is r restarting
    touch "$state/containers/r/upper/ok"
    within 10 netctr restart r
    status_is r running
    assert_eq "$(restarts_of r)" 0
}
t 'restart of a container that pauses before its next run' restart_restarting

policies_of_others() {
    background --name a "$box" false
    background --name b --restart no "$box" false
    wait_for 5 status_is a exited
    wait_for 5 status_is b exited
    local error
    error=$(netctr run --restart sometimes "$box" true 2>&1) || assert_eq $? 125
    assert_eq "$error" 'netctr: unknown restart policy `sometimes`; no, on-failure[:N], always or unless-stopped'
    assert_status 125 netctr run --restart on-failure:x "$box" true
    assert_status 125 netctr run --restart always --rm "$box" true
    assert_eq "$(names -a | sort | tr '\n' ' ')" 'a b '
}
t 'no is the default; an unknown policy, or one together with --rm, is refused' policies_of_others

stop_means_stop() {
    background --name a --restart always "$box" sleep 100
    background --name b --restart unless-stopped "$box" sleep 100
    background --name c --restart always "$box" sleep 100
    background --name d --restart always "$box" sh -c 'trap "exit 5" TERM; while :; do sleep 0.02; done'
    netctr stop -t 0 a
    netctr kill b
    kill -TERM "$(monitor_of d)" # as systemd would
    netctr rm -f c
    wait_for 5 status_is d exited
    assert_eq "$(state_of d exit_status)" 5
    assert_eq "$(names)" ''
    assert_eq "$(names -a | sort | tr '\n' ' ')" 'a b d '
    # Another signal has no such effect.
    background --name e --restart always "$box" sleep 100
    netctr kill -s USR1 e
    status_is e running
}
t 'stop, kill, rm -f and a signal for the monitor end it for good' stop_means_stop

stop_between_runs() {
    # The pause grows: after a few runs it pauses for most of the time.
    background --name a --restart always "$box" false
    background --name b --restart always "$box" false
    background --name c --restart always "$box" false
    wait_for 20 has_restarted a 3
    wait_for 5 status_is a restarting
    assert_contains "$(netctr ps)" 'Restarting (1)'
    netctr stop a
    status_is a exited
    wait_for 5 status_is b restarting
    assert_fails netctr exec b true
    assert_fails netctr rm b
    netctr rm -f b
    wait_for 5 status_is c restarting
    netctr kill c
    wait_for 5 status_is c exited
    assert_eq "$(pgrep -cf '^netctr monitor of')" 0 'monitors left'
}
t 'stop, kill and rm -f between two runs' stop_between_runs

# One of them is gone before its turn.
several_of_which_one_goes() {
    background --name deaf "$box" sleep 1000
    background --name gone --rm "$box" sh -c 'trap "exit 0" TERM; while :; do sleep 0.02; done'
    background --name quick "$box" sh -c 'trap "exit 0" TERM; while :; do sleep 0.02; done'
    netctr stop -t 1 deaf gone quick
    assert_eq "$(names)" ''
    assert_eq "$(netctr events --no-stream --filter event=stop | jq -r .name | tail -3 | paste -sd' ')" 'deaf gone quick'
}
t 'stop of several containers, one of which is gone at once' several_of_which_one_goes

killed_between() {
    background --name a --restart always "$box" sh -c 'exit 3'
    wait_for 20 has_restarted a 4
    local file=$run_state/containers/a/state.json monitor
    monitor=$(jq .monitor "$file")
    until kill -STOP "$monitor" && [ "$(jq .restarting "$file")" = true ]; do
        kill -CONT "$monitor"
        sleep 0.05
    done
    kill -KILL "$monitor"
    wait_for 5 status_is a exited
    assert_eq "$(state_of a exit_status)" 3
}
t 'a monitor that is killed between two runs: the last exit status is known' killed_between

dies_at() { # its monitor is killed at the next such call
    local monitor
    monitor=$(monitor_of "$1")
    strace -qq -o "$tmp/trace" -p "$monitor" -e trace="$2" -e inject="$2:signal=SIGKILL" &
    wait_for 5 traced "$monitor"
}

killed_as_it_begins() {
    strace -o /dev/null true 2>/dev/null || skip 'no permission to trace'
    background --name a --restart always -v "$tmp:/t" "$box" \
        sh -c 'until [ -e /t/go ]; do usleep 20000; done; exit 3'
    dies_at a clone3
    touch "$tmp/go"
    wait_for 5 status_is a exited
    assert_eq "$(state_of a exit_status)" 3
    # The same by a command.
    rm "$tmp/go"
    strace -f -qq -o "$tmp/trace" -e trace=clone3 -e inject=clone3:signal=SIGKILL \
        "$program" --root "$state" --run-root "$run_state" start a 2>/dev/null && fail 'it was not killed'
    wait_for 5 status_is a exited
    assert_eq "$(state_of a exit_status)" 3
}
t 'a monitor that is killed as the next run starts: the last exit status is known' killed_as_it_begins

# What stop does under the lock, when the pause is over and the monitor waits for the lock.
stop_comes_in_between() {
    background --name a --restart always "$box" sh -c 'echo run; exit 1'
    wait_for 20 has_restarted a 4
    local file=$run_state/containers/a/state.json runs restarts
    exec 8<>"$run_state/lock"
    until flock 8 && [ "$(jq .restarting "$file")" = true ]; do
        flock -u 8
        sleep 0.05
    done
    runs=$(grep -c run "$state/containers/a/log")
    restarts=$(jq .restarts "$file")
    sleep "$(((150 << restarts) / 1000 + 1))" # longer than its pause
    assert_eq "$(head -1 "$run_state/containers/a/flags")" 'end-asked=no   '
    printf 'end-asked=yes' | dd of="$run_state/containers/a/flags" conv=notrunc status=none
    exec 8>&-
    wait_for 10 status_is a exited
    assert_eq "$(grep -c run "$state/containers/a/log")" "$runs" 'runs'
}
t 'a container that is stopped when its pause is over does not run again' stop_comes_in_between

masked() {
    # shellcheck disable=SC2016 # the container expands it
    (umask 077 && background --name a --restart on-failure:1 "$box" sh -c \
        'stat -c %a /etc/hosts /etc/hostname /etc/resolv.conf; exit 1')
    wait_for 10 status_is a exited
    assert_eq "$(netctr logs a | paste -sd' ')" '644 644 644 644 644 644'
}
t "the caller's umask is not the container's, in no run" masked

port_stays() {
    warm_up
    snapshot
    # shellcheck disable=SC2016 # the container expands it
    netctr run -d --name a --restart always -p 8080:80 -m 32m "$box" sh -c \
        'mkdir -p /www; echo x >>/www/index.html; [ "$(wc -l </www/index.html)" -gt 2 ] && exit 1
         httpd -h /www; sleep "$1"; exit 1' sh "$slowness" >/dev/null
    wait_for 5 http http://127.0.0.1:8080/
    local before
    before=$(netctr inspect a | jq -c '.[0].endpoints')
    wait_for 10 has_restarted a 1
    wait_for 5 http http://127.0.0.1:8080/
    [ "$(http http://127.0.0.1:8080/ | wc -l)" -gt 1 ] || fail 'what the first run has written is lost'
    assert_eq "$(netctr inspect a | jq -c '.[0].endpoints')" "$before" 'the endpoints'
    wait_for 10 has_restarted a 4 # by now it pauses for most of the time, without a listener
    # Refused at once, on every way in; and no other process can have the port.
    assert_status 7 curl -s --noproxy '*' --max-time 5 http://127.0.0.1:8080/
    assert_status 7 in_lan curl -s --noproxy '*' --max-time 5 http://192.0.2.2:8080/
    assert_status 125 netctr run --name b -p 8080:80 "$box" true
    netctr rm -f a
    assert_clean
}
t 'the endpoint and its ports outlive a run' port_stays

several_at_once() {
    local name began
    for name in a b c d e; do background --name $name "$box" sleep 100; done # they ignore SIGTERM
    began=$EPOCHSECONDS
    netctr stop -t 2 --all
    assert_eq "$(names)" ''
    # Two seconds for all of them, not for each.
    [ $((EPOCHSECONDS - began)) -lt 8 ] || fail "it took $((EPOCHSECONDS - began)) s"
}
t 'stop --all signals all of them at once' several_at_once

limits_every_time() {
    # The second run stays, for the checks.
    background --name a --restart always --pids-limit 7 -m 32m "$box" \
        sh -c '[ -e /ran ] && exec sleep 100; touch /ran; exit 1'
    wait_for 10 has_restarted a 1
    wait_for 5 status_is a running
    local pid file limit
    pid=$(pid_of a)
    for file in /sys/fs/cgroup/pids /sys/fs/cgroup; do
        limit=$file$(awk -F: '$2 == "pids" || $2 == "" { print $3; exit }' "/proc/$pid/cgroup")/pids.max
        [ ! -e "$limit" ] || break
    done
    assert_eq "$(cat "$limit")" 7
}
t 'limits hold in every run' limits_every_time

missing_program() {
    background --name a --restart on-failure:2 "$box" sh -c 'rm /program; exit 1'
    wait_for 10 status_is a exited
    mkdir -p "$tmp/share"
    cp "$box/bin/busybox" "$tmp/share/sh" # its name decides which of its programs it is
    netctr run -d --name b --network none --restart on-failure:2 -v "$tmp/share:/share" "$box" \
        /share/sh -c 'rm /share/sh; exit 1' >/dev/null
    wait_for 10 status_is b exited
    assert_eq "$(state_of b exit_status)" 127
    # It has run before, and inspect shows when.
    assert_lacks "$(state_of a started) $(state_of b started)" null
    assert_contains "$(netctr logs b 2>&1)" 'netctr: command `/share/sh`'
    # While it pauses before the next try, ps and inspect show it too; not after it has started.
    cp "$box/bin/busybox" "$tmp/share/sh"
    netctr run -d --name c --network none --restart always -v "$tmp/share:/share" "$box" \
        /share/sh -c '[ ! -e /ran ] || exec /bin/sleep 100; touch /ran; rm /share/sh; exit 1' >/dev/null
    local why='command `/share/sh` not found in the container'
    wait_for 5 eval 'netctr ps | has -F "Restarting (127), $why"'
    wait_for 5 eval '[ "$(state_of c failure)" = "$why" ]'
    says() { [ "$(netctr start c 2>&1)" = "netctr: start container \`c\`: it does not run yet: $why; its monitor tries again" ]; }
    wait_for 5 says
    cp "$box/bin/busybox" "$tmp/share/sh"
    wait_for 10 status_is c running
    assert_eq "$(state_of c failure)" null
}
t 'a run that cannot start counts as a failure, and the log says why' missing_program

cannot_start_again() {
    mkdir -p "$tmp/share"
    cp "$box/bin/busybox" "$tmp/share/true"
    netctr run --name c --network none -v "$tmp/share:/share" "$box" /share/true
    local started
    started=$(state_of c started)
    rm "$tmp/share/true"
    assert_status 127 netctr start c
    assert_eq "$(state_of c exit_status)" 127
    assert_eq "$(state_of c started)" "$started"
}
t 'a failing start does not change when it last ran' cannot_start_again

# A container's exit status is recorded, and its monitor is killed before it can exit.
known_end() { # who cleans up
    strace -o /dev/null true 2>/dev/null || skip 'no permission to trace'
    mkdir -p "$tmp/share"
    rm -f "$tmp/share/go"
    cp "$box/bin/busybox" "$tmp/share/sh"
    # shellcheck disable=SC2016 # the container expands it
    netctr run -d --name d --network none --restart on-failure:1 -v "$tmp/share:/share" "$box" /share/sh -c \
        'until [ -e /share/go ]; do sleep 0.02; done; rm /share/sh; exit 1' >/dev/null
    local started monitor
    started=$(state_of d started)
    monitor=$(monitor_of d)
    kill_helpers
    if [ "$1" = helper ]; then # started by another process
        background --name other "$box" sleep 100
        wait_for 5 helpers_work
    fi
    strace -f -qq -o "$tmp/trace" -p "$monitor" -e trace=renameat -e "inject=renameat:delay_exit=$((500000 * slowness))" &
    wait_for 5 traced "$monitor"
    touch "$tmp/share/go"
    wait_for 20 grep -q '"exit"' "$state/containers/d/config.json"
    kill -KILL "$monitor"
    wait $! || true
    if [ "$1" = helper ]; then
        wait_for 5 [ ! -e "$run_state/containers/d" ]
    else
        [ -e "$run_state/containers/d/state.json" ] || fail 'it was too late'
    fi
    wait_for 10 status_is d exited
    assert_eq "$(state_of d exit_status),$(state_of d started)" "127,$started"
}
known_to_commands() { known_end command; }
known_to_helper() { known_end helper; }
t 'a recorded exit status stays, whichever command cleans up' known_to_commands
t 'a recorded exit status stays, also if the helper cleans up' known_to_helper

killed_as_it_tells() {
    strace -o /dev/null true 2>/dev/null || skip 'no permission to trace'
    background --name teller -v "$tmp:/t" "$box" sh -c 'until [ -e /t/ends ]; do usleep 20000; done; exit 3'
    dies_at teller pwrite64
    touch "$tmp/ends"
    wait_for 5 status_is teller exited
    grep -q 'killed by SIGKILL' "$tmp/trace" || fail 'it was not killed'
    assert_eq "$(state_of teller exit_status)" 3
    assert_eq "$(netctr events --no-stream --filter container=teller --filter event=die | jq .exit_code | sort -u)" 3
}
t 'a monitor that is killed as it emits "die": the cleanup emits the same' killed_as_it_tells

started_again() {
    local id
    # shellcheck disable=SC2016 # the container expands it
    netctr run -d --name a -p 8080:80 -e WORD=x "$box" \
        sh -c 'echo "$WORD" >>/www.html; exec httpd -f -h /' >/dev/null
    wait_for 5 http http://127.0.0.1:8080/www.html
    id=$(netctr ps -q)
    netctr stop -t 0 a
    netctr start a
    wait_for 5 http http://127.0.0.1:8080/www.html
    assert_eq "$(http http://127.0.0.1:8080/www.html)" $'x\nx' 'the layer is the old one'
    assert_eq "$(netctr ps -q)" "$id" 'the id'
    netctr start a # succeeds, and does nothing
    netctr restart -t 0 a
    wait_for 5 http http://127.0.0.1:8080/www.html
    assert_eq "$(http http://127.0.0.1:8080/www.html | wc -l)" 3
    netctr run -d --name thief "$box" sleep 100 >/dev/null
    netctr stop -t 0 a
    netctr run -d --name other -p 8080:81 "$box" sleep 100 >/dev/null
    assert_error 'netctr: start container `a`: port 8080/tcp is in use on this host; container `other` publishes it' \
        125 netctr start a
    status_is a exited # it is kept
    netctr rm -f other
    netctr start a
    assert_error 'netctr: no such container `nobody`' 125 netctr start nobody
}
t 'start and restart: the same definition, layer and id' started_again

# What a reboot does: no process runs, /run is empty, the kernel has nothing, the boot has another id.
reboot_host() {
    local link
    wait_for 5 all_killed
    umount /run/netns/lan 2>/dev/null || true
    umount -l /run
    mount -t tmpfs -o mode=755 tmpfs /run
    nft flush ruleset
    for link in $(ip -o link show | awk -F'[ :@]+' '$2 ~ /^(nc|vc)-/ { print $2 }'); do
        ip link delete "$link" 2>/dev/null || true
    done
    find /sys/fs/cgroup -depth -type d -path '*/netctr/*' -exec rmdir {} + 2>/dev/null || true
    cat /proc/sys/kernel/random/uuid >"$tmp/boot_id"
    mount --bind "$tmp/boot_id" /proc/sys/kernel/random/boot_id
}
# All at once: a helper would record the end of a monitor that is killed before it.
all_killed() {
    local signal
    for signal in STOP KILL; do
        pkill -$signal -x netctr || true
        pkill -$signal -f '^netctr ' || true # a process that has just started has another name
    done
    nobody_runs
}
nobody_runs() {
    ! pgrep -x netctr && ! pgrep -f '^netctr ' && [ -z "$(ps -eo pidns= | grep -v "$(stat -Lc %i /proc/self/ns/pid)")" ]
}

after_a_reboot() {
    netctr run -d --name a --restart always -p 8080:80 "$box" sh -c 'echo a >/i; exec httpd -f -h /' >/dev/null
    netctr run -d --name s --restart always "$box" sleep 100 >/dev/null
    netctr run -d --name u --restart unless-stopped -p 0.0.0.0:8081:80 "$box" sleep 100 >/dev/null
    netctr run -d --name v --restart unless-stopped "$box" sleep 100 >/dev/null
    netctr run -d --name plain "$box" sleep 100 >/dev/null
    netctr run -d --name gone --rm "$box" sleep 100 >/dev/null
    netctr run --name ended "$box" sh -c 'exit 7' || true
    netctr stop -t 0 s v
    reboot_host

    assert_eq "$(names)" '' 'what runs'
    assert_eq "$(state_of ended exit_status)" 7
    assert_eq "$(state_of plain lost)" true
    assert_eq "$(state_of plain exit_status)" 255
    assert_contains "$(netctr ps -a)" 'Lost with the host'
    assert_eq "$(netctr boot | sort | tr '\n' ' ')" 'a s u '
    assert_eq "$(names | sort | tr '\n' ' ')" 'a s u '
    assert_eq "$(names -a | sort | tr '\n' ' ')" 'a ended plain s u v '
    wait_for 5 http http://127.0.0.1:8080/i
    assert_eq "$(netctr port a 80)" $'0.0.0.0:8080\n[::]:8080'
    assert_eq "$(netctr port u 80)" 0.0.0.0:8081
    assert_eq "$(netctr boot)" '' 'a second boot'
    assert_eq "$(for name in a s u; do address_of $name; done | sort -u | wc -l)" 3 'addresses'
    netctr start plain
    status_is plain running
    assert_eq "$(netctr gc)" '' 'left to gc'
}
t 'a reboot: all are listed, boot starts those with a policy, --rm ones are gone' after_a_reboot

# As the unit does it.
shut_down() {
    local command
    command=$(sed -n 's/^ExecStop=@BINDIR@.//p' "$top/scripts/netctr-boot.service")
    assert_contains "$command" 'netctr stop '
    $command -t "${1-0}"
}

orderly_shutdown() {
    local quick='trap "exit 0" TERM; while :; do sleep 0.02; done'
    background --name a --restart always "$box" sleep 100
    background --name b --restart unless-stopped "$box" sleep 100
    background --name c --restart unless-stopped "$box" sh -c "$quick"
    background --name d --restart unless-stopped "$box" sh -c "$quick"
    background --name e --restart on-failure "$box" sleep 100
    background --name s --restart unless-stopped "$box" sleep 100
    background --name x --restart unless-stopped "$box" sleep 100
    background --name between --restart unless-stopped "$box" false
    background --name plain "$box" sleep 100
    netctr stop -t 0 s
    netctr kill x
    kill -TERM "$(monitor_of d)" # systemd does not wait for the unit before it signals processes in a session
    wait_for 5 status_is d exited
    wait_for 20 has_restarted between 3
    shut_down 2 >/dev/null
    assert_eq "$(names)" '' 'what runs when it is down'
    assert_eq "$(state_of c exit_status)" 0 'of one that was asked, and listened'
    reboot_host
    assert_eq "$(netctr boot | sort | tr '\n' ' ')" 'a b between c d '
    assert_eq "$(names -a | sort | tr '\n' ' ')" 'a b between c d e plain s x '
    # A container that a user stopped stays stopped, whatever comes after.
    netctr stop -t 0 b
    shut_down >/dev/null
    reboot_host
    assert_eq "$(netctr boot | sort | tr '\n' ' ')" 'a between c d '
}
t 'an orderly shutdown, as the unit does it: boot starts what no user had stopped' orderly_shutdown

# A start that was interrupted before its first record (as in undo.sh), and one whose record is damaged: of a
# container whose definition has no exit record.
half_claimed_lost() {
    netctr run -d --name k --network none "$box" sh -c 'echo precious >/kept; sleep 1000' >/dev/null
    wait_for 5 test -s "$state/containers/k/upper/kept"
    reboot_host
    status_is k exited
    mkdir -p "$run_state/containers/k"
    : >"$run_state/containers/k/lock"
    netctr ps -a >/dev/null
    assert_eq "$(state_of k lost)" true
    netctr start k
    echo '{' >"$run_state/containers/k/state.json"
    kill_helpers
    kill -KILL "$(pgrep -f "^netctr monitor of k")"
    wait_for 5 status_is k exited
    assert_eq "$(state_of k exit_status)" 137
    assert_eq "$(cat "$state/containers/k/upper/kept")" precious
}
t 'that a container has run is not lost with its records' half_claimed_lost

run_survives_a_reboot() {
    # /run on a disk: the records of another boot are there, and say nothing about this one.
    netctr run -d --name a --restart always "$box" sleep 100 >/dev/null
    netctr run -d --name b "$box" sleep 100 >/dev/null
    netctr network create --subnet 10.71.0.0/30 tiny # has one address
    netctr run -d --name only --network tiny "$box" sleep 100 >/dev/null
    wait_for 5 copy_run "$tmp/run"
    reboot_host
    rm -rf --one-file-system "$run_state"
    cp -a "$tmp/run" "$run_state"
    rm -r "$run_state/containers/only" # no record remains that would release its lease
    assert_eq "$(names)" ''
    netctr run --rm --network tiny "$box" true # its lease is of another boot
    assert_eq "$(netctr boot)" a
    netctr rm b only
    netctr network rm tiny
    netctr rm -f a
    wait_for 5 nothing_for_gc # the kernel takes a moment to remove a veth
}
nothing_for_gc() {
    [ -z "$(netctr gc --dry-run)" ]
}
# cni #204, plugins #252, podman #15708, #25422
t 'a reboot that leaves the run directory as it was' run_survives_a_reboot

# ---- boot, when something that a container needs is still missing -----------------------------------

is_waiting() { # NAME WHY
    netctr ps | grep "  $1\$" | has -F "Restarting (125), $2"
}
waits() { # NAME WHY
    wait_for 5 is_waiting "$@" # except in the moment of a try
}
no_address='this host has no address 192.0.2.77'
needs_address() { # NAME [FLAGS OF RUN]
    ip address replace 192.0.2.77/32 dev lo
    netctr run -d --name "$1" -p 192.0.2.77:8088:80 --restart always "${@:2}" "$box" \
        sh -c 'echo late >/i; exec httpd -f -h /' >/dev/null
}
# The state after the reboot, but without the address.
reboot_without_address() {
    reboot_host
    ip address del 192.0.2.77/32 dev lo
}

boot_goes_on() {
    netctr run -d --name a --restart always -v "$tmp:/mnt" "$box" sleep 100 >/dev/null
    mkdir "$tmp/gone"
    netctr run -d --name b --restart always -v "$tmp/gone:/mnt" "$box" sleep 100 >/dev/null
    netctr run -d --name c --restart unless-stopped -v "$tmp/gone:/mnt" "$box" sleep 100 >/dev/null
    netctr run -d --name d --restart always "$box" sleep 100 >/dev/null
    reboot_host
    rmdir "$tmp/gone"
    assert_status 0 netctr boot >"$tmp/out" 2>"$tmp/err"
    assert_eq "$(tr '\n' ' ' <"$tmp/out")" 'a d '
    assert_eq "$(grep -c '^netctr: warning: container `[bc]` does not run yet: ' "$tmp/err")" 2
    assert_eq "$(wc -l <"$tmp/err")" 2 'lines of errors'
    # As a disk that is mounted later.
    mkdir "$tmp/gone"
    wait_for 15 status_is b running
    wait_for 15 status_is c running
    # A start by hand tries once.
    netctr stop -t 0 b
    rmdir "$tmp/gone"
    assert_status 125 netctr start b 2>/dev/null
    status_is b exited
}
t 'boot: a container that cannot start does not stop the others, and starts when it can' boot_goes_on

is_between_tries() {
    [ "$(netctr inspect "$1" | jq -c '.[0].state | [.failure, .exit_status, .restarts, .pid]')" = "[\"$no_address\",125,0,0]" ]
}
late_address() {
    needs_address late
    reboot_without_address
    assert_error "netctr: warning: container \`late\` does not run yet: $no_address; its monitor tries again" 0 netctr boot
    waits late "$no_address"
    wait_for 5 is_between_tries late # a try of its monitor may be under way
    assert_eq "$(netctr boot)" '' 'a second boot'
    nothing_for_gc
    ip address replace 192.0.2.77/32 dev lo
    wait_for 15 http http://192.0.2.77:8088/i
    assert_eq "$(netctr logs late 2>&1 | grep -c "netctr: $no_address")" 1 'the log tells it once'
    # It then runs like any other.
    assert_eq "$(netctr inspect late | jq -c '.[0].state | [.status, .failure, .restarts]')" '["running",null,0]'
    kill -KILL "$(pid_of late)"
    wait_for 10 has_restarted late 1
    wait_for 5 http http://192.0.2.77:8088/i
}
# moby #39559, #18826, #50326
t 'boot: an address that comes later' late_address

ways_to_end() {
    local name
    for name in stopped killed removed termed dead restarted; do
        needs_address $name
        netctr stop -t 0 $name
    done
    needs_address until
    reboot_without_address
    netctr boot 2>/dev/null
    for name in stopped killed removed termed dead restarted until; do waits $name "$no_address"; done
    within 5 netctr stop stopped
    within 5 netctr kill killed
    assert_status 125 netctr rm removed 2>/dev/null
    within 5 netctr rm -f removed
    assert_status 125 netctr exec stopped true 2>/dev/null
    assert_status 125 netctr restart restarted 2>"$tmp/err"
    assert_contains "$(cat "$tmp/err")" "$no_address"
    kill -TERM "$(state_of termed monitor)" # as systemd does
    wait_for 5 status_is termed exited
    netctr stop --until-boot until
    kill -KILL "$(state_of dead monitor)"
    wait_for 5 status_is dead exited
    assert_eq "$(netctr ps)" "$(netctr ps | head -1)" 'what is left'
    assert_eq "$(names -a | sort | tr '\n' ' ')" 'dead killed restarted stopped termed until '
    assert_eq "$(state_of dead exit_status),$(state_of stopped exit_status)" 125,125
    wait_for 5 nothing_for_gc
    assert_eq "$(ls "$run_state/containers")" ''
    # All of them are --restart always.
    ip address replace 192.0.2.77/32 dev lo
    assert_eq "$(netctr boot 2>/dev/null | wc -l)" 1 'the first has the port'
    for name in $(names); do netctr rm -f "$name"; done
}
t 'boot: a container that retries is ended like a running one, and a killed monitor leaves nothing' ways_to_end

# It does not show what it does not hold; its networks can be changed, which may be the fix.
changed_while_it_waits() {
    netctr network create blue >/dev/null
    netctr network create green >/dev/null
    needs_address late --network default --network green
    reboot_without_address
    netctr boot 2>/dev/null
    waits late "$no_address"
    local why="netctr: container \`late\` is not running (restarting: $no_address)" ports='192.0.2.77:8088->80/tcp'
    says() { # except in the moment of a try
        [ "$(netctr "$@" 2>&1)" = "$why" ]
    }
    wait_for 5 says publish late 8089:80
    wait_for 5 says unpublish late 8088
    wait_for 5 says port late
    assert_lacks "$(netctr ps)" 8088
    assert_eq "$(netctr ps --format json | jq -c '.[0].ports')" '[]'
    assert_eq "$(netctr inspect late | jq -c '.[0] | [.publish, .published]')" '[["192.0.2.77:8088:80"],[]]'
    netctr network connect blue late
    assert_error 'netctr: container `late` is on network `blue` already' 125 netctr network connect blue late
    assert_eq "$(netctr network rm -f green)" green
    assert_eq "$(netctr network prune -f)" '' 'networks that a container waits for'
    ip address replace 192.0.2.77/32 dev lo
    wait_for 15 status_is late running
    assert_eq "$(netctr inspect late | jq -c '.[0] | [.networks, (.endpoints | map(.network)), .published]')" \
        "[[\"default\",\"blue\"],[\"default\",\"blue\"],[\"$ports\"]]"
    # The change is kept, however the retries end.
    netctr stop -t 0 late
    rm "$state/networks/blue.json"
    ip address del 192.0.2.77/32 dev lo
    assert_contains "$(netctr boot 2>&1)" '`netctr network disconnect -f blue late`'
    netctr network disconnect -f blue late
    waits late "$no_address"
    netctr network disconnect default late
    netctr stop late
    assert_eq "$(netctr inspect late | jq -c '.[0].networks')" '[]'
}
t 'boot: a container that retries holds no ports, and its networks can be changed' changed_while_it_waits

start_of_one_that_waits() {
    needs_address late
    reboot_without_address
    netctr boot 2>/dev/null
    waits late "$no_address"
    says() { [ "$(netctr start late 2>&1)" = "netctr: start container \`late\`: it does not run yet: $no_address; its monitor tries again" ]; }
    wait_for 5 says
    assert_fails netctr start late
    waits late "$no_address"
    # What was missing is there: start need not wait for the next retry.
    ip address add 192.0.2.77/32 dev lo
    netctr start late
    status_is late running
    netctr rm -f late
    ip address del 192.0.2.77/32 dev lo
}
t 'start of a container that retries tries at once, and does not claim that it runs' start_of_one_that_waits

unless_stopped_while_it_waits() {
    strace -o /dev/null true 2>/dev/null || skip 'no permission to trace'
    needs_address waiting --restart unless-stopped
    reboot_without_address
    netctr boot 2>/dev/null
    waits waiting "$no_address"
    netctr stop waiting
    assert_eq "$(netctr boot 2>&1)" '' 'boot'
    status_is waiting exited
    # So does one that is stopped during a failing try: its end is recorded before its monitor checks.
    netctr rm waiting
    needs_address trying --restart unless-stopped
    reboot_without_address
    # Each file is replaced slowly.
    strace -f -qq -o /dev/null -e inject=rename,renameat,renameat2:delay_exit=400000 netctr boot >/dev/null 2>&1 &
    wait_for 20 grep -q '"exit"' "$state/containers/trying/config.json"
    netctr stop trying
    assert_eq "$(netctr boot 2>&1)" '' 'boot'
    status_is trying exited
    # Until the next boot is different.
    needs_address until --restart unless-stopped
    reboot_without_address
    netctr boot 2>/dev/null
    waits until "$no_address"
    netctr stop --until-boot until
    assert_contains "$(netctr boot 2>&1)" "container \`until\` does not run yet"
}
t 'boot: an unless-stopped container that is stopped while it retries stays stopped' unless_stopped_while_it_waits

port_in_use() {
    netctr run -d --name a --restart always -p 8080:80 "$box" sh -c 'echo a >/i; exec httpd -f -h /' >/dev/null
    reboot_host
    netctr run -d --name thief -p 8080:80 "$box" sleep 100 >/dev/null
    netctr boot 2>"$tmp/err"
    waits a 'port 8080/tcp is in use on this host; container `thief` publishes it'
    netctr rm -f thief
    wait_for 15 http http://127.0.0.1:8080/i
    netctr rm -f a
    wait_for 5 nothing_for_gc
}
t 'boot: a port that becomes free later' port_in_use

# Each shares the network of the one before it, and was created before that one. With ids of its own, an owner that is
# created again has others, which is refused.
owners_first() {
    local name owner
    for name in own mate mate2; do netctr run -d --userns=host --name $name --restart always "$box" sleep 100 >/dev/null; done
    netctr rm -f mate mate2
    netctr run -d --userns=host --name mate --network container:own --restart always "$box" sleep 100 >/dev/null
    netctr run -d --userns=host --name mate2 --network container:mate --restart always "$box" sleep 100 >/dev/null
    for name in own mate; do # created after the containers that share theirs
        netctr rm -f $name
        [ $name = own ] || owner=(--network container:own)
        netctr run -d --userns=host --name $name "${owner[@]}" --restart always "$box" sleep 100 >/dev/null
    done
    reboot_host
    assert_eq "$(netctr boot | tr '\n' ' ')" 'own mate mate2 '
    assert_eq "$(address_of mate2)" "$(address_of own)"
    netctr stop -t 0 own mate mate2 >/dev/null
    assert_eq "$(netctr start mate2 mate own | tr '\n' ' ')" 'own mate mate2 '
    assert_eq "$(netctr restart -t 0 mate2 nobody own mate 2>/dev/null | tr '\n' ' ')" 'own mate mate2 '
    assert_eq "$(address_of mate2)" "$(address_of own)"
    netctr rm -f own mate mate2 >/dev/null
    netctr run -d --name own "$box" sleep 100 >/dev/null
    netctr run -d --name mate --network container:own "$box" sleep 100 >/dev/null
    netctr stop -t 0 mate own >/dev/null
    netctr rm own >/dev/null
    netctr run -d --name own "$box" sleep 100 >/dev/null
    assert_fails netctr start mate 2>"$tmp/err"
    has 'belongs to another user namespace than when container `mate` was made; `netctr rm mate`' <"$tmp/err"
}
t 'boot, start, restart: the owner of a network before the containers that share it' owners_first

late_owner() {
    needs_address own
    netctr run -d --name mate --network container:own --restart always "$box" sleep 100 >/dev/null
    netctr run -d --name plain "$box" sleep 100 >/dev/null
    netctr run -d --name mate2 --network container:plain --restart always "$box" sleep 100 >/dev/null
    # A circle: neither can start, and neither harms the others.
    netctr run -d --name c1 --restart always "$box" sleep 100 >/dev/null
    netctr run -d --name c2 --network container:c1 --restart always "$box" sleep 100 >/dev/null
    netctr rm -f c1
    netctr run -d --name c1 --network container:c2 --restart always "$box" sleep 100 >/dev/null
    reboot_without_address
    netctr boot 2>/dev/null
    waits mate 'container `own` is not running'
    waits mate2 'container `plain` is not running'
    waits c1 'container `c2` is not running'
    netctr start plain
    ip address replace 192.0.2.77/32 dev lo
    wait_for 15 status_is mate running
    wait_for 15 status_is mate2 running
    assert_eq "$(address_of mate)" "$(address_of own)"
    netctr rm -f c1 c2
}
# moby #39559, #50326
t 'boot: a container that shares a network starts when its owner does' late_owner

boot_twice() {
    local i
    needs_address late
    for i in 1 2 3 4 5 6; do netctr run -d --name "n$i" --restart always "$box" sleep 100 >/dev/null; done
    reboot_without_address
    netctr boot >"$tmp/out1" 2>"$tmp/err1" &
    netctr boot >"$tmp/out2" 2>"$tmp/err2"
    wait $!
    assert_eq "$(names | sort | tr '\n' ' ')" 'late n1 n2 n3 n4 n5 n6 '
    assert_eq "$(grep -hv "$no_address" "$tmp"/err? | cat)" ''
    assert_eq "$(pgrep -f '^netctr monitor of' | wc -l)" 7 'monitors'
}
t 'boot twice at once' boot_twice
