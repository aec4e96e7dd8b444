"""Starts the real filter programs (fixtures/filters/start) and the milter probe for a test."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile

from postroad import BUILD, FIXTURES, ROOT, free_ports, wait_for

GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
# In two halves, so that no scanner takes this file for the test virus.
EICAR = r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD" + "-ANTIVIRUS-TEST-FILE!$H+H*"


def probe_program():
    """The milter probe, compiled when it is older than its source."""
    source = ROOT / "tests/drive/milter_probe.c"
    program = BUILD / "bin/milter_probe"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        program.parent.mkdir(parents=True, exist_ok=True)
        new = program.with_suffix(f".{os.getpid()}")
        subprocess.run(["gcc", "-Wall", "-Wextra", "-O1", "-o", str(new), str(source), "-lmilter",
                        "-pthread"], check=True)
        new.rename(program)
    return program


def pair_of_ports():
    """A port such that it and the next one are free."""
    while True:
        port = free_ports(1)[0]
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port + 1))
                return port
            except (OSError, OverflowError):
                continue


class Programs:
    """The programs of one test; close() ends them."""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="filters-", dir="/tmp"))
        self.dir.chmod(0o755)
        self.running = []

    def _run(self, command, listens):
        log = open(self.dir / f"{len(self.running)}.log", "wb")
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                   start_new_session=True)
        log.close()
        self.running.append(process)

        def up():
            assert process.poll() is None, f"{command} ended: {self.logs()}"
            family = socket.AF_UNIX if isinstance(listens, str) else socket.AF_INET
            with socket.socket(family) as s:
                return s.connect_ex(listens) == 0
        wait_for(up, 30, f"{command[0]} {command[1]}")

    def logs(self):
        return "".join(p.read_text(errors="replace") for p in sorted(self.dir.glob("*.log")))

    def start(self, program, unix=False):
        """Starts spamd, clamd, opendkim or amavisd; its address as postroad.conf wants it. amavisd
        takes two ports in a row."""
        start = str(FIXTURES / "filters/start")
        state = str(self.dir / program)
        if unix:
            path = str(self.dir / f"{program}.sock")
            self._run([start, program, state, path], path)
            return f"unix:{path}"
        port = pair_of_ports() if program == "amavisd" else free_ports(1)[0]
        self._run([start, program, state, "127.0.0.1", str(port)], ("127.0.0.1", port))
        return f"127.0.0.1:{port}"

    def start_at(self, program, path):
        """The same on a Unix socket of that path."""
        self._run([str(FIXTURES / "filters/start"), program, str(self.dir / program), str(path)],
                  str(path))

    def probe(self, *rules):
        """Starts the milter probe; (its address, a function that gives what it heard)."""
        log = self.dir / f"probe{len(self.running)}"
        path = str(self.dir / f"probe{len(self.running)}.sock")
        self._run([str(probe_program()), f"unix:{path}", str(log), *rules], path)

        def heard():
            return log.read_text(errors="replace").splitlines() if log.exists() else []
        return f"unix:{path}", heard

    def close(self):
        for process in self.running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)   # a session of its own: its children too
            process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


def section(name, kind, address, **keys):
    """A section `filter NAME { }`."""
    text = "".join(f'  {k.replace("_", "-")} = {v if isinstance(v, (int, float)) else chr(34) + v + chr(34)}\n'
                   for k, v in keys.items())
    return f'filter {name} {{\n  type = "{kind}"\n  address = "{address}"\n{text}}}\n'
