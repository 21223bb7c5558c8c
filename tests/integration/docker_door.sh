#!/usr/bin/env bash
# Scripts around labs call `docker exec`, `docker ps`, `containerlab deploy`: links to netctr with these names do what they mean.
. "$(dirname "$0")/../lib.sh"

tidy_too() {
    netctr lab down --all >/dev/null 2>&1 || true
}
# netctr goes by the name it is called. The arena's directories come by its own flags.
mkdir -p "$tmp/bin" "$state/images"
ln -s "$box" "$state/images/alpine"
for name in docker containerlab; do
    printf '#!/bin/sh\nexec "%s" --root "%s" --run-root "%s" %s "$@"\n' "$program" "$state" "$run_state" $name >"$tmp/bin/$name"
    chmod +x "$tmp/bin/$name"
done
PATH=$tmp/bin:$PATH
file=$tmp/two-1.clab.yml
cat >"$file" <<'END'
name: two-1
topology:
  nodes:
    h1: {kind: linux, image: "alpine:3", exec: [ip addr add 10.0.0.1/24 dev eth1], labels: {role: client}}
    h2: {kind: linux, image: alpine, exec: [ip addr add 10.0.0.2/24 dev eth1]}
    net: {kind: linux, image: alpine, network-mode: none}
    s: {kind: bridge}
  links:
    - endpoints: ["h1:eth1", "h2:eth1"]
    - endpoints: ["net:eth1", "s:p1"]
END
h1=clab-two-1-h1 h2=clab-two-1-h2
deploy() {
    containerlab deploy -t "$file" >/dev/null 2>&1
}
reached() {
    docker exec $h1 ping -c 1 -W 2 10.0.0.2 >/dev/null
}

executes() {
    deploy
    docker exec -it $h1 ping -c 1 -W 2 10.0.0.2 </dev/null >/dev/null # no terminal: docker would refuse
    assert_eq "$(echo 'echo by stdin' | docker exec -i $h1 sh)" 'by stdin'
    assert_eq "$(echo 'echo by stdin' | docker exec -ti $h1 sh)" 'by stdin'
    # shellcheck disable=SC2016 # for the node's shell
    assert_eq "$(docker exec --privileged -u root -w /tmp -e A=b $h1 sh -c 'pwd; echo $A' | paste -sd' ')" '/tmp b'
    docker exec -d $h1 sleep 777
    wait_for 5 eval 'docker top $h1 | grep -q "sleep 777"'
    assert_status 3 docker exec $h1 sh -c 'exit 3'
    assert_error 'netctr: command `nothing` not found in the container'"'"'s PATH' 127 docker exec $h1 nothing
    assert_error 'netctr: no such container `nothing`' 1 docker exec nothing true
}
t 'docker exec, also with -t where there is no terminal' executes

lists() {
    deploy
    assert_eq "$(docker ps --filter label=containerlab=two-1 --format '{{.Names}}' | sort | paste -sd' ')" "$h1 $h2 clab-two-1-net"
    assert_eq "$(docker ps -f label=clab-node-name=h1 -f label=role --format '{{.Label "clab-node-name"}},{{.Label "no"}},{{.Networks}}')" h1,,clab
    assert_eq "$(docker ps -q --filter name=$h1)" "$(docker inspect -f '{{.Id}}' $h1)"
    assert_eq "$(docker ps -aq | wc -l)" 3
    assert_contains "$(docker ps | head -1)" 'CONTAINER ID   IMAGE'
    assert_eq "$(docker ps | awk 'NR > 1 { print $NF }' | sort | head -1)" $h1
    assert_contains "$(docker container ls --format 'table {{.Names}}\t{{.Status}}' --filter name=h1)" "$h1   Up"
    assert_eq "$(docker ps --filter name=h1 --format json | jq -rc '[.Names, .State, (keys[] | select(test("^[a-z]")))]')" "[\"$h1\",\"running\"]"
}
t 'docker ps, with filters by labels of the lab, as a table and by templates' lists

