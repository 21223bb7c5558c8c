#!/usr/bin/env bash
# What goes wrong with labs, and what people do with them: ^C while something is waited for, nodes renamed, containers of
# others in a node's network, a full disk, records that are lost.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"
read_only_host

tidy_too() {
    netctr lab down --all >/dev/null 2>&1 || true
}
lab() {
    netctr lab "$@"
}
file=$tmp/t.clab.yml
write() { # what follows the nodes, from stdin
    cat >"$file" <<END
name: t
topology:
  defaults: {kind: linux, image: "$box", cmd: sleep 1000}
$(cat)
END
}
write_two() {
    write <<'END'
  nodes: {a: {}, b: {}}
  links:
    - {endpoints: ["a:eth1", "b:eth1"], ipv4: [10.1.0.1/24, 10.1.0.2/24]}
tests:
  - {from: a, to: 10.9.9.9, proto: icmp, within: 60s, after: link down b:eth1}
END
}
states() {
    lab inspect --format json t | jq -r '[.nodes[].state] | join(" ")'
}
link_of_b() {
    lab inspect --format json t | jq -r '.nodes[1].interfaces[] | select(.name == "eth1") | .up'
}

# Of everything that `up` waits for, nothing is waited for then.
interrupted() {
    write <<'END'
  nodes:
    exec: {exec: [sleep 100]}
    late: {startup-delay: 100}
    ends: {stages: {configure: {wait-for: [{node: exec, stage: create}]}}}
    waits: {stages: {create: {wait-for: [{node: ends, stage: exit}]}}}
    ill: {healthcheck: {test: [CMD, "false"], interval: 90, retries: 5}}
    hopes: {stages: {create: {wait-for: [{node: ill, stage: healthy}]}}}
END
    warm_up
    snapshot
    netctr lab up -v "$file" >"$tmp/said" 2>&1 &
    local pid=$! began=$SECONDS node
    for node in exec ends ill; do wait_for 5 status_is clab-t-$node running; done
    sleep 1 # the exec line runs, and the checks pause
    kill -TERM $pid
    sleep 0.1
    kill -TERM $pid 2>/dev/null || true # the second one does not leave half of it
    wait $pid && fail 'it succeeded' || assert_eq $? 143
    [ $((SECONDS - began)) -lt $((15 * patience)) ] || fail "it took $((SECONDS - began)) s"
    assert_contains "$(cat "$tmp/said")" 'netctr: interrupted'
    assert_clean
}
t '^C ends what up waits for' interrupted

nohup_up() {
    write_two
    sed -i 's/a: {}/a: {exec: [sleep 1]}/' "$file"
    (
        trap '' HUP
        exec netctr lab up -q "$file"
    ) &
    local pid=$!
    wait_for 5 status_is clab-t-a running
    kill -HUP $pid
    wait $pid
    assert_eq "$(states)" 'running running'
    lab down t
}
t 'nohup is respected' nohup_up

test_interrupted() {
    write_two
    lab up -q "$file"
    netctr lab test t >"$tmp/said" 2>&1 &
    local pid=$! began=$SECONDS
    wait_for 5 eval '[ "$(link_of_b)" = false ]'
    kill -TERM $pid
    wait $pid && fail 'it succeeded' || assert_eq $? 143
    [ $((SECONDS - began)) -lt $((15 * patience)) ] || fail "it took $((SECONDS - began)) s"
    assert_eq "$(link_of_b)" true
    # The same while a command runs.
    sed -i "s/- {from: .*/- {node: a, exec: sh -c 'sleep 50; true', after: link down b:eth1}/" "$file"
    netctr lab test "$file" >"$tmp/said" 2>&1 &
    pid=$! began=$SECONDS
    wait_for 5 eval '[ "$(link_of_b)" = false ]'
    kill -TERM $pid
    wait $pid && fail 'it succeeded' || assert_eq $? 143
    [ $((SECONDS - began)) -lt $((15 * patience)) ] || fail "it took $((SECONDS - began)) s"
    assert_eq "$(link_of_b)" true
    wait_for 5 eval '! netctr exec clab-t-a ps | grep -q "sleep [5]0"' # it does not go on without us
    lab down t
}
t '^C undoes what a test has done' test_interrupted

