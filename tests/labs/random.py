#!/usr/bin/env python3
"""Writes a topology of up to 20 nodes by chance: what lab_random.sh changes a lab into.

    tests/labs/random.py SEED ROOTFS > FILE

Of the same seed the same file is made. Two seeds give different nodes, links, addresses, MTUs, impairments, variables, gateways
and exec lines, over the same names, so that from one to the next much comes, goes and changes.
"""
import random
import sys

chance = random.Random(int(sys.argv[1]))
print("name: t\nmgmt: false\ntopology:")
print(f'  defaults: {{kind: linux, image: "{sys.argv[2]}", cmd: sleep 100000}}\n  nodes:')
nodes = [n for n in range(18) if chance.random() < 0.8] or [0]
switches = [s for s in range(2) if chance.random() < 0.7]
links, used = [], set()


def interface(owner, number):
    """Each interface is at one link only."""
    if (owner, number) in used:
        return None
    used.add((owner, number))
    return f"{owner}:eth{number}" if owner[0] == "n" else f"{owner}:p{number}"


def address(link, end):
    return f"10.{link // 200}.{link % 200}.{end}/24"


def settings():
    words = []
    if chance.random() < 0.3:
        words.append(f"mtu: {chance.choice([1280, 1400, 1500, 9000])}")
    if chance.random() < 0.15:
        words.append(f"delay: {chance.randint(1, 5)}ms")
    if chance.random() < 0.15:
        words.append(f"rate: {chance.randint(10, 100)}mbit")
    return "".join(", " + w for w in words)


gateways = {}
for _ in range(len(nodes) + 4):
    a, b = chance.choice(nodes), chance.choice(nodes + [f"s{s}" for s in switches])
    if a == b:
        continue
    if isinstance(b, int):
        ends = [interface(f"n{a}", chance.randint(1, 4)), interface(f"n{b}", chance.randint(1, 4))]
    else:
        ends = [interface(f"n{a}", chance.randint(1, 4)), interface(b, chance.randint(1, 9))]
    if None in ends:
        continue
    number = len(links) * 7 + chance.randint(0, 6)
    addresses = [address(number, 1), "" if isinstance(b, str) else address(number, 2)]
    if chance.random() < 0.1:
        addresses = ["", ""]
    if addresses[1] and chance.random() < 0.5:
        gateways[a] = addresses[1].split("/")[0]
    sixes = [f"fd00:{number:x}::1/64", ""] if chance.random() < 0.2 else ["", ""]
    if chance.random() < 0.5:
        for pair in (ends, addresses, sixes):
            pair.reverse()
    links.append(f'    - {{endpoints: ["{ends[0]}", "{ends[1]}"], ipv4: ["{addresses[0]}", "{addresses[1]}"], '
                 f'ipv6: ["{sixes[0]}", "{sixes[1]}"]{settings()}}}')
for n in nodes:
    words = []
    if n in gateways:
        words.append(f"gateway: {gateways[n]}")
    if chance.random() < 0.3:
        words.append(f"env: {{COLOUR: {chance.choice(['red', 'blue', 'green'])}}}")
    if chance.random() < 0.3:
        words.append(f'exec: ["ip addr replace 192.168.{chance.randint(0, 3)}.1/32 dev lo"]')
    if chance.random() < 0.1:
        words.append(f"sysctls: {{net.ipv4.ip_default_ttl: {chance.randint(40, 60)}}}")
    print(f"    n{n}: {{{', '.join(words)}}}")
for s in switches:
    print(f"    s{s}: {{kind: bridge}}")
print("  links:" if links else "  links: []")
print("\n".join(links))
