# tests/docker_works.sh - sourced by tests/integration/docker_words.sh: what each flag of each command does. A row is
# proves 'COMMAND FLAG…' ACTUAL EXPECTED, and a flag without a row fails the last test of that file.

# shellcheck shell=bash
# shellcheck disable=SC2154 # lib.sh's

proves() { # 'COMMAND FLAG…' ACTUAL EXPECTED
    local word command=''
    assert_eq "$2" "$3" "$1"
    for word in $1; do
        case $word in
        -*) printf '%s %s\n' "$command" "$word" ;;
        *) command=${command:+$command }$word ;;
        esac
    done >>"$ARENA/proved"
}
within_lines() { "$@" | paste -sd' '; }    # its lines, as one
status_of() { "$@" >/dev/null 2>&1 && echo 0 || echo $?; }
inside() { netctr exec "$1" sh -c "$2"; }  # NAME SCRIPT
inspect() { netctr inspect "$1" | jq -rc ".[0]$2"; } # NAME PATH
of_network() { netctr network inspect "$1" | jq -rc ".[0]$2"; } # NAME PATH
background() { netctr run -d --network none "$@" >/dev/null; }
# The limit of memory, time in 100 ms and number of processes of the container's cgroup.
limits() { # NAME
    local id file dir
    id=$(inspect "$1" .id)
    for file in memory.limit_in_bytes memory.max cpu.cfs_quota_us cpu.max pids.max; do
        dir=$(find /sys/fs/cgroup -path "*/netctr/*/$id" -type d -exec test -e "{}/$file" \; -print -quit)
        [ -z "$dir" ] || [ ! -e "$dir/program/$file" ] || dir=$dir/program
        [ -z "$dir" ] || cut -d' ' -f1 "$dir/$file"
    done | paste -sd' '
}
capability() { # NAME NUMBER: 1 if it may have it
    echo $(((0x$(inside "$1" 'grep CapBnd /proc/self/status' | cut -f2) >> $2) & 1))
}
has_restarted() { [ "$(state_of "$1" restarts)" -gt 0 ] && status_is "$1" running; }

# ---- run -----------------------------------------------------------------------------------------

