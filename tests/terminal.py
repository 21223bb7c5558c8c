"""Runs a command on a terminal of 30 rows and 100 columns, and follows a script: terminal.py STEPS COMMAND [ARG...]

STEPS is TEXT=>ACTION;;TEXT=>ACTION: waits for each TEXT of the output, and then types the keys ACTION (\\x03 is ^C), or
resizes the terminal ("resize ROWS COLUMNS"), signals the command ("kill SIGTERM"), runs a shell command ("run COMMAND"), or
waits until the command is stopped ("stopped") or the terminal is as it was before ("cooked") or not ("raw").

Prints what the command has shown, and then: status N, whether the terminal is restored, and how many steps are left.
"""
import fcntl, os, pty, select, signal, struct, subprocess, sys, termios, time

def typed(text):
    return text.encode().decode("unicode_escape").encode()
steps = [s.split("=>", 1) for s in sys.argv[1].split(";;") if s]
master, slave = pty.openpty()
def resize(rows, columns):
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
resize(30, 100)
before = termios.tcgetattr(slave)
# As in a shell, the command is a process group of a session that another process leads.
told, tells = os.pipe()
leader = os.fork()
if leader == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    for i in range(3):
        os.dup2(slave, i)
    os.close(master)
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.execvp(sys.argv[2], sys.argv[2:])
    os.write(tells, b"%d\n" % pid)
    os.write(tells, b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    while True:  # its end would hang up the terminal
        signal.pause()
told = os.fdopen(told)
pid = int(told.readline())
def wait(condition):
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
seen, all_seen, status, end = b"", b"", None, time.monotonic() + 20 * int(os.environ.get("TEST_SLOWNESS", "1"))
while status is None and time.monotonic() < end:
    if select.select([master], [], [], 0.02)[0]:
        data = os.read(master, 65536)
        seen += data
        all_seen += data
    while steps and typed(steps[0][0]) in seen:
        wanted, act = steps.pop(0)
        seen = seen[seen.index(typed(wanted)) + len(typed(wanted)):]
        if act.startswith("resize"):
            resize(*map(int, act.split()[1:]))
        elif act.startswith("kill"):
            os.kill(pid, getattr(signal, act.split()[1]))
        elif act.startswith("run "):
            subprocess.run(act[4:], shell=True, stdout=2)
        elif act == "stopped":
            wait(lambda: open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] == "T")
        elif act in ("cooked", "raw"):
            wait(lambda: (termios.tcgetattr(slave) == before) == (act == "cooked"))
        else:
            os.write(master, typed(act))
    if select.select([told], [], [], 0)[0]:
        status = int(told.readline())
while select.select([master], [], [], 0)[0]:
    all_seen += os.read(master, 65536)
if status is None:
    os.kill(pid, signal.SIGKILL)
if not steps and status is not None:  # the guard of a client that was killed
    end = min(end, time.monotonic() + 5)
    wait(lambda: termios.tcgetattr(slave) == before)
sys.stdout.write(all_seen.decode(errors="replace").replace("\r\n", "\n"))
os.kill(leader, signal.SIGKILL)
print("status", status, "restored" if termios.tcgetattr(slave) == before else "RAW", "left", len(steps))
