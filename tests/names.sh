# tests/names.sh - sourced behind tests/lib.sh by the files about names. The host's resolver is a real one
# in the LAN, dnsmasq at 192.0.2.9, which knows outside.example and writes down what it is asked.

# shellcheck shell=bash
# shellcheck disable=SC2154 # lib.sh's
own_resolv=$tmp/resolv.conf
printf 'nameserver 192.0.2.9\n' >"$own_resolv"
mount --bind "$own_resolv" "$(realpath /etc/resolv.conf)"

lan_resolver() { # [ADDRESS [ANSWER]]
    local address=${1-192.0.2.9}
    in_lan ip address replace "$address/24" dev eth0
    in_lan dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv --no-hosts --user=root --pid-file= \
        --bind-interfaces --listen-address="$address" --except-interface=lo \
        --address="/outside.example/${2-203.0.113.7}" --log-queries --log-facility="$tmp/asked" &
    wait_for 3 in_lan dig +short +time=1 +tries=1 "@$address" ready.outside.example
}

# What the LAN's resolver was asked by the world outside of the LAN.
asked() {
    grep 'query\[' "$tmp/asked" | grep -v 'ready\.outside' || true
}

define() { # NAME NUMBER [FURTHER JSON]
    mkdir -p "$state/networks"
    printf '{"schema": 1, "name": "%s", "bridge": "nc-%s", "subnet": "10.77.%d.0/24",
        "gateway": "10.77.%d.1", "icc": true%s}\n' "$1" "$1" "$2" "$2" "${3-}" >"$state/networks/$1.json"
}

idle() { # NAME [FLAGS OF RUN...]
    netctr run -d --name "$1" "${@:2}" "$box" sleep 1000 >/dev/null
}

gateway_of() { # NAME [-4|-6]
    in_network_of "$1" ip "${2--4}" route show default | awk '{ print $3; exit }'
}

# Addresses, sorted, in one line; nothing if there is no answer.
ask() { # NAME QUESTION [DIG'S WORDS...]
    local at=()
    [[ " $* " = *' @'* ]] || at=("@$(gateway_of "$1")")
    in_network_of "$1" dig +short +time=1 +tries=1 "${at[@]}" "${@:2}" |
        grep -v '^;' | sort | paste -sd' ' || true
}

answers() { # NAME QUESTION ANSWER
    [ "$(ask "$1" "$2")" = "$3" ]
}

server_port() {
    cut -d' ' -f1 "$run_state/names/.server"
}

# The resolver runs and is asked.
served() {
    [ -e "$run_state/names/.server" ] && nft list map inet netctr resolvers4 | has " $(server_port) \|. $(server_port)$"
}

servers() {
    pgrep -x aardvark-dns | wc -l
}
