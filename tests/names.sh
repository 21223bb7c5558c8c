# tests/names.sh - sourced after tests/lib.sh by the files about names. The host's resolver is a real one in the LAN,
# dnsmasq at 192.0.2.9, which knows outside.example and logs its queries.

# shellcheck shell=bash
# shellcheck disable=SC2154 # lib.sh's
. "$top/tests/helpers.sh"

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

# The queries from outside of the LAN that the LAN's resolver got.
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

# dig as the container NAME, at its gateway if there is no @. One try, without retries.
dig_from() { # NAME QUESTION [DIG'S WORDS...]
    local at=()
    [[ " $* " = *' @'* ]] || at=("@$(gateway_of "$1")")
    # -q, or it would take some names for types.
    in_network_of "$1" dig +time=$((2 * slowness)) +tries=1 "${at[@]}" -q "${@:2}"
}

# Addresses, sorted, on one line; nothing if there is no answer.
ask() { # NAME QUESTION [DIG'S WORDS...]
    dig_from "$1" "$2" +short "${@:3}" | grep -v '^;' | sort | paste -sd' ' || true
}

# The name of an address; nothing if it has none here.
back() { # NAME ADDRESS
    in_network_of "$1" dig +short +time=$((2 * slowness)) +tries=1 "@$(gateway_of "$1")" -x "$2" | grep -v '^;' || true
}

answers() { # NAME QUESTION ANSWER
    [ "$(ask "$1" "$2")" = "$3" ]
}

# NOERROR, NXDOMAIN, REFUSED, ...; nothing if there is no answer.
rcode() { # NAME QUESTION [DIG'S WORDS...]
    dig_from "$@" | sed -n 's/.*status: \([A-Z]*\),.*/\1/p'
}
