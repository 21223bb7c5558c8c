# shellcheck shell=sh
# What every node of a Kathara lab runs first. It is a line of `exec` in the topology file that a lab.conf is turned into.
# In /hostlab/bin it makes startup, which runs a startup script, and systemctl and service for nodes without systemd.
mkdir -p /hostlab/bin /var/log && cd /hostlab/bin || exit
for user in frr quagga; do
    [ ! -d /etc/$user ] || chown -R $user:$user /etc/$user 2>/dev/null
done
cat >startup <<\END
#!/bin/sh
# startup NAME: runs /hostlab/NAME by bash, if there is one. Its output goes to a log. A command that fails is
# noted, and the next one runs. A script that has not ended after STARTUP_SECONDS (60) goes on alone.
log=/var/log/startup.log told=/hostlab/$1.told
case $1 in shared.*) log=/var/log/shared.log ;; esac
: >"$told"
: >"$told.runs"
sleep "${STARTUP_SECONDS:-60}" &
timer=$!
{
    if command -v bash >/dev/null; then
        BASH_ENV=/hostlab/bin/trace bash "/hostlab/$1"
    else
        sh -x "/hostlab/$1" || echo "$1: it ended with $?" >>"$told"
    fi
    rm "$told.runs" && kill -PIPE "$timer"
} </dev/null >"$log" 2>&1 &
exec 2>/dev/null
wait "$timer"
rm "$told.runs" && echo "$1: it still runs after ${STARTUP_SECONDS:-60} s, and goes on" >>"$told"
[ -s "$told" ] || exit 0
head -n 3 "$told"
[ "$(wc -l <"$told")" -le 3 ] || echo "and more: see $log in the node"
exit 1
END
cat >trace <<\END
unset BASH_ENV
told() {
    { local code=$? line=$1 command=$2 log=/var/log/startup.log name=${0##*/} said i why=; set +x; } 2>/dev/null
    case $name in shared.*) log=/var/log/shared.log ;; esac
    mapfile -t said <$log
    for ((i = ${#said[@]} - 1; i > 0; i--)); do
        [[ ${said[i]} == +*" told "* ]] && why=${said[i - 1]} && break
    done
    [[ $why != +* && $why ]] || why="ended with $code"
    read -r command <<<"$command"
    echo "$name:$line: $command: $why" >>"$0.told"
    set -x
}
set -E
trap "told \$LINENO \"\$BASH_COMMAND\"" ERR
set -x
END
cat >systemctl <<\END
#!/bin/sh
# systemctl ACTION NAME… and service NAME ACTION, by the scripts of /etc/init.d
case $0 in *service) set -- "$2" "$1" ;; esac
action= now= units=
for word; do
    case $word in
    --now) now=1 ;;
    -*) ;;
    *) if [ "$action" ]; then units="$units ${word%.service}"; else action=$word; fi ;;
    esac
done
case $action-$now in
enable-1) action=start ;;
disable-1) action=stop ;;
enable- | disable- | daemon-reload-* | mask-* | unmask-*) exit 0 ;;
is-active-*) action=status ;;
esac
result=0
for unit in $units; do
    case $unit in
    bind9 | named | bind) names="named bind9" ;;
    ssh | sshd) names="ssh sshd" ;;
    apache2 | httpd) names="apache2 httpd" ;;
    quagga | zebra) names="quagga zebra" ;;
    *) names=$unit ;;
    esac
    script=
    for name in $names; do
        for file in "/usr/lib/frr/${name}init.sh" "/etc/init.d/$name"; do
            [ ! -x "$file" ] || script=$file
        done
    done
    if [ "$script" ]; then
        "$script" "$action" || result=$?
    else
        echo "${0##*/}: there is no /etc/init.d/$unit in this node" >&2
        result=5
    fi
done
exit $result
END
chmod 755 startup systemctl
[ ! -d /run/systemd/system ] || rm systemctl
[ ! -e systemctl ] || command -v service >/dev/null || ln -sf systemctl service
