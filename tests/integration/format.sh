#!/usr/bin/env bash
# --format with docker's templates.
. "$(dirname "$0")/../lib.sh"

of_inspect() { # TEMPLATE
    netctr inspect -f "$1" web
}

inspects() {
    netctr network create --subnet 10.90.0.0/24 my-net
    netctr run -d --name web --network my-net:ip=10.90.0.9 -p 127.0.0.1:8080:80 --restart on-failure:3 -e A=b \
        -v "$tmp:/data:ro" -m 64m "$box" sleep 100 >/dev/null
    local j
    j=$(netctr inspect web)
    assert_eq "$(of_inspect '{{.State.Pid}}')" "$(jq '.[0].state.pid' <<<"$j")"
    assert_eq "$(of_inspect '{{.Id}} {{.Name}} {{.State.Status}} {{.State.Running}} {{.State.ExitCode}}')" \
        "$(jq -r '.[0].id' <<<"$j") /web running true 0"
    assert_eq "$(of_inspect '{{.NetworkSettings.IPAddress}}')" 10.90.0.9
    assert_eq "$(of_inspect '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}')" 10.90.0.9
    assert_eq "$(of_inspect '{{range $n, $c := .NetworkSettings.Networks}}{{$n}}={{$c.IPAddress}} {{end}}')" 'my-net=10.90.0.9 '
    assert_eq "$(of_inspect '{{.NetworkSettings.Networks.my-net.MacAddress}}')" "$(jq -r '.[0].endpoints[0].mac' <<<"$j")"
    assert_eq "$(of_inspect '{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}')" 8080
    assert_eq "$(of_inspect '{{json .NetworkSettings.Ports}}')" '{"80/tcp":[{"HostPort":"8080","HostIp":"127.0.0.1"}]}'
    assert_eq "$(of_inspect '{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}} {{.HostConfig.Memory}} {{.HostConfig.NetworkMode}}')" \
        'on-failure 3 67108864 my-net'
    assert_eq "$(of_inspect '{{range .Mounts}}{{.Source}}:{{.Destination}}:{{.RW}}{{end}}')" "$tmp:/data:false"
    of_inspect '{{range .Config.Env}}{{println .}}{{end}}' | has -x A=b
    assert_eq "$(of_inspect '{{.Path}} {{json .Args}}')" 'sleep ["100"]'
    assert_eq "$(of_inspect '{{.state.pid}}')" "$(jq '.[0].state.pid' <<<"$j")" "netctr's own names"
    assert_status 1 netctr inspect -f '{{.Name}}' web none >"$tmp/out" 2>/dev/null
    assert_eq "$(cat "$tmp/out")" /web
    netctr stop -t 0 web
    assert_eq "$(of_inspect '{{.State.Running}} {{.State.ExitCode}} {{.State.Pid}}')" 'false 137 0'
}
t "inspect -f has docker's fields" inspects

lists() {
    netctr network create --label a=b --subnet 10.91.0.0/24 back
    netctr run -d --name web --network back -p 8080:80 "$box" sleep 100 >/dev/null
    netctr run --name over --network none --label a=b --label c=d=e "$box" true
    assert_eq "$(netctr ps --format '{{.Names}}|{{.Image}}|{{.State}}|{{.Ports}}|{{.Networks}}|{{.Command}}')" \
        "web|$box|running|$(netctr ps --format json | jq -r '.[0].ports | join(", ")')|back|\"sleep 100\""
    netctr ps -a --format '{{.Status}}' | has '^Exited (0)'
    assert_eq "$(netctr ps -a --filter name=over --format '{{.Labels}}')" a=b,c=d=e
    assert_eq "$(netctr ps -a --filter name=over --format '{{.ID}}')" "$(netctr ps -aq --filter name=over)"
    assert_eq "$(netctr ps --format 'table {{.Names}}\t{{.State}}' | tr -s ' ' | sed 's/ $//')" $'NAMES STATE\nweb running'
    assert_eq "$(netctr ps --format '{{json .}}' | jq -r .Names)" web
    assert_eq "$(netctr ps --filter name=none --format '{{.Names}}')" ''
    assert_eq "$(netctr network ls --filter name=back --format '{{.Name}} {{.Driver}} {{.Internal}} {{.Labels.a}}')" 'back bridge false b'
    assert_eq "$(netctr network inspect -f '{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}}{{end}}' back)" '10.91.0.0/24 10.91.0.1'
    assert_eq "$(netctr network inspect -f '{{range .Containers}}{{.Name}} {{end}}' back)" 'web '
    assert_eq "$(netctr info -f '{{.ServerVersion}} {{.ContainersRunning}}')" "$(netctr info --format json | jq -r .version) 1"
    assert_eq "$(netctr version --format '{{.Server.Version}}')" "$(netctr info --format json | jq -r .version)"
    assert_eq "$(netctr version --format json | jq -r .version)" "$(netctr info --format json | jq -r .version)"
    assert_eq "$(netctr events --since 1h --no-stream --filter container=web --filter event=start --format '{{.Type}} {{.Action}} {{.Actor.Attributes.name}}' | tail -1)" \
        'container start web'
}
t 'ps, network ls and inspect, info, version and events take templates' lists

