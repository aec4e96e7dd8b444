"""A reference server of its own for each test: loop-back, high ports, a folder that goes away.

    def test_something(postroad):
        server = postroad(aliases="staff: jerry, tom\\n", config='limits { errors = 5 }')
        with server.smtp() as client: ...
        server.wait_event("mda.delivered", user="tom")

The fixture `postroad` (conftest.py) gives a function that starts servers and stops them all at the
end of the test, checking that none of their processes died on the way.
"""
import contextlib
import imaplib
import json
import os
import pathlib
import poplib
import random
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", "build"))
BUILD = BUILD if BUILD.is_absolute() else ROOT / BUILD
POSTROAD = BUILD / "bin" / "postroad"
FIXTURES = ROOT / "fixtures"


def ended(pid):
    """True when there is no such process, or nobody has asked yet how it ended."""
    try:
        status = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return status.rpartition(")")[2].split()[0] in "ZX"


def open_to_all(folder):
    """Everybody may go into the folder and read there, and nobody else may write: pytest's own are closed
    to all but one."""
    folder.chmod(0o755)
    for parent in folder.parents:
        if not parent.stat().st_mode & 0o001:
            parent.chmod(0o755)


def wait_for(condition, timeout=10.0, what="the condition", interval=0.02):
    """Calls `condition` until it gives something true, and returns that."""
    end = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come within {timeout} s")
        time.sleep(interval)


given = set()


def free_ports(n):
    """Ports that nobody has, for TCP and UDP on all addresses, all different. They are below those that
    the kernel gives to clients, and each process of the test run has its own ten thousand."""
    first = 10000 + 10000 * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 2)
    ports = []
    while len(ports) < n:
        port = random.randrange(first, first + 10000)
        if port not in given and port_is_free(port):
            given.add(port)
            ports.append(port)
    return ports


def port_is_free(port):
    try:
        for family in socket.AF_INET, socket.AF_INET6:
            for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM:
                with socket.socket(family, kind) as s:
                    s.bind(("", port))
    except OSError:
        return False
    return True


