#!/usr/bin/env bash
# Pictures of labs: each format of files and of a lab that runs, the page in a real browser, and the server for it.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/helpers.sh"

tidy_too() {
    netctr lab down --all >/dev/null 2>&1 || true
}
graph() {
    netctr lab graph "$@"
}
file=$tmp/t.clab.yml
write() { # the file, from stdin; @ROOT@ is a root directory with busybox
    sed "s|@ROOT@|$box|" >"$file"
}
data() { # PAGE: its JSON
    sed -n 's|^<script type="application/json" id="data">\(.*\)</script>$|\1|p' "$1"
}
needs_chromium() {
    command -v chromium >/dev/null || skip 'chromium is not installed (scripts/deps browser)'
}
# URL: the document after its scripts have run. Time goes as fast as the page lets it.
dom() {
    timeout -s KILL $((60 * slowness)) chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
        --user-data-dir="$tmp/chromium" --virtual-time-budget=2500 --dump-dom "$1" 2>"$tmp/chromium.log"
}
count() { # PATTERN FILE: how often it occurs
    { grep -oE -- "$1" "$2" || true; } | wc -l
}

# ---- files ---------------------------------------------------------------------------------------

draws_boxes() {
    graph "$top/labs/two-lans.clab.yml" >"$tmp/said"
    diff - "$tmp/said" <<'END'
lab two-lans: 3 nodes, 2 links

  ┌────────────┐
  │     r1     │
  └─eth1──eth2─┘
     │       │
     │       │
┌─eth1─┐  ┌─eth1─┐
│  h1  │  │  h2  │
└──────┘  └──────┘

r1  eth1 ── eth1  h1  10.0.1.1/24 ── 10.0.1.10/24
    eth2 ── eth1  h2  10.0.2.1/24 ── 10.0.2.10/24
END
    graph "$top/labs/home.clab.yml" >"$tmp/said"
    has '║  lan   ╟─p3───lan─┤ router │' "$tmp/said"
    graph "$top/labs/ospf.clab.yml" | has '│  r1  ├─eth1───eth1─┤ r2  ├─eth2───eth1─┤  r3  │'
    graph "$top/labs/shop.clab.yml" | has '│ front │  │ back │'
}
t 'a small lab is a picture with boxes' draws_boxes

is_quoted() {
    graph "$top/labs/home.clab.yml" >"$tmp/said"
    sed -n '/^    [$] netctr lab graph labs.home/,/^[^ ]/p' "$top/docs/labs.md" | sed '1d;$d; s/^    //' | sed '$d' |
        diff - "$tmp/said"
}
t 'docs/labs.md quotes one' is_quoted

