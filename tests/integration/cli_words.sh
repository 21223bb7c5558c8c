#!/usr/bin/env bash
# Help, suggestions and tables: what a newcomer sees.
. "$(dirname "$0")/../lib.sh"

# Every command, also those of networks, one word per line: "network create" is network/create.
commands() {
    netctr --help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p' | grep -v '^network$'
    netctr network --help | sed -n '/^commands:/,/^$/s/^  \([a-z][a-z]*\) .*/network\/\1/p'
}

# ---- suggestions ---------------------------------------------------------------------------------
destructive='netctr (network )?(kill|rm|stop|restart|prune|gc|unpublish|disconnect|unlink)`\?'

no_way_to_a_loss() {
    local word command
    # Docker's and podman's verbs, and typing errors in commands that end or remove something.
    for word in auto-update build builder buildx commit compose container context delete \
        export generate history image images import kube load list login logout ls machine manifest mount node \
        play plugin pod prune pull push remove rmi save search secret service stack status swarm system \
        tag trust umount unmount volume kil kll klil killl rmm mr sotp stpo stopp sto restrat \
        rstart restartt gcc cg pruen unpublsih unpblish purge destroy drop end exit halt term; do
        assert_status 125 netctr "$word" x 2>"$tmp/said"
        assert_eq "$(wc -l <"$tmp/said")" 1 "lines for $word"
        ! grep -E "$destructive" "$tmp/said" || fail "$word leads to a loss"
        [ -n "$(sed -n 's/.*; //p' "$tmp/said")" ] || fail "$word: nothing to go on with"
        for command in $(grep -o '`netctr [a-z][a-z]*' "$tmp/said" | cut -d' ' -f2); do
            netctr help "$command" >/dev/null || fail "$word: there is no \`$command'"
        done
    done
    for word in remove delete rmm pruen prnue disconect diconnect unlnik unlik; do
        assert_status 125 netctr network "$word" x 2>"$tmp/said"
        ! grep -E "$destructive" "$tmp/said" || fail "network $word leads to a loss"
    done
}
t 'no suggestion for an unknown command ends or removes something' no_way_to_a_loss

finds_typing_errors() {
    local typed meant
    while read -r typed meant; do
        assert_status 125 netctr "$typed" 2>"$tmp/said"
        assert_contains "$(cat "$tmp/said")" "did you mean \`netctr $meant\`?"
    done <<-END
	rnu run
	runn run
	exce exec
	lgos logs
	netwrok network
	inpsect inspect
	isnpetc inspect
	strat start
	evnts events
	dcotor doctor
	ifno info
	prot port
	END
}
t 'a typing error suggests the command that was meant' finds_typing_errors

flags_of_docker() {
    local flag
    for flag in --device --entrypoint --gpus --health-cmd --init --ipc --label --mount --pid --platform \
        --privileged --pull --replace --security-opt --shm-size --stop-signal --stop-timeout --sysctl --ulimit \
        --uts --volumes-from --cidfile --cgroup-parent --expose --group-add --link --tty; do
        netctr run --help --all | has -e " $flag " && continue # it has been added since
        assert_status 125 netctr run "$flag=x" "$box" true 2>"$tmp/said"
        assert_contains "$(cat "$tmp/said")" "unknown flag \`$flag\`; netctr does not have it yet"
    done
    # Similar names, but each removes or opens something.
    for flag in 'rm --forec' 'stop --alll' 'network rm --froce' 'run --in-palce'; do
        assert_status 125 netctr $flag x 2>"$tmp/said"
        assert_lacks "$(cat "$tmp/said")" 'did you mean'
    done
}
t "docker's missing flags are named as such, and no harmful flag is suggested" flags_of_docker

