"""Brings one topology up and down with netctr and with mininet, in turns: see tests/bench/lab."""
import statistics
import subprocess
import sys
import time

import yaml

program, state, run_state, path, runs = sys.argv[1:6]
netctr = [program, "--root", state, "--run-root", run_state]
with open(path) as f:
    lab = yaml.safe_load(f)
nodes, links = lab["topology"]["nodes"], lab["topology"]["links"]


def with_netctr():
    begin = time.monotonic()
    subprocess.run([*netctr, "lab", "up", "-q", path], check=True)
    middle = time.monotonic()
    subprocess.run([*netctr, "lab", "down", lab["name"]], check=True, stdout=subprocess.DEVNULL)
    return middle - begin, time.monotonic() - middle


def with_mininet():
    """What a user of mininet would write: a host for each node, a link for each link, `ip` for the rest."""
    from mininet.link import Link
    from mininet.log import setLogLevel
    from mininet.net import Mininet

    setLogLevel("critical")
    begin = time.monotonic()
    net = Mininet(build=False, controller=None)
    # An interface of a host is named HOST-IF, which the kernel limits to 15 characters.
    names = {name: f"n{i}" for i, name in enumerate(nodes)}
    hosts = {name: net.addHost(short, ip=None) for name, short in names.items()}
    for link in links:
        (a, first), (b, second) = (end.split(":") for end in link["endpoints"])
        made = net.addLink(hosts[a], hosts[b], cls=Link, intfName1=f"{names[a]}-{first}", intfName2=f"{names[b]}-{second}")
        for interface, address in zip((made.intf1, made.intf2), link.get("ipv4", [])):
            interface.node.cmd("ip", "addr", "add", address, "dev", interface.name)
            interface.node.cmd("ip", "link", "set", interface.name, "up")
    for name, node in nodes.items():
        hosts[name].cmd("sysctl -q -w net.ipv4.ip_forward=1")
        if node.get("gateway"):
            hosts[name].cmd("ip", "route", "add", "default", "via", node["gateway"])
        for line in node.get("exec", []):
            hosts[name].cmd(line)
        hosts[name].cmd("sleep 1000 &")
    middle = time.monotonic()
    for host in hosts.values():
        host.cmd("kill %1")
    net.stop()
    return middle - begin, time.monotonic() - middle


measured = {with_netctr: [], with_mininet: []}
for _ in range(int(runs)):
    for what, times in measured.items():
        times.append(what())
print(f"{len(nodes)} nodes, {len(links)} links, {runs} runs")
print(f"{'':10}{'up':>8}{'down':>8}")
for what, times in measured.items():
    up, down = (statistics.median(column) for column in zip(*times))
    print(f"{what.__name__[5:]:10}{up:8.2f}{down:8.2f}")