fits_the_terminal() {
    local sample
    for sample in "$top"/labs/*.clab.yml "$top"/tests/labs/*.clab.yml; do
        graph "$sample" >"$tmp/said" 2>"$tmp/errors" || fail "$sample: $(cat "$tmp/errors")"
        [ "$(LC_ALL=C.UTF-8 wc -L <"$tmp/said")" -le 80 ] || fail "$sample: a line is too long"
        ! grep -q ' $' "$tmp/said" || fail "$sample: blanks at the end of a line"
        graph --format dot -o "$tmp/x.dot" "$sample"
        graph --format mermaid "$sample" | has '^flowchart TB'
        graph --format html "$sample" >"$tmp/x.html"
        data "$tmp/x.html" | jq -e '.nodes | length > 0' >/dev/null
    done
    graph "$top/labs/fat-tree.clab.yml" >"$tmp/said"
    has '^tier 4: 9 nodes' "$tmp/said"
    assert_eq "$(grep -c ' ── eth' "$tmp/said")" 162
    has 'e5-2  eth1 ── eth1  h5-2-0  10.5.2.0/31 *── 10.5.2.1/31' "$tmp/said"
}
t 'every sample fits into 80 columns; a large lab is a list by tiers' fits_the_terminal

# Labs by chance: from the name of each interface, its line leads to the name of the other one.
follows_lines() {
    python3 - "$tmp" $((80 / slowness)) <<'END'
import random, re, subprocess, sys
arms = {'│': 'NS', '─': 'EW', '┌': 'SE', '┐': 'SW', '└': 'NE', '┘': 'NW', '┼': 'NSEW'}
step = {'N': (0, -1), 'S': (0, 1), 'E': (1, 0), 'W': (-1, 0)}
back = {'N': 'S', 'S': 'N', 'E': 'W', 'W': 'E'}
random.seed(7)
path, drawn = sys.argv[1] + '/chance.clab.yml', 0

def follow(rows, names, i):
    at = lambda x, y: rows[y][x] if 0 <= y < len(rows) and 0 <= x < len(rows[y]) else ' '
    x0, y0 = names[f'a{i}x']
    if re.search(f'[├╟]─(a{i}x─+b{i}x|b{i}x─+a{i}x)─[┤╢]', rows[y0]):
        return True
    cells = {(x + k, y): name for name, (x, y) in names.items() for k in range(len(name))}
    begins = [(x, y0 + step[way][1], way) for way in 'NS' for x in range(x0, x0 + len(f'a{i}x'))
              if back[way] in arms.get(at(x, y0 + step[way][1]), '')]
    if len(begins) != 1:
        return False
    x, y, way = begins[0]
    while (x, y) not in cells:
        if back[way] not in arms.get(at(x, y), ''):
            return False
        if at(x, y) != '┼':
            way = arms[at(x, y)].replace(back[way], '')
        x, y = x + step[way][0], y + step[way][1]
    return cells[x, y] == f'b{i}x'

for _ in range(int(sys.argv[2])):
    nodes, links = random.randint(2, 9), random.randint(1, 12)
    text = 'name: t\ntopology:\n  nodes:\n'
    text += ''.join(f'    n{i}: {{kind: {random.choice(["linux", "linux", "bridge"])}}}\n' for i in range(nodes))
    text += '  links:\n'
    for i in range(links):
        text += f'    - endpoints: ["n{random.randrange(nodes)}:a{i}x", "n{random.randrange(nodes)}:b{i}x"]\n'
    open(path, 'w').write(text)
    picture = subprocess.run(['netctr', 'lab', 'graph', path], check=True, capture_output=True, text=True).stdout
    if 'tier ' in picture:
        continue
    drawn += 1
    rows = picture.split('\n')
    names = {m.group(): (m.start(), y) for y, row in enumerate(rows) for m in re.finditer(r'[ab]\d+x', row)}
    assert len(names) == 2 * links and all(follow(rows, names, i) for i in range(links)), text + picture
assert drawn > int(sys.argv[2]) / 2, drawn
END
}
t 'each line of a picture leads from an interface to its peer' follows_lines

reads_dot() {
    command -v dot >/dev/null || skip 'graphviz is not installed'
    local sample links
    for sample in home shop ospf clos ipv6; do
        graph -f dot "$top/labs/$sample.clab.yml" >"$tmp/x.dot"
        dot -Tsvg "$tmp/x.dot" >"$tmp/x.svg" 2>"$tmp/errors" || fail "$sample: $(cat "$tmp/errors")"
        assert_eq "$(cat "$tmp/errors")" '' "$sample"
        links=$(graph -f html "$top/labs/$sample.clab.yml" >"$tmp/x.html" && data "$tmp/x.html" | jq '.links | length')
        assert_eq "$(grep -c 'class="edge"' "$tmp/x.svg")" "$links" "$sample"
    done
}
t 'graphviz reads the dot, without a word' reads_dot

makes_svg() {
    ldconfig -p | has 'libgvc.so' || skip 'libgvc is not installed'
    local sample
    export ASAN_OPTIONS=detect_leaks=0 # fontconfig keeps what it has read
    for sample in two-lans home shop; do
        graph -o "$tmp/x.svg" "$top/labs/$sample.clab.yml" >"$tmp/said" 2>&1
        assert_eq "$(cat "$tmp/said")" '' "$sample"
        python3 - "$tmp/x.svg" <<-'END'
	import sys, xml.etree.ElementTree as tree
	root = tree.parse(sys.argv[1]).getroot()
	assert root.tag.endswith("svg"), root.tag
	assert len([g for g in root.iter() if g.get("class") == "node"]) >= 3
	END
    done
}
t 'svg is well-formed XML, from the file name alone' makes_svg

# A loader that finds no library of graphviz.
without_graphviz() {
    mkdir "$tmp/empty"
    unshare --mount bash -euc '
        for library in $(ldconfig -p | sed -n "s/.*=> \(.*libgvc\.so.*\)/\1/p"); do mount --bind /dev/null "$library"; done
        netctr lab graph -f svg "$1" 2>"$2" && exit 1
        grep -qF "svg needs graphviz, which is not installed; \`apt install libgvc6\`" "$2"
        netctr lab graph -f dot "$1" >/dev/null' sh "$top/labs/home.clab.yml" "$tmp/said" || fail "$(cat "$tmp/said")"
}
t 'without graphviz, svg says what to install, and the rest works' without_graphviz

refuses() {
    local sample=$top/labs/home.clab.yml
    assert_error 'netctr: --format `png` is not ascii, dot, mermaid, svg or html' 125 graph -f png "$sample"
    assert_error 'netctr: --watch is for --format html' 125 graph --watch -f dot "$sample"
    assert_error 'netctr: --tests is for --format html' 125 graph --tests x "$sample"
    assert_error 'netctr: --listen is for --watch' 125 graph --listen 127.0.0.1:1 "$sample"
    local address
    for address in 0.0.0.0:80 192.0.2.2:80 '[::1]:80' 127.0.0.1 127.0.0.1:70000 :80 127.0.0.2:80 127.0.0.1:80x; do
        assert_error "netctr: --listen \`$address\` is not 127.0.0.1:PORT; other addresses are refused: the page has no password" \
            125 graph --watch --listen "$address" "$sample"
    done
    assert_error 'netctr: there is no lab `nosuch`; `netctr lab ls` lists the labs' 125 graph nosuch
    assert_status 125 graph "$tmp/nosuch.clab.yml"
    echo '{"lab": "other", "tests": []}' >"$tmp/results"
    assert_error 'netctr: these are results of lab `other`, not of `home`' 125 graph -f html --tests "$tmp/results" "$sample"
    echo '[]' >"$tmp/results"
    assert_error 'netctr: this is not what `lab test --format json` prints' 125 graph -f html --tests "$tmp/results" "$sample"
}
t 'what is wrong is said, and only loopback is listened on' refuses

# ---- a lab that runs -----------------------------------------------------------------------------

bring_up() {
    write <<'END'
name: t
topology:
  defaults: {kind: linux, image: "@ROOT@", cmd: sleep 1000}
  nodes:
    a: {}
    b: {healthcheck: {test: [CMD, "test", "!", "-e", "/ill"], interval: 1}}
    c: {}
    sw: {kind: bridge}
  links:
    - {endpoints: ["a:eth1", "sw:p1"], ipv4: [10.1.0.1/24]}
    - {endpoints: ["b:eth1", "sw:p2"], ipv4: [10.1.0.2/24]}
    - {endpoints: ["c:eth1", "sw:p3"], ipv4: [10.1.0.3/24]}
tests:
  - a -> b icmp
  - c -> a:80
END
    netctr lab up -q "$file"
    wait_for 5 links_are_up # the kernel takes a moment
}
links_are_up() {
    netctr lab inspect --format json t | jq -e '[.nodes[].interfaces[].carrier] | all' >/dev/null
}
shows_state() {
    bring_up
    graph t >"$tmp/said"
    has '^lab t: up, 3 nodes, 1 switch, 3 links' "$tmp/said"
    ! grep -qE 'exited|unhealthy|down' "$tmp/said" || fail "$(cat "$tmp/said")"
    netctr lab exec -n t b touch /ill
    netctr lab exec -n t a ip link set eth1 down
    netctr lab exec -n t c ip addr add 10.9.9.9/16 dev eth1
    netctr lab set -n t b:eth1 rate=7mbit
    netctr kill clab-t-c >/dev/null
    wait_for 5 status_is clab-t-c exited
    graph "$file" >"$tmp/said"
    has 'sw  p1 ╳╌ eth1  a .* down' "$tmp/said"
    has 'p2 ── eth1  b (unhealthy)' "$tmp/said"
    has 'p3 ── eth1  c (exited) *10.1.0.3/24' "$tmp/said"
    has '^ *10.9.9.9/16$' "$tmp/said"
    has 'rate 7mbit' "$tmp/said"
    has '│ unhealthy' "$tmp/said"
    has '│ *exited *│' "$tmp/said"
    graph -n t -f dot >"$tmp/said"
    has 'label="c\\nexited", .*color="#c62828"' "$tmp/said"
    has -F 'label="10.1.0.0/24\ndown", fontcolor="#c62828"' "$tmp/said"
    has 'style=dashed, taillabel="p1"' "$tmp/said"
    graph -n t -f mermaid | has '^  n2("c<br>exited"):::gone'
    # The file alone.
    graph --no-state "$file" | has '^lab t: 3 nodes'
    ! graph --no-state "$file" | grep -q 7mbit || fail 'without the state, what was set is shown'
    netctr lab down t >/dev/null
    graph "$file" | has '^lab t: 3 nodes'
    assert_status 125 graph -n t
}
t 'a lab that runs has states, links that are down, and the addresses of now' shows_state

has_everything() {
    bring_up
    netctr lab test --format json t >"$tmp/results" || true # c -> a:80 fails
    graph -f html --tests "$tmp/results" -o "$tmp/t.html" t
    data "$tmp/t.html" >"$tmp/data"
    assert_eq "$(jq -r '.state' "$tmp/data")" up
    assert_eq "$(jq -r '.nodes[0] | [.name, .state, .mood, .container] | join(" ")' "$tmp/data")" 'a running good clab-t-a'
    assert_eq "$(jq -r '.nodes[0].interfaces[] | select(.name == "eth1") | .addresses[0]' "$tmp/data")" 10.1.0.1/24
    assert_eq "$(jq -c '[.nodes[0].routes[] | select(startswith("10.1.0.0/24"))]' "$tmp/data")" '["10.1.0.0/24 dev eth1"]'
    assert_eq "$(jq -c '[.tests[] | [.text, .passed, .from, .to]]' "$tmp/data")" '[["a -> b icmp",true,0,1],["c -> a:80",false,2,0]]'
    # Nothing is fetched from elsewhere.
    ! grep -E '(src|href)=|url\(|@import' "$tmp/t.html" || fail 'a reference'
}
t 'the page has interfaces, routes, and results of tests' has_everything

# ---- in a browser --------------------------------------------------------------------------------

works_in_a_browser() {
    needs_chromium
    bring_up
    netctr lab test --format json t >"$tmp/results" || true
    graph -f html --tests "$tmp/results" -o "$tmp/t.html" t
    dom "file://$tmp/t.html" >"$tmp/dom"
    assert_eq "$(count '<g [^>]*class="node ' "$tmp/dom")" 4 nodes
    assert_eq "$(count '<g [^>]*class="link up"' "$tmp/dom")" 3 links
    has '<polygon' "$tmp/dom" # the switch
    has '<title>lab t</title>' "$tmp/dom"
    has '✗ ' "$tmp/dom"
    ! sed '/id="data"/d' "$tmp/dom" | has -F 10.1.0.2/24 || fail 'an address that was not asked for'
    dom "file://$tmp/t.html#node=b" >"$tmp/dom"
    sed '/id="data"/d' "$tmp/dom" >"$tmp/shown"
    has -F '<code>10.1.0.2/24</code>' "$tmp/shown"
    has -F 'sw:p2' "$tmp/shown"
    assert_eq "$(count '<g [^>]*class="node host is-good chosen"' "$tmp/shown")" 1
    dom "file://$tmp/t.html#link=0" | sed '/id="data"/d' >"$tmp/shown"
    has -F '10.1.0.1/24' "$tmp/shown"
    # A click, and a key, by a script that only this test puts there.
    nonce=$(sed -n 's/.*script-src .nonce-\([0-9a-f]*\).*/\1/p' "$tmp/t.html")
    sed "s|^</body>|<script nonce=\"$nonce\">document.querySelectorAll('g.node')[1].dispatchEvent(new MouseEvent('click', {bubbles: true}));</script></body>|" \
        "$tmp/t.html" >"$tmp/click.html"
    dom "file://$tmp/click.html" | sed '/id="data"/d' | has -F '<code>10.1.0.2/24</code>'
    sed "s|^</body>|<script nonce=\"$nonce\">{const n = document.querySelectorAll('g.node')[0]; n.focus(); n.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true}));}</script></body>|" \
        "$tmp/t.html" >"$tmp/key.html"
    dom "file://$tmp/key.html" | sed '/id="data"/d' | has -F '<code>10.1.0.1/24</code>'
    # Without the nonce it does not run.
    sed 's| nonce="[0-9a-f]*">document| >document|' "$tmp/click.html" >"$tmp/strange.html"
    ! dom "file://$tmp/strange.html" | sed '/id="data"/d' | has -F '<code>10.1.0.2/24</code>' || fail 'a script without the nonce runs'
}
t 'a browser draws nodes and links; a click and a key show addresses' works_in_a_browser

