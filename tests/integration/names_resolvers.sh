#!/usr/bin/env bash
# Names as resolved by programs of Debian: dig, glibc, musl, busybox, Go and c-ares; a thousand of them, and one with
# more addresses than a datagram can hold.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/names.sh"

programs=$top/${NETCTR_BUILD:-build}/tests
printf 'hosts: files dns\n' >"$tmp/nsswitch"

# A container with the host's programs and those two.
with_programs() { # NAME [FLAGS OF RUN...]
    local flags=(-v /usr:/usr:ro -v /usr/lib:/lib:ro -v "$programs/lookup_musl:/musl:ro"
        -v "$programs/lookup_ares:/ares:ro" -v "$tmp/nsswitch:/etc/nsswitch.conf:ro")
    [ ! -e /usr/lib64 ] || flags+=(-v /usr/lib64:/lib64:ro)
    netctr run -d --name "$1" "${flags[@]}" "${@:2}" "$box" sleep 1000 >/dev/null
}

# The IPv4 addresses of a name as found by each: sorted, on one line; nothing if there is none.
by() { # PROGRAM NAME
    case $1 in
    dig) netctr exec asks dig +short +time=2 +tries=1 "$2" ;;
    glibc) netctr exec asks getent ahostsv4 "$2" | awk '{ print $1 }' ;;
    musl) netctr exec asks /musl "$2" ;;
    busybox) netctr exec asks busybox nslookup -type=a "$2" | sed -n '1,/^$/d; s/^Address: //p' ;;
    ping) netctr exec asks busybox ping -4 -c 1 -W 2 "$2" | sed -n 's/^PING .* (\([0-9.]*\)).*/\1/p' ;;
    ares) netctr exec asks /ares "$2" ;;
    esac | tr ' ' '\n' | grep -v '^;' | sort -u | sed '/^$/d' | paste -sd' ' || true
}
# And the names of an address.
back() { # PROGRAM ADDRESS
    case $1 in
    dig) netctr exec asks dig +short +time=2 +tries=1 -x "$2" ;;
    glibc) netctr exec asks getent hosts "$2" | awk '{ print $2 }' ;;
    musl) netctr exec asks /musl -x "$2" ;;
    busybox) netctr exec asks busybox nslookup "$2" | sed -n 's/.*name = //p' ;;
    ares) netctr exec asks /ares -x "$2" ;;
    esac | sed 's/\.$//' || true
}

# The external resolver has an address for every name, with a web server behind it.
world() {
    in_lan "$programs/ask" --upstream 192.0.2.9 --delay 5 --answer 203.0.113.7 &
    in_lan ip address replace 203.0.113.7/32 dev lo
    mkdir -p "$tmp/www"
    echo '{"page": "the world"}' >"$tmp/www/page.json"
    in_lan busybox httpd -f -p 203.0.113.7:80 -h "$tmp/www" &
    wait_for 3 in_lan "$programs/ask" -s 192.0.2.9 ready.example
    wait_for 3 in_lan curl -sf -o /dev/null --noproxy '*' http://203.0.113.7/page.json
    web=$(netctr run -d --name web --hostname front.inside --network-alias www --network default:alias=shop.example.org \
        "$box" sh -c 'mkdir /www; echo "{\"page\": \"the web\"}" >/www/page.json; exec httpd -f -h /www')
    with_programs asks
}

finds_all() { # PROGRAM
    world
    local address name
    address=$(address_of web)
    for name in web WEB wEb www shop.example.org SHOP.example.ORG front.inside "$web"; do
        assert_eq "$(by "$1" "$name")" "$address" "$name"
    done
    [ "$1" = ping ] || assert_eq "$(by "$1" outside.example)" 203.0.113.7 outside.example
    [ "$1" = ping ] || assert_eq "$(by "$1" sub.outside.example)" 203.0.113.7 sub.outside.example
    assert_eq "$(by "$1" nobody)" '' 'a name that nobody has'
}
with_dig() {
    finds_all dig
    assert_eq "$(netctr exec asks dig +short web AAAA)" "$(address_of web -6)" AAAA
    assert_eq "$(netctr exec asks dig +short "@$(gateway_of asks -6)" web)" "$(address_of web)" 'by IPv6'
    # "The name exists without such a record" is another answer than "no such name".
    assert_contains "$(netctr exec asks dig web MX)" 'status: NOERROR'
    assert_contains "$(netctr exec asks dig nobody)" 'status: NXDOMAIN'
}
t 'dig finds neighbours by each of their names, and external names' with_dig

with_glibc() {
    finds_all glibc
    assert_eq "$(netctr exec asks getent ahostsv6 web | awk 'NR == 1 { print $1 }')" "$(address_of web -6)" IPv6
}
t 'the same with glibc'"'"'s getent' with_glibc

with_musl() {
    finds_all musl
}
t 'the same with musl' with_musl

with_busybox() {
    finds_all busybox
    assert_eq "$(by ping web)" "$(address_of web)" ping
    assert_eq "$(by ping SHOP.example.org)" "$(address_of web)" ping
}
t 'the same with busybox'"'"'s nslookup and ping' with_busybox