# What a test asks for, and what was so before, stays so.
undone() {
    write <<'END'
  nodes: {a: {}, b: {}}
  links:
    - {endpoints: ["a:eth1", "b:eth1"], ipv4: [10.1.0.1/24, 10.1.0.2/24]}
tests:
  - {node: a, exec: "true", after: stop b}
  - {node: a, exec: "true", after: start b}
  - {node: a, exec: "true", after: link down b:eth1}
  - {node: a, exec: "true", after: link up b:eth1}
END
    lab up -q "$file"
    lab test t
    assert_eq "$(states) $(link_of_b)" 'running running true'
    lab exec -n t b ip link set eth1 down
    netctr stop -t 0 clab-t-b >/dev/null
    lab test t
    assert_eq "$(states) $(link_of_b)" 'running exited false'
    lab down t
}
t 'what a test undoes is what it has done' undone

# The lock is that of a lab which has found the management network, and is about to use it.
mgmt_is_shared() {
    write_two
    warm_up
    snapshot
    lab up -q "$file"
    exec 9<"$state/labs"
    flock 9
    local down up
    netctr lab down t 9<&- >/dev/null &
    down=$!
    netctr lab up -q --name other "$file" 9<&- &
    up=$!
    wait_for 5 eval '[ -z "$(names -a)" ] && [ -s "$state/labs/other/lab.json" ]' 9<&-
    sleep 1
    netctr network inspect clab >/dev/null 9<&- || fail 'it was removed'
    assert_fails grep -q '"mgmt"' "$state/labs/other/lab.json"
    exec 9<&-
    wait $down
    wait $up
    netctr exec clab-other-a ping -c 1 -W 2 clab-other-b >/dev/null
    lab down other
    assert_clean
}
t 'a lab does not remove the management network that another one has found' mgmt_is_shared

messages() {
    write_two
    mkfifo "$tmp/pipe"
    assert_error "netctr: topology file \`$tmp/pipe\` is not a regular file" 125 netctr lab up "$tmp/pipe"
    lab up -q "$file"
    assert_error 'netctr: `t` is a lab, not a node; `netctr lab restart -n t`' 125 netctr lab restart t
    lab up -q --name other "$file"
    mkdir "$tmp/elsewhere"
    cd "$tmp/elsewhere"
    assert_error 'netctr: `t` is a lab, not a node; `netctr lab restart -n t`' 125 netctr lab restart t
    assert_error 'netctr: `t` is a lab, not a node; `netctr lab exec -n t NODE …`' 125 netctr lab exec t a true
    assert_error 'netctr: there are several labs; name one: `netctr lab ls` lists them' 125 netctr lab restart a
    cd - >/dev/null
    lab down other
    rm "$state/labs/t/topology.yml"
    mkdir "$state/labs/t/topology.yml"
    local command
    for command in test save; do
        assert_error 'netctr: `topology.yml` of lab `t` is damaged: it is not a regular file; name the topology file, or remove the lab by `netctr lab down t`' \
            125 netctr lab $command t
    done
    lab down t
    mkdir -p "$state/labs/t/lock"
    assert_error "netctr: \`$state/labs/t/lock\` is not a regular file; remove it" 125 netctr lab up "$file"
    assert_error "netctr: \`$state/labs/t/lock\` is not a regular file; remove it" 125 netctr lab down t
    rmdir "$state/labs/t/lock"
    lab up -q "$file"
    lab down t
}
t 'files that are none, and labs in the place of nodes' messages