# Existing flags are not reported as missing.
no_dead_entries() {
    local command commands flag
    for command in $(commands); do
        netctr help ${command/\// } --all | sed -n '/^flags:/,/^$/p' | grep -oE '^  (-[a-zA-Z], |    )--[a-z0-9-]+' |
            sed "s|.*--|${command/\// } |" || true
    done | sort >"$tmp/have"
    # {"FLAG", LETTER, "COMMAND,COMMAND",
    tr -s '\n ' ' ' <"$top/cli/absent.c" | grep -oE "\{\"[a-z0-9-]+\", ('.'|0), \"[a-z, ]*\"" | cut -d'"' -f2,4 |
        while IFS='"' read -r flag commands; do tr , '\n' <<<"$commands" | sed "s/\$/ $flag/"; done | sort >"$tmp/lack"
    [ "$(wc -l <"$tmp/have")" -gt 150 ] && [ "$(wc -l <"$tmp/lack")" -gt 250 ] || fail "$(wc -l "$tmp/have" "$tmp/lack")"
    assert_eq "$(comm -12 "$tmp/have" "$tmp/lack")" '' 'both there and missing'
}
t 'no existing flag is reported as missing' no_dead_entries

# ---- help ----------------------------------------------------------------------------------------
# A page fits on a screen of 80 columns. More lines than most screens have are an exception with a name.
most_lines() { # WORDS
    case $1 in
    run | create | exec | ps | logs | 'network create' | 'network connect') echo 40 ;;
    *) echo 24 ;;
    esac
}
has_help() {
    local command words examples
    assert_eq "$(netctr help)" "$(netctr --help)"
    assert_eq "$(netctr help help)" "$(netctr --help)"
    assert_eq "$(netctr help network)" "$(netctr network --help)"
    assert_eq "$(netctr network help)" "$(netctr network --help)"
    [ "$(netctr --help | wc -l)" -le 50 ] || fail 'the list of commands is too long'
    [ "$(netctr network --help | wc -l)" -le 24 ] || fail 'the list of commands of networks is too long'
    [ "$({ netctr --help && netctr network --help; } | LC_ALL=C.UTF-8 wc -L)" -le 80 ] || fail 'a line is too long'
    [ "$(commands | wc -l)" -ge 30 ]
    for command in $(commands); do
        words=${command/\// }
        netctr $words --help >"$tmp/help" || fail "$words --help fails"
        assert_eq "$(head -1 "$tmp/help" | cut -d' ' -f1-$((2 + $(wc -w <<<"$words"))))" "usage: netctr $words"
        [ "$(wc -l <"$tmp/help")" -le "$(most_lines "$words")" ] || fail "$words: $(wc -l <"$tmp/help") lines"
        [ "$(LC_ALL=C.UTF-8 wc -L <"$tmp/help")" -le 80 ] || fail "$words: a line is too long"
        examples=$(sed '1,/^examples:$/d' "$tmp/help" | grep -c '^  netctr ') || true
        [ "$examples" -ge 2 ] && [ "$examples" -le 4 ] || fail "$words: $examples examples, not 2 to 4"
        sed '1,/^examples:$/d' "$tmp/help" | has "^  netctr $words" || fail "$words: an example of something else"
        assert_eq "$(netctr $words -h)" "$(cat "$tmp/help")" "$words -h"
        assert_eq "$(netctr help $words)" "$(cat "$tmp/help")" "help $words"
        netctr $words --help --all >"$tmp/all"
        assert_eq "$(netctr help $words --all)" "$(cat "$tmp/all")" "help $words --all"
        # All flags are there, unless the page says how to see them.
        cmp -s "$tmp/help" "$tmp/all" || has "netctr help $words --all" "$tmp/help"
        [ "$(LC_ALL=C.UTF-8 wc -L <"$tmp/all")" -le 80 ] || fail "$words --all: a line is too long"
    done
}
t 'every command has help that fits on a screen, with examples, by --help, -h and help' has_help

shows_common_flags() {
    netctr run --help | has -e --publish
    netctr run --help | has -E 'netctr help run --all. shows all [0-9]+ flags'
    ! netctr run --help | grep -q -e --dns-option
    netctr run --help --all | has -e --dns-option
    assert_error 'netctr: unknown flag `--all`' 125 netctr run --all --help
}
t 'run --help shows the common flags, and --all the others' shows_common_flags

# With --help, flags are parsed and nothing is done.
knows_its_examples() {
    local command words line count=0
    for command in $(commands); do
        words=${command/\// }
        while read -r line; do
            count=$((count + 1))
            line=${line%% |*} line=${line%% &&*} line=${line#netctr }
            # shellcheck disable=SC2086 # words of a command
            if [ "${line%% *}" = network ]; then
                set -- ${line#network }
                netctr network "$1" --help "${@:2}" >/dev/null || fail "$words: example: $line"
            else
                set -- $line
                netctr "$1" --help "${@:2}" >/dev/null || fail "$words: example: $line"
            fi
        done < <(netctr $words --help | sed -n '1,/^examples:$/d; s/^  \(netctr .*\)/\1/p')
    done
    [ $count -ge 60 ] || fail "$count examples"
}
t 'the flags of the examples exist' knows_its_examples

example() { # the Nth example
    netctr "${@:2}" --help | sed -n '/^examples*:/,$s/^  //p' | sed -n "$1p"
}
examples_fit() {
    cp -a "$box" "$tmp/rootfs"
    printf '#!/bin/sh\nexec sleep 1000\n' >"$tmp/rootfs/usr/bin/nginx"
    chmod +x "$tmp/rootfs/usr/bin/nginx"
    cd "$tmp" || exit
    (
        example '1,2' network create
        example 2 run
        example '1,2' ps
        example 1 logs
        example '1,2' inspect
        example 1 exec
        example '1,2' port
        example '1,2' publish
        example '1,2' unpublish
        example '1,2' network ls
        example '1,2' network inspect
        example 1 network disconnect
        example 2 network connect
        example 2 events
        example '1,2' info
        example 1 kill
        example 2 rm
        example 1 network rm
    ) >"$tmp/script"
    bash -euxo pipefail "$tmp/script"
}
t 'the examples of the help can be run one after the other' examples_fit

needs_no_root() {
    local command
    chmod 755 "$ARENA" "$ARENA/bin"
    for command in 'run --help' 'run -h' 'exec --help' 'network create --help' 'network create -h' 'help network rm'; do
        setpriv --reuid 65534 --regid 65534 --clear-groups "$ARENA/bin/netctr" $command | has '^usage: netctr'
    done
}
t 'help needs no root' needs_no_root

sets_the_hostname() {
    assert_eq "$(netctr run --rm -h web "$box" hostname)" web
    assert_eq "$(netctr run --rm -hweb "$box" hostname)" web
    assert_eq "$(netctr run --rm -ih web "$box" hostname </dev/null)" web
    assert_eq "$(netctr run --rm --hostname=web -h db "$box" hostname)" db
    assert_error 'netctr: flag `--hostname` needs a value (NAME)' 125 netctr run --rm -h
    assert_error 'netctr: ROOTFS is missing; netctr run [FLAGS] ROOTFS COMMAND [ARG…]' 125 netctr run -h web
}
t 'run -h NAME sets the hostname, as with docker' sets_the_hostname

# The suggested command works when it is pasted.
proposes_jq() {
    local command template said result
    netctr network create back
    netctr run -d --name web --network back -p 8080:80 "$box" sleep 100
    netctr run --name ended "$box" true
    while IFS='|' read -r command template result; do
        assert_status 125 within 20 netctr $command --format "$template" 2>"$tmp/said"
        assert_contains "$(cat "$tmp/said")" "; json has everything; pipe it to jq: netctr "
        said=$(sed 's/.*pipe it to jq: //' "$tmp/said")
        said=${said/ NAME/ ${command##* }}
        eval "$said" >"$tmp/out"
        grep -Ex "$result" "$tmp/out" || fail "$said: $(cat "$tmp/out")"
    done <<-END
	inspect web|{{.State.Pid | upper}}|[1-9][0-9]*
	inspect web|{{.Whatever}}|[1-9][0-9]*
	inspect web|{{.State.Status.X}}|running
	inspect ended|{{.X.State.ExitCode}}|0
	inspect web|{{.NetworkSettings.IPAddress.X}}|10[.].*
	inspect web|{{range .NetworkSettings.Networks}}{{.MacAddress}}|[0-9a-f:]{17}
	inspect web|{{.Name.X}}|web
	inspect web|{{.Id.X}}|[0-9a-f]+
	inspect web|yaml|[1-9][0-9]*
	ps|{{.Names.X}}|web
	ps|table {{.ID.X}}|[0-9a-f]+
	ps|{{.X.Status}}|running
	ps|{{.X.Ports}}|.*8080->80/tcp
	info|{{.X}}|[0-9.]+.*
	network ls|{{.X}}|back
	network inspect back|{{.X}}|10[.].*/24
	network forwarding|{{.X}}|true|false
	events --since 1h --no-stream|{{.X}}|start
	END
    for command in 'inspect -f' 'info -f' 'network inspect -f'; do
        assert_status 125 netctr $command '{{.X}}' web 2>/dev/null
    done
}
t 'a docker template that is not understood is answered with a working jq command' proposes_jq

# ---- ps ------------------------------------------------------------------------------------------
chooses() {
    netctr network create back
    netctr run -d --name web "$box" sleep 100
    netctr run -d --name webdb --network back "$box" sleep 100
    netctr run --name ended --network back "$box" true
    netctr network connect back web
    shows 'web webdb'
    shows 'web webdb ended' -a
    shows 'web webdb' --filter name=web
    shows 'webdb' -f name=db
    shows 'web' -f name='^web$'
    shows 'web' -f name='^/web$'
    shows 'web webdb' -f name='^/?web'
    shows 'webdb ended' -af name='db|^e'
    shows 'ended' --filter status=exited
    shows 'web webdb ended' --filter status=exited --filter status=running
    shows '' --filter status=dead -a
    shows 'web webdb' --filter network=back
    shows 'web webdb ended' -a --filter network=back
    shows 'web' --filter network=default
    shows 'web' --filter network=default --filter name=web
    shows '' --filter network=default --filter name=db
    shows '' --filter network=../x
    shows 'webdb' --filter "id=$(netctr inspect webdb | jq -r '.[0].id' | cut -c1-6)"
    assert_eq "$(netctr ps -q --no-trunc --filter name=db)" "$(netctr inspect webdb | jq -r '.[0].id')"
    shows 'ended' -l
    shows 'webdb ended' -n 2
    shows 'web webdb ended' --last 9
    shows '' -n 0
    shows 'webdb' -l --filter name=web
    assert_eq "$(netctr ps -lq)" "$(netctr inspect ended | jq -r '.[0].id')"
    assert_error 'netctr: --last and --latest exclude each other' 125 netctr ps -l -n 2
    assert_error 'netctr: last `x` is not a number of containers' 125 netctr ps -n x
    netctr network disconnect back web
    shows 'webdb' --filter network=back
}
shows() { # NAMES [FLAGS...]
    local expected=$1
    shift
    assert_eq "$(netctr ps "$@" --format json | jq -r '[.[].name] | join(" ")')" "$expected" "ps $*"
    assert_eq "$(names "$@" | paste -sd' ')" "$expected" "ps $*, the table"
}
t 'ps --filter, -n and -l select' chooses

shows_all_addresses() {
    netctr network create --ipv6 --subnet 10.60.0.0/24 --subnet fd60::/64 both
    netctr network create --subnet 10.61.0.0/24 four
    netctr run -d --name web --network both:ip=10.60.0.7,ip6=fd60::7 --network four:ip=10.61.0.8 "$box" sleep 100
    assert_contains "$(netctr ps)" '10.60.0.7, 10.61.0.8 '
    assert_eq "$(netctr ps --format json | jq -c '.[0].addresses')" '["10.60.0.7","fd60::7","10.61.0.8"]'
    assert_eq "$(netctr ps --format json | jq -r '.[0].address')" 10.60.0.7
    netctr run --name ended --network four "$box" true
    assert_eq "$(netctr ps -a --format json | jq -c '.[] | select(.name == "ended") | .addresses')" '[]'
}
t 'ps shows the addresses on all networks' shows_all_addresses

cuts_the_command() {
    netctr run -d --name plain "$box" sleep 100
    netctr run -d --name long "$box" sh -c 'sleep 100; echo 1234567890'
    netctr run -d --name wide "$box" sh -c 'sleep 100; : ééééééééééééé日本語'
    netctr run -d --name hostile "$box" sh -c $'sleep 100; :\e[31m\xc2\x9b\nx'
    netctr ps >"$tmp/ps"
    assert_eq "$(wc -l <"$tmp/ps")" 5 'lines'
    has 'sh -c sleep 100; echo 1…' "$tmp/ps"
    has 'sh -c sleep 100; : éééé…' "$tmp/ps"
    ! LC_ALL=C grep -q $'[\x01-\x09\x0b-\x1f\x7f]' "$tmp/ps" || fail 'a control character'
    netctr ps --no-trunc >"$tmp/whole"
    has 'sh -c sleep 100; echo 1234567890 ' "$tmp/whole"
    has -F 'sleep 100; :\x1b[31m\u009b\x0ax ' "$tmp/whole"
    # CREATED starts in one column.
    local file column line
    for file in ps whole; do
        column=$(sed -n '1s/CREATED.*//p' "$tmp/$file" | LC_ALL=C.UTF-8 wc -L)
        assert_eq "$(tail -n +2 "$tmp/$file" | sed 's/\(less than a\|[0-9]*\) second.*//' | while IFS= read -r line; do
            printf %s "$line" | LC_ALL=C.UTF-8 wc -L
        done | sort -u)" "$column" "$file: where CREATED begins"
    done
}
t 'ps cuts the command with an ellipsis and prints no control characters' cuts_the_command
