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
    netctr run --name over --network none "$box" true
    assert_eq "$(netctr ps --format '{{.Names}}|{{.Image}}|{{.State}}|{{.Ports}}|{{.Networks}}|{{.Command}}')" \
        "web|$box|running|$(netctr ps --format json | jq -r '.[0].ports | join(", ")')|back|\"sleep 100\""
    netctr ps -a --format '{{.Status}}' | has '^Exited (0)'
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