run_flags() {
    local one two
    cp -a "$box" "$tmp/root"
    printf 'wheel:x:77:\n' >>"$tmp/root/etc/group"
    mkdir "$tmp/data"
    echo here >"$tmp/data/file"
    echo C=3 >"$tmp/env"
    echo c=3 >"$tmp/labels"
    netctr network create --subnet 10.60.0.0/24 --subnet fd60::/64 both
    one=$(netctr run -d --name one --cidfile "$tmp/id" --pid-file "$tmp/pid" --init --restart always --network both \
        --ip 10.60.0.7 --ip6 fd60::7 --mac-address 02:00:00:00:00:07 --network-alias other --add-host db:192.0.2.5 \
        -p 8081:8080 --publish 8082:8080 -P --expose 8080 --sysctl net.ipv4.ip_unprivileged_port_start=81 \
        -e A=1 --env B=2 --env-file "$tmp/env" -l a=1 --label b=2 --label-file "$tmp/labels" -h first -w /var \
        -u user --group-add wheel --umask 0027 -v "$tmp/data:/ro:ro" --volume "$tmp/data:/data" \
        --mount "type=bind,src=$tmp/data,dst=/mounted" --tmpfs /scratch:size=1m --shm-size 2m -m 32m --cpus 0.5 \
        --pids-limit 99 --ulimit nofile=200:300 --oom-score-adj 300 --cap-add SYS_TIME --cap-drop CHOWN \
        "$tmp/root" httpd -f -p 8080 -h /data)
    proves 'run -d --cidfile' "$(state_of one status) $(cat "$tmp/id")" "running $one"
    proves 'run --name' "$(within_lines names)" one
    proves 'run --pid-file' "$(cat "$tmp/pid")" "$(pid_of one)"
    proves 'run --init' "$(inside one 'cat /proc/2/comm')" httpd
    proves 'run -e --env --env-file' "$(inside one 'echo $A$B$C')" 123
    proves 'run -l --label --label-file' "$(netctr ps -q --filter label=a=1 --filter label=b=2 --filter label=c=3)" "$one"
    proves 'run -h' "$(inside one hostname)" first
    proves 'run -w' "$(inside one pwd)" /var
    proves 'run -u' "$(inside one 'id -un')" user
    proves 'run --group-add' "$(inside one 'id -G' | has -w 77 && echo yes)" yes
    proves 'run --umask' "$(inside one umask)" 0027
    proves 'run --network --ip' "$(address_of one)" 10.60.0.7
    proves 'run --ip6' "$(address_of one -6)" fd60::7
    proves 'run --mac-address' "$(inside one 'cat /sys/class/net/eth0/address')" 02:00:00:00:00:07
    proves 'run --add-host' "$(inside one 'grep -w db /etc/hosts | cut -f1 -d" "')" 192.0.2.5
    proves 'run --sysctl' "$(inside one 'cat /proc/sys/net/ipv4/ip_unprivileged_port_start')" 81
    wait_for 5 http -o /dev/null http://127.0.0.1:8081/file
    proves 'run -p --publish -v --volume' "$(http http://127.0.0.1:8081/file)$(http http://127.0.0.1:8082/file)" herehere
    proves 'run --expose -P' "$(http "http://127.0.0.1:$(netctr port one 8080 | grep -v -e :8081 -e :8082 | head -1 | sed 's/.*://')/file")" here
    proves 'run --mount' "$(inside one 'cat /ro/file /mounted/file' | paste -sd' ')" 'here here'
    proves 'run --tmpfs --shm-size' "$(inside one 'df -k /scratch /dev/shm' | awk 'NR > 1 { print $2 }' | paste -sd' ')" '1024 2048'
    proves 'run -m --cpus --pids-limit' "$(limits one)" '33554432 50000 99'
    proves 'run --ulimit' "$(inside one 'ulimit -Sn; ulimit -Hn' | paste -sd' ')" '200 300'
    proves 'run --oom-score-adj' "$(inside one 'cat /proc/self/oom_score_adj')" 300
    proves 'run --cap-add --cap-drop' "$(capability one 25)$(capability one 0)" 10

    two=$(netctr run --detach --name two --pidfile "$tmp/pid2" --net both --publish-all --expose 8080 --hostname second \
        --workdir /usr --user 1234 --memory 64m --userns host --read-only --log-driver none --label name=two \
        "$tmp/root" sleep 1000)
    proves 'run --detach' "$two" "$(inspect two .id)"
    proves 'run --pidfile' "$(cat "$tmp/pid2")" "$(pid_of two)"
    proves 'run --net' "$(inspect two .endpoints[0].network)" both
    proves 'run --publish-all' "$(netctr port two | grep -c '^8080/tcp -> 0.0.0.0:')" 1
    proves 'run --hostname --workdir --user' "$(inside two 'hostname; pwd; id -u' | paste -sd' ')" 'second /usr 1234'
    proves 'run --memory' "$(limits two | cut -d' ' -f1)" 67108864
    proves 'run --userns' "$(inside two 'cat /proc/self/uid_map' | xargs)" '0 0 4294967295'
    proves 'run --read-only' "$(inside two 'mkdir /run/x' 2>&1)" "mkdir: can't create directory '/run/x': Read-only file system"
    proves 'run --log-driver' "$(netctr logs two 2>&1)" 'netctr: container `two` has no log: its log driver is none'
    proves 'run --network-alias' "$(netctr exec two nslookup other | sed -n 's/^Address: //p' | grep -m 1 60.0.7)" 10.60.0.7

    kill -KILL "$(pid_of one)"
    wait_for 5 has_restarted one
    proves 'run --restart' "$(state_of one status)" running
}

