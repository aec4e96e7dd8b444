"""Labs for tests: as root, and without root even when the tests are run by root.

    def test_something(mode):                  # runs in both ways where it can
        done = mode.run("--", "true")

Programs are copied to a folder that anybody may read, because build folders may be anywhere.
"""
import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile

from postroad import BUILD

WORLD = """
source = {"192.0.2.100", "2001:db8::100"}
host sender { addresses = {"192.0.2.10", "2001:db8::10"} }
host mail { addresses = {"192.0.2.25", "2001:db8::25"} }
"""
NOBODY = 65534


class Mode:
    """A way to run labs: `rootless` ones belong to nobody when the tests are run by root."""

    def __init__(self, rootless):
        self.rootless = rootless
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="labtest."))
        self.home.chmod(0o755)
        self.tmp = self.home / "tmp"
        self.tmp.mkdir()
        self.tmp.chmod(0o1777)
        for name in ("lab", "dns-sim"):
            shutil.copy(BUILD / "bin" / name, self.home / name)
        self.lab = str(self.home / "lab")
        self.prefix = []
        if rootless and os.geteuid() == 0:
            self.prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        self.world = self.file("test.world", WORLD)
        self.env = {**os.environ, "TMPDIR": str(self.tmp), "HOME": "/",
                    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        self.env.pop("LAB_DIR", None)

    def close(self):
        shutil.rmtree(self.home, ignore_errors=True)

    def file(self, name, text):
        """A file that the lab's user can read; its path."""
        path = self.home / name
        path.write_text(text)
        path.chmod(0o644)
        return str(path)

    def command(self, *words):
        return [*self.prefix, self.lab, *map(str, words)]

    def call(self, *words, timeout=30, **more):
        """Runs `lab words...` to its end."""
        return subprocess.run(self.command(*words), env=self.env, text=True, timeout=timeout,
                              capture_output=True, stdin=subprocess.DEVNULL, **more)

    def run(self, *words, world=None, **more):
        return self.call("run", "--world", world or self.world, *words, **more)

    def folders(self):
        return list(self.tmp.iterdir())

    @contextlib.contextmanager
    def hold(self, *words, world=None):
        """A lab that is up: gives its folder."""
        p = subprocess.Popen(self.command("hold", "--world", world or self.world, *words),
                             env=self.env, text=True, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
        try:
            ready = p.stdout.readline().split()
            assert ready and ready[0] == "ready", f"lab hold: {p.wait()}"
            yield ready[1]
        finally:
            p.stdin.close()
            p.wait(timeout=10)
            p.stdout.close()


def can_be_rootless():
    """Whether this machine lets users make namespaces; the tests of that way are skipped else."""
    prefix = [] if os.geteuid() else ["setpriv", f"--reuid={NOBODY}", "--clear-groups"]
    return subprocess.run([*prefix, "unshare", "-Urn", "true"], capture_output=True).returncode == 0


def inode(pid, kind):
    with contextlib.suppress(OSError):
        return os.stat(f"/proc/{pid}/ns/{kind}").st_ino


def processes_in(net):
    """Every process whose network namespace has this inode."""
    return [int(p) for p in os.listdir("/proc") if p.isdigit() and inode(p, "net") == net]


def children(pid):
    with contextlib.suppress(OSError):
        return [int(c) for c in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []
