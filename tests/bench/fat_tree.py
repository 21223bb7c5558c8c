#!/usr/bin/env python3
"""Writes a fat tree of K-port routers as a topology: (K/2)^2 cores, K pods, K^3/4 hosts. labs/fat-tree.clab.yml is K=6.

    tests/bench/fat_tree.py [K] > FILE
"""
import sys

k = int(sys.argv[1]) if len(sys.argv) > 1 else 6
half = k // 2
links, execs, count = [], {}, 0


def transit():
    """The two addresses of the next link between routers."""
    global count
    count += 2
    return [f"172.{16 + n // 65536}.{n // 256 % 256}.{n % 256}" for n in (count - 2, count - 1)]


ports = {}


def port(node):
    ports[node] = ports.get(node, 0) + 1
    return f"{node}:eth{ports[node]}"


def link(a, b, first, second):
    links.append(f'    - {{endpoints: ["{port(a)}", "{port(b)}"], ipv4: [{first}/31, {second}/31]}}')


hosts = []
for pod in range(k):
    for edge in range(half):
        for host in range(half):
            name = f"h{pod}-{edge}-{host}"
            base = f"10.{pod}.{edge}."
            hosts.append((name, f"{base}{2 * host}"))
            link(name, f"e{pod}-{edge}", f"{base}{2 * host + 1}", f"{base}{2 * host}")
for pod in range(k):
    for edge in range(half):
        up = []
        for agg in range(half):
            low, high = transit()
            link(f"e{pod}-{edge}", f"a{pod}-{agg}", low, high)
            up.append(f"nexthop via {high}")
            execs.setdefault(f"a{pod}-{agg}", []).append(f"ip route add 10.{pod}.{edge}.0/24 via {low}")
        execs.setdefault(f"e{pod}-{edge}", []).append("ip route add default " + " ".join(up))
    for agg in range(half):
        up = []
        for core in range(half):
            low, high = transit()
            link(f"a{pod}-{agg}", f"c{agg}-{core}", low, high)
            up.append(f"nexthop via {high}")
            execs.setdefault(f"c{agg}-{core}", []).append(f"ip route add 10.{pod}.0.0/16 via {low}")
        execs[f"a{pod}-{agg}"].append("ip route add default " + " ".join(up))

print(f"# A fat tree of {k}-port routers: {half * half} cores, {k} pods of {half} aggregation and {half} edge routers, "
      f"{len(hosts)} hosts.\n# Written by tests/bench/fat_tree.py {k}.")
print("name: fat-tree\nmgmt: false\ntopology:\n  kinds: {linux: {image: host}}\n  nodes:")
for name, gateway in hosts:
    print(f"    {name}: {{kind: linux, gateway: {gateway}}}")
for name, lines in execs.items():
    print(f"    {name}:\n      kind: linux\n      exec:")
    for line in lines:
        print(f"        - {line}")
print("  links:")
print("\n".join(links))
print("tests:")
for a, b in ((0, 1), (0, half), (0, half * half), (len(hosts) - 1, 0)):
    print(f"  - {hosts[a][0]} -> {hosts[b][0]} icmp")