run_once() {
    local quick=(netctr run --network none)
    cp -a "$box" "$tmp/place"
    proves 'run --rm' "$("${quick[@]}" --rm --name gone "$box" echo hello; names -a)" hello
    proves 'run -i --interactive' "$(echo a | "${quick[@]}" --rm -i "$box" cat; echo b | "${quick[@]}" --rm --interactive "$box" cat)" $'a\nb'
    proves 'run -t --tty' "$("${quick[@]}" --rm -t "$box" tty; "${quick[@]}" --rm --tty "$box" tty)" $'/dev/pts/0\r\n/dev/pts/0\r'
    proves 'run --entrypoint' "$("${quick[@]}" --rm --entrypoint printf "$box" '%s,' a b)" a,b,
    "${quick[@]}" --rm --in-place "$tmp/place" touch /made
    proves 'run --in-place' "$(ls "$tmp/place/made")" "$tmp/place/made"
    proves 'run --uidmap --gidmap' "$("${quick[@]}" --rm --uidmap 0:500000:1000 --gidmap 0:600000:1000 "$box" \
        cat /proc/self/uid_map /proc/self/gid_map | xargs)" '0 500000 1000 0 600000 1000'
    "${quick[@]}" --name log --log-opt max-size=20k --log-opt max-file=2 "$box" seq 5000 >/dev/null
    proves 'run --log-opt' "$(cd "$state/containers/log" && echo log*)" 'log log.1'
    netctr network create --no-dns bare
    proves 'network create --no-dns' "$(of_network bare .dns)" false
    proves 'run --dns --dns-search --dns-option --dns-opt' "$(netctr run --rm --network bare --dns 192.0.2.9 --dns-search example.org \
        --dns-option ndots:3 --dns-opt timeout:4 "$box" cat /etc/resolv.conf | grep -v '^#' | paste -sd,)" \
        'search example.org,nameserver 192.0.2.9,options ndots:3 timeout:4'
    proves 'run --detach-keys' "$(on_terminal 'ready=>a' run -it --rm --name keys --detach-keys a --network none "$box" \
        sh -c 'echo ready; sleep 1000' | tail -1) $(state_of keys status)" 'status 0 restored left 0 running'
}

# Says with its exit code which signal ended it.
telling=(sh -c 'trap "exit 7" TERM; trap "exit 9" USR1; echo ready; while :; do sleep 0.02; done')
start_telling() { # NAME FLAGS...
    background --name "$@" "$box" "${telling[@]}"
    wait_for 5 logged "$1" ready
}
code() { inspect "$1" .state.exit_status; }
run_ends() {
    start_telling usr --stop-signal USR1
    start_telling fast --stop-timeout 0
    netctr stop usr fast >/dev/null
    proves 'run --stop-signal' "$(code usr)" 9
    proves 'run --stop-timeout' "$(code fast)" 137
}

# `create` takes the flags of `run`, by the same code.
create_flags() {
    flags_of create >"$tmp/create"
    flags_of run | grep -vx -e -d -e --detach -e --detach-keys | diff - "$tmp/create"
    sed 's/^/create /' "$tmp/create" >>"$ARENA/proved"
    netctr create --name made --rm -h first -e A=1 -m 32m --network none "$box" sh -c 'hostname; echo $A; sleep 1000' >/dev/null
    assert_eq "$(state_of made status)" created
    netctr start made >/dev/null
    wait_for 5 logged made 1
    assert_eq "$(within_lines netctr logs made)" 'first 1'
    assert_eq "$(limits made | cut -d' ' -f1)" 33554432
    netctr kill made >/dev/null
    wait_for 5 eval '[ -z "$(names -a)" ]'
    assert_error 'netctr: unknown flag `-d`' 125 netctr create -d "$box" true
}

# ---- commands for a running container ------------------------------------------------------------