inspects() {
    local pid address
    deploy
    pid=$(docker inspect -f '{{.State.Pid}}' $h1)
    assert_eq "$(nsenter -t "$pid" -n ip -br addr show eth1 | awk '{ print $3 }')" 10.0.0.1/24
    address=$(docker inspect $h1 --format '{{.NetworkSettings.Networks.clab.IPAddress}}')
    assert_contains "$address" 172.20.20.
    assert_eq "$(docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' $h1)" "$address"
    assert_eq "$(docker inspect -f '{{(index .NetworkSettings.Networks "clab").IPAddress}}' $h1)" "$address"
    assert_eq "$(docker inspect --type container $h1 | jq -rc '.[0] | [.Name, .State.Status, .HostConfig.NetworkMode, .Config.Labels.role]')" \
        "[\"/$h1\",\"running\",\"clab\",\"client\"]"
    assert_eq "$(docker inspect $h1 | grep -o '"IPAddress": "[0-9.]*' | head -1 | grep -o '[0-9.]*$')" "$address"
    assert_eq "$(docker inspect $h1 | jq '.[0] | keys[] | select(test("^[a-z]"))')" ''
    assert_eq "$(docker inspect -f '{{.HostConfig.NetworkMode}}' clab-two-1-net)" none
    assert_status 1 docker inspect nothing >"$tmp/out" 2>/dev/null
    assert_eq "$(cat "$tmp/out")" '[]'
    assert_eq "$(docker network inspect clab -f "{{range .Containers}}{{if .Name}}{{.Name}} {{.IPv4Address}} {{end}}{{end}}" | tr ' ' '\n' | grep -A1 $h1 | tail -1)" "$address/24"
    assert_eq "$(docker network ls --filter name=clab --format '{{.Name}} {{.Driver}}')" 'clab bridge'
    assert_eq "$(docker network list | awk 'NR == 2 { print $2, $3 }')" 'clab bridge'
    assert_eq "$(docker network ls --format json | jq -c '[.Name, .Scope]')" '["clab","local"]'
}
t 'docker inspect and docker network, as JSON and by templates' inspects

changes() {
    deploy
    echo hello >"$tmp/f"
    docker cp "$tmp/f" $h1:/tmp/f
    docker cp $h1:/tmp/f - | tar xO | grep -q hello
    docker exec $h1 sh -c 'echo logged >/proc/1/fd/1'
    wait_for 5 eval 'docker logs --tail 20 $h1 2>&1 | grep -q logged'
    assert_eq "$(docker restart $h2)" $h2
    reached # its links stayed
    docker pause $h2 >/dev/null
    assert_eq "$(docker inspect -f '{{.State.Status}}' $h2)" paused
    docker unpause $h2 >/dev/null
    docker stop -t 0 $h2 >/dev/null
    docker start $h2 >/dev/null
    docker kill $h2 >/dev/null
    docker rm -fv $h2 >/dev/null
    assert_eq "$(docker ps -aq --filter name=h2)" ''
    docker info >/dev/null
    assert_contains "$(docker --version)" netctr
}
t 'docker cp, logs, restart, pause, stop, kill, rm' changes

