#!/usr/bin/env bash
# Terminals through a real one: tmux, with a shell that has job control.
needs=nginx
. "$(dirname "$0")/../lib.sh"

command -v tmux >/dev/null || skip 'no tmux'

mux() {
    TMUX_TMPDIR=$tmp tmux -f /dev/null "$@"
}
# A terminal of 30 rows and 100 columns with a shell whose prompt is "host$ ".
open_terminal() {
    printf 'PS1="host$ "; PATH=%s:$PATH\n' "$ARENA/bin" >"$tmp/rc"
    mux new-session -d -x 100 -y 30 "bash --rcfile $tmp/rc -i"
    trap 'mux kill-server' EXIT
    shows 'host\$'
}
screen() { mux capture-pane -p; }
# Both show the screen, which is printed if it does not come true.
last_line_has() { screen; screen | grep -v '^$' | tail -n 1 | has -e "$1"; }
screen_has() { screen; screen | has -e "$1"; }
shows() { # REGEXP, on the last line that is not empty
    wait_for 10 last_line_has "$1"
}
somewhere() { # REGEXP
    wait_for 10 screen_has "$1"
}
types() { mux send-keys "$@"; }

programs() {
    open_terminal
    types "netctr run --rm -it --name k --network none $box sh" Enter
    shows '^/ #'
    types 'seq 1 500 | less' Enter
    somewhere '^29$'
    types Space
    somewhere '^58$'
    types G
    somewhere '^500$'
    types q
    shows '^/ #'
    types 'top -d 1' Enter
    somewhere '^Mem:'
    types q
    shows '^/ #'
    types 'cat /etc/hostn' Tab # the shell inside completes it
    shows 'cat /etc/hostname'
    types Enter
    shows '^/ #'
    mux resize-window -x 80 -y 20
    types 'stty size; sleep 1000' Enter
    shows '^20 80$'
    types C-c
    shows '^/ #'
    types 'exit 4' Enter
    shows 'host\$'
    types 'echo status $?; stty -a | grep -o -w -e -*icanon -e -*echo | xargs' Enter
    somewhere '^status 4$'
    somewhere '^icanon echo$'
}
t 'less, top, Tab, ^C and a new size of the terminal' programs

# vtysh of FRR reads keys by readline: Tab completes, ? helps, a pager shows what is long.
router() {
    netctr run -d --name r --cap-add NET_ADMIN --cap-add SYS_ADMIN "$debian" \
        sh -c 'mkdir -p /run/frr; chown frr:frr /run/frr; PATH=$PATH:/usr/lib/frr; zebra -d; exec staticd' >/dev/null
    wait_for 10 netctr exec r test -S /run/frr/staticd.vty
    open_terminal
    types 'netctr exec -it r vtysh' Enter
    shows '#$'
    types 'show inter' Tab 'brie' Tab
    shows '# show interface brief'
    types Enter
    somewhere '^eth0 *up '
    types 'configure terminal' Enter
    shows '(config)#'
    types 'ip route 198.51.100.0/24 10.88.0.1' Enter # vtysh drops keys that come before its next prompt
    wait_for 10 eval 'netctr exec r ip route | has "^198.51.100.0/24 .*via 10.88.0.1"'
    types C-z # leaves the configuration
    shows '[0-9a-f]#$'
    types 'show ip route static' Enter
    somewhere '^S.*198.51.100.0/24 .*via 10.88.0.1, eth0'
    types 'abc' C-c
    shows '#$'
    types 'exit' Enter
    shows 'host\$'
}
t 'vtysh of FRR: Tab, ^C, a route' router

is_stopped() { grep -q '^State:.T' "/proc/$1/status"; }
job_control() {
    open_terminal
    types "netctr run --rm -it --name k --network none $box sh" Enter
    shows '^/ #'
    local client
    client=$(ps -o ppid= -p "$(monitor_of k)" | tr -d ' ')
    kill -TSTP "$client"
    wait_for 10 is_stopped "$client"
    somewhere 'Stopped'
    types 'stty -a | grep -o -w -e -*icanon -e -*echo | xargs' Enter
    somewhere '^icanon echo$'
    mux resize-window -x 81 -y 21
    types 'fg' Enter
    types 'stty size' Enter
    somewhere '^21 81$'
    # ^Z is a key.
    types 'sh -c "echo re\"\"ady; sleep 1000"' Enter
    somewhere '^ready'
    types C-z
    somewhere 'Stopped.*sh -c'
    types C-p C-q
    shows 'host\$'
    status_is k running
    types 'clear; netctr attach k' Enter
    types 'jobs' Enter
    somewhere 'Stopped.*sh -c'
    kill -KILL "$(pgrep -f 'netctr attach')"
    shows 'host\$'
    types 'stty -a | grep -o -w -e -*icanon -e -*echo | xargs' Enter
    somewhere '^icanon echo$'
    status_is k running
}
t 'a shell stops and continues the client; ^Z is a key for the program' job_control
