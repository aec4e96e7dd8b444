"""A role that is killed before one of its system calls, and a log of what it did until then.

strace counts each kind of call in each thread apart and sends the signal before the call is made.
So the points at which a process can be stopped are pairs of a kind and a number: those of a message's
way are learnt from an undisturbed run, and then each is visited.
"""
import pathlib
import re
import subprocess
import tempfile
import time

from postroad import ended, wait_for


class Trace:
    """strace on a role that runs. `kill_at`: SIGKILL before the nth call of any thread; `call`: the
    nth call of that name. (strace counts each system call apart, "all" too.)"""

    def __init__(self, server, role, kill_at=None, call="all"):
        self.log = pathlib.Path(tempfile.mkstemp(prefix="postroad-trace-")[1])
        command = ["strace", "-f", "-o", str(self.log), "-s", "4096",
                   "-e", "trace=all", "-e", "signal=none"]
        if kill_at:
            command += ["-e", f"inject={call}:signal=SIGKILL:when={kill_at}"]
        # After a restart the process that is seen first may be one that a reload sends home.
        end = time.monotonic() + 15
        while not self.attach(command, server.role_pids().get(role)):
            assert time.monotonic() < end, f"strace cannot attach to {role}: {self.said}"
            time.sleep(0.05)
        # Each thread gets a line of its own; the last call of each must have been entered again.
        time.sleep(0.03)

    def attach(self, command, pid):
        self.pid, self.said = pid, "it does not run"
        if pid is None:
            return False
        self.process = subprocess.Popen(command + ["-p", str(pid)], stderr=subprocess.PIPE,
                                        text=True)
        self.said = self.process.stderr.readline()
        if "attached" in self.said:
            return True
        self.process.wait(10)
        self.process.stderr.close()
        return False

    def killed(self):
        """True when the process is gone."""
        return self.process.poll() is not None or ended(self.pid)

    def end(self):
        """Detaches; the calls as text, oldest first."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:  # strace waits for ever for one that was killed meanwhile
            self.process.kill()
            self.process.wait(10)
        self.process.stderr.close()
        text = self.log.read_text(errors="replace")
        self.log.unlink()
        return whole_calls(text)


def kill_points(calls):
    """[(name, k), ...]: each call of a trace as the kth of its name, which is how strace counts."""
    names = [c.split("(")[0] for c in calls if re.match(r"\w+\(", c)]
    return [(name, names[:i + 1].count(name)) for i, name in enumerate(names)
            if name not in ("exit", "madvise", "rt_sigprocmask", "restart_syscall", "accept4")]


def start_again(server, role, old_pid):
    """After a kill: the role runs again at once (the master alone waits longer each time)."""
    server.reload()
    wait_for(lambda: server.role_pids().get(role, old_pid) != old_pid, what=f"a new {role}")


def whole_calls(text):
    """Lines of strace with a call that was shown in two parts put together where it ended."""
    begun, calls = {}, []
    for line in text.splitlines():
        match = re.match(r"(\d+) +(.*)", line)
        if not match:
            continue
        thread, rest = match.groups()
        if rest.endswith("<unfinished ...>"):
            begun[thread] = rest[:-len("<unfinished ...>")].rstrip()
        elif rest.startswith("<... "):
            calls.append(begun.pop(thread, "") + re.sub(r"^<\.\.\. \w+ resumed>", "", rest))
        else:
            calls.append(rest)
    # What never ended was not made, or was cut by the kill.
    return calls + [rest + " <never ended>" for rest in begun.values()]


def first(calls, pattern, start=0):
    """Index of the first call from `start` that matches; fails when there is none."""
    for i in range(start, len(calls)):
        if re.search(pattern, calls[i]):
            return i
    shown = "\n".join(calls)
    raise AssertionError(f"no call like {pattern} after call {start} in\n{shown}")


def done(calls, pattern):
    """True when a call like this was made to its end and succeeded."""
    return any(re.search(pattern, c) and re.search(r"= \d+", c) for c in calls)
