#!/usr/bin/env bash
# Records that belong to another container, or name another one.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../damage.sh"

somebody_else() {
    begin
    local -a states=(
        '.name = "neighbour"'
        ".id = \"..\""
        ".id = \"../../../x\""
        ".instance = \"../..\""
        ".boot = 1 | .monitor = -1"
    )
    local filter
    try_of "${states[@]}"
    for filter in "${tried[@]}"; do
        victim
        reseal "$live/state.json" "$filter"
        endure "state.json: $filter"
        # The same when the monitor is dead.
        victim
        reseal "$live/state.json" "$filter"
        kill -KILL "$(pgrep -f "^netctr monitor" | sort -n | tail -1)"
        endure "state.json of a dead one: $filter"
    done
}
t 'state.json that names another container, or no container' somebody_else

anothers_endpoint() {
    begin
    local neighbour
    neighbour=$(sandbox_of neighbour)/endpoint.default.json
    victim
    cp "$neighbour" "$sandbox/endpoint.default.json"
    endure "the neighbour's endpoint.default.json"
    victim
    cp "$neighbour" "$sandbox/endpoint.default.json"
    kill -KILL "$(pgrep -f "^netctr monitor" | sort -n | tail -1)"
    endure "the neighbour's endpoint.default.json, of a dead one"
    victim
    reseal "$sandbox/endpoint.default.json" '.network = "../../../etc" | .port = "../x"'
    kill -KILL "$(pgrep -f "^netctr monitor" | sort -n | tail -1)"
    endure 'endpoint.default.json: a way out'
    victim
    cp "$run_state/containers/neighbour/state.json" "$live/state.json"
    kill -KILL "$(pgrep -f "^netctr monitor" | sort -n | tail -1)"
    endure "the neighbour's state.json, of a dead one"
}
t "another container's records" anothers_endpoint

anothers_definition() {
    begin
    local filter id
    id=$(jq -r .id "$state/containers/neighbour/config.json")
    try_of '.name = "neighbour"' ".id = \"$id\"" ".id = \"$id\" | .name = \"neighbour\"" '.name = "../neighbour"' \
        '.id = "/"' '.rootfs = 1' '.network = "host"' '.caps = -1' '.argv = []' '.volumes = 7 | .limits = []'
    for filter in "${tried[@]}"; do
        victim
        jq "$filter" "$defined/config.json" >"$tmp/config" && cp "$tmp/config" "$defined/config.json"
        endure "config.json: $filter"
        case $filter in .name* | .id*) ;; *) continue ;; esac
        victim
        jq "$filter" "$defined/config.json" >"$tmp/config" && cp "$tmp/config" "$defined/config.json"
        kill -KILL "$(pgrep -f "^netctr monitor" | sort -n | tail -1)"
        endure "config.json of a dead one: $filter"
    done
}
t 'config.json that names another container' anothers_definition