hostile() {
    write <<'END'
name: t
topology:
  defaults: {kind: linux, image: "@ROOT@", cmd: sleep 1000}
  nodes:
    a: {group: "</script><script>document.title='owned'</script><img src=x onerror=document.title='owned'>"}
    b: {labels: {graph-level: "1"}}
  links:
    - {endpoints: ['a:"><b>x&\\n', 'b:"];<i>\"'], ipv4: [10.1.0.1/24, 10.1.0.2/24]}
tests:
  - {node: a, exec: "echo '</script><script>document.title=`owned`</script><!--'"}
END
}
is_no_code() {
    hostile
    graph -f dot "$file" >"$tmp/x.dot" 2>"$tmp/errors" || fail "$(cat "$tmp/errors")"
    ! command -v dot >/dev/null || dot -Tsvg "$tmp/x.dot" >"$tmp/x.svg"
    ! command -v dot >/dev/null || python3 -c 'import sys, xml.etree.ElementTree as t; t.parse(sys.argv[1])' "$tmp/x.svg"
    graph -f mermaid "$file" >"$tmp/x.mmd"
    ! grep -v '^  classDef' "$tmp/x.mmd" | grep -E '<|>|\\|`' || fail 'mermaid gets markup'
    graph -f html "$file" >"$tmp/x.html"
    assert_eq "$(count '<script' "$tmp/x.html")" 2
    assert_eq "$(count '</script' "$tmp/x.html")" 2
    data "$tmp/x.html" | jq -e '.nodes[0].group | startswith("</script>")' >/dev/null
    assert_eq "$(data "$tmp/x.html" | tr -d -c '<>&')" ''
}
t 'names and texts of a hostile file are escaped in each format' is_no_code

