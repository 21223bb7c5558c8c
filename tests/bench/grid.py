#!/usr/bin/env python3
"""Writes a topology of N nodes and 2 N links: a grid whose rows and columns are rings.

    tests/bench/grid.py [--switches] [--mgmt] [N] > FILE

Each node has a process that sleeps, and five exec lines: an address, and routes to those of its four neighbours.
--switches: nodes are bridges instead, which have no process. --mgmt: nodes are on the management network too.
"""
import sys

words = [word for word in sys.argv[1:] if word.startswith("--")]
numbers = [word for word in sys.argv[1:] if not word.startswith("--")]
count = int(numbers[0]) if numbers else 100
switches, mgmt = "--switches" in words, "--mgmt" in words
row = max(2, round(count ** 0.5))
if count < 5:
    sys.exit("a grid has at least 5 nodes")

print(f"name: grid{count}")
if mgmt:
    print("mgmt: {ipv4-subnet: 172.20.0.0/20}")
else:
    print("mgmt: false")
print("topology:\n  nodes:")
links, execs, port = [], {}, {}
for n in range(count):
    for other in ((n + 1) % count, (n + row) % count):
        ends = []
        for end in (n, other):
            port[end] = port.get(end, 0) + 1
            ends.append(f"n{end}:eth{port[end]}")
        i = 2 * len(links)
        first, second = (f"10.{128 + a // 65536}.{a // 256 % 256}.{a % 256}" for a in (i, i + 1))
        links.append((ends, first, second))
        for end, peer, via in ((n, other, second), (other, n, first)):
            execs.setdefault(end, []).append(f"ip route add 10.0.{peer // 256}.{peer % 256}/32 via {via}")
for n in range(count):
    if switches:
        print(f"    n{n}: {{kind: bridge}}")
        continue
    lines = [f"ip addr add 10.0.{n // 256}.{n % 256}/32 dev lo", *execs[n]]
    print(f"    n{n}: {{kind: linux, image: host, exec: {lines}}}")
print("  links:")
for ends, first, second in links:
    addresses = "" if switches else f", ipv4: [{first}/31, {second}/31]"
    print(f'    - {{endpoints: ["{ends[0]}", "{ends[1]}"]{addresses}}}')
if not switches:
    print("tests:\n  - n0 -> n1 icmp")