life() {
    local before
    warm_up
    snapshot
    assert_contains "$(containerlab --runtime docker deploy -t "$file" 2>/dev/null | tr -s ' ')" "$h1 linux alpine:3 running 172.20.20."
    assert_status 1 containerlab deploy -t "$file" >/dev/null 2>&1
    before=$(docker inspect -f '{{.Id}}' $h1)
    containerlab deploy --topo "$file" --reconfigure --max-workers 2 --format json 2>/dev/null >"$tmp/out"
    assert_eq "$(jq -rc '."two-1" | map(select(.name == "'$h1'"))[0] | [.kind, .state, .image, .absLabPath]' "$tmp/out")" \
        "[\"linux\",\"running\",\"alpine:3\",\"$file\"]"
    [ "$before" != "$(docker inspect -f '{{.Id}}' $h1)" ] || fail 'it is still the same container'
    assert_eq "$(containerlab inspect --name two-1 -f json | jq -r '."two-1"[] | select(.name == "clab-two-1-net").ipv4_address')" N/A
    assert_eq "$(containerlab inspect -t "$file" --format json | jq -r '."two-1"[0].ipv4_address')" \
        "$(docker inspect -f '{{.NetworkSettings.Networks.clab.IPAddress}}' $h1)/24"
    assert_eq "$(containerlab inspect --all | awk 'NR > 1 { print $1, $2 }' | head -1)" "two-1 $h1"
    assert_contains "$(containerlab graph -t "$file" --mermaid --offline)" flowchart
    containerlab save -t "$file" 2>/dev/null
    (cd "$tmp" && containerlab redeploy >/dev/null 2>&1 && containerlab inspect) >"$tmp/out" # the only file here
    assert_contains "$(cat "$tmp/out")" $h1
    assert_contains "$(containerlab destroy -t "$file" --cleanup 2>&1)" 'lab two-1 removed'
    assert_contains "$(containerlab destroy -t "$file" 2>&1)" 'lab two-1 is not up'
    assert_contains "$(containerlab inspect -t "$file" 2>&1)" 'no containers found'
    assert_eq "$(containerlab inspect -a --format json)" '{}'
    deploy
    containerlab des -c -a >/dev/null
    assert_eq "$(docker ps -aq)" ''
    assert_clean
}
t 'containerlab deploy, inspect, redeploy, destroy' life

runs_commands() {
    deploy
    containerlab exec -t "$file" --label clab-node-name=h1 --cmd 'uname -n' --cmd 'sh -c "echo a; echo no >&2; exit 3"' 2>"$tmp/said"
    diff "$tmp/said" - <<-END
	Executed command node=$h1 command="uname -n"
	  stdout=
	  │ h1
	Failed to execute command node=$h1 command="sh -c "echo a; echo no >&2; exit 3"" rc=3
	  stdout=
	  │ a
	  stderr=
	  │ no
	END
    assert_eq "$(containerlab exec --name two-1 --format json --cmd 'uname -n' | jq -rc '[.[][0].stdout] | sort')" '["h1\n","h2\n","net\n"]'
    assert_eq "$(containerlab exec --name two-1 --label role=client -f json --cmd "echo '{\"a\": 1}'" | jq -rc '.[][0] | [.stdout.a, ."return-code"]')" '[1,0]'
    assert_error 'netctr: lab `two-1` has no running node with these labels' 1 containerlab exec --name two-1 --label role=none --cmd true
}
t 'containerlab exec in all nodes, and in those with a label' runs_commands

impairs() {
    deploy
    containerlab tools netem set --runtime podman -n $h1 -i eth1 --delay 10ms --jitter 2ms --loss 1 --rate 1000 --corruption 0.5 >"$tmp/out"
    assert_contains "$(tr -s ' ' <"$tmp/out")" 'eth1 10ms 2ms 1.00% 1000 0.50%'
    assert_eq "$(netctr lab link ls -n two-1 --format json | jq -rc '[.[].ends[] | select(.end == "h1:eth1").impairments] | .[0] | [.delay, .jitter, .loss, .rate, .corrupt]')" \
        '["10ms","2ms","1%","1mbit","0.5%"]'
    assert_eq "$(containerlab tools netem show -n $h1 --format json | jq -c '."'$h1'"[0] | [.interface, .delay, (.packet_loss | floor), .rate, .corruption]')" \
        '["eth1","10ms",1,1000,0.5]'
    containerlab tools netem set -n $h1 -i eth1 --delay 5ms >/dev/null # all others end
    assert_eq "$(netctr lab link ls -n two-1 --format json | jq -rc '[.[].ends[] | select(.end == "h1:eth1").impairments][0]')" '{"delay":"5ms"}'
    containerlab tools netem set --name two-1 -n h2 -i eth1 --loss 100 >/dev/null
    ! reached || fail 'everything should be lost'
    containerlab tools netem reset -n $h2 -i eth1 >/dev/null
    wait_for 5 reached
    assert_error 'netctr: no lab has the node `clab-two-1-h9`' 1 containerlab tools netem show -n clab-two-1-h9
}
t 'containerlab tools netem' impairs