stats_views() {
    netctr run -d --name a -m 64m "$box" sleep 1000 >/dev/null
    netctr run -d --name b --network none "$box" sleep 1000 >/dev/null
    netctr run --name over "$box" true
    assert_eq "$(netctr stats --no-stream --format '{{.Name}} {{.ID}} {{.PIDs}}')" \
        "a $(netctr ps -q --filter name=a) 1"$'\n'"b $(netctr ps -q --filter name=b) 1"
    netctr stats --no-stream --format '{{.Name}}|{{.CPUPerc}}|{{.MemUsage}}|{{.MemPerc}}|{{.NetIO}}|{{.BlockIO}}' a |
        has -x 'a|[0-9.]*%|[0-9.]*[KM]*iB / 64MiB|[0-9.]*%|[0-9.]*[kM]*B / [0-9.]*[kM]*B|[0-9.]*[kM]*B / [0-9.]*[kM]*B'
    assert_eq "$(netctr stats --no-stream --format '{{.NetIO}} {{.received}}' b)" '-- <no value>'
    assert_eq "$(netctr stats --no-stream -a --format 'table {{.Name}}\t{{.PIDs}}' | tr -s ' ' | sed 's/ $//')" \
        $'NAME PIDS\na 1\nb 1\nover 0'
    assert_error "netctr: format \`{{.Nope}}\`: there is no field \`.Nope\`; json has everything; pipe it to jq: netctr stats --no-stream --format json | jq -r '.cpu_percent'" \
        125 netctr stats --no-stream --format '{{.Nope}}'
}
t 'stats takes templates' stats_views

filtered() { # EXPECTED FILTER...: the names that ps -a lists with these filters
    local expected=$1 flags=()
    shift
    for filter; do flags+=(--filter "$filter"); done
    assert_eq "$(netctr ps -a "${flags[@]}" --format '{{.Names}}' | sort | tr '\n' ' ')" "$expected${expected:+ }" "$*"
}
filters() {
    netctr run -d --name web -p 127.0.0.1:8080:80 -p 9053:53/udp -v "$tmp:/data" "$box" sleep 1000 >/dev/null
    netctr run --name three --network none "$box" sh -c 'exit 3' || true
    netctr run --name none --network none --tmpfs /scratch "$box" true
    netctr create --name later --network none "$box" true >/dev/null
    filtered 'three' exited=3
    filtered 'none three' exited=3 exited=0
    filtered 'three' exited=3 ancestor="$box"
    filtered 'later none three web' ancestor="${box##*/}"
    filtered '' ancestor=other
    filtered 'web' publish=8080
    filtered 'web' publish=80/tcp
    filtered 'web' publish=53/udp
    filtered '' publish=53
    filtered 'web' volume=/data
    filtered 'web' volume="$tmp"
    filtered 'none' volume=/scratch
    filtered 'three web' before=none
    filtered 'later none' since=three
    filtered 'none' since=three before=later
    assert_error 'netctr: no such container `xyzzyx`' 125 netctr ps -a --filter since=xyzzyx
    assert_error 'netctr: filter `exited=x` is not an exit status from 0 to 255' 125 netctr ps --filter exited=x
    assert_error 'netctr: filter `publish=x` is not a port; PORT or PORT/PROTOCOL: publish=80/tcp' 125 netctr ps --filter publish=x
    netctr network create lab
    assert_eq "$(netctr network ls -q --filter type=custom)" lab
    assert_eq "$(netctr network ls -q --filter type=builtin)" default
    assert_eq "$(netctr network ls -q --filter driver=bridge --filter scope=local --filter name=la)" lab
    assert_eq "$(netctr network ls -q --filter name=lab --filter name=default | sort | tr '\n' ' ')" 'default lab '
    assert_eq "$(netctr network ls -q --filter driver=host)" ''
    assert_eq "$(netctr network ls -q --filter id=la)" lab
    assert_eq "$(netctr network ls -q --filter type=x)$(netctr network ls -q --filter scope=swarm)" ''
    assert_status 125 netctr network ls --filter dangling=true 2>/dev/null
}
t 'ps and network ls have filters of docker' filters

refuses() {
    netctr run --name web --network none "$box" true
    assert_error "netctr: format \`{{.Nmae}}\`: there is no field \`.Nmae\`; json has everything; pipe it to jq: netctr ps -a --format json | jq -r '.[].name'" \
        125 netctr ps -a --format '{{.Nmae}}'
    assert_error "netctr: format \`{{.Names\`: \`{{\` without \`}}\`; json has everything; pipe it to jq: netctr ps -a --format json | jq -r '.[].name'" \
        125 netctr ps --format '{{.Names'
    assert_error "netctr: format \`{{upper .Name}}\`: \`{{upper .Name}}\` is not understood; json has everything; pipe it to jq: netctr inspect NAME | jq -r '.[0].name'" \
        125 netctr inspect -f '{{upper .Name}}' none
    assert_status 125 netctr events --no-stream --since 1h --format '{{.X}}' 2>/dev/null
}
t 'a template that is not understood is refused, with the path in json' refuses
