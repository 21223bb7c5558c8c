#!/usr/bin/env bash
# Root in the container, with SYS_PTRACE, watches the process of exec before it becomes the command. It finds nothing
# of the host in it, and messages that it forges do no harm. All of it is with --userns=host: in a user namespace of its
# own the container sees nothing of that process (userns_hostile.sh).
. "$(dirname "$0")/../lib.sh"

strace -o /dev/null true 2>/dev/null || skip 'no permission to trace'

# The container's program: for each new process it prints its open files, takes each of its sockets and sends in its
# name what $says creates: Perl's pack() of packets (core/packet.h).
hostile() { # NAME SAYS
    local flags=(-v /usr:/usr:ro -v /usr/lib:/lib:ro --userns=host --cap-add sys_ptrace)
    [ ! -e /usr/lib64 ] || flags+=(-v /usr/lib64:/lib64:ro)
    # shellcheck disable=SC2016 # Perl's
    netctr run -d --name "$1" "${flags[@]}" "$box" /usr/bin/perl -e '
        use strict; $| = 1;
        my %seen = ($$ => 1);
        my $says = eval shift; die $@ if $@;
        sub slurp { open my $f, "<", shift or return (); my @l = <$f>; chomp @l; @l }
        sub memory {
            my $pid = shift;
            open my $mem, "<:raw", "/proc/$pid/mem" or return "";
            my $all = "";
            for (slurp("/proc/$pid/maps")) {
                my ($from, $to, $mode) = /^([0-9a-f]+)-([0-9a-f]+) (\S+)/ or next;
                next if $mode !~ /^rw/ or hex($to) - hex($from) > 1 << 24;
                sysseek $mem, hex $from, 0; sysread $mem, my $part, hex($to) - hex $from;
                $all .= $part // "";
            }
            $all
        }
        print "ready\n";
        while (1) {
            select undef, undef, undef, 0.001;
            for my $pid (map { m{^/proc/(\d+)$} } glob "/proc/[0-9]*") {
                next if $seen{$pid}++;
                my $pidfd = syscall 434, $pid + 0, 0;
                my $said = 0;
                # What it is: its privileges, arguments, memory.
                print "is $_\n" for grep { /^(CapEff|CapBnd|Seccomp|NSpid)/ } slurp("/proc/$pid/status");
                print "env $_\n" for split /\0/, join "", slurp("/proc/$pid/environ");
                print "arg $_\n" for split /\0/, join "", slurp("/proc/$pid/cmdline");
                my $memory = memory($pid);
                print "remembers $_\n" for $memory =~ /(HOST_SECRET_[a-z]*|containers\/[a-z0-9]+|NETCTR_[A-Z]+)/g;
                print "looked at ", length $memory, "\n";
                for my $link (glob("/proc/$pid/fd/*"), "/proc/$pid/cwd", "/proc/$pid/root") {
                    my $to = readlink $link or next;
                    # The user is looked up in the passwd of the container, and in no other.
                    next if $to =~ m{^/etc/(passwd|group)$} && "@{[(stat $link)[0, 1]]}" eq "@{[(stat $to)[0, 1]]}";
                    print "sees $to\n";
                    next unless $to =~ /^socket:/;
                    my ($fd) = $link =~ /(\d+)$/;
                    my $taken = syscall 438, $pidfd, $fd + 0, 0;
                    next if $taken < 0;
                    open my $socket, "+<&=", $taken or next;
                    for my $packet (@$says) { $said++ if syswrite $socket, $packet }
                }
                print "said $said\n" if $said;
            }
        }' "$2" >/dev/null
    wait_for 5 logged "$1" ready
}
# exec, delayed by a second between its entry and its command.
slow_exec() { # NAME COMMAND...
    timeout $((25 * slowness)) strace -f -qq -o /dev/null -e trace=execve -e inject=execve:delay_enter=700000 \
        "$ARENA/bin/netctr" exec "$@"
}

sees_nothing() {
    hostile k '[]'
    slow_exec k /bin/true
    netctr logs k | grep '^sees' | sort -u >"$tmp/seen"
    grep -q 'sees socket:' "$tmp/seen" || fail 'it has seen nothing: this proves nothing'
    # The container's root, its null device, pipes, the channel, and the memfd that will be executed.
    ! grep -Ev '^sees (/|/dev/null|pipe:.*|socket:.*|/memfd:netctr.*)$' "$tmp/seen" || fail 'it sees more'
    assert_eq "$(grep -c 'sees socket:' "$tmp/seen")" 1 'sockets'
}
t 'exec brings nothing of the host inside' sees_nothing

