"""Measures for tests/bench/grid, inside its arena: PROGRAM ROOT RUN-ROOT DIRECTORY RUNS "N…" OPTION…"""
import os
import subprocess
import sys
import time
from statistics import median

program, state, run_root, directory, runs, sizes, *options = sys.argv[1:]
netctr = [program, "--root", state, "--run-root", run_root]
here = os.path.dirname(os.path.realpath(__file__))


def run(*words):
    """Seconds of a command."""
    begin = time.monotonic()
    done = subprocess.run([*netctr, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"netctr {' '.join(words)}: status {done.returncode}: {done.stderr[:500]}")
    return time.monotonic() - begin


def processor():
    """Seconds of processor time of the whole arena, for a machine that has other work."""
    try:
        with open("/sys/fs/cgroup/cpuacct/cpuacct.usage", encoding="ascii") as f:
            return int(f.read()) / 1e9
    except FileNotFoundError: # cgroup v2
        with open("/sys/fs/cgroup/cpu.stat", encoding="ascii") as f:
            return int(f.readline().split()[1]) / 1e6


def memory():
    """MB: of our processes (their proportional share), of the kernel for them and for the namespaces, available."""
    pss = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
                pss += sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
        except OSError:
            pass # it has gone, or is a kernel thread
    with open("/proc/meminfo", encoding="ascii") as f:
        info = {line.split(":")[0]: int(line.split()[1]) for line in f}
    kernel = sum(info[k] for k in ("Slab", "Percpu", "VmallocUsed", "KernelStack", "PageTables"))
    return {"processes": pss / 1024, "kernel": kernel / 1024, "Slab": info["Slab"] / 1024, "Percpu": info["Percpu"] / 1024,
            "available": -info["MemAvailable"] / 1024}


def changed(path):
    """The same lab with another address on its first link."""
    with open(path, encoding="ascii") as f:
        text = f.read()
    other = path.replace(".clab.yml", ".other.clab.yml")
    with open(other, "w", encoding="ascii") as f:
        f.write(text.replace("10.128.0.0/31, 10.128.0.1/31", "10.255.0.0/31, 10.255.0.1/31", 1))
    return other


def measure(count):
    path, name = f"{directory}/grid{count}.clab.yml", f"grid{count}"
    with open(path, "w", encoding="ascii") as f:
        subprocess.run([sys.executable, f"{here}/grid.py", *options, str(count)], stdout=f, check=True)
    times, grown = {}, []
    for _ in range(int(runs)):
        before = memory()

        def take(what, *words):
            times.setdefault(what, []).append(run(*words))
        used = processor()
        take("lab up", "lab", "up", "-q", path)
        times.setdefault(" processor", []).append(processor() - used)
        time.sleep(1)
        after = memory()
        grown.append({k: after[k] - before[k] for k in after})
        take("lab ls", "lab", "ls")
        take("lab inspect", "lab", "inspect", name)
        if "--switches" not in options:
            take("ps", "ps")
            take("lab exec", "lab", "exec", "--name", name, "n1", "true")
            take("lab test", "lab", "test", name)
            take("lab apply, nothing", "lab", "apply", path)
            take("lab apply, a link", "lab", "apply", changed(path))
        used = processor()
        take("lab down", "lab", "down", name)
        times.setdefault("  processor", []).append(processor() - used)
        time.sleep(2 + count / 200) # the kernel still frees the namespaces
    rows = {k: f"{median(v):.2f}" for k, v in times.items()}
    rows.update({f"MB {k}": f"{median(g[k] for g in grown):.0f}" for k in grown[0]})
    return rows


columns = []
for size in sizes.split():
    columns.append((size, measure(int(size))))
    print(f"{size}: " + ", ".join(f"{k} {v}" for k, v in columns[-1][1].items()), flush=True)
print(f"\n{'nodes':20}" + "".join(f"{size:>10}" for size, _ in columns))
for key in columns[-1][1]:
    print(f"{key:20}" + "".join(f"{column.get(key, ''):>10}" for _, column in columns))
