#!/usr/bin/env bash
# A new netctr beside monitors of the released one (0.1.0), and the other way round: nothing is rebuilt under a monitor
# that knows other names, and what has to be refused is refused by name.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"

released=$top/build/tests/netctr-0.1
[ -x "$released" ] || released=$top/${NETCTR_BUILD:-build}/tests/netctr-0.1
[ -x "$released" ] || skip 'netctr 0.1.0 could not be built: this tree has no git history'

# Its processes are called "netctr", as they would be.
mkdir -p "$ARENA/released"
ln -sf "$released" "$ARENA/released/netctr"
cat >"$ARENA/bin/old" <<-END
	#!/bin/sh
	exec "$ARENA/released/netctr" --root "$state" --run-root "$run_state" "\$@"
END
chmod +x "$ARENA/bin/old"

# As serve(), by the released netctr.
old_serve() { # NAME [FLAGS OF RUN...]
    # shellcheck disable=SC2016 # the container expands it
    old run -d --name "$1" "${@:2}" "$box" \
        sh -c 'mkdir /www; echo "$1" >/www/index.html; exec httpd -f -h /www' sh "$1" >/dev/null
    wait_for 5 old exec "$1" wget -qO /dev/null http://127.0.0.1/
}

# The first netctr of the next test creates the tables, and the leases.
tidy_too() {
    nft flush ruleset
    rm -rf "$run_state"/leases/[a-z]*
}

# As firewall(), also without the released one's table that holds NAT.
rules() {
    firewall | sed '/^table inet netctr_keeper /,/^}/d' # words: ok
}

# Which netctr has made the tables.
tables() {
    local text
    text=$(nft --stateless list ruleset)
    case $text in
    *'chain speaks_ip6'*) echo old ;; # words: ok
    *'chain guard_ip6'*) echo new ;;
    *) echo none ;;
    esac
}
tables_are() { # old|new|none
    [ "$(tables)" = "$1" ]
}
answers() { # NAME PORT
    [ "$(in_lan curl -s --noproxy '*' --max-time 1 "http://192.0.2.2:$2/")" = "$1" ]
}
refused_by_name() { # "NAME runs under": and no word of the kernel's
    local status=0 name=$1
    shift
    "$@" >"$tmp/out" 2>&1 </dev/null || status=$?
    assert_eq $status 125 "$*: status"
    assert_contains "$(cat "$tmp/out")" "container \`$name\` runs under netctr 0.1.0: restart it first"
    assert_lacks "$(cat "$tmp/out")" 'No such file'
}
old_refused() { # COMMAND...: netctr 0.1.0 takes them for another netctr's
    local status=0
    "$@" >"$tmp/out" 2>&1 </dev/null || status=$?
    assert_eq $status 125 "$*: status"
    assert_contains "$(cat "$tmp/out")" "this host's firewall tables belong to another netctr"
}

# ---- a new command beside a released monitor ------------------------------------------------------

new_beside_old() {
    old network create spare
    old_serve web -p 8080:80
    answers web 8080
    rules >"$tmp/before"
    refused_by_name web netctr run --rm "$box" true
    refused_by_name web netctr run --rm -p 9090:80 "$box" true
    refused_by_name web netctr publish web 9090:80
    refused_by_name web netctr unpublish web 8080:80
    refused_by_name web netctr network create a
    refused_by_name web netctr network rm spare
    refused_by_name web netctr network prune -f
    refused_by_name web netctr network link spare default
    refused_by_name web netctr network connect spare web
    refused_by_name web netctr network disconnect default web
    refused_by_name web netctr network forwarding --close
    refused_by_name web netctr network reload
    cp "$run_state/leases/default" "$tmp/leases"
    netctr gc
    assert_eq "$(tables)" old
    rules | diff "$tmp/before" -
    answers web 8080
    # The leases stay as the released monitor knows them.
    diff "$tmp/leases" "$run_state/leases/default"
    netctr network inspect default | jq -e '.[0].containers[0].name == "web"' >/dev/null
    # What changes no network goes on.
    assert_contains "$(netctr ps)" web
    assert_eq "$(netctr exec web cat /www/index.html)" web
    assert_eq "$(netctr run --rm --network none "$box" echo alone)" alone
    netctr network ls | has spare
    assert_contains "$(netctr network inspect default)" "the tables are an older netctr's"
    netctr stop -t 0 web
    netctr network rm spare
    assert_eq "$(tables)" new
}
t 'new commands that change the network are refused while a released monitor lives' new_beside_old

restarted() {
    old_serve web -p 8080:80
    netctr restart -t 0 web
    assert_eq "$(tables)" new
    wait_for 5 answers web 8080
    netctr publish web 9090:80
    answers web 9090
    netctr network create a
    netctr network rm a
}
t 'a restart brings the container, and the tables, to the new one' restarted

several() {
    old_serve one -p 8081:80
    old_serve two -p 8082:80
    # It is not stopped, as it could not start again.
    refused_by_name two netctr restart -t 0 one
    assert_contains "$(cat "$tmp/out")" 'netctr stop one two'
    answers one 8081
    netctr stop -t 0 one
    refused_by_name two netctr start one
    netctr stop -t 0 two
    netctr start one two
    assert_eq "$(tables)" new
    wait_for 5 answers one 8081
    wait_for 5 answers two 8082
}
t 'several are stopped first, and then started' several

old_flush() {
    old_serve web -p 8080:80
    wait_for 5 helpers_work
    nft flush ruleset
    wait_for 5 tables_are old
    answers web 8080
    netctr run -d --name idle --network none "$box" sleep 1000
    nft flush ruleset
    wait_for 5 tables_are old
    refused_by_name web netctr run --rm "$box" true
    answers web 8080
}
t 'after a flush the released helper restores its own tables' old_flush

old_flush_unwatched() {
    old_serve web -p 8080:80
    nobody_watches
    nft flush ruleset
    refused_by_name web netctr run --rm "$box" true
    refused_by_name web netctr network create a
    assert_eq "$(tables)" none
}
t 'nor are missing tables made under a released monitor' old_flush_unwatched

# ---- the helpers ---------------------------------------------------------------------------------

helper_replaced() {
    # The first netctr starts its own helpers, which restore the tables that they know.
    old_serve web -p 8080:80
    wait_for 5 helpers_work
    netctr run -d --name idle --network none "$box" sleep 1000
    netctr stop -t 0 web
    netctr start web
    assert_eq "$(tables)" new
    wait_for 5 helpers_work
    nft flush ruleset
    wait_for 5 tables_are new
    wait_for 5 answers web 8080
}
t 'helpers of the released one are replaced when its containers have ended' helper_replaced

# ---- a released command beside a new monitor -----------------------------------------------------

old_beside_new() {
    serve web -p 8080:80
    netctr network create spare
    netctr network reload
    rules >"$tmp/before"
    old_refused old run --rm "$box" true
    old_refused old run --rm -p 9090:80 "$box" true
    old_refused old network reload
    old_refused old network rm spare
    assert_eq "$(old run --rm --network none "$box" echo alone)" alone
    assert_contains "$(old ps)" web
    assert_eq "$(old exec web cat /www/index.html)" web
    old gc || true
    rules | diff "$tmp/before" -
    answers web 8080
    # Its containers without a network do not bring its helpers, which would restore its tables.
    old run -d --name idle --network none "$box" sleep 1000
    wait_for 5 helpers_work
    nft flush ruleset
    wait_for 5 tables_are new
    rules | diff "$tmp/before" -
    answers web 8080
    old stop -t 0 web
    old_refused old start web
    netctr start web
    wait_for 5 answers web 8080
    old rm -f web
    assert_lacks "$(netctr ps -aq)" web
}
t 'released commands leave newer tables alone' old_beside_new

old_after_new() {
    # No container runs, but the tables exist: an older netctr does not replace them.
    netctr run --rm "$box" true
    old_refused old run --rm "$box" true
    assert_eq "$(tables)" new
    nft 'delete table inet netctr; delete table bridge netctr_guard'
    # It takes the directory of leases for a damaged file, and says what rebuilds it.
    assert_fails old run --rm "$box" true 2>"$tmp/err"
    assert_contains "$(cat "$tmp/err")" '`netctr network reload` rebuilds it from the running containers'
    old network reload
    old run --rm "$box" true
    [ -f "$run_state/leases/default" ]
    assert_eq "$(tables)" old
    netctr run --rm "$box" true
    assert_eq "$(tables)" new
    [ -d "$run_state/leases/default" ]
}
t 'back to the released one by removing the tables, as it says' old_after_new

# ---- what is left over ----------------------------------------------------------------------------

dead_old() {
    old network create --mode routed r
    old_serve web -p 8080:80
    old_serve open --network r -p 80
    wait_for 5 helpers_work
    # shellcheck disable=SC2046
    kill -KILL $(helper_processes) "$(monitor_of web)" "$(monitor_of open)"
    assert_eq "$(tables)" old
    netctr gc
    assert_eq "$(netctr ps -q)" ''
    netctr run -d --name next -p 8080:80 "$box" httpd -f >/dev/null
    assert_eq "$(tables)" new
    assert_lacks "$(nft list set inet netctr routed_ports4)" elements
    netctr network rm -f r
    netctr start web && fail 'the port is taken twice'
    netctr rm -f next
    netctr start web
    wait_for 5 answers web 8080
}
t 'what dead released monitors leave is cleaned up' dead_old

dead_old_no_gc() {
    old_serve web -p 8080:80
    wait_for 5 helpers_work
    # shellcheck disable=SC2046
    kill -KILL $(helper_processes) "$(monitor_of web)"
    serve next -p 8080:80
    assert_eq "$(tables)" new
    answers next 8080
}
t 'also by the next that wants its port' dead_old_no_gc

# Elements of a killed container have names that the new one does not know. If it forgot the container, they would open
# ports of the next one with the same address.
dead_old_beside_old() {
    old network create --mode routed --subnet 10.44.0.0/24 r
    old_serve web --network r:ip=10.44.0.2 -p 80
    old_serve two -p 8081:80
    in_lan ip route replace 10.44.0.0/24 via 192.0.2.2
    wait_for 5 helpers_work
    # shellcheck disable=SC2046
    kill -KILL $(helper_processes) "$(monitor_of web)"
    refused_by_name two netctr gc
    refused_by_name two netctr rm -f web
    netctr ps | has two
    assert_eq "$(tables)" old
    old_serve next --network r:ip=10.44.0.2
    in_lan curl -s --noproxy '*' --max-time 0.5 http://10.44.0.2/ && fail 'an unpublished port is reached'
    netctr stop -t 0 two next
    netctr gc
    netctr start web
    assert_eq "$(tables)" new
    in_lan curl -s --noproxy '*' --max-time 1 http://10.44.0.2/ | has web
    in_lan ip route delete 10.44.0.0/24
}
t 'what a dead released monitor leaves stays while another one lives' dead_old_beside_old

files() {
    # Definitions, records and leases of the released one are read as they are.
    old network create --label team=a --subnet 10.33.0.0/24 a
    old network create b
    old network link a b
    old_serve web --network a:ip=10.33.0.7 -p 8080:80
    old stop -t 0 web
    assert_eq "$(netctr network inspect a | jq -r '.[0].labels[0], .[0].links[0]' | xargs)" 'team=a b'
    netctr start web
    assert_eq "$(address_of web)" 10.33.0.7
    wait_for 5 answers web 8080
    netctr network unlink a b
}
t 'files of the released one are read' files

# ---- files of one that does not exist yet ----------------------------------------------------------

# Changes KEY in a file with a sum over it.
rewrite() { # FILE KEY VALUE
    python3 - "$@" <<-'END'
	import json, sys
	path, key, value = sys.argv[1:]
	j = json.load(open(path))
	j.pop("sum", None)
	j[key] = json.loads(value)
	h = 0xcbf29ce484222325
	for c in json.dumps(j, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode():
	    h = (h ^ c) * 0x100000001b3 % 2**64
	j["sum"] = "%016x" % h
	json.dump(j, open(path, "w"))
	END
}

newer_files() {
    serve web -p 8080:80
    local file=$run_state/containers/web/state.json
    cp -a "$file" "$tmp/state.json"
    assert_eq "$(jq -r .version "$file")" "$(netctr version | awk '{ print $2 }')"

    # A monitor of a newer one: it runs under a schema that this one does not know.
    rewrite "$file" version '"9.9.0"'
    rewrite "$file" network_schema 99
    netctr ps | has web
    local status=0
    netctr publish web 9090:80 >"$tmp/out" 2>&1 || status=$?
    assert_eq $status 125
    assert_contains "$(cat "$tmp/out")" 'container `web` runs under netctr 9.9.0, newer than this'
    nobody_watches
    nft flush ruleset
    status=0
    netctr run --rm "$box" true >"$tmp/out" 2>&1 || status=$?
    assert_eq $status 125
    assert_contains "$(cat "$tmp/out")" 'container `web` runs under netctr 9.9.0, newer than this'
    cp -a "$tmp/state.json" "$file"
    netctr network reload
    answers web 8080

    rewrite "$file" schema 99
    status=0
    netctr exec web true >"$tmp/out" 2>&1 || status=$?
    assert_eq $status 125
    cp -a "$tmp/state.json" "$file"
    netctr stop -t 0 web

    # A definition.
    sed -i 's/"schema": *1\b/"schema": 99/' "$state/containers/web/config.json"
    netctr start web >"$tmp/out" 2>&1 && fail 'a newer definition was taken'
    assert_contains "$(cat "$tmp/out")" 'written by a newer netctr (schema 99)'
    sed -i 's/"schema": *99\b/"schema": 1/' "$state/containers/web/config.json"
    netctr start web
}
t 'newer files are refused by name' newer_files