env_files() {
    printf '\357\273\277# all of them\nONE=1\r\n export TWO = "a b\\n" # two\nTHREE=%s\nFOUR=x#y # four\n\nFIVE=\n' "'\$ONE # 3'" >"$tmp/one.env"
    printf 'ONE=2\nSIX=6\n' >"$tmp/two.env"
    write <<'END'
  nodes: {a: {env-files: [one.env, two.env], env: {SIX: six}}}
END
    lab up -q "$file"
    assert_eq "$(lab exec -n t a sh -c 'echo "$ONE|$TWO|$THREE|$FOUR|$FIVE|$SIX"')" '2|a b
|$ONE # 3|x#y||six'
    lab save t >"$tmp/now.clab.yml"
    assert_contains "$(cat "$tmp/now.clab.yml")" "$tmp/two.env"
    lab down t
    echo 'A B' >"$tmp/two.env"
    assert_error "netctr: $file:4:36: \`$tmp/two.env\`, line 1: this is not KEY=VALUE" 125 netctr lab up "$file"
    echo 'A="B' >"$tmp/two.env"
    assert_contains "$(netctr lab up "$file" 2>&1)" 'line 1: the quotes are not closed, or text follows them'
    rm "$tmp/two.env"
    assert_contains "$(netctr lab up "$file" 2>&1)" "read the file of variables \`$tmp/two.env\`: No such file or directory"
    mkfifo "$tmp/two.env"
    assert_contains "$(netctr lab up "$file" 2>&1)" "\`$tmp/two.env\` is not a file"
}
t 'files of variables' env_files

renamed() {
    write_two
    warm_up
    snapshot
    lab up -q "$file"
    netctr rename clab-t-a other
    netctr run -d --name clab-t-a "$box" sleep 1000 >/dev/null
    assert_eq "$(states)" 'running running'
    assert_eq "$(lab exec -n t a hostname)" a
    local pid
    pid=$(pid_of other)
    lab restart -n t a
    [ "$(pid_of other)" != "$pid" ] || fail 'the program is the same'
    lab down t
    assert_eq "$(names -a)" clab-t-a # a stranger's
    netctr rm -f clab-t-a >/dev/null
    assert_clean
    lab up -q "$file"
    netctr rm -f clab-t-a >/dev/null
    assert_eq "$(states)" 'removed running'
    assert_error 'netctr: the container of node `a` was removed; `netctr lab up --reconfigure` makes the lab again' 125 \
        netctr lab exec -n t a true
    lab down t
    assert_clean
}
t 'a node is renamed, or removed' renamed

guest() {
    write_two
    warm_up
    snapshot
    lab up -q "$file"
    netctr run -d --name guest --network "sandbox:$(lab inspect --format json t | jq -r '.nodes[0].sandbox')" "$box" \
        sleep 1000 >/dev/null
    assert_error 'netctr: node `a`: container `guest`, which is not the lab'\''s, uses its network; `netctr rm -f guest` removes it' \
        125 netctr lab down t
    assert_eq "$(states)" 'running running' # nothing was taken down
    netctr rm -f guest >/dev/null
    # By the container of the node; also by one that is there by another one, and while the node's program does not run.
    netctr stop -t 0 clab-t-a >/dev/null
    netctr run -d --name first --network container:clab-t-a "$box" sleep 1000 >/dev/null
    netctr run -d --name second --network container:first "$box" sleep 1000 >/dev/null
    assert_contains "$(netctr exec second ip addr)" 10.1.0.1/24
    assert_contains "$(netctr lab down t 2>&1)" "which is not the lab's, uses its network; \`netctr rm -f "
    netctr rm -f first >/dev/null
    assert_error 'netctr: node `a`: container `second`, which is not the lab'\''s, uses its network; `netctr rm -f second` removes it' \
        125 netctr lab down t
    netctr exec second ping -c 1 -W 2 10.1.0.2 >/dev/null
    netctr rm -f second >/dev/null
    lab down t
    assert_clean
}
t 'a container that is not the lab'\''s is in the network of a node' guest

# JSON stays JSON, whatever a node calls its interfaces.
hostile_names() {
    write_two
    lab up -q "$file"
    lab exec -n t a sh -c 'for name in "\377\376" "\033[1m" "a\"b\\"; do ip link add "$(printf "$name")" type bridge; done'
    assert_eq "$(lab inspect --format json t | jq -r '.nodes[0].interfaces[-3:] | map(.name) | join(" ")')" '\xff\xfe \x1b[1m a"b\'
    assert_contains "$(lab inspect t)" '\xff\xfe'
    lab down t
}
t 'interfaces with names that are no text' hostile_names

