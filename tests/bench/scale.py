"""Measures for tests/bench/scale, inside its arena: PROGRAM ROOT RUN-ROOT ROOTFS MAX RUNS PART…"""
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median

program, state, run_root, box = sys.argv[1:5]
most, runs = int(sys.argv[5]), int(sys.argv[6])
parts = sys.argv[7:]
SLEEP = ["sleep", "1000000"]
FOUR = ["a", "b", "c", "d"]
steps = [n for n in (1, 100, 400, 1000) if n <= most]
if steps[-1] != most:
    steps.append(most)


def clock():
    """Seconds: of the wall, or with SCALE_CPU of the CPU time of the whole arena, for a machine that has other work."""
    if not os.environ.get("SCALE_CPU"):
        return time.monotonic()
    try:
        with open("/sys/fs/cgroup/cpuacct/cpuacct.usage", encoding="ascii") as f:
            return int(f.read()) / 1e9
    except FileNotFoundError: # cgroup v2
        with open("/sys/fs/cgroup/cpu.stat", encoding="ascii") as f:
            return int(f.readline().split()[1]) / 1e6


def netctr(*args, check=True):
    """Runs a command; returns how many ms it took from its spawn to its end."""
    argv = [program, "--root", state, "--run-root", run_root, *args]
    null = os.open(os.devnull, os.O_RDWR)
    said = os.memfd_create("stderr")
    files = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, said, 2)]
    begin = clock()
    pid = os.posix_spawn(program, argv, os.environ, file_actions=files)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    took = (clock() - begin) * 1000
    os.lseek(said, 0, 0)
    text = os.read(said, 4096).decode(errors="replace")
    os.close(null)
    os.close(said)
    if check and status:
        sys.exit(f"netctr {' '.join(args)[:200]}: status {status}: {text}")
    return took


def rest():
    """Until the machine has nothing to do for the containers: the helpers delete links a moment later."""
    time.sleep(0.6)


def live(first, last, networks):
    """Containers n<first> to n<last>, eight at a time."""
    def one(i):
        netctr("run", "-d", "--name", f"n{i}", "--network", networks[i % len(networks)], box, *SLEEP)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(first, last + 1)))
    time.sleep(2)


def remove_all(first, last):
    return netctr("rm", "-f", *[f"n{i}" for i in range(first, last + 1)])


# ---- the commands ------------------------------------------------------------------------------------


def bare(network, number):
    """What the kernel alone takes to attach a veth pair with its addresses to the bridge, beside the start of `ip`."""
    bridge = f"nc-{network}"
    inside = (f"link set eth0 up\naddress add 10.255.{number % 250}.2/16 dev eth0\n"
              f"address add fdff::{number:x}/64 dev eth0 nodad\n")
    outside = (f"link add bare0 master {bridge} type veth peer name eth0 netns bare\n"
               "link set bare0 type bridge_slave group_fwd_mask 65533\nlink set bare0 arp off\nlink set bare0 up\n")
    subprocess.run(["ip", "netns", "add", "bare"], check=True)
    with open("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w", encoding="ascii") as f:
        f.write("1") # host ends have no IPv6
    begin = clock()
    subprocess.run(["ip", "-batch", "-"], input=outside, text=True, check=True)
    subprocess.run(["ip", "-n", "bare", "-batch", "-"], input=inside, text=True, check=True)
    took = (clock() - begin) * 1000
    with open("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w", encoding="ascii") as f:
        f.write("0")
    subprocess.run(["ip", "link", "del", "bare0"], check=True)
    subprocess.run(["ip", "netns", "del", "bare"], check=True)
    return took


def round_of(times, number, networks):
    """Each command once, on the networks in turn."""
    here, there = networks[number % len(networks)], networks[(number + 1) % len(networks)]

    def measure(name, *args):
        times.setdefault(name, []).append(netctr(*args))
        time.sleep(0.01)
    measure("run --rm", "run", "--rm", "--network", here, box, "true")
    measure("run -d -p", "run", "-d", "--name", "k", "--network", here, "-p", "8080:80", box, *SLEEP)
    measure("exec", "exec", "k", "true")
    measure("publish", "publish", "k", "8081:81")
    measure("unpublish", "unpublish", "k", "8081:81")
    if here == there:
        there = "other"
    measure("network connect", "network", "connect", there, "k")
    measure("network disconnect", "network", "disconnect", there, "k")
    measure("ps", "ps")
    measure("stop", "stop", "-t", "0", "k")
    measure("start", "start", "k")
    measure("rm -f", "rm", "-f", "k")
    if len(networks) == 1:
        times.setdefault("(bare veth)", []).append(bare(here, number + 1))
    rest() if number % 5 == 4 else time.sleep(0.05)