refuses() {
    local line
    while IFS='|' read -r words line; do
        # shellcheck disable=SC2086 # words
        assert_error "netctr: $line" 1 $words
    done <<-'END'
	docker images|unknown command `images`; netctr has no images: it runs directories, and `scripts/mkrootfs DIR` makes one
	docker compose up|unknown command `compose`; netctr does not have it yet: a shell script with `netctr network create` and `netctr run -d` does the same
	docker swarm init|unknown command `swarm`; netctr does not have it yet
	docker container|`docker container` needs a command, as in `docker container ls`
	docker network prun|unknown command `network prun`; `netctr network --help` lists the commands
	docker ps --no-such|unknown flag `--no-such`
	docker inspect --type image x|`inspect --type image`: there are only containers
	containerlab apply|unknown command `containerlab apply`; `netctr lab apply` changes a lab that is up
	containerlab tools cert|unknown command `containerlab tools cert`; of containerlab's tools there is netem
	containerlab deploy --node-filter a|unknown flag `--node-filter`
	containerlab inspect --format csv|unknown format `csv`: there are table and json
	END
    assert_status 125 docker run --no-such "$box" true 2>/dev/null
    assert_status 1 netctr docker 2>/dev/null
    assert_contains "$(docker exec --help)" 'netctr exec'
    assert_contains "$(docker --help)" 'usage: netctr docker'
}
t 'what is not there is refused in one line, with the status of docker' refuses

# One file, four names.
by_name() {
    ln -s "$program" "$tmp/clab"
    assert_eq "$("$tmp/clab" version)" "$(netctr version)"
    ln -s "$program" "$tmp/docker"
    assert_eq "$("$tmp/docker" --version)" "$(netctr version)"
    assert_contains "$("$tmp/docker" images 2>&1)" 'unknown command `images`'
    # Also for a command that runs itself again from a sealed copy.
    assert_contains "$("$tmp/docker" exec nothing true 2>&1)" 'no such container'
    assert_contains "$("$tmp/clab" tools nothing 2>&1)" 'unknown command `containerlab tools nothing`'
}
t 'a link named docker, containerlab or clab is that command' by_name

installs() {
    local dir=$tmp/prefix
    make_install() { make -s -C "$top" BUILD="${NETCTR_BUILD:-build}" "$1" PREFIX="$dir" -o all 2>&1; }
    PATH=/usr/bin:/bin
    ! command -v docker containerlab clab >/dev/null || skip 'this host has docker or containerlab'
    make_install install-docker >/dev/null
    assert_eq "$(readlink "$dir/bin/docker" "$dir/bin/containerlab" "$dir/bin/clab" | sort -u)" netctr
    make_install install-docker >/dev/null # again
    "$dir/bin/docker" --version | grep -q netctr
    make_install uninstall >/dev/null
    assert_eq "$(find "$dir" ! -type d)" ''
    echo other >"$dir/bin/docker"
    assert_contains "$(make_install install-docker || true)" "install-docker: $dir/bin/docker exists and is not netctr's: remove it first"
    assert_eq "$(cat "$dir/bin/docker")" other
    [ ! -e "$dir/bin/clab" ] || fail 'clab was installed all the same'
    make_install uninstall >/dev/null
    assert_eq "$(cat "$dir/bin/docker")" other
    rm "$dir/bin/docker"
    mkdir "$tmp/elsewhere"
    printf '#!/bin/sh\n' >"$tmp/elsewhere/docker"
    chmod +x "$tmp/elsewhere/docker"
    PATH=$tmp/elsewhere:$PATH
    assert_contains "$(make_install install-docker || true)" "install-docker: $tmp/elsewhere/docker exists"
    [ ! -e "$dir/bin/docker" ] || fail 'docker was installed all the same'
}
t 'make install-docker places them, and never over a docker that is there' installs