image_flags() {
    write_two
    sed -i 's|image: "[^"]*"|image: frr|' "$file"
    assert_error 'netctr: --image `*frr*` is not IMAGE=DIR or IMAGE=host' 125 netctr lab up --image '*frr*' "$file"
    assert_error 'netctr: --image `frr=` is not IMAGE=DIR or IMAGE=host' 125 netctr lab up --image frr= "$file"
    assert_error 'netctr: --images `/nosuch`: No such file or directory' 125 netctr lab up --images /nosuch "$file"
    assert_error 'netctr: --images `/proc/version` is not a directory' 125 netctr lab up --images /proc/version "$file"
}
t 'flags about images' image_flags

# What a killed `down` was about to remove.
full_trash() {
    write_two
    warm_up
    snapshot
    lab up -q "$file"
    netctr rm -f clab-t-a clab-t-b >/dev/null
    mkdir -p "$state/containers/.trash/0123456789ab/upper/x"
    lab down t
    assert_clean
}
t 'down empties the trash, also if no container is left' full_trash

full_disk() {
    write_two
    mkdir "$tmp/small"
    mount -t tmpfs -o size=1m tmpfs "$tmp/small"
    local nc=("$program" --root "$tmp/small/state" --run-root "$run_state")
    "${nc[@]}" lab up -q "$file"
    head -c 2m /dev/zero >"$tmp/small/filler" 2>/dev/null || true
    assert_fails sh -c 'echo x >"$1"' sh "$tmp/small/more" 2>/dev/null
    "${nc[@]}" lab down t
    rm "$tmp/small/filler" "$tmp/small/more"
    assert_eq "$("${nc[@]}" lab ls --format json)" '[]'
    "${nc[@]}" reset -f >/dev/null
    umount "$tmp/small"
}
t 'down works on a full disk' full_disk

up_again() {
    assert_eq "$(lab ls --format json | jq -r '.[].state')" half-way
    assert_contains "$(lab inspect t 2>&1)" 'lab `t` has no record: it is being brought up, or that was killed; `netctr lab down t`'
    lab up -q "$file"
    assert_eq "$(states)" 'running running running'
    lab down t
}
lost_and_found() { # DAMAGE COMMAND…
    lab up -q "$file"
    (cd "$state/labs/t" && eval "$1")
    "${@:2}"
    assert_eq "$(names -a)$(lab ls --format json)$(netctr network ls | grep -v default | tail -n +2)" '[]'
    assert_clean
}
# By the labels of its containers, a lab is found without its record.
lost_record() {
    write_two
    sed -i 's/^topology/networks: {front: {}}\n&/; s/b: {}/b: {}, c: {networks: [front]}/' "$file"
    warm_up
    snapshot
    lost_and_found 'rm lab.json' netctr lab down t
    lost_and_found 'rm lab.json' netctr gc
    lost_and_found 'rm lab.json' up_again
    lost_and_found 'rm lab.json topology.yml' netctr lab down --all
    lost_and_found 'echo x >lab.json' netctr lab down t
    mkdir -p "$state/labs/empty"
    netctr gc >/dev/null
    [ ! -e "$state/labs" ] || fail 'gc left an empty directory'
}
t 'a lab whose record is lost or damaged' lost_record

limit_of_processes() {
    local limit=/sys/fs/cgroup/pids/pids.max i
    [ -e "$limit" ] || limit=/sys/fs/cgroup/pids.max
    [ -e "$limit" ] || skip 'no limit of processes here'
    write < <(
        echo '  nodes:'
        for i in {1..30}; do echo "    n$i: {}"; done
        echo 'mgmt: false'
    )
    warm_up
    snapshot
    echo $(($(cat "${limit%max}current") + 30)) >"$limit"
    said=$(lab up -q "$file" 2>&1) && fail 'it came up'
    echo max >"$limit"
    assert_contains "$said" 'a limit of processes is reached: raise '
    assert_eq "$(wc -l <<<"$said")" 1
    assert_clean
}
t 'a lab that meets a limit of processes says so, and leaves nothing' limit_of_processes