with_ares() {
    finds_all ares
}
t 'the same with c-ares' with_ares

with_go() {
    world
    local name
    wait_for 5 http_from asks "http://$(address_of web)/page.json"
    for name in web WEB www shop.example.org front.inside; do
        netctr exec -e GODEBUG=netdns=go+1 asks gron "http://$name/page.json" >"$tmp/page" 2>"$tmp/said" ||
            fail "$name: $(cat "$tmp/said")"
        assert_contains "$(cat "$tmp/page")" 'json.page = "the web";'
        assert_contains "$(cat "$tmp/said")" "Go's resolver"
    done
    assert_contains "$(netctr exec -e GODEBUG=netdns=go asks gron http://outside.example/page.json)" \
        'json.page = "the world";'
    assert_fails netctr exec -e GODEBUG=netdns=go asks gron http://nobody/ 2>"$tmp/said"
    assert_contains "$(cat "$tmp/said")" 'no such host'
}
t "Go's own resolver finds neighbours, and external names" with_go

addresses_back() {
    world
    local program address names
    for program in dig busybox musl glibc ares; do
        for address in "$(address_of web)" "$(address_of web -6)"; do
            names=$(back $program "$address")
            [ -n "$names" ] || fail "$program finds no name of $address"
            # The order of its names is unspecified.
            ! grep -vxE "web|www|shop\.example\.org|front\.inside|${web:0:12}|$web" <<<"$names" ||
                fail "$program finds a name of $address that is none: $names"
        done
    done
    assert_contains "$(back dig "$(address_of web)")" web
}
t 'an address resolves to names of its container, with each of them' addresses_back

internal() {
    netctr network create --internal --ipv6 inner >/dev/null
    local inner=(--network inner) program
    idle web "${inner[@]}" --network-alias www
    with_programs asks "${inner[@]}"
    for program in dig glibc musl busybox ping ares; do
        assert_eq "$(by $program www)" "$(address_of web)" "$program"
    done
    assert_contains "$(netctr exec asks dig nobody)" 'status: REFUSED'
}
t 'neighbours of an internal network, with each of them' internal

# ---- many ------------------------------------------------------------------------------------------

gone() { ! netctr exec asks /ask -t 2000 service-990.of.many; }
thousand() {
    local n k words sample=() flags
    netctr network create many >/dev/null
    for k in 0 1 2 3; do
        words=''
        for ((n = k * 250; n < (k + 1) * 250; n++)); do words+=",alias=service-$n.of.many"; done
        idle "m$k" --network "many:${words#,}"
    done
    flags=(-v "$programs/ask:/ask:ro")
    idle asks --network many "${flags[@]}"
    for ((n = 0; n < 1000; n += 10)); do sample+=("service-$n.of.many=$(address_of "m$((n / 250))")"); done
    netctr exec asks /ask -t 2000 "${sample[@]}"
    # The last of them leaves: its names are removed, and no others.
    netctr rm -f m3
    wait_for 1 gone
    netctr exec asks /ask -t 2000 "${sample[@]:0:75}"
    netctr exec asks /ask -t 2000 -T "${sample[@]:0:75}"
}
t 'a thousand names on one network' thousand

# Addresses in an answer of dig.
count() { awk '$4 == "A" { n++ } END { print n + 0 }'; }
sane() { # ANSWER OF DIG
    ! grep -iE 'malformed|bad packet|extra bytes|warning' <<<"$1" || fail 'dig does not understand the answer'
}
crowd() {
    local n pids=() answer program
    for ((n = 0; n < 40; n++)); do
        idle "c$n" --network-alias crowd &
        pids+=($!)
        [ $((n % 8)) != 7 ] || wait "${pids[@]}"
    done
    with_programs asks
    answer=$(netctr exec asks dig +noedns +ignore +time=2 +tries=1 crowd)
    sane "$answer"
    grep -q '^;; flags:.* tc' <<<"$answer" || fail "not truncated: $(grep flags: <<<"$answer")"
    [ "$(grep -o 'MSG SIZE.*: [0-9]*' <<<"$answer" | sed 's/.*: //')" -le 512 ] || fail 'more than 512 bytes without EDNS'
    answer=$(netctr exec asks dig +noedns +time=2 +tries=1 crowd) # asks again by TCP
    sane "$answer"
    assert_eq "$(count <<<"$answer")" 40 'by UDP, then TCP'
    answer=$(netctr exec asks dig +bufsize=1232 +ignore +time=2 +tries=1 crowd)
    sane "$answer"
    assert_eq "$(count <<<"$answer")" 40 'with EDNS'
    assert_lacks "$(grep flags: <<<"$answer")" ' tc'
    answer=$(netctr exec asks dig +tcp +time=2 +tries=1 crowd)
    sane "$answer"
    assert_eq "$(count <<<"$answer")" 40 'by TCP'
    for program in glibc ares; do
        assert_eq "$(by $program crowd | wc -w)" 40 "with $program"
    done
    for program in musl busybox ping; do # these use what they get
        [ "$(by $program crowd | wc -w)" -ge 1 ] || fail "$program finds none"
    done
}
t 'a name with 40 addresses: by UDP with and without EDNS, and by TCP' crowd
