#!/usr/bin/env bash
# How a port is unpublished: its elements expire if the kernel can do that (6.12 and later), and are deleted otherwise
# (6.1 reports success and keeps them). Either way the port is closed.
. "$(dirname "$0")/../lib.sh"

answer() {
    netctr info --format json | jq -r .firewall_expiry
}

# What nft sees with a set of its own: yes or no.
expiry_by_nft() {
    nft 'add table inet test; add set inet test s { type inet_service; flags timeout; };
        add element inet test s { 1 }'
    nft 'add element inet test s { 1 timeout 50ms }'
    sleep 0.3
    # No pipe: grep may exit before nft does, whose failure would then look like "there are none".
    local left
    left=$(nft list set inet test s)
    case $left in *elements*) echo no ;; *) echo yes ;; esac
    nft delete table inet test
}

probe() {
    assert_eq "$(answer)" 'not asked yet'
    warm_up
    local truth
    truth=$(expiry_by_nft)
    assert_eq "$(answer)" "$truth" 'what netctr found'
    case $(uname -r) in
    6.1.* | 5.*) assert_eq "$truth" no ;;
    6.1[2-9].* | [7-9].*) assert_eq "$truth" yes ;;
    esac
    netctr info | has -E "^firewall_expiry +$truth\$"
}
t 'info shows whether elements of the firewall expire, and that is true' probe

left_of_8080() {
    nft list ruleset | grep 8080 || true
}

# The map is read, not the port, because a port without a container looks closed as well.
gone_after() { # COMMAND...
    serve web -p 8080:80 -p 127.0.0.1:8080:80/udp
    [ -n "$(left_of_8080)" ] # the positive control
    "$@"
    # An element that expires has 12 ms, in the kernel's ticks; a deleted one is gone.
    [ "$(answer)" = no ] || wait_for 1 no_element_expires
    assert_eq "$(left_of_8080)" '' "after $*"
    [ -z "$(netctr ps -aq)" ] || netctr rm web
}

ended_by_itself() {
    kill -KILL "$(pid_of web)"
    wait_for 2 status_is web exited
}

gone() {
    gone_after netctr stop -t 0 web
    gone_after netctr rm -f web
    gone_after ended_by_itself
}
t 'a published port is closed with its container' gone

# The container goes on: what connects after the command would stay connected.
unpublished() {
    local i
    serve web -p 8080:80
    for i in 1 2 3 4 5; do
        [ -n "$(left_of_8080)" ]
        netctr unpublish web 8080:80
        assert_eq "$(left_of_8080)" '' "attempt $i"
        netctr publish web 8080:80 >/dev/null
    done
}
t 'a port is gone when unpublish returns' unpublished

told() { # yes|no: what netctr is to believe of this kernel, until the end of the test
    echo "$1 $(cat /proc/sys/kernel/random/boot_id)" >"$run_state/leases/.expiry"
    assert_eq "$(answer)" "$1"
}

gone_by_deletion() {
    warm_up
    local truth
    truth=$(answer)
    told no
    gone
    told "$truth"
}
t 'the same with deleted elements, whatever this kernel can do' gone_by_deletion

control() {
    warm_up
    [ "$(answer)" = no ] || skip 'elements expire on this kernel'
    # If netctr believed the kernel's success, the port would stay.
    told yes
    serve web -p 8080:80
    netctr stop -t 0 web
    sleep 0.5
    [ -n "$(left_of_8080)" ] || fail 'it expired after all'
    told no
    netctr network reload
    assert_eq "$(left_of_8080)" ''
}
t 'the positive control: a kernel that does not let elements expire' control
