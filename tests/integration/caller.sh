#!/usr/bin/env bash
# Which limits of its caller a container has: the four in its definition, and no others.
. "$(dirname "$0")/../lib.sh"

limits_in() { # of the container's program
    netctr exec "$1" cat /proc/1/limits | awk '/open files/ {print "nofile", $4, $5} /processes/ {print "nproc", $3, $4}
        /core file/ {print "core", $5, $6} /locked memory/ {print "memlock", $4, $5}'
}
limits_of_exec() { # as a process of exec has them
    netctr exec "$1" cat /proc/self/limits | awk '/open files/ {print "nofile", $4, $5} /processes/ {print "nproc", $3, $4}
        /core file/ {print "core", $5, $6} /locked memory/ {print "memlock", $4, $5}'
}
wanted='core 0 1048576
memlock 32768 65536
nofile 300 600
nproc 900 1000'
kept() {
    (
        ulimit -Sn 300; ulimit -Hn 600; ulimit -Su 900; ulimit -Hu 1000
        ulimit -Sc 0; ulimit -Hc 1024; ulimit -Sl 32; ulimit -Hl 64
        netctr run -d --name c --restart always --network none "$box" sleep 1000 >/dev/null
    )
    assert_eq "$(limits_in c | sort)" "$wanted" run
    assert_eq "$(limits_of_exec c | sort)" "$wanted" exec
    netctr restart -t 0 c >/dev/null
    assert_eq "$(limits_in c | sort)" "$wanted" restart
    netctr stop -t 0 c >/dev/null
    netctr start c >/dev/null
    assert_eq "$(limits_in c | sort)" "$wanted" start
    kill -KILL "$(netctr inspect c | jq -r '.. | .pid? // empty' | head -1)" # its policy restarts it
    wait_for 5 eval 'netctr exec c true'
    assert_eq "$(limits_in c | sort)" "$wanted" 'by its policy'
    netctr stop --all --until-boot -t 0 >/dev/null
    netctr boot
    assert_eq "$(limits_in c | sort)" "$wanted" boot
}
t 'open files, processes, core and locked memory are those of the first run' kept

published() { # the monitor needs more descriptors than the program may have
    (ulimit -n 30; netctr run -d --name p --publish 20000-20100:20000-20100/udp "$box" sleep 1000 >/dev/null) || true
    (ulimit -Sn 30; netctr run -d --name q --publish 21000-21100:21000-21100/udp "$box" sleep 1000 >/dev/null)
    assert_eq "$(netctr exec q sh -c 'ulimit -n')" 30
    netctr stop -t 0 q >/dev/null
    netctr start q >/dev/null
    assert_eq "$(netctr exec q sh -c 'ulimit -n')" 30
}
t 'the program has them even if its monitor needs more' published

lower_caller() { # a warning, if it may not raise its limit
    netctr run -d --name c --network none "$box" sleep 1000 >/dev/null
    local status=0
    (ulimit -n 40; netctr exec c sh -c 'ulimit -n') >"$tmp/out" 2>"$tmp/err" || status=$?
    if [ $status = 0 ]; then
        assert_eq "$(cat "$tmp/out")" "$(ulimit -Sn)"
    else
        assert_eq $status 125
        grep -q "raise the limit of open files.*CAP_SYS_RESOURCE" "$tmp/err" || fail "$(cat "$tmp/err")"
    fi
}
t 'a caller with lower limits' lower_caller

nobodys() {
    (
        ulimit -Sf 10; ulimit -St 2; sanitized || ulimit -Sv 4000000
        taskset -c 0 nice -n 7 setarch "$(uname -m)" -R "$ARENA/bin/netctr" run -d --name f --network none "$box" sh -c \
            'seq 99999; i=0; while [ $i -lt 1500000 ]; do i=$((i+1)); done; echo done; sleep 1000' >/dev/null
    )
    wait_for 20 eval 'netctr logs f | tail -1 | has done'
    assert_eq "$(netctr logs f | sed -n 99999p)" 99999 'the log goes on'
    local inside='cut -d" " -f19 /proc/self/stat; grep -E "Cpus_allowed_list" /proc/self/status; cat /proc/self/personality;
        grep -E "file size|cpu time|address space|stack|pending|msgqueue|nice|realtime" /proc/self/limits | tr -s " "; cat /proc/self/oom_score_adj'
    netctr run --rm --network none "$box" sh -c "$inside" >"$tmp/plain"
    (
        ulimit -Sf 10; ulimit -St 2; sanitized || ulimit -Sv 4000000; ulimit -Ss 200; ulimit -Si 5; ulimit -Sq 1000
        echo 500 >/proc/self/oom_score_adj
        taskset -c 0 setarch "$(uname -m)" -R "$ARENA/bin/netctr" exec f sh -c "$inside" >"$tmp/by-exec"
        taskset -c 0 setarch "$(uname -m)" -R "$ARENA/bin/netctr" run --rm --network none "$box" sh -c "$inside" >"$tmp/by-run"
    )
    # Lowering the score again needs a capability that root may lack.
    assert_eq "$(sed '$d' "$tmp/by-exec")" "$(sed '$d' "$tmp/plain")" exec
    assert_eq "$(sed '$d' "$tmp/by-run")" "$(sed '$d' "$tmp/plain")" run
    grep -q 'Max cpu time unlimited unlimited' "$tmp/plain" && grep -q 'Max file size unlimited unlimited' "$tmp/plain" ||
        fail "$(cat "$tmp/plain")"
}
t "a shell's file size, processor time, processors, niceness and personality are not the container's" nobodys

small_files() {
    netctr run -d --name s --network none "$box" sleep 1000 >/dev/null
    assert_eq "$(ulimit -Sf 0; netctr exec s echo yes)" yes
    assert_eq "$(ulimit -Sf 1; netctr run --rm --network none "$box" echo yes)" yes
}
t 'exec and run under a small soft limit of file size' small_files

hard() { # cannot be lifted: an error, not a truncated file
    local status=0
    (ulimit -f 10; netctr run --name h --network none "$box" seq 99999) >"$tmp/out" 2>"$tmp/err" || status=$?
    if [ $status = 125 ]; then
        grep -q 'hard limit of file size' "$tmp/err" || fail "$(cat "$tmp/err")"
        ! netctr ps -a | has ' h$' || fail 'it left something behind'
    else
        assert_eq $status 0
        assert_eq "$(netctr logs h | tail -1)" 99999
    fi
}
t 'a hard limit of file size is lifted, or reported' hard

restarts_or_leaves() {
    netctr run -d --name r --network none "$box" sleep 1000 >/dev/null
    (ulimit -t 1000; netctr restart -t 0 r) >/dev/null 2>"$tmp/err" ||
        grep -q '^netctr: restart container `r`: the caller has a hard limit of processor time' "$tmp/err" || fail "$(cat "$tmp/err")"
    netctr ps | has ' r$'
}
t 'restart by a caller with a hard limit does not end the container' restarts_or_leaves