is_not_run() {
    needs_chromium
    hostile
    netctr lab up -q "$file"
    # Root in a node names its interfaces.
    netctr lab exec -n t a ip link add '<img_src=x>' type bridge
    graph -f html "$file" >"$tmp/x.html"
    dom "file://$tmp/x.html#node=a" >"$tmp/dom"
    has '<title>lab t</title>' "$tmp/dom"
    assert_eq "$(count '<g [^>]*class="node ' "$tmp/dom")" 2
    assert_eq "$(count '<(img|b>x)' "$tmp/dom")" 0
    sed '/id="data"/d' "$tmp/dom" >"$tmp/shown"
    has -F "&lt;/script&gt;&lt;script&gt;document.title='owned'" "$tmp/shown"
    has -F '&lt;img' "$tmp/shown"
}
t 'a browser shows hostile names, and runs none of them' is_not_run

# ---- served --------------------------------------------------------------------------------------

serve_graph() { # ARG…: sets $server and $url
    graph --watch --listen 127.0.0.1:0 "$@" >"$tmp/url" 2>"$tmp/errors" &
    server=$!
    wait_for 5 has '^http://127.0.0.1:[0-9]*/$' "$tmp/url"
    url=$(cat "$tmp/url")
    port=${url%/} port=${port##*:}
}
code() { # CURL ARG…: the status of the answer
    curl -s --noproxy '*' --max-time 20 -o "$tmp/body" -w '%{http_code}' "$@"
}
serves() {
    bring_up
    serve_graph t
    assert_eq "$(code "$url")" 200
    data "$tmp/body" | jq -e '.nodes | length == 4' >/dev/null
    has "connect-src 'self'" "$tmp/body"
    assert_eq "$(code "${url}state.json")" 200
    assert_eq "$(jq -r '.nodes[2].state' "$tmp/body")" running
    netctr kill clab-t-c >/dev/null
    wait_for 5 status_is clab-t-c exited
    wait_for 5 shows 2 exited
    assert_eq "$(code "${url}nosuch")" 404
    assert_eq "$(code -X POST "$url")" 405
    assert_eq "$(code --head "$url")" 405
    assert_eq "$(code -H 'Host: evil.example' "$url")" 403
    assert_eq "$(code -H "Host: evil.example:$port" "${url}state.json")" 403
    assert_eq "$(code -H 'Host:' "$url")" 403
    assert_eq "$(code -H "Host: localhost:$port" "$url")" 200
    assert_eq "$(code -H "X: $(printf %09000d 0)" "$url")" 431
    assert_eq "$(printf 'GET / HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nHost: evil\r\n\r\n' "$port" | peer_says)" '403'
    assert_eq "$(printf 'nonsense\r\n\r\n' | peer_says)" 400
    # Nowhere else.
    assert_eq "$(ss -Htln "sport = :$port" | awk '{ print $4 }')" "127.0.0.1:$port"
    netctr lab down t >/dev/null
    sleep 0.6
    assert_eq "$(code "${url}state.json")" 500
    has '^there is no lab `t`' "$tmp/body"
    kill "$server"
    wait_for 5 gone "$server"
}
shows() { # NODE STATE
    curl -s --noproxy '*' "${url}state.json" | jq -e ".nodes[$1].state == \"$2\"" >/dev/null
}
peer_says() { # the status of the answer to stdin
    socat -t 5 - "TCP:127.0.0.1:$port" | sed -n '1s/HTTP.1.1 \([0-9]*\).*/\1/p'
}
t 'the page is served to this host: GET alone, by this address alone' serves

stays_up() {
    local i clients=()
    serve_graph "$top/labs/home.clab.yml"
    # Clients that say nothing, more of them than it takes at once. Each is dropped after five seconds.
    for i in {1..24}; do
        socat -u "TCP:127.0.0.1:$port" "OPEN:/dev/null" &
        clients+=($!)
    done
    assert_eq "$(code "$url")" 200
    for i in "${clients[@]}"; do wait "$i" || true; done
    assert_eq "$(code "$url")" 200
    [ "$(ls "/proc/$(pgrep -f 'lab graph --watch' | tail -1)/fd" | wc -l)" -lt 20 ] || fail 'it keeps descriptors'
    kill "$server"
}
t 'silent clients do not stop it' stays_up

# A page of before, and the state of now: the page follows.
follows() {
    needs_chromium
    bring_up
    serve_graph t
    netctr lab exec -n t b touch /ill
    wait_for 10 shows 1 unhealthy
    mkdir "$tmp/site"
    curl -s --noproxy '*' "$url" >"$tmp/site/index.html"
    dom "$url" >"$tmp/dom"
    assert_eq "$(count '<g [^>]*class="node [a-z]* is-good' "$tmp/dom")" 3
    assert_eq "$(count '<g [^>]*class="node [a-z]* is-bad' "$tmp/dom")" 1
    has 'id="lost" role="alert" hidden=""' "$tmp/dom"
    netctr kill clab-t-c >/dev/null
    wait_for 5 status_is clab-t-c exited
    wait_for 5 shows 2 exited
    curl -s --noproxy '*' "${url}state.json" >"$tmp/site/state.json"
    kill "$server"
    (cd "$tmp/site" && exec python3 -m http.server --bind 127.0.0.1 8123) >/dev/null 2>&1 &
    wait_for 5 curl -s --noproxy '*' -o /dev/null http://127.0.0.1:8123/
    dom http://127.0.0.1:8123/ >"$tmp/dom"
    assert_eq "$(count '<g [^>]*class="node host is-gone' "$tmp/dom")" 1
    has 'exited</text>' "$tmp/dom"
}
t 'the page shows what has changed since' follows