class Postroad:
    """One server. `config` is added to the file as it is; keys given by name replace these lines:
    hostname, domains, relay_from, nameserver ("127.0.0.1:5353"), format, users, aliases (texts)."""

    def __init__(self, *, domains=("hehuan.test",), hostname="mail.hehuan.test",
                 relay_from=("127.0.0.0/8", "::1"), nameserver="127.0.0.1:9", format="mbox",
                 users=None, aliases=None, config="", exchanger_port=None, verbose=True,
                 retry='min = "200ms"  max = "1s"  expire = "1h"  scan = "500ms"',
                 user="", mda_user="", check_deaths=True):
        # Short, because the path of a socket may have 107 octets only.
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="postroad-", dir="/tmp"))
        self.dir.chmod(0o755)
        self.spool = self.dir / "spool"
        self.mail = self.dir / "mail"
        self.mail.mkdir()
        self.events_path = self.dir / "events.json"
        self.conf = self.dir / "postroad.conf"
        self.stderr_path = self.dir / "stderr"
        self.smtp_port, self.submission_port, self.pop3_port, self.imap_port = free_ports(4)
        self.lmtp_socket = self.spool / "run" / "lmtp"
        self.hostname = hostname
        self.check_deaths = check_deaths
        self.process = None
        self.prefix = []        # of the server's command line
        (self.dir / "users").write_text(
            users if users is not None else (FIXTURES / "accounts/users").read_text())
        (self.dir / "users").chmod(0o600)
        (self.dir / "aliases").write_text(
            aliases if aliases is not None else (FIXTURES / "accounts/aliases").read_text())

        def quoted(items):
            return "{" + ", ".join(f'"{i}"' for i in items) + "}"

        exchanger = f"relay {{ port = {exchanger_port} }}" if exchanger_port else ""
        self.base_config = f"""
hostname = "{hostname}"
domains = {quoted(domains)}
relay-from = {quoted(relay_from)}
spool = "{self.spool}"
user = "{user}"
mda-user = "{mda_user}"
users-file = "{self.dir}/users"
aliases-file = "{self.dir}/aliases"
postmaster = "jerry"
mailboxes {{ path = "{self.mail}"  format = "{format}" }}
listen smtp {{ address = {{"127.0.0.1"}}  port = {self.smtp_port} }}
listen submission {{ address = {{"127.0.0.1"}}  port = {self.submission_port} }}
listen pop3 {{ address = {{"127.0.0.1"}}  port = {self.pop3_port} }}
listen imap {{ address = {{"127.0.0.1"}}  port = {self.imap_port} }}
dns {{ servers = {{"{nameserver}"}}  timeout = "500ms"  tries = 1 }}
retry {{ {retry} }}
log {{ events = "{self.events_path}"  verbose = {"true" if verbose else "false"} }}
{exchanger}
"""
        self.write_config(config)

    def write_config(self, extra=""):
        # a test with an auth section of its own says there what IMAP may do
        login = "" if "auth {" in extra else "auth { imap-login-without-tls = true }\n"
        self.conf.write_text(self.base_config + login + extra + "\n")

    # ---- life -----------------------------------------------------------------------------

    def start(self, timeout=20.0, env=None):
        """Starts the master in the foreground and returns when it says that it is ready."""
        stderr = open(self.stderr_path, "ab")
        self.process = subprocess.Popen(
            [*self.prefix, str(POSTROAD), "serve", "-c", str(self.conf), "--foreground"],
            stdout=subprocess.PIPE, stderr=stderr, stdin=subprocess.DEVNULL,
            env={**os.environ, **(env or {})})
        stderr.close()
        os.set_blocking(self.process.stdout.fileno(), False)
        said = b""

        def ready():
            nonlocal said
            said += self.process.stdout.read() or b""
            return b"ready\n" in said or self.process.poll() is not None
        wait_for(ready, timeout, "the line \"ready\" of postroad serve")
        assert self.process.poll() is None, f"postroad did not start: {self.stderr()}"
        return self

    def stop(self, timeout=20.0):
        """SIGTERM, and the exit status of the master."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout)
        self.process.stdout.close()
        self.process = None
        return status

    def kill(self):
        """SIGKILL to the master; the roles die with it. Returns when all are gone."""
        pids = self.role_pids().values()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process = None
        wait_for(lambda: not any(pathlib.Path(f"/proc/{p}").exists() for p in pids), 10,
                 "the end of all roles")

    def reload(self, timeout=10.0):
        """SIGHUP; returns the event (master.reloaded or master.reload-refused)."""
        seen = len(self.events())
        self.process.send_signal(signal.SIGHUP)

        def answer():
            return [e for e in self.events()[seen:] if e["event"].startswith("master.reload")]
        return wait_for(answer, timeout, "the answer to SIGHUP")[0]

    def role_pids(self):
        """{"smtpd": pid, ...} as the kernel has them now, without those that have ended."""
        return wait_for(self.named_children, 5, "the roles' names")[0]

    def named_children(self):
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        pids = {}
        for pid in children.read_text().split():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                name = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
                if not ended(pid):
                    pids[name] = int(pid)
        return "postroad" not in pids and [pids]     # it has just been started and has no name yet

    def close(self):
        """Stops whatever runs and removes the folder (kept when POSTROAD_KEEP is set)."""
        try:
            status = self.stop()
            if self.check_deaths and status is not None:
                assert status == 0, f"exit status {status}: {self.stderr()}"
                deaths = self.events("master.role-died")
                assert not deaths, f"a role died: {deaths}: {self.stderr()}"
                ends = [e for e in self.events("master.role-stopped")
                        if e["status"] != "exit status 0"]
                assert not ends, f"a role did not end well: {ends}: {self.stderr()}"
            complaints = [line for line in self.stderr().splitlines()
                          if "Sanitizer" in line or "runtime error" in line]
            assert not complaints, self.stderr()
        finally:
            if self.process is not None:
                self.process.kill()
                self.process.wait()
            if not os.environ.get("POSTROAD_KEEP"):
                shutil.rmtree(self.dir, ignore_errors=True)

    # ---- looking ---------------------------------------------------------------------------

    def stderr(self):
        return self.stderr_path.read_text(errors="replace") if self.stderr_path.exists() else ""

    def events(self, name=None, **fields):
        """The events so far, oldest first, those of that name and with these fields only."""
        if not self.events_path.exists():
            return []
        found = []
        for line in self.events_path.read_text().split("\n")[:-1]:
            e = json.loads(line)
            if (name is None or e["event"] == name) and all(
                    e.get(k) == v for k, v in fields.items()):
                found.append(e)
        return found

    def wait_event(self, name, timeout=10.0, count=1, **fields):
        """Waits until there are `count` such events and returns the last."""
        def enough():
            found = self.events(name, **fields)
            return found if len(found) >= count else None
        return wait_for(enough, timeout, f"event {name} {fields}")[-1]

    def queued(self, *folders):
        """The ids in the spool, of these folders (all that hold accepted mail when none given)."""
        # A set: a message that moves meanwhile may be seen in both folders.
        return sorted({p.name for f in folders or ("active", "deferred", "hold")
                       for p in (self.spool / f).glob("*")})

    def wait_empty(self, timeout=10.0, folders=("incoming", "active", "deferred", "hold")):
        def empty():
            # Twice: a message on its way from deferred/ to active/ may be missed once.
            return not any(self.queued(*folders) for _ in (1, 2))
        wait_for(empty, timeout, "an empty queue")

    def mailbox(self, user):
        """The bytes of an mbox inbox; b"" when there is none."""
        path = self.mail / user
        return path.read_bytes() if path.exists() else b""

    # ---- talking ---------------------------------------------------------------------------

    def ctl(self, *args, input=None, check=True, timeout=30):
        """`postroad COMMAND -c FILE ...`: the finished process, its output as text."""
        command = [str(POSTROAD), args[0], "-c", str(self.conf), *args[1:]]
        done = subprocess.run(command, input=input, capture_output=True, timeout=timeout)
        done.stdout = done.stdout.decode(errors="replace")
        done.stderr = done.stderr.decode(errors="replace")
        if check:
            assert done.returncode == 0, f"{command}: {done.returncode}: {done.stdout}{done.stderr}"
        return done

    def smtp(self, timeout=10):
        return smtplib.SMTP("127.0.0.1", self.smtp_port, "client.magedu.test", timeout)

    def submission(self, timeout=10):
        return smtplib.SMTP("127.0.0.1", self.submission_port, "client.magedu.test", timeout)

    def pop3(self, timeout=10):
        return poplib.POP3("127.0.0.1", self.pop3_port, timeout)

    def imap(self, timeout=10):
        return imaplib.IMAP4("127.0.0.1", self.imap_port, timeout)

    def connect(self, port=None, timeout=10):
        """A plain connection with .sendall and .makefile, to the SMTP port when none is given."""
        return socket.create_connection(("127.0.0.1", port or self.smtp_port), timeout)