exec_flags() {
    echo C=3 >"$tmp/env"
    background --name e "$box" sleep 1000
    netctr exec -d e touch /short
    netctr exec --detach e touch /long
    wait_for 5 netctr exec e test -e /short -a -e /long
    proves 'exec -d --detach' "$(inside e 'ls /short /long' | paste -sd' ')" '/long /short'
    proves 'exec -i --interactive' "$(echo a | netctr exec -i e cat; echo b | netctr exec --interactive e cat)" $'a\nb'
    proves 'exec -t --tty' "$(netctr exec -t e sh -c '[ -t 1 ] && echo a'; netctr exec --tty e sh -c '[ -t 1 ] && echo b')" $'a\r\nb\r'
    proves 'exec -e --env --env-file' "$(netctr exec -e A=1 --env B=2 --env-file "$tmp/env" e sh -c 'echo $A$B$C')" 123
    proves 'exec -w --workdir' "$(netctr exec -w /usr e pwd; netctr exec --workdir /var e pwd)" $'/usr\n/var'
    proves 'exec -u --user' "$(netctr exec -u user e id -u; netctr exec --user 1234 e id -u)" $'1000\n1234'
    proves 'exec --detach-keys' "$(on_terminal 'ready=>a' exec -it --detach-keys a e sh -c 'echo ready; sleep 1000' | tail -1)" \
        'status 0 restored left 0'
}

attach_flags() {
    local status=0
    background -i --name a "$box" sh -c 'until [ -e /go ]; do echo tick; sleep 0.05; done; cat'
    "$ARENA/bin/netctr" attach --sig-proxy=false a >"$tmp/out" 2>/dev/null </dev/null &
    wait_for 5 has tick "$tmp/out"
    kill -TERM $!
    wait $! || status=$?
    proves 'attach --sig-proxy' "$status $(state_of a status)" '143 running'
    echo typed | netctr attach --no-stdin a >"$tmp/shown" 2>/dev/null &
    wait_for 5 has tick "$tmp/shown"
    netctr exec a touch /go
    echo seen | netctr attach a >/dev/null 2>&1 &
    wait_for 5 has seen "$tmp/shown"
    proves 'attach --no-stdin' "$(grep -v tick "$tmp/shown")" seen
    netctr run -dit --name t --network none "$box" sh >/dev/null
    proves 'attach --detach-keys' "$(on_terminal '# =>a' attach --detach-keys a t | tail -1)" 'status 0 restored left 0'
}

cp_flags() {
    background --name c "$box" sh -c 'echo 1 >/f; chmod 4755 /f; ln -s f /l; sleep 1000'
    wait_for 5 netctr exec c test -h /l
    netctr cp c:/f "$tmp/plain"
    netctr cp -a c:/f "$tmp/short"
    netctr cp --archive c:/f "$tmp/long"
    proves 'cp -a --archive' "$(cd "$tmp" && stat -c %a plain short long | paste -sd' ')" '755 4755 4755'
    netctr cp -L c:/l "$tmp/followed"
    netctr cp --follow-link c:/l "$tmp/too"
    proves 'cp -L --follow-link' "$(cat "$tmp/followed" "$tmp/too")" $'1\n1'
    proves 'diff --format' "$(netctr diff --format json c | jq -rc '.[] | select(.path == "/f") | .kind')" A
}

update_flags() {
    background --name u -m 256m "$box" sleep 1000
    netctr update -m 64m --cpus 0.2 --pids-limit 20 --restart always u >/dev/null
    proves 'update -m --cpus --pids-limit' "$(limits u)" '67108864 20000 20'
    netctr update --memory 128m u >/dev/null
    proves 'update --memory' "$(limits u | cut -d' ' -f1)" 134217728
    kill -KILL "$(pid_of u)"
    wait_for 5 has_restarted u
    proves 'update --restart' "$(state_of u status)" running
}

# ---- what there is -------------------------------------------------------------------------------

listings() {
    local web id
    netctr run -d --name web --label team=a --network none "$box" sh -c 'sleep 1000; echo 1234567890' >/dev/null
    netctr run --name ended --network none "$box" true
    web=$(inspect web .id) id=$(inspect ended .id)
    shown() { netctr ps --format '{{.Names}}' "$@" | paste -sd' '; }
    proves 'ps -a --format' "$(shown -a)" 'web ended'
    proves 'ps --all' "$(shown --all)" 'web ended'
    proves 'ps -q --quiet' "$(netctr ps -q; netctr ps --quiet)" "$web"$'\n'"$web"
    proves 'ps -f --filter' "$(shown -a -f label=team=a)$(shown -a --filter status=exited)" webended
    proves 'ps -n --last' "$(shown -n 1) $(shown --last 2)" 'ended web ended'
    proves 'ps -l --latest' "$(shown -l) $(shown --latest)" 'ended ended'
    proves 'ps --no-trunc' "$(netctr ps --no-trunc | grep -c 'echo 1234567890 ')" 1
    proves 'ps --noheading' "$(netctr ps --noheading | wc -l) $(netctr ps --noheading --format 'table {{.Names}}')" '1 web'
    assert_eq "$(netctr ps --noheading --filter name=none)" '' 'an empty list without heading'
    proves 'inspect -f --format' "$(netctr inspect -f '{{.Name}}' web; netctr inspect --format '{{.Id}}' web)" "/web"$'\n'"$web"
    proves 'stats --no-stream --format' "$(netctr stats --no-stream --format json | jq -r .name)" web
    proves 'stats -a --all' "$(netctr stats -a --no-stream | wc -l) $(netctr stats --all --no-stream | wc -l)" '3 3'
    proves 'rm -f' "$(netctr rm -f web none)" web
    proves 'rm -i --ignore' "$(netctr rm -i none ended; netctr rm --ignore ended)" ended
    assert_error 'netctr: no such container `none`' 125 netctr rm none
    background --name again "$box" sleep 1000
    proves 'rm --force' "$(netctr rm --force again; names -a)" again
}

logs_flags() {
    local since until
    background --name l "$box" sh -c 'echo one; until [ -e /go ]; do sleep 0.02; done; echo two; until [ -e /end ]; do sleep 0.02; done; echo three'
    wait_for 5 logged l one
    since=$(date -u +%FT%T.%NZ)
    netctr exec l touch /go
    wait_for 5 logged l two
    until=$(date -u +%FT%T.%NZ)
    "$ARENA/bin/netctr" logs -f l >"$tmp/followed" &
    "$ARENA/bin/netctr" logs --follow l >"$tmp/too" &
    wait_for 5 has two "$tmp/followed"
    wait_for 5 has two "$tmp/too"
    netctr exec l touch /end
    wait
    proves 'logs -f --follow' "$(paste -sd' ' "$tmp/followed") $(paste -sd' ' "$tmp/too")" 'one two three one two three'
    proves 'logs --since' "$(within_lines netctr logs --since "$since" l)" 'two three'
    proves 'logs --until' "$(within_lines netctr logs --until "$until" l)" 'one two'
    proves 'logs -n --tail' "$(netctr logs -n 1 l; netctr logs --tail 1 l)" $'three\nthree'
    proves 'logs -t --timestamps' "$({ netctr logs -t l && netctr logs --timestamps l; } | grep -cE '^20[0-9T:.-]+Z (one|two|three)$')" 6
    proves 'logs --names' "$(netctr logs --names --tail 1 l; netctr logs --names -tn 1 l | sed -E 's/ 20[0-9T:.-]+Z / TIME /')" \
        $'l three\nl TIME three'
}

events_flags() {
    local begin between new
    begin=$(date -u +%FT%T.%NZ)
    background --name one "$box" sleep 1000
    between=$(date -u +%FT%T.%NZ)
    background --name two "$box" sleep 1000
    seen() { netctr events --format '{{.Action}} {{.name}}' --filter event=create "$@" | paste -sd,; }
    proves 'events --no-stream --filter --format' "$(seen --no-stream --since "$begin")" 'create one,create two'
    proves 'events --since' "$(seen --no-stream --since "$between")" 'create two'
    proves 'events --until' "$(seen --since "$begin" --until "$between")" 'create one'
    proves 'events -f' "$(seen --no-stream --since "$begin" -f container=one)" 'create one'
    "$ARENA/bin/netctr" events --follow --format '{{.Action}}' >"$tmp/events" &
    new=$!
    until has . "$tmp/events" 2>/dev/null; do netctr kill -s WINCH one >/dev/null; done
    kill $new
    proves 'events --follow' "$(head -1 "$tmp/events")" kill
}

# ---- start and end -------------------------------------------------------------------------------

starts() {
    netctr create --name s --network none "$box" sh -c 'echo shown; exit 7' >/dev/null
    netctr create -i --name i --network none "$box" cat >/dev/null
    proves 'start -a' "$(netctr start -a s || echo $?)" $'shown\n7'
    proves 'start --attach' "$(netctr start --attach s || echo $?)" $'shown\n7'
    proves 'start -i --interactive' "$(echo a | netctr start -i i; echo b | netctr start --interactive i)" $'a\nb'
    proves 'start --all' "$(netctr start --all)" $'s\ni'
    netctr create -it --name t --network none "$box" sh >/dev/null
    proves 'start --detach-keys' "$(on_terminal '# =>a' start -ai --detach-keys a t | tail -1)" 'status 0 restored left 0'
}

ends() {
    # Without a handler, pid 1 ignores SIGTERM: only SIGKILL ends it, at once with -t 0.
    stuck() { background --name "$1" --stop-timeout -1 "$box" sleep 1000; }
    stuck a
    proves 'stop -t' "$(netctr stop -t 0 a; code a)" $'a\n137'
    proves 'restart -t' "$(netctr restart -t 0 a; state_of a status)" $'a\nrunning'
    proves 'restart --time' "$(netctr restart --time 0 a; state_of a status)" $'a\nrunning'
    proves 'stop -a --time' "$(netctr stop -a --time 0)" a
    netctr start a >/dev/null
    proves 'stop --all' "$(netctr stop --all -t 0; state_of a status)" $'a\nexited'
    proves 'stop -i --ignore' "$(netctr stop -i none a; netctr stop --ignore none)" a
    assert_error 'netctr: no such container `none`' 125 netctr stop none
    start_telling k
    proves 'kill -s' "$(netctr kill -s USR1 k; wait_for 5 status_is k exited; code k)" $'k\n9'
    start_telling again
    proves 'kill --signal' "$(netctr kill --signal TERM again; wait_for 5 status_is again exited; code again)" $'again\n7'
    # After a reboot, `boot` starts those that were stopped with --until-boot.
    background --name b --restart unless-stopped "$box" sleep 1000
    netctr stop -t 0 --until-boot b >/dev/null
    proves 'stop --until-boot' "$(netctr boot; state_of b status)" $'b\nrunning'
}

# ---- networks ------------------------------------------------------------------------------------

network_flags() {
    netctr network create --subnet 10.61.0.0/24 --gateway 10.61.0.9 --ip-range 10.61.0.128/25 --route 10.70.0.0/16,10.61.0.5 \
        --mtu 1400 --label team=a --interface-name nc-mine --driver bridge --sysctl net.ipv4.conf.IFNAME.log_martians=1 \
        --no-guard one >/dev/null
    netctr network create --ipv6 --disable-dns -o mtu=1300 --opt isolate=false -d bridge two >/dev/null
    netctr network create --internal --icc=false in >/dev/null
    netctr network create --ipam-driver none wire >/dev/null
    netctr network create --mode routed --isolate=false open >/dev/null
    netctr run -d --name a --network one --cap-add NET_ADMIN "$box" sleep 1000 >/dev/null
    netctr run -d --name b --network two "$box" sleep 1000 >/dev/null
    netctr run -d --name c --network in "$box" sleep 1000 >/dev/null
    netctr run -d --name d --network in "$box" httpd -f -p 80 -h /bin >/dev/null
    netctr run -d --name w --network wire "$box" sleep 1000 >/dev/null
    netctr run -d --name o --network open "$box" httpd -f -p 80 -h /bin >/dev/null
    proves 'network create --subnet --ip-range' "$(address_of a | grep -c '^10.61.0.\(12[89]\|1[3-9].\|2..\)$')" 1
    proves 'network create --gateway' "$(in_network_of a ip route show default | awk '{ print $3 }')" 10.61.0.9
    proves 'network create --route' "$(in_network_of a ip route show 10.70.0.0/16 | awk '{ print $3 }')" 10.61.0.5
    proves 'network create --mtu' "$(inside a 'cat /sys/class/net/eth0/mtu')" 1400
    proves 'network create --label' "$(of_network one .labels)" '["team=a"]'
    proves 'network create --interface-name -d --driver' "$(ip -oneline -details link show nc-mine | grep -cw bridge)" 1
    proves 'network create --sysctl' "$(inside a 'cat /proc/sys/net/ipv4/conf/eth0/log_martians')" 1
    proves 'network create --ipv6' "$(address_of b -6 | grep -c '^fd')" 1
    proves 'network create -o --opt' "$(inside b 'cat /sys/class/net/eth0/mtu') $(of_network two .isolate)" '1300 false'
    # Without --no-guard, netctr drops what has a source that is not the container's.
    in_network_of a ip address add 10.61.0.77/24 dev eth0
    proves 'network create --no-guard' "$(in_network_of a ping -c 1 -W 1 -I 10.61.0.77 10.61.0.9 | grep -c '1 received')" 1
    asks_gateway() { inside "$1" "grep -c '^nameserver $(of_network "$2" .gateway)\$' /etc/resolv.conf" || true; }
    proves 'network create --disable-dns' "$(asks_gateway a one) $(asks_gateway b two)" '1 0'
    proves 'network create --internal' "$(in_network_of c ip route show default)$(status_of in_network_of c ping -c 1 -W 1 192.0.2.9)" 2
    proves 'network create --icc' "$(status_of http_from c "http://$(address_of d)/sh")" 28
    proves 'network create --ipam-driver' "$(in_network_of w ip -oneline address show dev eth0)" ''
    # Without NAT, others see the address of the container.
    in_lan ip route add "$(of_network open .subnet)" via 192.0.2.2
    in_lan peer serve lan tcp/90 >"$tmp/lan" &
    wait_for 5 has listening "$tmp/lan"
    proves 'network create --mode' "$(in_network_of o peer ask tcp 192.0.2.9 90)" "lan $(address_of o)"
    # `two` and `open` have --isolate=false.
    wait_for 5 http_from b "http://$(address_of o)/sh" >/dev/null
    proves 'network create --isolate' "$(status_of http_from b "http://$(address_of o)/sh") $(status_of http_from a "http://$(address_of o)/sh")" '0 28'

    with_w() { netctr network ls "$@" | grep -w -e two -e wire | paste -sd' '; } # one line for each network
    proves 'network ls -q --quiet' "$(with_w -q) $(with_w --quiet)" 'two wire two wire'
    proves 'network ls -f --filter' "$(netctr network ls -q -f label=team; netctr network ls -q --filter name=wir)" $'one\nwire'
    proves 'network ls --format' "$(with_w --format '{{.Name}}:{{.Driver}}')" 'two:bridge wire:bridge'
    proves 'network ls --noheading' "$(netctr network ls --noheading --filter name=wire | cut -d' ' -f1; \
        netctr network ls --noheading --format 'table {{.Name}}' --filter name=wire)" $'wire\nwire'
    proves 'network inspect -f --format' "$(netctr network inspect -f '{{.Name}}' one; netctr network inspect --format '{{.Internal}}' in)" $'one\ntrue'

    netctr network update --route-add 10.71.0.0/16,10.61.0.6 --route-drop 10.70.0.0/16 --label-add k=v --label-drop team one >/dev/null
    proves 'network update --route-add --route-drop' "$(in_network_of a ip route show 10.71.0.0/16 | awk '{ print $3 }')$(in_network_of a ip route show 10.70.0.0/16)" 10.61.0.6
    proves 'network update --label-add --label-drop' "$(of_network one .labels)" '["k=v"]'

    netctr network create --subnet 10.62.0.0/24 --subnet fd62::/64 three >/dev/null
    netctr network connect --ip 10.62.0.7 --ip6 fd62::7 --mac-address 02:00:00:00:00:62 --interface more --alias other --rate 10mbit \
        --gw-priority 5 --gateway 10.62.0.8 --route 10.72.0.0/16@10.62.0.9 three a
    netctr run -d --name near --network three "$box" sleep 1000 >/dev/null
    proves 'network connect --ip --ip6 --interface' "$(in_network_of a ip -oneline address show dev more scope global | awk '{ print $4 }' | paste -sd' ')" \
        '10.62.0.7/24 fd62::7/64'
    proves 'network connect --mac-address' "$(inside a 'cat /sys/class/net/more/address')" 02:00:00:00:00:62
    proves 'network connect --alias' "$(netctr exec near nslookup other | sed -n 's/^Address: //p' | grep -m 1 62.0.7)" 10.62.0.7
    proves 'network connect --rate' "$(inspect a '.endpoints[] | select(.network == "three").rate')" 10000000
    proves 'network connect --gw-priority --gateway' "$(in_network_of a ip -4 route get 192.0.2.9 | sed -n 's/.* via \([^ ]*\) dev \([^ ]*\) .*/\1 \2/p')" '10.62.0.8 more'
    proves 'network connect --route' "$(in_network_of a ip route show 10.72.0.0/16 | awk '{ print $3 }')" 10.62.0.9
    netctr network disconnect -f three a
    netctr network disconnect --force in c
    proves 'network disconnect -f --force' "$(inspect a '.endpoints | map(.network)')$(inspect c '.endpoints | map(.network)')" '["one"][]'
    proves 'network rm -f' "$(netctr network rm -f one none)" one
    proves 'network rm --force' "$(netctr network rm --force two; inspect b '.endpoints | map(.network)')" $'two\n[]'
    netctr network create --label x=y spare >/dev/null
    netctr network create last >/dev/null
    proves 'network prune -f --filter' "$(netctr network prune -f --filter label=x)" spare
    proves 'network prune --force' "$(netctr network prune --force)" last
    netctr run -d --name p -p 8090:80 -p 8091:80 "$box" sleep 1000 >/dev/null
    proves 'unpublish -a' "$(netctr unpublish -a p; netctr port p)" ''
    netctr publish p 8090:80 >/dev/null
    proves 'unpublish --all' "$(netctr unpublish --all p; netctr port p)" ''
}

# ---- this host -----------------------------------------------------------------------------------

host_flags() {
    local version monitor
    version=$(netctr --version | cut -d' ' -f2)
    proves 'version -f --format' "$(netctr version -f '{{.Version}}'; netctr version --format json | jq -r .version)" "$version"$'\n'"$version"
    proves 'info -f --format' "$(netctr info -f '{{.ServerVersion}}'; netctr info --format json | jq -r .version)" "$version"$'\n'"$version"
    proves 'doctor --format' "$(netctr doctor --format json | jq -r type)" array
    closed() { netctr network forwarding --format json | jq -c '.ipv4.closed // []'; }
    netctr reset -f >/dev/null
    sysctl -qw net.ipv4.ip_forward=0
    netctr run -d --name k "$box" sleep 1000 >/dev/null 2>&1
    netctr network forwarding --open
    proves 'network forwarding --open --format' "$(closed)" '[]'
    netctr network forwarding --close
    proves 'network forwarding --close' "$(closed)" '["eth0"]'
    mkdir "$state/containers/unfinished"
    proves 'gc -n' "$(netctr gc -n)" 'would remove directory unfinished'
    proves 'gc --dry-run' "$(netctr gc --dry-run)" 'would remove directory unfinished'
    assert_eq "$(netctr gc)" 'removed directory unfinished'
    proves 'reset -n' "$(netctr reset -n | grep "^would remove directory $state\$"; state_of k status)" "would remove directory $state"$'\nrunning'
    proves 'reset --dry-run' "$(netctr reset --dry-run | grep "^would remove directory $state\$"; state_of k status)" "would remove directory $state"$'\nrunning'
    proves 'reset -f' "$(netctr reset -f </dev/null | grep "^removed directory $state\$"; ls -d "$state" 2>/dev/null || echo gone)" "removed directory $state"$'\ngone'
    netctr run --name k --network none "$box" true
    proves 'reset --force' "$(netctr reset --force </dev/null | grep "^removed directory $state\$"; ls -d "$state" 2>/dev/null || echo gone)" "removed directory $state"$'\ngone'
}