def step(networks):
    times = {}
    for number in range(-1, runs): # the first is not counted
        round_of(times if number >= 0 else {}, number, networks)
    return {name: median(values) for name, values in times.items()}


def print_table(title, columns):
    """columns: [(heading, {name: ms})]; the first one is the base of the ratios."""
    print(f"\n{title}\n{'ms':20}" + "".join(f"{h:>18}" for h, _ in columns))
    base = columns[0][1]
    for name in base:
        cells = "".join(f"{c[name]:9.2f} {c[name] / base[name]:6.2f} ×" for _, c in columns)
        print(f"{name:20}{cells}", flush=True)


def grow(title, networks):
    """The commands at each step, and once more with 1 alive: what the machine did meanwhile."""
    columns, alive = [], 0
    for n in steps:
        live(alive, n - 1, networks)
        alive = n
        columns.append((f"{n} alive", step(networks)))
    took = remove_all(1, alive - 1) if alive > 1 else 0
    time.sleep(2)
    columns.append(("1 again", step(networks)))
    remove_all(0, 0)
    print_table(title, columns)
    print(f"rm -f of {alive - 1}: {took / 1000:.2f} s", flush=True)


# ---- the parts ---------------------------------------------------------------------------------------


def four():
    grow("on four dual-stack networks", FOUR)


def one():
    grow("on one dual-stack network, beside a bare veth pair", ["one"])


def row():
    begin = time.monotonic()
    for i in range(most):
        netctr("run", "-d", "--name", f"n{i}", "--network", FOUR[i % 4], box, *SLEEP)
    starts = time.monotonic() - begin
    time.sleep(2)
    ps = median(netctr("ps") for _ in range(runs))
    took = remove_all(0, most - 1)
    print(f"\n{most} starts in a row {starts:.2f} s; `ps` of them {ps:.1f} ms; `rm -f` of them {took / 1000:.2f} s", flush=True)


def ports():
    """A container with 1,000 published ports, beside another one."""
    live(0, 0, FOUR)
    start, running, ended = [], [], []
    for _ in range(max(3, runs // 4)):
        for times, stop in ((running, False), (ended, True)):
            start.append(netctr("run", "-d", "--name", "k", "--network", "a", "-p", "10000-10999:10000-10999", box, *SLEEP))
            rest()
            if stop:
                netctr("stop", "-t", "0", "k")
            times.append(netctr("rm", "-f", "k"))
            rest()
    remove_all(0, 0)
    print(f"\n1,000 published ports: run -d {median(start):.1f} ms, rm -f {median(running):.1f} ms, "
          f"rm of the stopped {median(ended):.1f} ms", flush=True)


def last():
    """rm -f of the last container, and of one beside another."""
    lone, beside, again = [], [], []
    for _ in range(runs):
        again.append(netctr("run", "-d", "--name", "k", "--network", "a", "-p", "8080:80", box, *SLEEP))
        rest() # the helpers have started
        lone.append(netctr("rm", "-f", "k"))
        rest()
        netctr("run", "-d", "--name", "n0", "--network", "a", box, *SLEEP)
        netctr("run", "-d", "--name", "k", "--network", "a", "-p", "8080:80", box, *SLEEP)
        rest()
        beside.append(netctr("rm", "-f", "k"))
        netctr("rm", "-f", "n0")
        rest()
    print(f"\nthe only container: run -d -p {median(again):.2f} ms, rm -f {median(lone):.2f} ms; "
          f"rm -f of another {median(beside):.2f} ms", flush=True)


def main():
    os.environ["PATH"] += ":/sbin:/usr/sbin"
    for i, name in enumerate((*FOUR, "one", "other")):
        netctr("network", "create", "--ipv6", "--subnet", f"10.{100 + i}.0.0/16", name)
    for name in (*FOUR, "one", "other"): # each bridge exists
        netctr("run", "--rm", "--network", name, box, "true")
    known = {"four": four, "one": one, "row": row, "ports": ports, "last": last}
    for part in parts:
        known[part]()


main()