# From its first instruction inside on, it has the privileges of the command.
is_small() {
    hostile small '[]'
    HOST_SECRET_env=hunter2 slow_exec -e GIVEN=yes small /bin/true "$tmp"
    netctr logs small >"$tmp/seen"
    grep -q '^is ' "$tmp/seen" && grep -q '^looked at [1-9]' "$tmp/seen" || fail "it has seen nothing: $(cat "$tmp/seen")"
    ! grep -q HOST_SECRET "$tmp/seen" || fail "the host's environment: $(grep HOST_SECRET "$tmp/seen")"
    ! grep -q '^remembers' "$tmp/seen" || fail "memory of the host's: $(grep '^remembers' "$tmp/seen" | head -3)"
    ! grep '^env' "$tmp/seen" | grep -Ev '^env (PATH|HOME|HOSTNAME|TERM|container|GIVEN)=' || fail 'its environment is another'
    assert_eq "$(grep '^is CapEff' "$tmp/seen" | sort -u | wc -l)" 1 'privileges'
    local own
    own=$(netctr exec small /usr/bin/grep -E '^Cap(Eff|Bnd)|^Seccomp:' /proc/self/status | tr -d '\t')
    grep '^is' "$tmp/seen" | tr -d '\t' | sed 's/^is //' | grep -v NSpid | grep -v Seccomp_ | sort -u >"$tmp/was"
    assert_eq "$(cat "$tmp/was")" "$(sort -u <<<"$own")" 'privileges before and after'
    # There is no moment in which another process appears.
    ! grep -q '^arg .*netctr' "$tmp/seen" || fail "$(grep '^arg' "$tmp/seen")"
}
t 'exec has its final privileges from its first moment inside' is_small

# MESSAGE_PROCESS is 4, MESSAGE_NOT_RUN 7, MESSAGE_ERROR 6, MESSAGE_PREPARED 2.
forged() {
    sleep 1000 &
    local stranger=$! own name=k0 says
    own=$$
    for says in "[pack('LlLL', 4, $stranger, 0, 0), pack('LlLL', 7, 2, 0, 0)]" \
        "[pack('LlLL', 4, $own, 0, 0), pack('LlLL', 6, -5, 0, 0)]" \
        "[pack('LlLL', 4, -1, 0, 0), pack('LlLL', 2, -1, 0, 0), pack('L', 4)]" \
        "[(pack('LlLL', 2, -1, 0, 0)) x 5000]" \
        "[(pack('LlLL', 4, 1, 0, 0)) x 5000]" \
        "[pack('LlLL', 4, 1, 0, 0), pack('LlLLa8', 6, -5, 0, 4000000000, qq(\e[2Jx)), 'x' x 70000]"; do
        name=k$((${name#k} + 1))
        hostile $name "$says"
        # It may fail, as the container wants that; only its own process ends.
        slow_exec $name /bin/true 2>"$tmp/said" || [ $? -lt 128 ] || fail "status $?: $says"
        ! grep -q $'\e' "$tmp/said" || fail 'it speaks to the terminal'
        wait_for 5 logged $name 'said '
        kill -0 $stranger || fail "a stranger was killed: $says"
        status_is $name running
    done
    kill $stranger
}
t 'messages that a container forges in the name of exec kill no other process' forged

# For a moment the stub is outside of the container's pid namespace, with the container's uid, which the host may also
# use; and its child is in the joiner's session until it creates its own.
outside() {
    netctr run -d --name o --userns=host --network none "$box" sleep 1000 >/dev/null
    local call stub keeper session
    for call in clone setsid; do
        timeout $((25 * slowness)) strace -f -qq -o /dev/null -e trace=$call -e inject=$call:delay_enter=$((700000 * slowness)) \
            "$ARENA/bin/netctr" exec -u 65534 o /bin/sleep 0.1 &
        wait_for 10 eval 'pgrep -u 65534 | has .'
        stub=$(pgrep -n -u 65534)
        if setpriv --reuid 65534 --regid 65534 --clear-groups cat "/proc/$stub/environ" 2>"$tmp/err" | has .; then
            fail "the host's user reads the stub ($call)"
        fi
        keeper=$(pgrep -f 'netctr exec in o' | head -1)
        session=$(ps -o sid= -p "$stub") || fail "the stub has ended already ($call)"
        [ "$session" != "$(ps -o sid= -p "$keeper")" ] || fail "it is in the keeper's session ($call)"
        wait $!
    done
}
t 'a user of the host cannot trace the stub of exec, nor can the stub trace the keeper' outside
